"""Everything that asks the catalog for messages, and its numbers. Lists come newest first, by page.

A page starts below a place (see `places`), never at an offset: the thousandth costs as much as the
first, and what arrives in the meantime shifts nothing.
"""

import base64
import binascii
import contextlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, RowMapping, bindparam, or_, select

from mmsvault.catalog import filters, keyword_words, names, tallies
from mmsvault.catalog.connection import reading, retried
from mmsvault.catalog.language import NUMBER_FIELDS, Query, Term
from mmsvault.catalog.tables import (
    attempts,
    media,
    messages,
    postbacks,
    recipients,
)
from mmsvault.errors import NotFoundError, RejectedInputError
from mmsvault.message import Attempt, MediaItem, Message, RawPostback

IDS_A_PAGE = 500
_PARTS = (recipients, media, postbacks, attempts)
WHOLE = tuple(table.name for table in _PARTS)
"""The parts of a message."""
FILES = (media.name,)
"""What is enough of them to draw a message as tiles."""

LONGEST_LEASE = timedelta(minutes=2)


@dataclass(frozen=True)
class Page:
    """Some messages of a search, and where the next page starts. How many there are in all, `totals` says."""

    messages: tuple[Message, ...]
    next: str | None


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
_ONE = select(messages).where(messages.c.id == bindparam("message_id"))
_ONE_HELD = _ONE.with_for_update()
_OWN = tuple(name for name in Message.model_fields if name in messages.c)
_PARTS_OF_ONE = {
    table.name: select(table)
    .where(table.c.message_id == bindparam("message_id"))
    .order_by(*table.primary_key.columns)
    for table in _PARTS
}
_PARTS_OF_MANY = {
    table.name: select(table)
    .where(table.c.message_id.in_(bindparam("ids", expanding=True)))
    .order_by(*table.primary_key.columns)
    for table in _PARTS
}


def _with_parts(connection: Connection, row: RowMapping) -> Message:
    its = {"message_id": row["id"]}
    return _message(
        row, {name: connection.execute(one, its).mappings().all() for name, one in _PARTS_OF_ONE.items()}
    )


@retried
def search(
    engine: Engine,
    query: Query,
    *,
    limit: int = 50,
    after: str | None = None,
    parts: Collection[str] = WHOLE,
) -> Page:
    """Return the newest `limit` messages that the query finds, or those after a page's `next`.

    Parts that are not asked for are empty: such messages are for looking at only.
    """
    below = _read_cursor(after) if after else None
    with reading(engine) as connection:
        found = filters.places(narrowed(connection, query), connection.dialect.name, below=below)
        places = connection.scalars(found.limit(limit + 1)).all()
        page = _load_where(connection, messages.c.place.in_(places[:limit]), parts=parts)
    return Page(tuple(page), next=write_cursor(places[limit - 1]) if len(places) > limit else None)


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
    """Add numbers to names, keywords to words, and leave of a sender's number the ways that there are."""

    def known_ways(term: Term) -> Term:
        if not term.field and not term.exact:
            term = replace(term, keywords=keyword_words.find_in(connection, term.value))
            return _with_known(connection, term) if term.numbers else term
        term = _with_named(connection, term)
        if term.field != "from" or len(term.numbers) < 2:  # noqa: PLR2004 - one way needs no choice
            return term
        known = tallies.known(connection, tallies.SENDERS, term.numbers)
        return replace(term, numbers=tuple(known) or term.numbers[:1])

    return Query(tuple(tuple(known_ways(term) for term in group) for group in query.groups))


def _with_known(connection: Connection, term: Term) -> Term:
    """Leave of all that a bare number may be found by what there is, where the database needs that."""
    if connection.dialect.name != "postgresql":
        return term
    options = filters.phrases(term)
    known = tuple(options[at] for at in sorted(connection.scalars(filters.known_phrases(term))))
    return replace(term, known=known or options[:1])


def _with_named(connection: Connection, term: Term) -> Term:
    """Add the numbers of the senders that have the name that a term says, if it may be one."""
    if term.field not in NUMBER_FIELDS or term.exact or "*" in term.value:
        return term
    own = filters.numbers(term)
    if own[0].isdigit():  # a name has a letter in it
        return term
    return replace(term, numbers=tuple(dict.fromkeys((*own, *names.find_in(connection, term.value)))))


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
    """Return ids of messages with a preview still to be made, the one that waits longest first.

    At most `limit` files are looked at: grouped by message, every file of the archive would be.
    """
    query = (
        select(media.c.message_id)
        .where(media.c.preview_due_at <= now)
        .order_by(media.c.preview_due_at)
        .limit(limit)
    )
    with reading(engine) as connection:
        return list(dict.fromkeys(connection.scalars(query)))


def load_all_in(connection: Connection, ids: Sequence[str]) -> list[Message]:
    """Return the messages in the order of `ids`; ids that are not there are left out."""
    found = {message.id: message for message in _load_where(connection, messages.c.id.in_(ids))}
    return [found[identity] for identity in ids if identity in found]


def _load_where(
    connection: Connection, condition: ColumnElement[bool], *, parts: Collection[str] = WHOLE
) -> list[Message]:
    """Return the messages that fulfil the condition, the newest first, with these of their parts."""
    found = select(messages).where(condition).order_by(messages.c.place.desc())
    rows = connection.execute(found).mappings().all()
    ids = [row["id"] for row in rows]
    by_message = {
        name: _by_message(connection.execute(one, {"ids": ids}).mappings()) if name in parts else {}
        for name, one in _PARTS_OF_MANY.items()
    }
    return [
        _message(row, {name: of_all.get(row["id"], []) for name, of_all in by_message.items()})
        for row in rows
    ]


def _by_message(rows: Iterable[RowMapping]) -> dict[str, list[RowMapping]]:
    gathered: dict[str, list[RowMapping]] = {}
    for row in rows:
        gathered.setdefault(row["message_id"], []).append(row)
    return gathered


def _message(row: RowMapping, parts: Mapping[str, Sequence[RowMapping]]) -> Message:
    own = {name: row[name] for name in _OWN}
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
