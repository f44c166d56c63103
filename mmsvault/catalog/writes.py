"""Everything that changes the catalog. Each function is one transaction and safe to run twice."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, Table, func, insert, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from mmsvault.bucket import postback_name
from mmsvault.catalog import documents, queries
from mmsvault.catalog.connection import retried, writing
from mmsvault.catalog.places import possible_places
from mmsvault.catalog.tables import (
    attempts,
    media,
    messages,
    postbacks,
    receipts,
    recipients,
    serials,
    tombstones,
)
from mmsvault.errors import OvertakenError
from mmsvault.message import (
    Attempt,
    MediaItem,
    Message,
    MessageState,
    RawPostback,
    Receipt,
    fold,
    normal_number,
    utc_now,
)

SWEEP = "sweep"


@dataclass(frozen=True)
class Recorded:
    """What recording a receipt came to: its message as it now stands, and its own raw postback.

    `is_new` says that the raw bytes may not be in the bucket yet.
    """

    message: Message
    postback: RawPostback
    is_new: bool


@retried
def record(engine: Engine, message: Message, receipt: Receipt) -> Recorded | None:
    """Enter the message that `receipt` announces, or add the receipt to the one that is there.

    A repeat with the same body is counted; with another body it is kept beside the first and its
    new files are added. The same receipt again, from a job that was cut off, changes nothing. A
    message that was deleted stays so: its repeat is counted, and None returned.
    """
    digest = hashlib.sha256(receipt.body).hexdigest()
    with writing(engine) as connection:
        if connection.scalar(select(tombstones.c.id).where(tombstones.c.id == message.id)):
            insert_new(connection, receipts, _receipt_row(receipt, "duplicate", message_id=message.id))
            return None
        first = insert_whole(connection, message)
        if not first:  # hold the row, so that two repeats at once come one after the other
            connection.execute(select(messages.c.id).where(messages.c.id == message.id).with_for_update())
        known = message if first else queries.load_in(connection, message.id)
        is_new = digest not in {entry.sha256 for entry in known.postbacks}
        if is_new:
            added = _add_postback(connection, known, receipt, digest)
            _make_due(connection, known, receipt)
            if _add_media(connection, known, message):
                known = queries.load_in(connection, message.id)
                documents.keep(connection, known)
            else:
                known = known.model_copy(update={"postbacks": (*known.postbacks, added)})
        outcome = "message" if first else "duplicate"
        counted = insert_new(connection, receipts, _receipt_row(receipt, outcome, message_id=message.id))
    postback = next(entry for entry in known.postbacks if entry.sha256 == digest)
    return Recorded(message=known, postback=postback, is_new=is_new or not counted)


@retried
def count_receipt(engine: Engine, receipt: Receipt, outcome: str, *, code: str = "") -> None:
    """Count a receipt that is no message: `other` with its code, or `quarantined`."""
    with writing(engine) as connection:
        insert_new(connection, receipts, _receipt_row(receipt, outcome, code=code))


@retried
def take_lease(engine: Engine, message_id: str, *, token: str, now: datetime, span: timedelta) -> bool:
    """Return whether the work on this message is now `token`'s, for `span` or until renewed."""
    free = or_(messages.c.lease_token == token, queries.not_in_hand(now))
    with writing(engine, forced=False) as connection:
        taken = connection.execute(
            update(messages)
            .where(messages.c.id == message_id, free)
            .values(lease_token=token, lease_until_at=now + span)
        )
    return taken.rowcount == 1


@retried
def save_attempts(
    engine: Engine, message_id: str, *, items: Sequence[MediaItem], tried: Sequence[Attempt], token: str
) -> Message | None:
    """Write what attempts came to and return the message as it now stands; None if no longer `token`'s.

    The message is due until `settle`, so that one cut off in between is finished by another worker.
    """
    with writing(engine, forced=False) as connection:
        if not _holds(connection, message_id, token):
            return None
        connection.execute(
            update(messages)
            .where(messages.c.id == message_id, messages.c.due_at.is_(None))
            .values(due_at=utc_now())
        )
        for item in items:
            connection.execute(
                update(media)
                .where(media.c.message_id == message_id, media.c.position == item.position)
                .values(_media_row(message_id, item))
            )
        earlier = connection.scalar(select(func.count()).where(attempts.c.message_id == message_id)) or 0
        _insert_all(connection, attempts, _numbered(message_id, tried, start=earlier + 1))
        message = queries.load_in(connection, message_id)
        documents.keep(connection, message)
        return message


@retried
def settle(engine: Engine, written: Message, *, token: str) -> Message | None:
    """Write what the files add up to, and let others work on the message, if it is still `token`'s.

    `written` is what message.json says. Where the message has changed since (a repeat, a hold),
    nothing is settled and it is returned as it stands, to be written first.
    """
    with writing(engine) as connection:
        if not _holds(connection, written.id, token):
            return None
        message = queries.load_in(connection, written.id)
        if message != written:
            return message
        connection.execute(
            update(messages)
            .where(messages.c.id == message.id)
            .values(state=message.state.value, due_at=message.due_at, lease_token=None, lease_until_at=None)
        )
        return None


@retried
def release_lease(engine: Engine, message_id: str, *, token: str) -> None:
    """Let others work on the message, as it is, if it is still `token`'s."""
    with writing(engine, forced=False) as connection:
        connection.execute(
            update(messages)
            .where(messages.c.id == message_id, messages.c.lease_token == token)
            .values(lease_token=None, lease_until_at=None)
        )


@retried
def postpone(engine: Engine, message_ids: Sequence[str], *, until: datetime, fence: int) -> None:
    """Have the sweep look at these pending messages at `until` and not before.

    Raises OvertakenError where a newer sweep than the one that holds `fence` has begun.
    """
    with writing(engine) as connection:
        newest = select(serials.c.value).where(serials.c.name == SWEEP).with_for_update()
        if connection.scalar(newest) != fence:
            raise OvertakenError("Another sweep has begun; what it does counts.")
        connection.execute(
            update(messages)
            .where(messages.c.id.in_(message_ids), messages.c.due_at.is_not(None))
            .values(due_at=until)
        )


@retried
def next_fence(engine: Engine) -> int:
    """Return the fencing token of a sweep that begins now; every earlier one's is void."""
    with writing(engine) as connection:
        return _count_on(connection, SWEEP)


@retried
def check(engine: Engine) -> None:
    """Raise UnavailableError unless the catalog takes something in now."""
    with writing(engine) as connection:
        _count_on(connection, "probe")


def _count_on(connection: Connection, name: str) -> int:
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    first = dialect.insert(serials).values(name=name, value=1)
    following = first.on_conflict_do_update(
        index_elements=[serials.c.name], set_={"value": serials.c.value + 1}
    )
    return int(connection.scalar(following.returning(serials.c.value)) or 0)


@retried
def postpone_previews(engine: Engine, message_ids: Sequence[str], *, until: datetime) -> None:
    """Have the sweep look at the missing previews of these messages at `until` and not before."""
    with writing(engine) as connection:
        connection.execute(
            update(media)
            .where(media.c.message_id.in_(message_ids), media.c.preview_due_at.is_not(None))
            .values(preview_due_at=until)
        )


@retried
def annotate(
    engine: Engine,
    message_id: str,
    *,
    tag: Sequence[str] = (),
    untag: Sequence[str] = (),
    note: str | None = None,
    now: datetime,
) -> Message:
    """Add tags, take tags away, set the note, and return the message. Raises NotFoundError.

    A tag is the same with or without capitals and accents; the first way that it was written stays.
    A message that this changed is due until its record says so too.
    """
    with writing(engine) as connection:
        connection.execute(select(messages.c.id).where(messages.c.id == message_id).with_for_update())
        message = queries.load_in(connection, message_id)
        tags = {fold(name): name for name in (*tag, *reversed(message.tags))}
        for name in untag:
            tags.pop(fold(name), None)
        kept = tuple(tags[key] for key in sorted(tags))
        changes = {"tags": kept, "note": message.note if note is None else note}
        if changes == {"tags": message.tags, "note": message.note}:
            return message
        connection.execute(
            update(messages)
            .where(messages.c.id == message_id)
            .values({**changes, "tags": list(kept), "due_at": now})
        )
        message = message.model_copy(update=changes)
        documents.keep(connection, message)
    return message


def insert_whole(connection: Connection, message: Message) -> bool:
    """Return whether the message was new, and enter it with all of its parts then, to be found."""
    row = _message_row(message)
    known = select(messages.c.id).where(messages.c.id == message.id)
    for place in possible_places(message.received_at, message.id):
        if insert_new(connection, messages, {**row, "place": place}):
            break
        if connection.scalar(known):
            return False
    _insert_parts(connection, message)
    documents.keep(connection, message)
    return True


def insert_new(connection: Connection, table: Table, row: dict[str, Any]) -> bool:
    """Return whether the row was new; one with the same key stays as it is."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    new = dialect.insert(table).values(row).on_conflict_do_nothing().returning(*table.primary_key.columns)
    return connection.execute(new).first() is not None


def _insert_all(connection: Connection, table: Table, rows: Iterable[dict[str, Any]]) -> None:
    listed = list(rows)
    if listed:
        connection.execute(insert(table), listed)


def _insert_parts(connection: Connection, message: Message) -> None:
    _insert_all(connection, media, (_media_row(message.id, item) for item in message.media))
    _insert_all(
        connection,
        recipients,
        (
            {
                "message_id": message.id,
                "position": position,
                "recipient": number,
                "recipient_number": normal_number(number),
            }
            for position, number in enumerate(message.to)
        ),
    )
    _insert_all(connection, postbacks, _numbered(message.id, message.postbacks))
    _insert_all(connection, attempts, _numbered(message.id, message.attempts))


def _add_postback(connection: Connection, message: Message, receipt: Receipt, digest: str) -> RawPostback:
    number = len(message.postbacks) + 1
    entry = RawPostback(
        name=postback_name(number, receipt.body),
        sha256=digest,
        received_at=receipt.received_at,
        source=receipt.source,
        headers=receipt.headers,
    )
    connection.execute(insert(postbacks), {"message_id": message.id, "number": number, **entry.model_dump()})
    return entry


def _make_due(connection: Connection, known: Message, receipt: Receipt) -> None:
    """Leave work to do on a message until its raw postback and its record are in the bucket."""
    connection.execute(
        update(messages)
        .where(messages.c.id == known.id, messages.c.due_at.is_(None))
        .values(due_at=receipt.received_at)
    )


def _add_media(connection: Connection, known: Message, announced: Message) -> bool:
    """Return whether the message announces files that are not known yet, which are then."""
    have = {item.url for item in known.media}
    new = [item for item in announced.media if item.url not in have]
    if not new:  # as for the first postback, whose files are there already
        return False
    placed = [item.model_copy(update={"position": place}) for place, item in enumerate(new, len(known.media))]
    _insert_all(connection, media, (_media_row(known.id, item) for item in placed))
    connection.execute(
        update(messages)
        .where(messages.c.id == known.id)
        .values(state=MessageState.PENDING.value, due_at=placed[0].next_attempt_at)
    )
    return True


def _message_row(message: Message) -> dict[str, Any]:
    return {
        **message.model_dump(exclude={"to", "media", "postbacks", "attempts"}),
        "tags": list(message.tags),
        "sender_number": normal_number(message.sender),
        "keyword_folded": fold(message.keyword),
        "state": message.state.value,
        "due_at": message.due_at,
    }


def _holds(connection: Connection, message_id: str, token: str) -> bool:
    """Return whether `token` holds the message, and keep it so until the transaction ends."""
    holder = select(messages.c.lease_token).where(messages.c.id == message_id).with_for_update()
    return connection.scalar(holder) == token


def _media_row(message_id: str, item: MediaItem) -> dict[str, Any]:
    row = item.model_dump()
    return {"message_id": message_id, **row, "state": item.state.value, "codecs": list(item.codecs)}


def _numbered(message_id: str, values: Iterable[Any], *, start: int = 1) -> list[dict[str, Any]]:
    return [
        {"message_id": message_id, "number": number, **value.model_dump()}
        for number, value in enumerate(values, start=start)
    ]


def _receipt_row(
    receipt: Receipt, outcome: str, *, message_id: str | None = None, code: str = ""
) -> dict[str, Any]:
    return {
        "id": receipt.id,
        "outcome": outcome,
        "message_id": message_id,
        "code": code,
        "received_at": receipt.received_at,
    }
