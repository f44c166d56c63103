"""What came in, hour by hour, and what became of it; and what still waits, the nearest deadline first."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, Select, func, select

from mmsvault.catalog import queries
from mmsvault.catalog.tables import media, messages, receipts
from mmsvault.message import Message, MessageState

HOUR = timedelta(hours=1)
_FORM = "%Y-%m-%dT%H"


@dataclass(frozen=True)
class Hour:
    """The receipts of one hour: messages by the state that they are in now, and the others by outcome."""

    at: datetime
    messages: Counter[MessageState] = field(default_factory=Counter)
    others: Counter[str] = field(default_factory=Counter)


def by_hour(
    connection: Connection, *, hours: int, now: datetime, inside: Select[int] | None = None
) -> list[Hour]:
    """Return the last hours, the oldest first. `inside` are the places of the messages that count."""
    last = now.replace(minute=0, second=0, microsecond=0)
    made = {at: Hour(at) for at in (last - HOUR * back for back in reversed(range(hours)))}
    hour = _hour(connection).label("hour")
    found = (
        select(hour, receipts.c.outcome, messages.c.state, func.count().label("n"))
        .join(messages, messages.c.id == receipts.c.message_id, isouter=inside is None)
        .where(receipts.c.received_at >= last - HOUR * (hours - 1))
        .group_by(hour, receipts.c.outcome, messages.c.state)
    )
    if inside is not None:
        found = found.where(messages.c.place.in_(inside))
    for row in connection.execute(found):
        at = datetime.fromisoformat(f"{row.hour}:00:00+00:00")
        if at not in made:  # a clock runs ahead
            continue
        if row.outcome == "message" and row.state:
            made[at].messages[MessageState(row.state)] += row.n
        else:
            made[at].others["deleted" if row.outcome == "message" else row.outcome] += row.n
    return list(made.values())


def waiting(connection: Connection, *, limit: int, inside: Select[int] | None = None) -> list[Message]:
    """Return the messages with files still to come, the nearest deadline first."""
    found = select(messages.c.id).where(_pending(inside)).order_by(messages.c.deadline_at).limit(limit)
    return queries.load_all_in(connection, list(connection.scalars(found)))


def at_risk(connection: Connection, *, before: datetime, inside: Select[int] | None = None) -> int:
    """Return how many files are still to come whose deadline is before that."""
    near = select(messages.c.id).where(_pending(inside), messages.c.deadline_at < before)
    files = select(func.count()).where(media.c.state == "pending", media.c.message_id.in_(near))
    return connection.scalar(files) or 0


def _pending(inside: Select[int] | None) -> ColumnElement[bool]:
    pending = messages.c.state == MessageState.PENDING.value
    return pending if inside is None else pending & messages.c.place.in_(inside)


def _hour(connection: Connection) -> ColumnElement[str]:
    if connection.dialect.name == "sqlite":
        return func.strftime(_FORM, receipts.c.received_at)
    return func.to_char(func.timezone("UTC", receipts.c.received_at), 'YYYY-MM-DD"T"HH24')
