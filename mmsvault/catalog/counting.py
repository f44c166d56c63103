"""What is kept count of: senders, keywords, states and bytes; and whether the counts are true.

Triggers of the database keep the counts (see migration 0004), within the transaction of each
change, so they are exact whoever writes, and a question costs the same at any size.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import (
    Connection,
    Engine,
    Select,
    Table,
    TextClause,
    delete,
    func,
    insert,
    literal,
    select,
    text,
    tuple_,
)

from mmsvault.catalog import documents, queries
from mmsvault.catalog.connection import reading, writing
from mmsvault.catalog.tables import COUNTED, counters, keywords, media, messages, receipts, senders

Order = Literal["key", "messages", "first_at", "last_at"]
ORDERS: tuple[Order, ...] = ("last_at", "first_at", "messages", "key")


@dataclass(frozen=True)
class Tally:
    """How many messages one sender or keyword has (`name` as last written), and when."""

    key: str
    name: str
    messages: int
    first_at: datetime
    last_at: datetime


def list_senders(
    engine: Engine, *, order: Order = "last_at", limit: int = 1000, after: Tally | None = None
) -> list[Tally]:
    """Return senders, the greatest in that order first (numbers upwards), or those after one of them."""
    return _listed(engine, senders, order, limit, after)


def list_keywords(
    engine: Engine, *, order: Order = "last_at", limit: int = 1000, after: Tally | None = None
) -> list[Tally]:
    """Return keywords likewise; the empty one is for none."""
    return _listed(engine, keywords, order, limit, after)


def check(engine: Engine) -> list[str]:
    """Return what is wrong with the counts and the index of words, in plain words; reads everything."""
    if engine.dialect.name == "postgresql":  # all of its questions about one moment, as on SQLite
        engine = engine.execution_options(isolation_level="REPEATABLE READ")
    with reading(engine) as connection:
        return list(_problems(connection))


def recount(engine: Engine) -> None:
    """Count everything again and index the words that are missing, while nothing else writes."""
    with writing(engine) as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("LOCK TABLE messages, media, receipts IN SHARE MODE"))
        recount_in(connection)
        connection.execute(text(f"DELETE FROM message_words WHERE {_stray(connection)}"))  # noqa: S608 - no input
        for identity in list(connection.scalars(_without_words(connection))):
            documents.keep(connection, queries.load_in(connection, identity))


def recount_in(connection: Connection) -> None:
    """Count everything again in this transaction."""
    for kept, key, name in _TALLIED:
        connection.execute(delete(kept))
        connection.execute(
            insert(kept).from_select(["key", "name", "messages", "first_at", "last_at"], _tallied(key, name))
        )
    connection.execute(delete(counters))
    connection.execute(insert(counters), {"slot": 0, **_counted(connection)})


def _listed(engine: Engine, kept: Table, order: Order, limit: int, after: Tally | None) -> list[Tally]:
    by = tuple_(kept.c[order], kept.c.key)
    if order == "key":
        found = select(kept).order_by(kept.c.key)
        found = found.where(kept.c.key > after.key) if after else found
    else:
        found = select(kept).order_by(kept.c[order].desc(), kept.c.key.desc())
        if after:
            # Bound with the columns' types, as SQLite writes times in a form of its own.
            place = (literal(getattr(after, order), kept.c[order].type), literal(after.key))
            found = found.where(by < tuple_(*place))
    with reading(engine) as connection:
        return [Tally(**row) for row in connection.execute(found.limit(limit)).mappings()]


def _tallied(key: str, name: str) -> Select[Any]:
    return select(
        messages.c[key],
        func.max(messages.c[name]),
        func.count(),
        func.min(messages.c.received_at),
        func.max(messages.c.received_at),
    ).group_by(messages.c[key])


_TALLIED: tuple[tuple[Table, str, str], ...] = (
    (senders, "sender_number", "sender"),
    (keywords, "keyword_folded", "keyword"),
)


def _counted(connection: Connection) -> dict[str, int]:
    found = dict.fromkeys(COUNTED, 0)
    for table, column in ((messages, "state"), (media, "state"), (receipts, "outcome")):
        for name, number in connection.execute(
            select(table.c[column], func.count()).group_by(table.c[column])
        ):
            found[f"{table.name}_{name}"] = number
    found["bytes"] = int(connection.scalar(select(func.coalesce(func.sum(media.c.size), 0))) or 0)
    return found


def _problems(connection: Connection) -> Iterator[str]:
    for kept, key, name in _TALLIED:
        # The name is as last written, which is no count.
        columns = [kept.c.key, kept.c.messages, kept.c.first_at, kept.c.last_at]
        true = _tallied(key, name).subquery()
        truth = select(*(column for index, column in enumerate(true.c) if index != 1))
        for both, wrong in (
            (select(*columns).except_(truth), "kept"),
            (truth.except_(select(*columns)), "true"),
        ):
            for row in connection.execute(both):
                yield f"{kept.name} {row[0]!r}: the {wrong} count is {row[1]:,}, from {row[2]} to {row[3]}"
    sums = (func.coalesce(func.sum(counters.c[name]), 0).label(name) for name in COUNTED)
    kept_counters = connection.execute(select(*sums)).mappings().one()
    for name, number in _counted(connection).items():
        if int(kept_counters[name]) != number:
            yield f"{name}: {int(kept_counters[name]):,} are counted, there are {number:,}"
    for identity in connection.scalars(_without_words(connection)):
        yield f"{identity}: its words are not in the index"
    stray = text(f"SELECT {_place(connection)} FROM message_words WHERE {_stray(connection)}")  # noqa: S608 - no input
    for number in connection.scalars(stray):
        yield f"place {number}: words of no message are in the index"


def _place(connection: Connection) -> str:
    return "rowid" if connection.dialect.name == "sqlite" else "place"


def _without_words(connection: Connection) -> TextClause:
    indexed = f"SELECT {_place(connection)} FROM message_words"  # noqa: S608 - no input
    return text(f"SELECT id FROM messages WHERE place NOT IN ({indexed})")  # noqa: S608 - no input


def _stray(connection: Connection) -> str:
    return f"{_place(connection)} NOT IN (SELECT place FROM messages)"  # noqa: S608 - no input
