"""Which messages have work due, nearest deadline first, at a cost that goes by what is asked for.

A message says in `due_at` when somebody has to look at it. What is due at many different times cannot be
read in the order of its deadlines without sorting all of it. So what has become due is marked as ready
once, by a moment that all of it shares; the index over `due_at` and `deadline_at` then has it in order.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import ColumnElement, Engine, Select, literal, select, tuple_, update

from mmsvault.catalog.connection import reading, retried, writing
from mmsvault.catalog.queries import not_in_hand
from mmsvault.catalog.tables import UtcDateTime, is_pending, media, messages

READY_AT = datetime(1970, 1, 1, tzinfo=UTC)
"""The `due_at` of messages that are ready: earlier than any other."""


@dataclass(frozen=True)
class Due:
    """A message with work due. `urls` are those of its files that are to be fetched; there may be none."""

    id: str
    deadline_at: datetime
    place: int
    urls: tuple[str, ...] = ()


@retried
def is_any(engine: Engine, *, now: datetime) -> bool:
    """Return whether there is a message with work due that nobody has in hand."""
    query = select(literal(1)).where(messages.c.due_at <= now, not_in_hand(now)).limit(1)
    with reading(engine) as connection:
        return connection.scalar(query) is not None


@retried
def make_ready(engine: Engine, *, now: datetime, limit: int) -> int:
    """Mark up to `limit` of the messages whose time has come, and return how many those were."""
    some = select(messages.c.id).where(_has_come(now)).order_by(messages.c.due_at).limit(limit)
    return _mark(engine, some, now=now)


@retried
def make_nearest_ready(engine: Engine, *, now: datetime, looked_at: int) -> int:
    """Mark those whose time has come of the `looked_at` nearest deadlines of all that waits.

    Returns how many those were. It is for when very much is due: the nearest of it are ready first then.
    """
    nearest = select(messages.c.id).where(is_pending).order_by(messages.c.deadline_at).limit(looked_at)
    return _mark(engine, nearest, now=now)


def _has_come(now: datetime) -> ColumnElement[bool]:
    return (messages.c.due_at > READY_AT) & (messages.c.due_at <= now) & not_in_hand(now)


def _mark(engine: Engine, some: Select[tuple[str]], *, now: datetime) -> int:
    with writing(engine, forced=False) as connection:
        marked = update(messages).where(messages.c.id.in_(some), _has_come(now)).values(due_at=READY_AT)
        return connection.execute(marked).rowcount


@retried
def ready(
    engine: Engine,
    *,
    now: datetime,
    limit: int,
    after: Due | None = None,
    before: datetime | None = None,
) -> list[Due]:
    """Return ready messages that nobody has in hand, nearest deadline first, those after one if given.

    With `before`, only those whose deadline is earlier.
    """
    query = (
        select(messages.c.id, messages.c.deadline_at, messages.c.place)
        .where(messages.c.due_at == READY_AT, not_in_hand(now))
        .order_by(messages.c.deadline_at, messages.c.place)
        .limit(limit)
    )
    if after:
        order = tuple_(messages.c.deadline_at, messages.c.place)
        query = query.where(order > tuple_(literal(after.deadline_at, UtcDateTime()), literal(after.place)))
    if before:
        query = query.where(messages.c.deadline_at < before)
    with reading(engine) as connection:
        found = {row.id: row for row in connection.execute(query)}
        asked = select(media.c.message_id, media.c.url).where(
            media.c.message_id.in_(found), media.c.next_attempt_at.is_not(None)
        )
        urls: dict[str, list[str]] = {}
        for row in connection.execute(asked.order_by(media.c.message_id, media.c.position)):
            urls.setdefault(row.message_id, []).append(row.url)
    return [Due(row.id, row.deadline_at, row.place, tuple(urls.get(row.id, ()))) for row in found.values()]


@retried
def put_off(engine: Engine, message_ids: Sequence[str], *, now: datetime, until: datetime) -> None:
    """Have these messages looked at again at `until`, but for those that somebody has in hand by now."""
    changed = update(messages).where(messages.c.id.in_(message_ids), not_in_hand(now))
    with writing(engine, forced=False) as connection:
        connection.execute(changed.where(messages.c.due_at <= now).values(due_at=until))
