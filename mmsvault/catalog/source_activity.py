"""In which hours each number of the business had messages: what tells whether one is silent too long.

Messages are counted after they are recorded, by the sweep alone and only those that came since its last
look. So it costs by what came in, whatever the archive's size, and nobody who records a message waits.
A message counts for its first recipient. Hours in which the sweep counted stand there as well, under no
provider: in others the vault was off, and that nothing came then says nothing of a source.
"""

import time
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import BigInteger, ColumnElement, Connection, Engine, cast, delete, func, select, update

from mmsvault.catalog import entering
from mmsvault.catalog.connection import reading, retried, writing
from mmsvault.catalog.tables import messages, recipients, serials, source_hours

KEPT = timedelta(days=28)
COUNTED_UNTIL = "source hours counted until"
"""The serial (microseconds since 1970) up to which recorded messages are counted."""
COMMITTED_AFTER = timedelta(seconds=30)
"""A message is committed within this after its time of recording."""
STEP = timedelta(hours=1)
SECONDS_FOR_COUNTING = 1.0
FEWEST_HOURS = 10
"""A source with fewer hours with messages has no habit, and is not looked at."""
HOUR_SECONDS = 3600
_MICROSECONDS = 1_000_000
_THE_SWEEP = {"provider": "", "recipient": ""}
"""Under which source the hours stand in which the sweep counted."""


@dataclass(frozen=True)
class Source:
    """A number of the business at a provider."""

    provider: str
    recipient: str


def count_new(engine: Engine, *, now: datetime) -> None:
    """Count the messages that were recorded since the last call, for a second at the most."""
    began = time.monotonic()
    end = now - COMMITTED_AFTER
    _watch(engine, now=now)
    while (at := _counted_until(engine, now=now)) < end:
        _count(engine, since=at, before=min(at + STEP, end))
        if time.monotonic() - began > SECONDS_FOR_COUNTING:
            return
    _forget(engine, before=hour_of(now - KEPT))


@retried
def active_hours(engine: Engine, *, now: datetime) -> dict[Source, list[int]]:
    """Return the hours (counted since 1970) with messages of the last four weeks, in their order.

    Empty while the counts are not up to date: nothing can be said then.
    """
    table = source_hours
    since = hour_of(now - KEPT)
    frequent = (
        select(table.c.provider, table.c.recipient)
        .where(table.c.hour >= since, table.c.provider != _THE_SWEEP["provider"])
        .group_by(table.c.provider, table.c.recipient)
        .having(func.count() >= FEWEST_HOURS)
        .subquery()
    )
    query = (
        select(table.c.provider, table.c.recipient, table.c.hour)
        .join(
            frequent,
            (frequent.c.provider == table.c.provider) & (frequent.c.recipient == table.c.recipient),
        )
        .where(table.c.hour >= since)
        .order_by(table.c.hour)
    )
    found: dict[Source, list[int]] = defaultdict(list)
    with reading(engine) as connection:
        counted_until = connection.scalar(_WATERMARK)
        if counted_until is None or hour_of(now) - counted_until // (HOUR_SECONDS * _MICROSECONDS) > 1:
            return {}
        for row in connection.execute(query):
            found[Source(row.provider, row.recipient)].append(row.hour)
    return dict(found)


@retried
def watched_hours(engine: Engine, *, now: datetime) -> frozenset[int]:
    """Return the hours (counted since 1970) of the last four weeks in which the sweep counted messages."""
    table = source_hours
    query = select(table.c.hour).where(
        table.c.provider == _THE_SWEEP["provider"],
        table.c.recipient == _THE_SWEEP["recipient"],
        table.c.hour >= hour_of(now - KEPT),
    )
    with reading(engine) as connection:
        return frozenset(connection.scalars(query))


@retried
def _watch(engine: Engine, *, now: datetime) -> None:
    """Take note that the sweep counts in this hour."""
    row = {**_THE_SWEEP, "hour": hour_of(now)}
    found = select(source_hours.c.hour).filter_by(**row)
    with reading(engine) as connection:
        if connection.scalar(found) is not None:
            return
    with writing(engine, forced=False) as connection:
        entering.insert_new(connection, source_hours, {**row, "messages": 0})


def hour_of(at: datetime) -> int:
    """Return the hour that a moment lies in, counted since 1970."""
    return int(at.timestamp()) // HOUR_SECONDS


_WATERMARK = select(serials.c.value).where(serials.c.name == COUNTED_UNTIL)


@retried
def _counted_until(engine: Engine, *, now: datetime) -> datetime:
    with reading(engine) as connection:
        value = connection.scalar(_WATERMARK)
        if value is not None:
            return datetime.fromtimestamp(value / _MICROSECONDS, now.tzinfo)
        first: datetime | None = connection.scalar(select(func.min(messages.c.recorded_at)))
    return max(first, now - KEPT) if first else now - COMMITTED_AFTER - timedelta(microseconds=1)


@retried
def _count(engine: Engine, *, since: datetime, before: datetime) -> None:
    with writing(engine, forced=False) as connection:
        hour = _hour(connection).label("hour")
        provider, recipient = messages.c.provider, recipients.c.recipient_number
        came = (
            select(provider, recipient, hour, func.count().label("n"))
            .join(recipients, (recipients.c.message_id == messages.c.id) & (recipients.c.position == 0))
            .where(messages.c.recorded_at >= since, messages.c.recorded_at < before)
            .group_by(provider, recipient, hour)
        )
        for row in connection.execute(came).all():
            values = {"provider": row[0], "recipient": row[1], "hour": row.hour, "messages": row.n}
            new = entering.insert_in_dialect(connection.dialect.name, source_hours).values(**values)
            connection.execute(
                new.on_conflict_do_update(
                    index_elements=list(source_hours.primary_key.columns),
                    set_={"messages": source_hours.c.messages + new.excluded.messages},
                )
            )
        value = int(before.timestamp() * _MICROSECONDS)
        moved = connection.execute(update(serials).where(serials.c.name == COUNTED_UNTIL).values(value=value))
        if not moved.rowcount:
            connection.execute(serials.insert().values(name=COUNTED_UNTIL, value=value))


def _hour(connection: Connection) -> ColumnElement[int]:
    if connection.dialect.name == "sqlite":
        return cast(func.unixepoch(messages.c.recorded_at), BigInteger) // HOUR_SECONDS
    return cast(func.floor(func.extract("epoch", messages.c.recorded_at) / HOUR_SECONDS), BigInteger)


@retried
def _forget(engine: Engine, *, before: int) -> None:
    with reading(engine) as connection:
        if (
            connection.scalar(select(source_hours.c.hour).where(source_hours.c.hour < before).limit(1))
            is None
        ):
            return
    with writing(engine, forced=False) as connection:
        connection.execute(delete(source_hours).where(source_hours.c.hour < before))
