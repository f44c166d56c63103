"""Counts by key: the sums, and the changes that were appended since they were folded into them.

Triggers append a change for whatever is added, removed or moved, within the transaction that does it:
no writer waits for another one, however many messages come in with one keyword. `fold` adds the
changes to the sums. Readers add up both in one statement, so what they see is exact at any moment.
"""

import time
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Engine,
    Select,
    Subquery,
    Table,
    cast,
    delete,
    func,
    literal,
    select,
    text,
    tuple_,
    union,
    union_all,
)

from mmsvault.catalog.connection import reading, retried, writing
from mmsvault.catalog.entering import insert_in_dialect
from mmsvault.catalog.tables import (
    UtcDateTime,
    count_changes,
    counts,
    is_empty,
    keywords,
    media,
    messages,
    quarantine,
    receipts,
    senders,
)

CHANGES_AT_ONCE = 5000
"""Folded in one transaction: on SQLite others wait that long at the most."""
FOLD_LOCK = 0x6D6D7366  # any number that is ours, for PostgreSQL's advisory lock
SEPARATOR = "|"
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


class Kind(StrEnum):
    """What is counted, by which key. Times are UTC."""

    SENDER = "sender"
    KEYWORD = "keyword"
    HOUR = "hour"
    """Messages, by the hour they came in and their state: `2026-11-29T05|archived`."""
    DEADLINE = "deadline"
    """Files that wait, by the minute of their deadline: `2026-11-29T05:20`."""
    REASON = "reason"
    """Files that wait, by why the last attempt failed."""
    RECEIPT = "receipt"
    """Receipts, by hour, outcome and code: `2026-11-29T05|other|N101`."""
    QUARANTINE = "quarantine"
    """Postbacks in quarantine that were not understood yet; the key is empty."""


@dataclass(frozen=True)
class Tallied:
    """What messages are counted by: its kind, the table of its sums, and its columns in `messages`."""

    kind: Kind
    kept: Table
    key: str
    name: str


SENDERS = Tallied(Kind.SENDER, senders, "sender_number", "sender")
KEYWORDS = Tallied(Kind.KEYWORD, keywords, "keyword_folded", "keyword")


def total(
    connection: Connection, kind: Kind, *, below: str | None = None, among: Collection[str] | None = None
) -> int:
    """Return how many there are of a kind, under keys below one or among some."""
    found = _both(kind, below=below, among=among).subquery()
    return int(connection.scalar(select(func.sum(found.c.number))) or 0)


def sums(
    connection: Connection, kind: Kind, *, since: str | None = None, below: str | None = None
) -> dict[str, int]:
    """Return how many there are under each key from one on and below another."""
    found = _both(kind, since=since, below=below).subquery()
    added = select(found.c.key, func.sum(found.c.number)).group_by(found.c.key)
    return {key: int(number) for key, number in connection.execute(added) if number}


def _both(
    kind: Kind,
    *,
    since: str | None = None,
    below: str | None = None,
    among: Collection[str] | None = None,
) -> Any:
    """Return the statement for keys and numbers: the sums, and the changes that are not in them."""

    def wanted(table: Table) -> list[ColumnElement[bool]]:
        key = table.c.key
        limits = [key >= since if since is not None else None, key < below if below is not None else None]
        limits.append(key.in_(among) if among is not None else None)
        return [table.c.kind == kind.value, *(one for one in limits if one is not None)]

    return union_all(
        select(counts.c.key, counts.c.number).where(*wanted(counts)),
        select(count_changes.c.key, count_changes.c.step.label("number")).where(*wanted(count_changes)),
    )


def messages_of(tallied: Tallied, key: str) -> Select[int]:
    """Return the statement for how many messages one sender or keyword has."""
    of_it = count_changes.c.kind == tallied.kind.value, count_changes.c.key == key
    found = union_all(
        select(tallied.kept.c.messages.label("number")).where(tallied.kept.c.key == key),
        select(count_changes.c.step.label("number")).where(*of_it),
    ).subquery()
    return select(cast(func.coalesce(func.sum(found.c.number), 0), BigInteger))


def known(connection: Connection, tallied: Tallied, keys: Collection[str]) -> list[str]:
    """Return those of the keys that messages have, or had until a moment ago."""
    kept, changed = tallied.kept.c.key, count_changes.c.key
    found = union(
        select(kept).where(kept.in_(keys)),
        select(changed).where(count_changes.c.kind == tallied.kind.value, changed.in_(keys)),
    )
    return list(connection.scalars(found))


def parts(tallied: Tallied) -> tuple[Subquery, Subquery]:
    """Return all senders or keywords in two parts: those with nothing to fold, and the others as they are.

    Two, so that each is read by its indexes.
    """
    kept = tallied.kept
    # NOT IN, which PostgreSQL hashes: the rows of an index still come in its order.
    unchanged = select(kept).where(kept.c.key.not_in(_changed_keys(tallied)))
    changed = _changed(tallied).subquery()
    return unchanged.subquery(), select(changed).where(changed.c.messages > 0).subquery()


def _changed_keys(tallied: Tallied, upto: int | None = None) -> Select[str]:
    return select(count_changes.c.key).where(*_mine(tallied.kind, upto))


def _mine(kind: Kind, upto: int | None) -> list[ColumnElement[bool]]:
    mine = [count_changes.c.kind == kind.value]
    return mine if upto is None else [*mine, count_changes.c.id <= upto]


def _changed(tallied: Tallied, upto: int | None = None) -> Select[Any]:
    """Return the statement for those with changes, in the form of the sums, with the changes in them.

    The first, the last and the name are looked up: a message that was deleted may have been it.
    """
    kept, place, received_at = tallied.kept, messages.c.place, messages.c.received_at
    step = func.sum(count_changes.c.step).label("step")
    changes = (
        select(count_changes.c.key, step).where(*_mine(tallied.kind, upto)).group_by(count_changes.c.key)
    ).subquery()

    def end(value: ColumnElement[Any], order: ColumnElement[Any]) -> ColumnElement[Any]:
        of_it = messages.c[tallied.key] == changes.c.key
        return select(value).where(of_it).order_by(order).limit(1).correlate(changes).scalar_subquery()

    never = literal(_LONG_AGO, UtcDateTime())
    return (
        select(
            changes.c.key.label("key"),
            func.coalesce(end(messages.c[tallied.name], place.desc()), kept.c.name, "").label("name"),
            cast(changes.c.step + func.coalesce(kept.c.messages, 0), BigInteger).label("messages"),
            func.coalesce(end(received_at, place), kept.c.first_at, never).label("first_at"),
            func.coalesce(end(received_at, place.desc()), kept.c.last_at, never).label("last_at"),
        )
        .join(kept, kept.c.key == changes.c.key, isouter=True)
        .where(changes.c.key.is_not(None))  # SQLite cannot tell a join's ON from that of a conflict otherwise
    )


def fold(engine: Engine, *, seconds: float = float("inf")) -> int:
    """Add the changes to the sums, some after others for so long; return how many. Raises UnavailableError.

    While another process does so, it is left to it.
    """
    began, folded = time.monotonic(), 0
    while some := _fold_some(engine):
        folded += some
        if some < CHANGES_AT_ONCE or time.monotonic() - began > seconds:
            break
    return folded


@retried
def _fold_some(engine: Engine) -> int:
    with reading(engine) as connection:
        if connection.scalar(select(count_changes.c.id).limit(1)) is None:
            return 0
    if engine.dialect.name == "postgresql":  # what is added up and what is taken away are of one moment
        engine = engine.execution_options(isolation_level="REPEATABLE READ")
    with writing(engine, forced=False) as connection:
        if engine.dialect.name == "postgresql" and not connection.scalar(
            text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": FOLD_LOCK}
        ):
            return 0
        some = select(count_changes.c.id).order_by(count_changes.c.id).limit(CHANGES_AT_ONCE).subquery()
        number, upto = connection.execute(select(func.count(), func.max(some.c.id)).select_from(some)).one()
        if number:
            for tallied in (SENDERS, KEYWORDS):
                _fold_tallies(connection, tallied, upto)
            _fold_counts(connection, upto)
            connection.execute(delete(count_changes).where(count_changes.c.id <= upto))
        return int(number)


def _fold_tallies(connection: Connection, tallied: Tallied, upto: int) -> None:
    kept = tallied.kept
    names = [column.name for column in kept.c]
    new = insert_in_dialect(connection.dialect.name, kept).from_select(names, _changed(tallied, upto))
    values = {name: new.excluded[name] for name in names if name != "key"}
    connection.execute(new.on_conflict_do_update(index_elements=[kept.c.key], set_=values))
    gone = kept.c.key.in_(_changed_keys(tallied, upto))
    connection.execute(delete(kept).where(kept.c.messages == 0, gone))


def _fold_counts(connection: Connection, upto: int) -> None:
    kind, key = count_changes.c.kind, count_changes.c.key
    others = kind.not_in([Kind.SENDER.value, Kind.KEYWORD.value]), count_changes.c.id <= upto
    added = select(kind, key, func.sum(count_changes.c.step)).where(*others).group_by(kind, key)
    new = insert_in_dialect(connection.dialect.name, counts).from_select(["kind", "key", "number"], added)
    number = counts.c.number + new.excluded.number
    connection.execute(
        new.on_conflict_do_update(index_elements=[counts.c.kind, counts.c.key], set_={"number": number})
    )
    changed = tuple_(counts.c.kind, counts.c.key).in_(select(kind, key).where(*others))
    connection.execute(delete(counts).where(is_empty, changed))


def hold_still(connection: Connection) -> None:
    """Have nobody fold until this transaction ends."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": FOLD_LOCK})


def counted(dialect: str) -> Any:
    """Return the statement that counts everything itself, in the form of `counts`."""
    of_media = media.c.state == "pending"
    waiting = select(_minute(messages.c.deadline_at, dialect).label("key")).select_from(media.join(messages))
    hour, received = _hour(messages.c.recorded_at, dialect), _hour(receipts.c.received_at, dialect)
    keys = {
        Kind.HOUR: select(_joined(hour, messages.c.state).label("key")),
        Kind.DEADLINE: waiting.where(of_media),
        Kind.REASON: select(media.c.reason.label("key")).where(of_media, media.c.reason != ""),
        Kind.RECEIPT: select(_joined(received, receipts.c.outcome, receipts.c.code).label("key")),
        Kind.QUARANTINE: select(literal("").label("key")).where(quarantine.c.understood_as == ""),
    }
    found = {kind: rows.subquery() for kind, rows in keys.items()}
    return union_all(
        *(
            select(literal(kind.value).label("kind"), rows.c.key, func.count().label("number")).group_by(
                rows.c.key
            )
            for kind, rows in found.items()
        )
    )


def added_up() -> Select[Any]:
    """Return the statement for all that is kept of `counts`, changes included."""
    of_sums = select(counts.c.kind, counts.c.key, counts.c.number)
    others = count_changes.c.kind.not_in([Kind.SENDER.value, Kind.KEYWORD.value])
    of_changes = select(count_changes.c.kind, count_changes.c.key, count_changes.c.step).where(others)
    both = union_all(of_sums, of_changes).subquery()
    number = cast(func.sum(both.c.number), BigInteger)
    return (
        select(both.c.kind, both.c.key, number.label("number"))
        .group_by(both.c.kind, both.c.key)
        .having(number != 0)
    )


def _joined(first: ColumnElement[str], *others: ColumnElement[str]) -> ColumnElement[str]:
    for other in others:
        first = first + SEPARATOR + other
    return first


def _hour(column: ColumnElement[Any], dialect: str) -> ColumnElement[str]:
    return _written(column, dialect, "%Y-%m-%dT%H", 'YYYY-MM-DD"T"HH24')


def _minute(column: ColumnElement[Any], dialect: str) -> ColumnElement[str]:
    return _written(column, dialect, "%Y-%m-%dT%H:%M", 'YYYY-MM-DD"T"HH24:MI')


def _written(column: ColumnElement[Any], dialect: str, sqlite: str, postgresql: str) -> ColumnElement[str]:
    if dialect == "sqlite":
        return cast(func.strftime(sqlite, column), counts.c.key.type)
    return cast(func.to_char(func.timezone("UTC", column), postgresql), counts.c.key.type)


def key_of_hour(moment: datetime) -> str:
    """Return how the keys of an hour begin."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H}"


def key_of_minute(moment: datetime) -> str:
    """Return the key of a minute."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M}"
