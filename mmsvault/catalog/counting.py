"""What is kept count of: senders, keywords, states and bytes; and whether the counts are true.

Triggers of the database tell of each change within its own transaction (see `tallies`, and migration
0017), so the counts are exact whoever writes, and a question costs the same at any size.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import phonenumbers
from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    FromClause,
    Select,
    TextClause,
    and_,
    delete,
    func,
    insert,
    literal,
    or_,
    select,
    text,
    tuple_,
    union_all,
)

from mmsvault.catalog import documents, names, queries, tallies
from mmsvault.catalog.connection import reading, writing
from mmsvault.catalog.tables import COUNTED, count_changes, counters, counts, media, messages, receipts
from mmsvault.catalog.tallies import KEYWORDS, SENDERS, Tallied
from mmsvault.message import fold, part_of_number

Order = Literal["key", "messages", "first_at", "last_at"]
ORDERS: tuple[Order, ...] = ("last_at", "first_at", "messages", "key")
Condition = Callable[[ColumnElement[str]], ColumnElement[bool]]
"""What is said of a sender's or a keyword's key."""


@dataclass(frozen=True)
class Tally:
    """How many messages one sender or keyword has (`name` as last written), and when.

    `known_as` is the name that people gave a sender.
    """

    key: str
    name: str
    messages: int
    first_at: datetime
    last_at: datetime
    known_as: str = ""


def list_senders(
    engine: Engine, *, order: Order = "last_at", limit: int = 1000, after: Tally | None = None
) -> list[Tally]:
    """Return senders, the greatest in that order first (numbers upwards), or those after one of them."""
    with reading(engine) as connection:
        return listed(connection, SENDERS, order=order, limit=limit, after=after)


def list_keywords(
    engine: Engine, *, order: Order = "last_at", limit: int = 1000, after: Tally | None = None
) -> list[Tally]:
    """Return keywords likewise; the empty one is for none."""
    with reading(engine) as connection:
        return listed(connection, KEYWORDS, order=order, limit=limit, after=after)


def listed(
    connection: Connection,
    tallied: Tallied,
    *,
    order: Order,
    limit: int,
    after: Tally | None = None,
    counted: FromClause | None = None,
    find: Condition | None = None,
) -> list[Tally]:
    """Return tallies in that order, from the kept counts or from others in their form."""
    sources = tallies.parts(tallied) if counted is None else (counted,)
    pages = [
        _page(tallied, source, order=order, after=after, find=find).limit(limit).subquery()
        for source in sources
    ]
    both = union_all(*(select(page) for page in pages)).subquery()
    found = select(both).order_by(*_order(both, order)).limit(limit)
    rows = [dict(row) for row in connection.execute(found).mappings()]
    known = names.of_in(connection, [row["key"] for row in rows]) if tallied is SENDERS else {}
    return [Tally(**row, known_as=known.get(row["key"], "")) for row in rows]


def _page(
    tallied: Tallied, source: FromClause, *, order: Order, after: Tally | None, find: Condition | None
) -> Select[Any]:
    found = select(source).order_by(*_order(source, order))
    if find is not None:
        found = found.where(find(source.c.key))
    if after and order == "key":
        return found.where(source.c.key > after.key)
    if after:
        # Bound with the columns' types, as SQLite writes times in a form of its own.
        place = (literal(getattr(after, order), tallied.kept.c[order].type), literal(after.key))
        return found.where(tuple_(source.c[order], source.c.key) < tuple_(*place))
    return found


def _order(source: FromClause, order: Order) -> tuple[ColumnElement[Any], ...]:
    return (source.c.key,) if order == "key" else (source.c[order].desc(), source.c.key.desc())


def beginning(
    connection: Connection, tallied: Tallied, key: ColumnElement[str], text: str, *, region: str
) -> ColumnElement[bool]:
    """Return the condition that a keyword begins so, or a sender's number, or that its name has the words."""
    if tallied is KEYWORDS:
        return _begins(connection, key, fold(text))
    start = part_of_number(text.strip("*"))
    starts = [start]
    if start.isdigit():
        starts.append(f"{phonenumbers.country_code_for_region(region)}{start}")
    found = [_begins(connection, key, one) for one in starts]
    return or_(*found, key.in_(names.find_in(connection, text)))


def _begins(connection: Connection, key: ColumnElement[str], start: str) -> ColumnElement[bool]:
    if connection.dialect.name == "sqlite" and start:  # so that its index is used
        return and_(key >= start, key < start + "\U0010ffff")
    return key.startswith(start, autoescape=True)


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
    tallies.hold_still(connection)
    connection.execute(delete(count_changes))
    for tallied in (SENDERS, KEYWORDS):
        connection.execute(delete(tallied.kept))
        columns = ["key", "name", "messages", "first_at", "last_at"]
        connection.execute(insert(tallied.kept).from_select(columns, counted(tallied)))
    connection.execute(delete(counts))
    true = tallies.counted(connection.dialect.name)
    connection.execute(insert(counts).from_select(["kind", "key", "number"], true))
    connection.execute(delete(counters))
    connection.execute(insert(counters), {"slot": 0, **_counted(connection)})


def counted(tallied: Tallied) -> Select[Any]:
    """Return the statement that counts the messages themselves, in the form of the kept counts."""
    key = messages.c[tallied.key]
    return select(
        key.label("key"),
        func.max(messages.c[tallied.name]).label("name"),
        func.count().label("messages"),
        func.min(messages.c.received_at).label("first_at"),
        func.max(messages.c.received_at).label("last_at"),
    ).group_by(key)


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
    for tallied in (SENDERS, KEYWORDS):
        kept = union_all(*(select(part) for part in tallies.parts(tallied))).subquery()
        # The name is as last written, which is no count.
        columns, truth = _without_name(kept), _without_name(counted(tallied).subquery())
        for both, wrong in ((columns.except_(truth), "kept"), (truth.except_(columns), "true")):
            for row in connection.execute(both):
                told = f"the {wrong} count is {row[1]:,}, from {row[2]} to {row[3]}"
                yield f"{tallied.kept.name} {row[0]!r}: {told}"
    kept_counts, true_counts = tallies.added_up(), select(tallies.counted(connection.dialect.name).subquery())
    for both, wrong in (
        (kept_counts.except_(true_counts), "kept"),
        (true_counts.except_(kept_counts), "true"),
    ):
        for kind, key, number in connection.execute(both):
            yield f"counts of {kind} {key!r}: the {wrong} count is {number:,}"
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


def _without_name(tallied: FromClause) -> Select[Any]:
    return select(tallied.c.key, tallied.c.messages, tallied.c.first_at, tallied.c.last_at)


def _place(connection: Connection) -> str:
    return "rowid" if connection.dialect.name == "sqlite" else "place"


def _without_words(connection: Connection) -> TextClause:
    indexed = f"SELECT {_place(connection)} FROM message_words"  # noqa: S608 - no input
    return text(f"SELECT id FROM messages WHERE place NOT IN ({indexed})")  # noqa: S608 - no input


def _stray(connection: Connection) -> str:
    return f"{_place(connection)} NOT IN (SELECT place FROM messages)"  # noqa: S608 - no input
