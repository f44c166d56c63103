"""What receivers say of themselves in Redis: that they are alive, and how many postbacks they refused.

Like `figures`, this is for watching only. Refusals are counted by reason in slots of ten minutes, which
Redis forgets by itself.
"""

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from redis import Redis

RECEIVERS = "mmsvault:receivers"
"""A sorted set: receivers by when they last said that they are alive."""
REFUSED = "mmsvault:refused:"
SLOT_SECONDS = 600
LATELY = timedelta(hours=1)
FORGOTTEN_AFTER = timedelta(days=7)


def tell(connection: "Redis", *, receiver: str, refused: Mapping[str, int], now: datetime) -> None:
    """Say that this receiver is alive, and add what it refused since it last told. Raises RedisError."""
    slot = f"{REFUSED}{int(now.timestamp()) // SLOT_SECONDS}"
    with connection.pipeline() as pipeline:
        pipeline.zadd(RECEIVERS, {receiver: now.timestamp()})
        pipeline.zremrangebyscore(RECEIVERS, "-inf", (now - FORGOTTEN_AFTER).timestamp())
        for reason, number in refused.items():
            pipeline.hincrby(slot, reason, number)
        if refused:
            pipeline.expire(slot, int(LATELY.total_seconds()) + 2 * SLOT_SECONDS)
        pipeline.execute()


def last_seen_at(connection: "Redis") -> datetime | None:
    """Return when a receiver last said that it is alive; None where none ever did. Raises RedisError."""
    found: list[Any] = connection.zrange(RECEIVERS, -1, -1, withscores=True)
    return datetime.fromtimestamp(found[0][1], UTC) if found else None


def refused_lately(connection: "Redis", *, now: datetime) -> dict[str, int]:
    """Return how many postbacks all receivers refused in the last hour, by reason. Raises RedisError."""
    last = int(now.timestamp()) // SLOT_SECONDS
    slots = int(LATELY.total_seconds()) // SLOT_SECONDS
    with connection.pipeline(transaction=False) as pipeline:
        for slot in range(last - slots + 1, last + 1):
            pipeline.hgetall(f"{REFUSED}{slot}")
        found: list[Mapping[bytes, bytes]] = pipeline.execute()
    counted: Counter[str] = Counter()
    for one in found:
        for reason, number in one.items():
            counted[reason.decode()] += int(number)
    return dict(counted)
