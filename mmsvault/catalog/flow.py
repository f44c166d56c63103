"""What came in, hour by hour, and what became of it; and what still waits, the nearest deadline first."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, func, select

from mmsvault.catalog import queries, tallies, totals
from mmsvault.catalog.tables import is_pending, media, messages, receipts
from mmsvault.catalog.tallies import SEPARATOR, Kind
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
    connection: Connection, *, hours: int, now: datetime, inside: ColumnElement[bool] | None = None
) -> list[Hour]:
    """Return the last hours, the oldest first. `inside` is the condition that a message counts.

    Where all count, the kept counts answer; a message is in the hour that it was recorded in.
    """
    last = now.replace(minute=0, second=0, microsecond=0)
    made = {at: Hour(at) for at in (last - HOUR * back for back in reversed(range(hours)))}
    if inside is None:
        _fill_from_counts(connection, made)
    else:
        _fill_from_messages(connection, made, inside)
    return list(made.values())


def _fill_from_counts(connection: Connection, made: dict[datetime, Hour]) -> None:
    since = tallies.key_of_hour(min(made))
    for key, number in tallies.sums(connection, Kind.HOUR, since=since).items():
        at, state = key.split(SEPARATOR, 1)
        if hour := made.get(_read(at)):  # there is none where a clock runs ahead
            hour.messages[MessageState(state)] += number
    for key, number in tallies.sums(connection, Kind.RECEIPT, since=since).items():
        at, outcome, _ = key.split(SEPARATOR, 2)
        if hour := made.get(_read(at)):
            hour.others[outcome] += number
    for hour in made.values():
        deleted = hour.others.pop("message", 0) - hour.messages.total()
        if deleted > 0:
            hour.others["deleted"] = deleted


def _fill_from_messages(
    connection: Connection, made: dict[datetime, Hour], inside: ColumnElement[bool]
) -> None:
    hour = _hour(connection).label("hour")
    found = (
        select(hour, receipts.c.outcome, messages.c.state, func.count().label("n"))
        .join(messages, messages.c.id == receipts.c.message_id)
        .where(receipts.c.received_at >= min(made), inside)
        .group_by(hour, receipts.c.outcome, messages.c.state)
    )
    for row in connection.execute(found):
        at = _read(row.hour)
        if at not in made:  # a clock runs ahead
            continue
        if row.outcome == "message":
            made[at].messages[MessageState(row.state)] += row.n
        else:
            made[at].others[row.outcome] += row.n


def _read(hour: str) -> datetime:
    return datetime.fromisoformat(f"{hour}:00:00+00:00")


def waiting(
    connection: Connection, *, limit: int, inside: ColumnElement[bool] | None = None
) -> list[Message]:
    """Return the messages with files still to come, the nearest deadline first."""
    found = select(messages.c.id).where(_pending(inside)).order_by(messages.c.deadline_at).limit(limit)
    return queries.load_all_in(connection, list(connection.scalars(found)))


def at_risk(connection: Connection, *, before: datetime, inside: ColumnElement[bool] | None = None) -> int:
    """Return how many files are still to come whose deadline is before that."""
    if inside is None:
        return totals.at_risk_in(connection, before=before)
    near = select(messages.c.id).where(_pending(inside), messages.c.deadline_at < before)
    files = select(func.count()).where(media.c.state == "pending", media.c.message_id.in_(near))
    return connection.scalar(files) or 0


def _pending(inside: ColumnElement[bool] | None) -> ColumnElement[bool]:
    return is_pending if inside is None else is_pending & inside


def _hour(connection: Connection) -> ColumnElement[str]:
    if connection.dialect.name == "sqlite":
        return func.strftime(_FORM, receipts.c.received_at)
    return func.to_char(func.timezone("UTC", receipts.c.received_at), 'YYYY-MM-DD"T"HH24')
