"""Everything that asks the catalog. Lists come newest first, in pages by key, never by offset."""

import base64
import binascii
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, RowMapping, and_, func, or_, select

from mmsvault.catalog.connection import reading
from mmsvault.catalog.filters import condition
from mmsvault.catalog.language import Query
from mmsvault.catalog.tables import attempts, media, messages, postbacks, receipts, recipients
from mmsvault.errors import NotFoundError, RejectedInputError
from mmsvault.message import Attempt, MediaItem, Message, MessageState, RawPostback

LONGEST_LEASE = timedelta(minutes=2)


@dataclass(frozen=True)
class Page:
    """Some messages of a search, how many there are in all, and where the next page starts."""

    total: int
    messages: tuple[Message, ...]
    next: str | None


@dataclass(frozen=True)
class Tally:
    """How many messages one sender or keyword has (`name` as last written), and when."""

    key: str
    name: str
    messages: int
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True)
class Counts:
    """What there is and what is left to do. `at_risk`: files pending with under a day left."""

    messages: dict[str, int]
    media: dict[str, int]
    receipts: dict[str, int]
    at_risk: int
    oldest_pending_at: datetime | None
    bytes: int


def load(engine: Engine, message_id: str) -> Message:
    """Return the message whole. Raises NotFoundError."""
    with reading(engine) as connection:
        return load_in(connection, message_id)


def load_in(connection: Connection, message_id: str) -> Message:
    """Return the message as this transaction sees it. Raises NotFoundError."""
    found = load_all_in(connection, [message_id])
    if not found:
        raise NotFoundError(f"There is no message {message_id}.")
    return found[0]


def search(engine: Engine, query: Query, *, limit: int = 50, after: str | None = None) -> Page:
    """Return the newest `limit` messages that the query finds, or those after a page's `next`."""
    found = select(messages.c.id, messages.c.received_at).where(condition(query))
    newest_first = found.order_by(messages.c.received_at.desc(), messages.c.id.desc()).limit(limit + 1)
    if after:
        moment, identity = _read_cursor(after)
        newest_first = newest_first.where(
            or_(
                messages.c.received_at < moment,
                and_(messages.c.received_at == moment, messages.c.id < identity),
            )
        )
    with reading(engine) as connection:
        total = connection.scalar(select(func.count()).select_from(found.subquery())) or 0
        rows = connection.execute(newest_first).all()
        page = load_all_in(connection, [row.id for row in rows[:limit]])
    more = len(rows) > limit
    return Page(
        total=total,
        messages=tuple(page),
        next=_write_cursor(rows[limit - 1].received_at, rows[limit - 1].id) if more else None,
    )


def senders(engine: Engine) -> list[Tally]:
    """Return all senders, the one with the latest message first."""
    return _tallies(engine, messages.c.sender_number, messages.c.sender)


def keywords(engine: Engine) -> list[Tally]:
    """Return all keywords, the one with the latest message first; the empty one is for none."""
    return _tallies(engine, messages.c.keyword_folded, messages.c.keyword)


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
    until = messages.c.lease_until_at
    return or_(messages.c.lease_token.is_(None), until < now, until > now + LONGEST_LEASE)


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


def counts(engine: Engine, *, at_risk_before: datetime) -> Counts:
    """Return the numbers of `status`; a file is at risk when it is pending with a deadline before that."""
    pending = messages.c.state == MessageState.PENDING.value
    with reading(engine) as connection:
        at_risk = connection.scalar(
            select(func.count())
            .select_from(media.join(messages))
            .where(media.c.state == "pending", pending, messages.c.deadline_at < at_risk_before)
        )
        outcomes = _grouped(connection, receipts.c.outcome)
        return Counts(
            messages={**{state.value: 0 for state in MessageState}, **_grouped(connection, messages.c.state)},
            media={"pending": 0, "stored": 0, "lost": 0, **_grouped(connection, media.c.state)},
            receipts={
                "total": sum(outcomes.values()),
                "duplicates": outcomes.get("duplicate", 0),
                "other": outcomes.get("other", 0),
                "quarantined": outcomes.get("quarantined", 0),
            },
            at_risk=at_risk or 0,
            oldest_pending_at=connection.scalar(select(func.min(messages.c.recorded_at)).where(pending)),
            bytes=int(connection.scalar(select(func.coalesce(func.sum(media.c.size), 0))) or 0),
        )


def _grouped(connection: Connection, column: Any) -> dict[str, int]:
    return {
        str(name): count for name, count in connection.execute(select(column, func.count()).group_by(column))
    }


def _tallies(engine: Engine, key: Any, name: Any) -> list[Tally]:
    query = (
        select(
            key.label("key"),
            func.max(name).label("name"),
            func.count().label("messages"),
            func.min(messages.c.received_at).label("first_at"),
            func.max(messages.c.received_at).label("last_at"),
        )
        .group_by(key)
        .order_by(func.max(messages.c.received_at).desc())
    )
    with reading(engine) as connection:
        return [Tally(**row) for row in connection.execute(query).mappings()]


def load_all_in(connection: Connection, ids: Sequence[str]) -> list[Message]:
    """Return the messages in the order of `ids`; ids that are not there are left out."""
    rows = {
        row["id"]: row
        for row in connection.execute(select(messages).where(messages.c.id.in_(ids))).mappings()
    }
    parts = {
        table.name: _by_message(
            connection.execute(
                select(table).where(table.c.message_id.in_(ids)).order_by(*table.primary_key.columns)
            ).mappings()
        )
        for table in (recipients, media, postbacks, attempts)
    }
    return [
        _message(rows[identity], {name: found.get(identity, []) for name, found in parts.items()})
        for identity in ids
        if identity in rows
    ]


def _by_message(rows: Iterable[RowMapping]) -> dict[str, list[RowMapping]]:
    gathered: dict[str, list[RowMapping]] = {}
    for row in rows:
        gathered.setdefault(row["message_id"], []).append(row)
    return gathered


def _message(row: RowMapping, parts: dict[str, list[RowMapping]]) -> Message:
    own = {name: row[name] for name in Message.model_fields if name in row}
    return Message(
        **{**own, "tags": tuple(row["tags"])},
        to=tuple(part["recipient"] for part in parts["recipients"]),
        media=tuple(MediaItem.model_validate(dict(part)) for part in parts["media"]),
        postbacks=tuple(RawPostback.model_validate(dict(part)) for part in parts["postbacks"]),
        attempts=tuple(Attempt.model_validate(dict(part)) for part in parts["attempts"]),
    )


def _write_cursor(moment: datetime, identity: str) -> str:
    return base64.urlsafe_b64encode(f"{moment.isoformat()} {identity}".encode()).decode()


def _read_cursor(cursor: str) -> tuple[datetime, str]:
    try:
        moment, _, identity = base64.urlsafe_b64decode(cursor).decode().partition(" ")
        return datetime.fromisoformat(moment), identity
    except (ValueError, binascii.Error) as error:
        raise RejectedInputError(f"{cursor!r} is no `next` of a page of results.") from error
