"""Everything that asks the catalog for messages, and its numbers. Lists come newest first, by page.

A page starts below a place (see `places`), never at an offset: the thousandth costs as much as the
first, and what arrives in the meantime shifts nothing.
"""

import base64
import binascii
import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, RowMapping, bindparam, func, or_, select

from mmsvault.catalog import filters, names
from mmsvault.catalog.connection import reading, retried
from mmsvault.catalog.language import EVERYTHING, NUMBER_FIELDS, Query, Term
from mmsvault.catalog.tables import (
    COUNTED,
    attempts,
    counters,
    media,
    messages,
    postbacks,
    recipients,
    senders,
)
from mmsvault.errors import NotFoundError, RejectedInputError
from mmsvault.message import Attempt, MediaItem, MediaState, Message, MessageState, RawPostback

AT_RISK = timedelta(days=1)
"""A file that waits, and whose deadline is nearer than this, is at risk: it goes ahead of all others."""
COUNTED_TO = 10_000
"""Totals are exact up to here; beyond, where no count is kept, they say only that there are more."""

SURELY_MORE = 3 * COUNTED_TO
"""An estimate of PostgreSQL's from here on is not counted after."""
IDS_A_PAGE = 500

LONGEST_LEASE = timedelta(minutes=2)


@dataclass(frozen=True)
class Page:
    """Some messages of a search, how many there are in all, and where the next page starts.

    Where the total is not exact, there are more than `total`.
    """

    total: int
    total_is_exact: bool
    messages: tuple[Message, ...]
    next: str | None


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
def load(engine: Engine, message_id: str) -> Message:
    """Return the message whole. Raises NotFoundError."""
    with reading(engine) as connection:
        return load_in(connection, message_id)


def load_in(connection: Connection, message_id: str) -> Message:
    """Return the message as this transaction sees it. Raises NotFoundError."""
    row = connection.execute(_ONE, {"message_id": message_id}).mappings().first()
    if row is None:
        raise NotFoundError(f"There is no message {message_id}.")
    return _with_parts(connection, row)


def load_held_in(connection: Connection, message_id: str, *, token: str) -> Message | None:
    """Return the message if its lease is `token`'s, and keep it so until the transaction ends."""
    row = connection.execute(_ONE_HELD, {"message_id": message_id}).mappings().first()
    return _with_parts(connection, row) if row and row["lease_token"] == token else None


# Put together once: every message is loaded some times on its way.
_PARTS = (recipients, media, postbacks, attempts)
_ONE = select(messages).where(messages.c.id == bindparam("message_id"))
_ONE_HELD = _ONE.with_for_update()
_PARTS_OF_ONE = {
    table.name: select(table)
    .where(table.c.message_id == bindparam("message_id"))
    .order_by(*table.primary_key.columns)
    for table in _PARTS
}


def _with_parts(connection: Connection, row: RowMapping) -> Message:
    its = {"message_id": row["id"]}
    return _message(
        row, {name: connection.execute(one, its).mappings().all() for name, one in _PARTS_OF_ONE.items()}
    )


@retried
def search(engine: Engine, query: Query, *, limit: int = 50, after: str | None = None) -> Page:
    """Return the newest `limit` messages that the query finds, or those after a page's `next`."""
    below = _read_cursor(after) if after else None
    with reading(engine) as connection:
        query = narrowed(connection, query)
        places, total, is_exact = _found(connection, query, limit=limit, below=below)
        page = _load_where(connection, messages.c.place.in_(places[:limit]))
    return Page(
        total=total,
        total_is_exact=is_exact,
        messages=tuple(page),
        next=write_cursor(places[limit - 1]) if len(places) > limit else None,
    )


def ids(engine: Engine, query: Query) -> Iterator[str]:
    """Give the ids of all messages that the query finds now, the newest first, page by page."""
    below: int | None = None
    while True:
        with reading(engine) as connection:
            found = filters.places(narrowed(connection, query), connection.dialect.name, below=below)
            places = [place for (place,) in connection.execute(found.limit(IDS_A_PAGE))]
            rows = select(messages.c.id).where(messages.c.place.in_(places)).order_by(messages.c.place.desc())
            page = list(connection.scalars(rows))
        yield from page
        if len(places) < IDS_A_PAGE:
            return
        below = places[-1]


def narrowed(connection: Connection, query: Query) -> Query:
    """Put numbers in the place of names, and leave of each sender's number the ways that there are."""

    def known_ways(term: Term) -> Term:
        term = _with_named(connection, term)
        if term.field != "from" or len(term.numbers) < 2:  # noqa: PLR2004 - one way needs no choice
            return term
        known = connection.scalars(select(senders.c.key).where(senders.c.key.in_(term.numbers)))
        return replace(term, numbers=tuple(known) or term.numbers[:1])

    return Query(tuple(tuple(known_ways(term) for term in group) for group in query.groups))


def _with_named(connection: Connection, term: Term) -> Term:
    """Add the numbers of the senders that have the name that a term says, if it may be one."""
    if term.field not in NUMBER_FIELDS or term.exact or "*" in term.value:
        return term
    own = filters.numbers(term)
    if own[0].isdigit():  # a name has a letter in it
        return term
    return replace(term, numbers=tuple(dict.fromkeys((*own, *names.find_in(connection, term.value)))))


def _found(
    connection: Connection, query: Query, *, limit: int, below: int | None
) -> tuple[Sequence[int], int, bool]:
    """Return the places of a page and one more, how many there are in all, and whether no more than that."""
    dialect = connection.dialect.name
    counted: tuple[int, bool] | None = None
    is_counted = query == EVERYTHING or filters.tally_of(query) is not None
    if not is_counted and dialect == "postgresql":
        if _is_common(connection, query):
            counted = COUNTED_TO, False
        elif below is None:
            # Its index of words has no order: to count takes as long as to find, so one question does both.
            asked = filters.places(query, dialect).order_by(None).limit(COUNTED_TO + 1)
            some = connection.scalars(asked).all()
            if len(some) <= COUNTED_TO:
                return sorted(some, reverse=True)[: limit + 1], len(some), True
            counted = COUNTED_TO, False
    places = connection.scalars(filters.places(query, dialect, below=below).limit(limit + 1)).all()
    if len(places) <= limit and below is None:
        return places, len(places), True
    return places, *(counted or _total(connection, query))


def _is_common(connection: Connection, query: Query) -> bool:
    """Return whether PostgreSQL knows of a single token that far more messages have it than are counted.

    Its statistics sample how often each token is there: they are right for one, and a guess for several.
    """
    if filters.tokens(query) != 1:
        return False
    asked = filters.places(query, connection.dialect.name).order_by(None).compile(dialect=connection.dialect)
    plan = connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {asked}", asked.params).scalar_one()
    return bool(plan[0]["Plan"]["Plan Rows"] >= SURELY_MORE)


def _total(connection: Connection, query: Query) -> tuple[int, bool]:
    """Return how many messages the query finds, and whether there are no more than that."""
    if query == EVERYTHING:
        kept = _counters(connection)
        return sum(kept[f"messages_{state}"] for state in MessageState), True
    if (tally := filters.tally_of(query)) is not None:
        return connection.scalar(tally) or 0, True
    some = filters.places(query, connection.dialect.name).order_by(None).limit(COUNTED_TO + 1)
    counted = connection.scalar(select(func.count()).select_from(some.subquery())) or 0
    return min(counted, COUNTED_TO), counted <= COUNTED_TO


@retried
def due(engine: Engine, *, now: datetime, limit: int) -> list[tuple[str, datetime]]:
    """Return id and deadline of messages with work due that nobody has in hand, nearest deadline first."""
    query = (
        select(messages.c.id, messages.c.deadline_at)
        .where(messages.c.due_at <= now, not_in_hand(now))
        .order_by(messages.c.deadline_at)
        .limit(limit)
    )
    with reading(engine) as connection:
        return [(row.id, row.deadline_at) for row in connection.execute(query)]


def not_in_hand(now: datetime) -> ColumnElement[bool]:
    """Return the condition that nobody works on a message.

    A lease that ends too far ahead was taken by a clock that has been set back since.
    """
    return or_(messages.c.lease_token.is_(None), runs_out(now, now + LONGEST_LEASE))


def runs_out(now: Any, furthest: Any) -> ColumnElement[bool]:
    """Return the condition that a lease counts no more, by the time now and the furthest one for its end."""
    return or_(messages.c.lease_until_at < now, messages.c.lease_until_at > furthest)


@retried
def previews_due(engine: Engine, *, now: datetime, limit: int) -> list[str]:
    """Return ids of messages with a preview still to be made, the one that waits longest first."""
    query = (
        select(media.c.message_id)
        .where(media.c.preview_due_at <= now)
        .group_by(media.c.message_id)
        .order_by(func.min(media.c.preview_due_at))
        .limit(limit)
    )
    with reading(engine) as connection:
        return list(connection.scalars(query))


@retried
def counts(engine: Engine, *, at_risk_before: datetime) -> Counts:
    """Return the numbers of `status`; a file is at risk when it is pending with a deadline before that."""
    pending = messages.c.state == MessageState.PENDING.value
    with reading(engine) as connection:
        kept = _counters(connection)
        at_risk = connection.scalar(
            select(func.count())
            .select_from(media.join(messages))
            .where(media.c.state == "pending", pending, messages.c.deadline_at < at_risk_before)
        )
        oldest = connection.scalar(select(func.min(messages.c.recorded_at)).where(pending))
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
        at_risk=at_risk or 0,
        oldest_pending_at=oldest,
        bytes=kept["bytes"],
    )


def nearest_deadline_at(engine: Engine) -> datetime | None:
    """Return the nearest deadline of a message that waits; None where none does."""
    pending = messages.c.state == MessageState.PENDING.value
    with reading(engine) as connection:
        nearest: datetime | None = connection.scalar(select(func.min(messages.c.deadline_at)).where(pending))
        return nearest


def _counters(connection: Connection) -> dict[str, int]:
    sums = (func.coalesce(func.sum(counters.c[name]), 0).label(name) for name in COUNTED)
    return {name: int(value) for name, value in connection.execute(select(*sums)).mappings().one().items()}


def load_all_in(connection: Connection, ids: Sequence[str]) -> list[Message]:
    """Return the messages in the order of `ids`; ids that are not there are left out."""
    found = {message.id: message for message in _load_where(connection, messages.c.id.in_(ids))}
    return [found[identity] for identity in ids if identity in found]


def _load_where(connection: Connection, condition: ColumnElement[bool]) -> list[Message]:
    """Return the messages that fulfil the condition, the newest first."""
    found = select(messages).where(condition).order_by(messages.c.place.desc())
    rows = connection.execute(found).mappings().all()
    ids = [row["id"] for row in rows]
    parts = {
        table.name: _by_message(
            connection.execute(
                select(table).where(table.c.message_id.in_(ids)).order_by(*table.primary_key.columns)
            ).mappings()
        )
        for table in _PARTS
    }
    return [
        _message(row, {name: of_all.get(row["id"], []) for name, of_all in parts.items()}) for row in rows
    ]


def _by_message(rows: Iterable[RowMapping]) -> dict[str, list[RowMapping]]:
    gathered: dict[str, list[RowMapping]] = {}
    for row in rows:
        gathered.setdefault(row["message_id"], []).append(row)
    return gathered


def _message(row: RowMapping, parts: Mapping[str, Sequence[RowMapping]]) -> Message:
    own = {name: row[name] for name in Message.model_fields if name in row}
    return Message(
        **{**own, "tags": tuple(row["tags"])},
        to=tuple(part["recipient"] for part in parts["recipients"]),
        media=tuple(MediaItem.model_validate(dict(part)) for part in parts["media"]),
        postbacks=tuple(RawPostback.model_validate(dict(part)) for part in parts["postbacks"]),
        attempts=tuple(Attempt.model_validate(dict(part)) for part in parts["attempts"]),
    )


def write_cursor(place: int) -> str:
    """Return what `after` takes for the messages below a place."""
    return base64.urlsafe_b64encode(str(place).encode()).decode()


def _read_cursor(cursor: str) -> int:
    with contextlib.suppress(ValueError, binascii.Error):
        place = int(base64.urlsafe_b64decode(cursor))
        if abs(place) < 1 << 63:
            return place
    raise RejectedInputError(f"{cursor!r} is no `next` of a page of results.")
