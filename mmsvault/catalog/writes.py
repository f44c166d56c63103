"""Everything that changes the catalog. Each function is one transaction and safe to run twice."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, bindparam, or_, select, update

from mmsvault.catalog import documents, queries
from mmsvault.catalog.connection import retried, writing
from mmsvault.catalog.entering import (
    Claim,
    insert_all,
    insert_in_dialect,
    insert_new,
    insert_whole,
    media_row,
    numbered,
)
from mmsvault.catalog.tables import (
    attempts,
    media,
    messages,
    postbacks,
    receipts,
    serials,
    tombstones,
)
from mmsvault.errors import OvertakenError
from mmsvault.layout import corrected_name, postback_name
from mmsvault.message import (
    Attempt,
    MediaItem,
    Message,
    MessageState,
    RawPostback,
    Receipt,
    fold,
    note_of,
    tag_of,
)

SWEEP = "sweep"


@dataclass(frozen=True)
class Recorded:
    """What recording a receipt came to: its message as it now stands, and its own raw postback.

    `correction` is the body that a person gave in its place. `is_new` says that the bytes of one of them
    may not be in the bucket yet, `is_first` that the message is new.
    """

    message: Message
    postback: RawPostback
    correction: RawPostback | None
    is_new: bool
    is_first: bool

    def bodies(self, receipt: Receipt) -> dict[str, bytes]:
        """Return what of the receipt belongs in the bucket, by its key."""
        found = {f"{self.message.prefix}{self.postback.name}": receipt.body}
        if self.correction and receipt.correction:
            found[f"{self.message.prefix}{self.correction.name}"] = receipt.correction.body
        return found


@retried
def record(
    engine: Engine, message: Message, receipt: Receipt, *, claim: Claim | None = None, forced: bool = True
) -> Recorded | None:
    """Enter the message that `receipt` announces, or add the receipt to the one that is there.

    A new message is in the hand of `claim`.

    A repeat with the same body is counted; with another body it is kept beside the first and its
    new files are added. The same receipt again, from a job that was cut off, changes nothing. A
    message that was deleted stays so: its repeat is counted, and None returned.
    """
    with writing(engine, forced=forced) as connection:
        if connection.scalar(_TOMBSTONE, {"message_id": message.id}):
            insert_new(connection, receipts, _receipt_row(receipt, "duplicate", message_id=message.id))
            return None
        first = insert_whole(connection, message, claim=claim)
        if not first:  # hold the row, so that two repeats at once come one after the other
            connection.execute(select(messages.c.id).where(messages.c.id == message.id).with_for_update())
        known = message if first else queries.load_in(connection, message.id)
        postback, correction, added = _entries(known, receipt)
        if added:
            new_rows = numbered(known.id, added, start=len(known.postbacks) + 1)
            insert_all(connection, postbacks, new_rows)
            if known.due_at is None or not first:
                connection.execute(_MAKE_DUE, {"message_id": known.id, "now": receipt.received_at})
            if _add_media(connection, known, message):
                known = queries.load_in(connection, message.id)
                documents.keep(connection, known)
            else:
                known = known.model_copy(update={"postbacks": (*known.postbacks, *added)})
        outcome = "message" if first else "duplicate"
        counted = insert_new(connection, receipts, _receipt_row(receipt, outcome, message_id=message.id))
    is_new = bool(added) or not counted
    return Recorded(known, postback, correction, is_new=is_new, is_first=first)


_TOMBSTONE = select(tombstones.c.id).where(tombstones.c.id == bindparam("message_id"))


@retried
def count_receipt(engine: Engine, receipt: Receipt, outcome: str, *, code: str = "") -> None:
    """Count a receipt that is no message: `other` with its code, or `quarantined`."""
    with writing(engine) as connection:
        insert_new(connection, receipts, _receipt_row(receipt, outcome, code=code))


@retried
def take_lease(engine: Engine, message_id: str, *, token: str, now: datetime, span: timedelta) -> bool:
    """Return whether the work on this message is now `token`'s, for `span` or until renewed."""
    claim = {"message_id": message_id, "token": token, "now": now, "until_at": now + span}
    claim["furthest"] = now + queries.LONGEST_LEASE
    with writing(engine, forced=False) as connection:
        return connection.execute(_TAKE_LEASE, claim).rowcount == 1


_TAKE_LEASE = (
    update(messages)
    .where(
        messages.c.id == bindparam("message_id"),
        or_(
            messages.c.lease_token.is_(None),
            messages.c.lease_token == bindparam("token"),
            queries.runs_out(bindparam("now"), bindparam("furthest")),
        ),
    )
    .values(lease_token=bindparam("token"), lease_until_at=bindparam("until_at"))
)


@retried
def save_attempts(
    engine: Engine,
    message_id: str,
    *,
    items: Sequence[MediaItem],
    tried: Sequence[Attempt],
    token: str,
    now: datetime,
) -> Message | None:
    """Write what attempts came to and return the message as it now stands; None if no longer `token`'s.

    The message is due until `settle`, so that one cut off in between is finished by another worker.
    Attempts that are there already, of a call whose answer was lost, are not entered once more.
    """
    with writing(engine, forced=False) as connection:
        known = queries.load_held_in(connection, message_id, token=token)
        if known is None:
            return None
        there = {(one.position, one.at) for one in known.attempts}
        new = [one for one in tried if (one.position, one.at) not in there]
        connection.execute(_MAKE_DUE, {"message_id": message_id, "now": now})
        for item in items:
            row = media_row(message_id, item)
            connection.execute(_CHANGE_MEDIA, {**row, "its_message": message_id, "its_place": item.position})
        insert_all(connection, attempts, numbered(message_id, new, start=len(known.attempts) + 1))
        changed = {item.position: item for item in items}
        message = known.model_copy(
            update={
                "media": tuple(changed.get(item.position, item) for item in known.media),
                "attempts": (*known.attempts, *new),
            }
        )
        documents.keep(connection, message)
        return message


_MAKE_DUE = (
    update(messages)
    .where(messages.c.id == bindparam("message_id"), messages.c.due_at.is_(None))
    .values(due_at=bindparam("now"))
)
_CHANGE_MEDIA = update(media).where(
    media.c.message_id == bindparam("its_message"), media.c.position == bindparam("its_place")
)


@retried
def settle(engine: Engine, written: Message, *, token: str) -> Message | None:
    """Write what the files add up to, and let others work on the message, if it is still `token`'s.

    `written` is what message.json says. Where the message has changed since (a repeat, a hold),
    nothing is settled and it is returned as it stands, to be written first.
    """
    with writing(engine) as connection:
        message = queries.load_held_in(connection, written.id, token=token)
        if message is None:
            return None
        if message != written:
            return message
        settled = {"message_id": message.id, "now_state": message.state.value, "now_due_at": message.due_at}
        connection.execute(_SETTLE, settled)
        return None


_SETTLE = (
    update(messages)
    .where(messages.c.id == bindparam("message_id"))
    .values(
        state=bindparam("now_state"), due_at=bindparam("now_due_at"), lease_token=None, lease_until_at=None
    )
)


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
def postpone(
    engine: Engine, message_ids: Sequence[str], *, until: datetime, fence: int, forced: bool = True
) -> None:
    """Have the sweep look at these pending messages at `until` and not before.

    Raises OvertakenError where a newer sweep than the one that holds `fence` has begun.
    """
    with writing(engine, forced=forced) as connection:
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
        return count_on(connection, SWEEP)


@retried
def check(engine: Engine) -> None:
    """Raise UnavailableError unless the catalog takes something in now."""
    with writing(engine) as connection:
        count_on(connection, "probe")


def force(engine: Engine) -> None:
    """Return once everything that was written before is on the disk. Raises UnavailableError."""
    if engine.dialect.name == "sqlite":  # PostgreSQL has forced it already
        check(engine)


def count_on(connection: Connection, name: str) -> int:
    """Add one to a serial, and return what it is now."""
    first = insert_in_dialect(connection.dialect.name, serials).values(name=name, value=1)
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
    """Add tags, take tags away, set the note, and return the message.

    Raises NotFoundError, and RejectedInputError for a tag or a note that is too long. A tag is the same
    with or without capitals and accents; the first way that it was written stays.
    A message that this changed is due until its record says so too.
    """
    added = [tag_of(name) for name in tag]
    written = None if note is None else note_of(note)
    with writing(engine) as connection:
        connection.execute(select(messages.c.id).where(messages.c.id == message_id).with_for_update())
        message = queries.load_in(connection, message_id)
        tags = {fold(name): name for name in (*added, *reversed(message.tags))}
        for name in untag:
            tags.pop(fold(name), None)
        kept = tuple(tags[key] for key in sorted(tags))
        changes = {"tags": kept, "note": message.note if written is None else written}
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


def _entries(message: Message, receipt: Receipt) -> tuple[RawPostback, RawPostback | None, list[RawPostback]]:
    """Return the entries of a receipt's body and of its correction, and those that are new."""
    added: list[RawPostback] = []
    digest = hashlib.sha256(receipt.body).hexdigest()
    raw = next((one for one in message.postbacks if one.sha256 == digest and not one.corrects), None)
    if raw is None:
        raw = RawPostback(
            name=postback_name(len(message.postbacks) + 1, receipt.body),
            sha256=digest,
            received_at=receipt.received_at,
            source=receipt.source,
            headers=receipt.headers,
        )
        added.append(raw)
    given = receipt.correction
    if given is None:
        return raw, None, added
    digest = hashlib.sha256(given.body).hexdigest()
    same = (one for one in message.postbacks if one.sha256 == digest and one.corrects == raw.name)
    corrected = next(same, None)
    if corrected is None:
        corrected = RawPostback(
            name=corrected_name(len(message.postbacks) + len(added) + 1, given.body),
            sha256=digest,
            received_at=receipt.received_at,
            source=receipt.source,
            headers=given.headers,
            corrects=raw.name,
            corrected_by=given.by,
            corrected_at=given.at,
        )
        added.append(corrected)
    return raw, corrected, added


def _add_media(connection: Connection, known: Message, announced: Message) -> bool:
    """Return whether the message announces files that are not known yet, which are then."""
    have = {item.url for item in known.media}
    new = [item for item in announced.media if item.url not in have]
    if not new:  # as for the first postback, whose files are there already
        return False
    placed = [item.model_copy(update={"position": place}) for place, item in enumerate(new, len(known.media))]
    insert_all(connection, media, (media_row(known.id, item) for item in placed))
    connection.execute(
        update(messages)
        .where(messages.c.id == known.id)
        .values(state=MessageState.PENDING.value, due_at=placed[0].next_attempt_at)
    )
    return True


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
