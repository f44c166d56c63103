"""Jobs that nobody works on: left by a worker that was killed, failed a while ago, or in no list.

RQ's workers look for the first kind themselves, but stop doing so for a quarter of an hour when one
is killed while it looks. Nothing here gives a job up; running one twice changes nothing.
"""

from datetime import UTC, datetime, timedelta

from rq import Queue
from rq.exceptions import NoSuchJobError
from rq.job import Job, JobStatus

FIRST_WAIT = timedelta(seconds=60)
LONGEST_WAIT = timedelta(hours=1)
STRANDED_AFTER = timedelta(minutes=5)
MOST_LOOKED_THROUGH = 20_000
"""Where more jobs wait than this, who is in no list is looked for later: to read them all takes long."""
REQUEUED = "requeued"
PREFIX = Job.redis_job_namespace_prefix


class Leftovers:
    """Finds the leftovers of `queue`, and remembers from look to look what stood still."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self._started = queue.started_job_registry
        self._failed = queue.failed_job_registry
        self._moving: set[str] = set()

    def requeue(self, *, now: datetime) -> int:
        """Queue again what nobody works on, and return how many jobs that were."""
        self._started.cleanup()
        return self._requeue_moving() + self._requeue_failed(now)

    def requeue_stranded(self, *, now: datetime) -> int:
        """Queue again jobs that are in no list at all; it reads all jobs, so it is for now and then.

        While very many wait it does nothing: those in no list wait as well until there are fewer.
        """
        if self._queue.count > MOST_LOOKED_THROUGH:
            return 0
        keys = self._queue.connection.scan_iter(f"{PREFIX}*", count=1000)
        ids = {key.decode().removeprefix(PREFIX) for key in keys}
        known = {
            *self._queue.job_ids,
            *self._queue.intermediate_queue.get_job_ids(),
            *self._started.get_job_ids(cleanup=False),
            *self._failed.get_job_ids(cleanup=False),
        }
        requeued = 0
        for job_id in ids - known:
            job = self._fetch(job_id)
            if job is None or job.origin != self._queue.name:
                continue
            old = now - _aware(job.enqueued_at or job.created_at) > STRANDED_AFTER
            if old and job.get_status(refresh=False) != JobStatus.FINISHED:
                self._queue.enqueue_job(job)
                requeued += 1
        return requeued

    def _requeue_moving(self) -> int:
        """Take up jobs whose worker was killed between taking and starting them, seen here twice."""
        moving = set(self._queue.intermediate_queue.get_job_ids()) - set(
            self._started.get_job_ids(cleanup=False)
        )
        stuck, self._moving = moving & self._moving, moving
        for job_id in stuck:
            job = self._fetch(job_id)
            with self._queue.connection.pipeline() as pipeline:
                if job:  # first, as RQ begins the transaction
                    self._queue.enqueue_job(job, pipeline=pipeline, at_front=True)
                pipeline.lrem(self._queue.intermediate_queue_key, 1, job_id)
                pipeline.execute()
        return len(stuck)

    def _requeue_failed(self, now: datetime) -> int:
        """Take up failed jobs, each after a pause that doubles every time."""
        requeued = 0
        for job_id in self._failed.get_job_ids():
            job = self._fetch(job_id)
            times = int(job.meta.get(REQUEUED, 0)) if job else 0
            wait = min(FIRST_WAIT * 2 ** min(times, 10), LONGEST_WAIT)
            if job and job.ended_at and now - _aware(job.ended_at) < wait:
                continue
            # One transaction: a sweep that is killed in between would leave the job in no list.
            with self._queue.connection.pipeline() as pipeline:
                if job:
                    job.meta[REQUEUED] = times + 1
                    self._queue.enqueue_job(job, pipeline=pipeline)
                    requeued += 1
                pipeline.zrem(self._failed.key, job_id)
                pipeline.execute()
        return requeued

    def _fetch(self, job_id: str) -> Job | None:
        try:
            return self._queue.job_class.fetch(
                job_id, connection=self._queue.connection, serializer=self._queue.serializer
            )
        except NoSuchJobError:
            return None


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
