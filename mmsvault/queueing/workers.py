"""RQ's SimpleWorker, made safe against being killed in the middle of a job, with several in hand.

Work is done in the worker's own process (decoding has a sandbox, every step a limit), so a job
costs no fork. Most of a job is waiting, for a provider, the bucket or the disk: so a worker takes a
few at once, each in a thread; a job that waits for long stands aside (`hands`). One more thread keeps
saying that they are alive; when the worker is killed, that ends, and within half a minute another
worker takes the jobs up. One worker serves one queue: RQ then moves a job aside instead of popping it,
so that none is lost between the two.

Asked to end, a worker finishes the jobs in hand, or after a while puts them back and ends anyway:
every job may be cut off at any point and run again.
"""

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import FrameType
from typing import Any

import structlog
from redis import Redis
from redis.exceptions import RedisError
from rq import Queue, SimpleWorker
from rq.exceptions import NoSuchJobError, StopRequested
from rq.executions import Execution
from rq.job import Job
from rq.registry import StartedJobRegistry
from rq.serializers import JSONSerializer
from rq.timeouts import TimerDeathPenalty

from mmsvault.core.activity import ACTIVITY, mark
from mmsvault.message import utc_now
from mmsvault.queueing.connection import connect_to_answer, unavailable
from mmsvault.queueing.hands import MOST_ASIDE, Hands
from mmsvault.queueing.heartbeat import JOB_SECONDS
from mmsvault.queueing.jobs import Tasks, open_queue

log = structlog.get_logger(__name__)

BEAT_SECONDS = 4
ABANDONED_AFTER_SECONDS = 15
MAINTENANCE_SECONDS = 5
IDLE_POLL_SECONDS = 20  # RQ wakes 15 s before this to look for abandoned jobs
SECONDS_TO_FINISH = 20
"""For the jobs in hand, once asked to end; whoever asked waits for 30 s."""
LOOKS_UP_EVERY_SECONDS = 0.5


class QueueWorker(SimpleWorker):
    """Runs the jobs of one queue, up to `at_once` side by side, until SIGTERM."""

    death_penalty_class = TimerDeathPenalty  # RQ's other one works in the main thread only

    def __init__(
        self, queue_name: str, *, redis_url: str, connection: Redis, tasks: Tasks, at_once: int = 1
    ) -> None:
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
        self._redis_url = redis_url
        self._in_hand: dict[str, tuple[Job, Execution]] = {}
        self._hands = Hands(at_once - 1)  # one more is taken by the job that waits for a hand
        self._threads = ThreadPoolExecutor(at_once + MOST_ASIDE, thread_name_prefix="job")
        self._may_be_stopped = True
        self._ended = threading.Event()
        self._beaten = float("-inf")
        self.asked_to_end = False

    def subscribe(self) -> None:
        """Listen to no remote commands: they are for workers that fork."""

    def get_heartbeat_ttl(self, job: Job, working_time: float = 0.0) -> int:  # noqa: ARG002 - RQ's signature
        """Return for how many seconds one beat counts."""
        return ABANDONED_AFTER_SECONDS

    # RQ writes 20 times for a job, and each write waits for the disk. Here it is three times: the job
    # is moved aside, begun, and let go. What only RQ's own monitoring would read is left out.

    def check_for_suspension(self, burst: bool) -> None:
        """Ask nothing: workers are ended, not suspended."""

    def set_state(self, state: str, pipeline: Any = None) -> None:  # noqa: ARG002 - RQ's signature
        """Remember it here only."""
        self._state = state

    def heartbeat(self, timeout: int | None = None, pipeline: Any = None) -> None:
        """Say that the worker is alive, in another's transaction or in one of its own now and then."""
        mark()
        if pipeline is not None:
            super().heartbeat(timeout, pipeline=pipeline)
        elif time.monotonic() - self._beaten > BEAT_SECONDS:
            with self.connection.pipeline() as own:
                super().heartbeat(timeout, pipeline=own)
                own.execute()
            self._beaten = time.monotonic()

    def prepare_job_execution(self, job: Job, remove_from_intermediate_queue: bool = False) -> None:
        """Do nothing: `_begin` has done it."""

    def handle_execution_ended(self, job: Job, queue: Queue, heartbeat_ttl: int) -> None:  # noqa: ARG002
        """Note when it ended; whether it did is written with what it came to."""
        job.ended_at = utc_now()

    def handle_job_success(
        self,
        job: Job,
        queue: Queue,  # noqa: ARG002 - RQ's signature
        started_job_registry: StartedJobRegistry,  # noqa: ARG002
        execution: Execution,
    ) -> None:
        """Let go of the job: what is archived has no more business in Redis."""
        with self.connection.pipeline() as pipeline:
            self.cleanup_execution(job, pipeline=pipeline, execution=execution)
            pipeline.delete(job.key)
            pipeline.execute()

    def _begin(self, job: Job, queue: Queue) -> Execution:
        """Write that the job is in this worker's hand, and no more aside, in one transaction."""
        with self.connection.pipeline() as pipeline:
            execution = Execution.create(
                job, ABANDONED_AFTER_SECONDS, pipeline=pipeline, worker_name=self.name
            )
            self.executions[execution.id] = execution
            self.heartbeat(ABANDONED_AFTER_SECONDS, pipeline=pipeline)
            job.prepare_for_execution(self.name, pipeline=pipeline)
            pipeline.persist(job.key)
            pipeline.lrem(queue.intermediate_queue_key, 1, job.id)
            pipeline.execute()
        return execution

    def bootstrap(self, *args: Any, **kwargs: Any) -> None:
        """Begin, and let the hearts of the jobs beat from now on."""
        # Whoever finds it registered may ask it to end.
        self._install_signal_handlers()  # type: ignore[no-untyped-call]  # RQ leaves it open
        super().bootstrap(*args, **kwargs)
        threading.Thread(target=self._keep_beating, name="heartbeats", daemon=True).start()

    def teardown(self) -> None:
        """Finish what is in hand before the worker is gone."""
        self._may_be_stopped = False
        self._threads.shutdown()
        self._ended.set()
        super().teardown()  # type: ignore[no-untyped-call]  # RQ leaves it open

    def execute_job(self, job: Job, queue: Queue) -> None:
        """Have the job run in a thread, and return once there is room for another."""
        self._may_be_stopped = False
        try:
            execution = self._begin(job, queue)
            self._in_hand[job.id] = job, execution
            self._threads.submit(self._run, job, queue, execution)
            while not self._hands.take(seconds=LOOKS_UP_EVERY_SECONDS):
                mark()
                if self.asked_to_end:
                    return
        finally:
            self._may_be_stopped = True

    def _run(self, job: Job, queue: Queue, execution: Execution) -> None:
        with self._hands.holding(), ACTIVITY.watched(f"job {job.id}", seconds=JOB_SECONDS):
            try:
                self.perform_job(job, queue, execution)
            except Exception:  # what came of it cannot be written: others take it up again
                log.exception("a job is left to others")
            finally:
                del self._in_hand[job.id]

    def request_stop(self, signum: int, frame: FrameType | None) -> None:  # noqa: ARG002 - RQ's signature
        """End after the jobs in hand, and in any case in time (RQ's own way waits for Redis here)."""
        if self.asked_to_end:
            return
        self.asked_to_end = self._stop_requested = True
        threading.Thread(target=self._end_in_time, name="ending", daemon=True).start()
        if self._may_be_stopped:
            raise StopRequested

    def _end_in_time(self) -> None:
        time.sleep(SECONDS_TO_FINISH)
        for job, _ in list(self._in_hand.values()):
            try:
                self._put_back(job)
                log.warning("a job in hand was put back: it did not end in time")
            except RedisError:
                log.warning("a job in hand is left to others: the queue cannot be reached")
            except NoSuchJobError:
                log.warning("a job in hand ended just now")
        os._exit(0)

    def _put_back(self, job: Job) -> None:
        with connect_to_answer(self._redis_url) as connection:
            queue = open_queue(connection, job.origin)
            put_back = queue.job_class.fetch(job.id, connection=connection, serializer=queue.serializer)
            queue.enqueue_job(put_back, at_front=True)

    def _keep_beating(self) -> None:
        while not self._ended.wait(BEAT_SECONDS):
            try:
                for job, execution in list(self._in_hand.values()):
                    self.maintain_heartbeats(job, execution)
            except RedisError as error:
                self.log.warning("no heartbeat: the queue did not take it: %s", unavailable(error))
