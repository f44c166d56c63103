"""What Redis says of workers, sweep and receivers: for programs that have no catalog as well."""

from datetime import datetime, timedelta

from redis import Redis

from mmsvault.ops.facts import QueueFacts
from mmsvault.queueing import figures, receivers
from mmsvault.queueing.jobs import ARCHIVE_QUEUE


def queue_facts(connection: "Redis", *, now: datetime) -> QueueFacts:
    """Return what Redis says. Raises RedisError."""
    return QueueFacts(
        workers=figures.workers_alive(connection, now=now),
        oldest=figures.ages(connection, now=now).get(ARCHIVE_QUEUE, timedelta()),
        swept_at=_moment(connection.get(figures.SWEPT)),
        receiver_seen_at=receivers.last_seen_at(connection),
        refused=receivers.refused_lately(connection, now=now),
    )


def _moment(told: object) -> datetime | None:
    try:
        return datetime.fromisoformat(told.decode()) if isinstance(told, bytes) else None
    except ValueError:
        return None
