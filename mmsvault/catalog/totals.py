"""How many messages a search finds, and how many there are in all, of everything that `status` counts.

What counts are kept of answers at once, at any size. Other totals are counted, and only so far: who
looks for something sees what is found before anybody knows how much it is.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine, func, select

from mmsvault.catalog import filters, tallies
from mmsvault.catalog.connection import reading, retried
from mmsvault.catalog.language import EVERYTHING, Query
from mmsvault.catalog.queries import narrowed
from mmsvault.catalog.tables import COUNTED, counters, is_pending, media, messages
from mmsvault.catalog.tallies import Kind
from mmsvault.message import MediaState, MessageState

AT_RISK = timedelta(days=1)
"""A file that waits, and whose deadline is nearer than this, is at risk: it goes ahead of all others."""
COUNTED_TO = 10_000
"""Totals are exact up to here; beyond, where no count is kept, they say only that there are more."""
SURELY_MORE = 3 * COUNTED_TO
"""An estimate of PostgreSQL's from here on is not counted after."""


@dataclass(frozen=True)
class Total:
    """How many messages a search finds. Where it is not exact, there are more than `messages`."""

    messages: int
    is_exact: bool = True


@dataclass(frozen=True)
class Figures:
    """How much a search finds: messages, their files, and the bytes of those. What is not exact is more."""

    messages: int
    files: int
    bytes: int
    is_exact: bool = True
    files_exact: bool = True


@dataclass(frozen=True)
class Counts:
    """What there is and what is left to do. `at_risk`: files pending with under a day left."""

    messages: dict[str, int]
    media: dict[str, int]
    receipts: dict[str, int]
    at_risk: int
    oldest_pending_at: datetime | None
    bytes: int


@retried
def total(engine: Engine, query: Query) -> Total:
    """Return how many messages the query finds. Where no count is kept it takes up to `COUNTED_TO` looks."""
    with reading(engine) as connection:
        query = narrowed(connection, query)
        kept = _kept(connection, query)
        return _counted(connection, query) if kept is None else kept


@retried
def kept_total(engine: Engine, query: Query) -> Total | None:
    """Return how many messages the query finds where a count is kept, which takes no time; else None."""
    with reading(engine) as connection:
        return _kept(connection, narrowed(connection, query))


def _kept(connection: Connection, query: Query) -> Total | None:
    if query == EVERYTHING:
        kept = _counters(connection)
        return Total(sum(kept[f"messages_{state}"] for state in MessageState))
    tally = filters.tally_of(query)
    return None if tally is None else Total(connection.scalar(tally) or 0)


def _counted(connection: Connection, query: Query) -> Total:
    dialect = connection.dialect.name
    if dialect == "postgresql" and _is_common(connection, query):
        return Total(COUNTED_TO, is_exact=False)
    some = filters.places(query, dialect).order_by(None).limit(COUNTED_TO + 1)
    counted = connection.scalar(select(func.count()).select_from(some.subquery())) or 0
    return Total(min(counted, COUNTED_TO), is_exact=counted <= COUNTED_TO)


def _is_common(connection: Connection, query: Query) -> bool:
    """Return whether PostgreSQL knows of a single term that far more messages have it than are counted.

    Its statistics sample how often each token is there: they are right for one, and a guess for several
    at once. Of tokens of which any will do, one has at least its share of what is guessed for them all.
    """
    tokens = filters.tokens(query)
    if not tokens:
        return False
    asked = filters.places(query, connection.dialect.name).order_by(None).compile(dialect=connection.dialect)
    plan = connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {asked}", asked.params).scalar_one()
    return bool(plan[0]["Plan"]["Plan Rows"] >= SURELY_MORE * tokens)


@retried
def figures(engine: Engine, query: Query) -> Figures:
    """Return how much the query finds; beyond `COUNTED_TO` messages files are those of so many of them."""
    with reading(engine) as connection:
        query = narrowed(connection, query)
        if query == EVERYTHING:
            kept = _counters(connection)
            files = sum(kept[f"media_{state}"] for state in MediaState)
            return Figures(sum(kept[f"messages_{state}"] for state in MessageState), files, kept["bytes"])
        found = _kept(connection, query) or _counted(connection, query)
        some = filters.places(query, connection.dialect.name).order_by(None).limit(COUNTED_TO).subquery()
        its = some.join(messages, messages.c.place == some.c[0]).join(media)
        summed = select(func.count(), func.coalesce(func.sum(media.c.size), 0)).select_from(its)
        files, size = connection.execute(summed).one()
    files_exact = found.is_exact and found.messages <= COUNTED_TO
    return Figures(found.messages, files, int(size), found.is_exact, files_exact)


@retried
def counts(engine: Engine, *, at_risk_before: datetime) -> Counts:
    """Return the numbers of `status`; a file is at risk when it is pending with a deadline before that."""
    with reading(engine) as connection:
        kept = _counters(connection)
        at_risk = at_risk_in(connection, before=at_risk_before)
        oldest = connection.scalar(select(func.min(messages.c.recorded_at)).where(is_pending))
    receipts = {name: kept[f"receipts_{name}"] for name in ("message", "duplicate", "other", "quarantined")}
    return Counts(
        messages={state.value: kept[f"messages_{state}"] for state in MessageState},
        media={state.value: kept[f"media_{state}"] for state in MediaState},
        receipts={
            "total": sum(receipts.values()),
            "duplicates": receipts["duplicate"],
            "other": receipts["other"],
            "quarantined": receipts["quarantined"],
        },
        at_risk=at_risk,
        oldest_pending_at=oldest,
        bytes=kept["bytes"],
    )


@retried
def waiting_for(engine: Engine, reasons: Collection[str]) -> int:
    """Return how many files wait of which the last attempt ended with one of `reasons`."""
    with reading(engine) as connection:
        return tallies.total(connection, Kind.REASON, among=reasons)


def at_risk_in(connection: Connection, *, before: datetime) -> int:
    """Return how many files are still to come whose deadline is before that.

    Whole minutes are kept count of; only the files of the last one, which has begun, are counted.
    """
    minute = before.replace(second=0, microsecond=0)
    # Nothing to choose for the planner: by deadline to the messages, and from each to its files.
    files = (
        select(func.count())
        .where(media.c.message_id == messages.c.id, media.c.state == MediaState.PENDING.value)
        .correlate(messages)
        .scalar_subquery()
    )
    begun = select(func.sum(files)).where(
        is_pending, messages.c.deadline_at >= minute, messages.c.deadline_at < before
    )
    whole = tallies.total(connection, Kind.DEADLINE, below=tallies.key_of_minute(minute))
    return whole + int(connection.scalar(begun) or 0)


def nearest_deadline_at(engine: Engine) -> datetime | None:
    """Return the nearest deadline of a message that waits; None where none does."""
    nearest = select(func.min(messages.c.deadline_at)).where(is_pending)
    with reading(engine) as connection:
        found: datetime | None = connection.scalar(nearest)
        return found


_SUMS = select(*(func.coalesce(func.sum(counters.c[name]), 0).label(name) for name in COUNTED))


def _counters(connection: Connection) -> dict[str, int]:
    return {name: int(value) for name, value in connection.execute(_SUMS).mappings().one().items()}
