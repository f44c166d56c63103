"""RQ's SimpleWorker, made safe against being killed in the middle of a job.

Work is done in the worker's own process (decoding has a sandbox, every step a limit), so a job
costs no fork. A thread keeps saying that the job is alive; when the worker is killed, that ends,
and within half a minute another worker takes the job up. One worker serves one queue: RQ then
moves a job aside instead of popping it, so that none is lost between the two.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from redis import Redis
from redis.exceptions import RedisError
from rq import Queue, SimpleWorker
from rq.executions import Execution
from rq.job import Job
from rq.serializers import JSONSerializer

from mmsvault.queueing.jobs import Tasks, open_queue

BEAT_SECONDS = 4
ABANDONED_AFTER_SECONDS = 15
MAINTENANCE_SECONDS = 5
IDLE_POLL_SECONDS = 20  # RQ wakes 15 s before this to look for abandoned jobs


class QueueWorker(SimpleWorker):
    """Runs the jobs of one queue, one at a time, until SIGTERM."""

    def __init__(self, queue_name: str, *, connection: Redis, tasks: Tasks) -> None:
        queue = open_queue(connection, queue_name, tasks=tasks)
        super().__init__(
            [queue],
            connection=connection,
            job_class=queue.job_class,
            serializer=JSONSerializer,
            worker_ttl=IDLE_POLL_SECONDS,
            maintenance_interval=MAINTENANCE_SECONDS,
            job_monitoring_interval=BEAT_SECONDS,
            log_job_description=False,
        )

    def subscribe(self) -> None:
        """Listen to no remote commands: they are for workers that fork."""

    def get_heartbeat_ttl(self, job: Job, working_time: float = 0.0) -> int:  # noqa: ARG002 - RQ's signature
        """Return for how many seconds one beat counts."""
        return ABANDONED_AFTER_SECONDS

    def execute_job(self, job: Job, queue: Queue) -> None:
        """Run the job while a thread keeps its heart beating."""
        execution = self.prepare_execution(job)
        with self._heartbeats(job, execution):
            self.perform_job(job, queue, execution)
        self.set_state("idle")

    @contextmanager
    def _heartbeats(self, job: Job, execution: Execution) -> Iterator[None]:
        done = threading.Event()

        def beat() -> None:
            while not done.wait(BEAT_SECONDS):
                try:
                    self.maintain_heartbeats(job, execution)
                except RedisError:
                    self.log.warning("no heartbeat: the queue cannot be reached")

        thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()
