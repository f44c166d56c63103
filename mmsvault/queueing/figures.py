"""What workers count, gathered in Redis, and who of them is alive.

Each worker adds what it has counted every few seconds, so that one place knows the sum over all
hosts, and a worker needs no port of its own. These numbers are for watching only: nothing else
rests on them, and they begin again at nothing with an empty Redis.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from redis import Redis
from rq import Queue

from mmsvault.queueing.jobs import QUEUES, open_queue
from mmsvault.steps import Counts

COUNTS = "mmsvault:counts"
WORKERS = "mmsvault:workers:"
SWEEP = "sweep"
"""What the sweep is called among the workers."""
SWEPT = "mmsvault:swept"
"""Where in Redis stands when the last sweep ended."""
ALIVE_WITHIN = timedelta(seconds=30)
LOOKED_AT = 20
"""Urgent jobs are put at the front; so many are looked at for the oldest."""


@dataclass(frozen=True)
class Line:
    """A queue: jobs that wait, that workers have in hand, that failed and come again; and its workers."""

    waiting: int
    in_hand: int
    failed: int
    workers: int


def tell(connection: "Redis", counts: Counts, *, queue_name: str, worker: str, now: datetime) -> None:
    """Add what this process has counted, and say that it is alive; once more later if Redis is away."""
    numbers, seconds = counts.take()
    workers = f"{WORKERS}{queue_name}"
    try:
        with connection.pipeline() as pipeline:
            for name, number in numbers.items():
                pipeline.hincrby(COUNTS, name, number)
            for name, value in seconds.items():
                pipeline.hincrbyfloat(COUNTS, name, value)
            pipeline.zadd(workers, {worker: now.timestamp()})
            pipeline.zremrangebyscore(workers, "-inf", (now - ALIVE_WITHIN).timestamp())
            pipeline.execute()
    except Exception:
        counts.give_back(numbers, seconds)
        raise


def leave(connection: "Redis", *, queue_name: str, worker: str) -> None:
    """Say that this worker ends."""
    connection.zrem(f"{WORKERS}{queue_name}", worker)


def told(connection: "Redis") -> Mapping[str, float]:
    """Return what all workers have counted."""
    found: Mapping[Any, Any] = connection.hgetall(COUNTS)
    return {name.decode(): float(value) for name, value in found.items()}


def workers_alive(connection: "Redis", *, now: datetime) -> dict[str, int]:
    """Return how many workers each queue has, and how many sweeps there are."""
    since = (now - ALIVE_WITHIN).timestamp()
    return {name: int(connection.zcount(f"{WORKERS}{name}", since, "+inf")) for name in (*QUEUES, SWEEP)}


def lines(connection: "Redis", *, now: datetime) -> dict[str, Line]:
    """Return how each queue is."""
    alive = workers_alive(connection, now=now)
    return {name: Line(*_jobs(open_queue(connection, name)), alive[name]) for name in QUEUES}


def lengths(connection: "Redis") -> dict[str, int]:
    """Return the jobs of each queue, wherever they stand."""
    return {name: sum(_jobs(open_queue(connection, name))) for name in QUEUES}


def _jobs(queue: Queue) -> tuple[int, int, int]:
    """Return how many wait, are in hand, and failed."""
    # Only counted: what is abandoned is a worker's to put right.
    return (
        queue.count,
        queue.started_job_registry.get_job_count(cleanup=False),
        queue.failed_job_registry.get_job_count(cleanup=False),
    )


def ages(connection: "Redis", *, now: datetime) -> dict[str, timedelta]:
    """Return for how long the oldest job of each queue has waited; nothing where none does."""
    return {name: _age(open_queue(connection, name), now) for name in QUEUES}


def _age(queue: Queue, now: datetime) -> timedelta:
    with queue.connection.pipeline(transaction=False) as pipeline:
        for job_id in queue.get_job_ids(0, LOOKED_AT):
            pipeline.hget(queue.job_class.key_for(job_id), "enqueued_at")
        times = [datetime.fromisoformat(at.decode()) for at in pipeline.execute() if at]
    return max((now - at for at in times), default=timedelta())
