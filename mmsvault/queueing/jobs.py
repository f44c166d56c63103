"""The jobs that exist, by name, and an RQ job class that runs those and nothing else.

A job in Redis names its function. RQ would import whatever is named there, so whoever can write to
Redis could run code in the worker; here a name is only looked up among the tasks that the worker
was started with.
"""

import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from redis import Redis
from rq import Queue, Retry
from rq.job import Job, JobStatus
from rq.serializers import JSONSerializer

from mmsvault.message import utc_now

ARCHIVE_QUEUE = "archive"
EXPORTS_QUEUE = "exports"
QUEUES = (ARCHIVE_QUEUE, EXPORTS_QUEUE)

ARCHIVE_RECEIPT = "mmsvault.archiving.archive_receipt"
ARCHIVE_MESSAGE = "mmsvault.archiving.archive_message"
MAKE_PREVIEWS = "mmsvault.previewing.make_previews"

Tasks = Mapping[str, Callable[..., object]]

LONGEST_JOB_SECONDS = 3600
"""A last stop only: every step of a job has a shorter limit of its own."""

RETRIES_AT_ONCE = 3
"""After that the job counts as failed, and the sweep queues it again every minute."""

OPTIONS: Mapping[str, Any] = {
    "timeout": LONGEST_JOB_SECONDS,
    "result_ttl": 10,  # seconds; what is archived has no more business in Redis
    "description": "",  # RQ would write the arguments, which are private, into its log
}


class UnknownTaskError(Exception):
    """A job names a function that this worker does not run."""


def job_class(tasks: Tasks) -> type[Job]:
    """Return a job class that runs `tasks` by name and refuses every other name."""

    class ListedJob(Job):
        @property
        def func(self) -> Callable[..., object]:
            try:
                return tasks[self.func_name or ""]
            except KeyError:
                raise UnknownTaskError(f"No task is named {self.func_name!r}.") from None

    return ListedJob


def open_queue(connection: Redis, name: str = ARCHIVE_QUEUE, *, tasks: Tasks | None = None) -> Queue:
    """Return the queue; without `tasks` it is for putting jobs in only."""
    return Queue(name, connection=connection, job_class=job_class(tasks or {}), serializer=JSONSerializer)


def enqueue(
    queue: Queue,
    name: str,
    argument: object,
    *,
    at_front: bool = False,
    pipeline: Any = None,
    timeout_seconds: int = LONGEST_JOB_SECONDS,
) -> None:
    """Put a job with one JSON argument into the queue, or into `pipeline` on its way there.

    A `timeout_seconds` of -1 lets it run for as long as it takes.
    """
    queue.enqueue_call(
        name,
        args=(argument,),
        at_front=at_front,
        retry=Retry(max=RETRIES_AT_ONCE),
        pipeline=pipeline,
        **{**OPTIONS, "timeout": timeout_seconds},
    )


def enqueue_all(
    queue: Queue, name: str, arguments: Iterable[object], *, at_front: bool = False, pipeline: Any
) -> list[str]:
    """Put a job for each argument into `pipeline`, on its way to the queue, in their order; return their ids.

    With `at_front` they stand ahead of all that waits, the first one first.

    It writes what `enqueue` would, in a twentieth of the time: RQ fills in one job, of which the
    others are copies, and all are pushed at once. The arguments are not compressed, as RQ reads as well.
    """
    model = queue.create_job(
        name, args=(), status=JobStatus.QUEUED, retry=Retry(max=RETRIES_AT_ONCE), **OPTIONS
    )
    model.origin = queue.name
    model.enqueued_at = model.created_at = utc_now()
    fields = {field: value for field, value in model.to_dict().items() if value != ""}
    ids = []
    for argument in arguments:
        ids.append(str(uuid.uuid4()))
        data = queue.serializer.dumps((name, None, (argument,), {}))
        pipeline.hset(queue.job_class.key_for(ids[-1]), mapping={**fields, "data": data})
    pipeline.sadd(queue.redis_queues_keys, queue.key)
    if at_front:
        pipeline.lpush(queue.key, *reversed(ids))
    else:
        pipeline.rpush(queue.key, *ids)
    return ids
