"""What the catalog is asked and told when the archive is checked, mended, made again or weeded.

Walks go by primary key, page by page, so a million messages need no more memory than a page.
Everything is one transaction a function and safe to run twice.
"""

import hashlib
import random
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, delete, func, insert, select, true, update

from mmsvault.catalog import documents, entering, queries, tallies
from mmsvault.catalog.connection import reading, retried, writing
from mmsvault.catalog.tables import (
    exports,
    is_pending,
    is_refused,
    is_unfinished,
    media,
    messages,
    receipts,
    serials,
    tombstones,
)
from mmsvault.catalog.tallies import SEPARATOR, Kind
from mmsvault.errors import RefusedError
from mmsvault.message import MediaState, Message, MessageState

T = TypeVar("T")
PAGE = 200
FETCH_SETTINGS = "fetch settings"
BEING_MADE = ("waiting", "running")
"""States of exports that may hold a message, and are not in the bucket whole yet."""


@dataclass(frozen=True)
class Standing:
    """A message as it stands. `unfinished`: a worker has it in hand, or will have at once."""

    message: Message
    unfinished: bool


class Entered(StrEnum):
    """What entering a message from its record came to."""

    NEW = "new"
    SAME = "same"
    REPLACED = "replaced"
    KEPT = "kept"
    BURIED = "buried"


Day = tuple[date, str, str]
"""A day (UTC), an outcome of receipts on it, and the code of other notices."""


def batches(items: Iterable[T]) -> Iterator[list[T]]:
    """Give the items page by page."""
    left = iter(items)
    while batch := list(islice(left, PAGE)):
        yield batch


@retried
def count(engine: Engine, *, since: datetime | None = None) -> int:
    """Return how many messages there are, received at `since` or later."""
    query = select(func.count()).select_from(messages)
    with reading(engine) as connection:
        return connection.scalar(query.where(messages.c.received_at >= since) if since else query) or 0


@retried
def stored_bytes(engine: Engine) -> int:
    """Return the size of all originals."""
    with reading(engine) as connection:
        return int(connection.scalar(select(func.coalesce(func.sum(media.c.size), 0))) or 0)


def pages(engine: Engine, *, since: datetime | None = None) -> Iterator[list[str]]:
    """Give the ids of all messages, received at `since` or later, page by page in their order."""
    last = ""
    while True:
        query = select(messages.c.id).where(messages.c.id > last).order_by(messages.c.id).limit(PAGE)
        with reading(engine) as connection:
            ids = list(connection.scalars(query.where(messages.c.received_at >= since) if since else query))
        if not ids:
            return
        yield ids
        last = ids[-1]


@retried
def some(engine: Engine, limit: int) -> list[str]:
    """Return the ids of a few messages here and there in time, whatever their number."""
    place = messages.c.place
    with reading(engine) as connection:
        # Each by the index: SQLite reads it whole for both at once.
        least, most = (select(end).scalar_subquery() for end in (func.min(place), func.max(place)))
        ends = connection.execute(select(least, most)).one()
        if ends[0] is None:
            return []
        drawn = (random.randint(*ends) for _ in range(limit))  # noqa: S311 - no secret
        next_to = (select(messages.c.id).where(place >= one).order_by(place).limit(1) for one in drawn)
        return sorted({str(connection.scalar(one)) for one in next_to})


@retried
def standings(engine: Engine, ids: Sequence[str], *, now: datetime) -> dict[str, Standing]:
    """Return how those of `ids` stand that are there."""
    with reading(engine) as connection:
        return _standings(connection, ids, now=now)


@retried
def folders(engine: Engine, ids: Sequence[str]) -> dict[str, str]:
    """Return the folders of those of `ids` that are there."""
    with reading(engine) as connection:
        found = connection.execute(select(messages.c.id, messages.c.prefix).where(messages.c.id.in_(ids)))
        return {row.id: row.prefix for row in found}


@retried
def waiting_folders(engine: Engine, *, limit: int) -> list[str]:
    """Return the folders of messages that wait for files, the newest of them; 0 means of all."""
    found = select(messages.c.prefix).where(is_pending)
    if limit:
        found = found.order_by(messages.c.deadline_at.desc()).limit(limit)
    with reading(engine) as connection:
        return list(connection.scalars(found))


def enter(engine: Engine, records: Sequence[Message], *, now: datetime) -> dict[str, Entered]:
    """Enter messages as their records in the bucket say, and return what came of each.

    A row that knows more than the record is kept, and so is one whose record is about to be
    written; a message that was deleted stays so.
    """
    came_of = _enter_all(engine, records, now=now)
    tallies.fold(engine, seconds=0)  # there may be millions of them before the next sweep
    return came_of


@retried
def _enter_all(engine: Engine, records: Sequence[Message], *, now: datetime) -> dict[str, Entered]:
    ids = [record.id for record in records]
    with writing(engine) as connection:
        buried = set(connection.scalars(select(tombstones.c.id).where(tombstones.c.id.in_(ids))))
        connection.execute(select(messages.c.id).where(messages.c.id.in_(ids)).with_for_update())
        known = _standings(connection, ids, now=now)
        return {
            record.id: Entered.BURIED
            if record.id in buried
            else _enter(connection, record, known.get(record.id))
            for record in records
        }


def _enter(connection: Connection, record: Message, row: Standing | None) -> Entered:
    if row is None:
        return Entered.NEW if entering.insert_whole(connection, record) else Entered.KEPT
    if row.message == record:
        return Entered.SAME
    known, told = progress(row.message), progress(record)
    if known > told or (row.unfinished and known == told):
        return Entered.KEPT
    connection.execute(delete(messages).where(messages.c.id == record.id))
    entering.insert_whole(connection, record)
    return Entered.REPLACED


def progress(message: Message) -> tuple[int, int, int]:
    """Return how far a message has come: of two accounts of it, the later one has the larger."""
    done = sum(item.state is not MediaState.PENDING for item in message.media)
    return len(message.postbacks), len(message.attempts), done


@retried
def hold(engine: Engine, message_id: str, *, held: bool, now: datetime) -> bool:
    """Hold the message or release it; return whether that changed anything.

    It is due then until its record says so too.
    """
    with writing(engine) as connection:
        changed = connection.execute(
            update(messages)
            .where(messages.c.id == message_id, messages.c.hold.is_(not held))
            .values(hold=held, due_at=now)
        )
        if changed.rowcount:
            documents.keep(connection, queries.load_in(connection, message_id))
        return changed.rowcount == 1


@retried
def retry(engine: Engine, message_id: str, *, now: datetime, stored: bool = False) -> int:
    """Have every file fetched again at once that is not stored, or is in doubt; return how many those are.

    With `stored`, all others as well. What is stored stays so meanwhile, and afterwards.
    """
    its = media.c.message_id == message_id
    missing = media.c.state != MediaState.STORED.value
    with writing(engine) as connection:
        pending = connection.execute(
            update(media).where(its, missing).values(state=MediaState.PENDING.value, next_attempt_at=now)
        ).rowcount
        again = connection.execute(
            update(media)
            .where(its, media.c.state == MediaState.STORED.value, true() if stored else media.c.doubt != "")
            .values(next_attempt_at=now)
        ).rowcount
        if pending or again:
            state = {"state": MessageState.PENDING.value} if pending else {}
            connection.execute(
                update(messages).where(messages.c.id == message_id).values(due_at=now, **state)
            )
            documents.keep(connection, queries.load_in(connection, message_id))
        return pending + again


def retry_refused(engine: Engine, settings: str, *, now: datetime) -> int:
    """Have what the settings refused fetched again if they are others than last time; return how many.

    `settings` is in any words; what was known of them is kept as a number.
    """
    number = int.from_bytes(hashlib.blake2b(settings.encode(), digest_size=7).digest(), "big")
    refused = select(media.c.message_id).where(is_refused)
    with reading(engine) as connection:
        if connection.scalar(select(serials.c.value).where(serials.c.name == FETCH_SETTINGS)) == number:
            return 0
        ids = list(connection.scalars(refused.distinct()))
    due = sum(retry(engine, message_id, now=now) for message_id in ids)
    with writing(engine) as connection:
        connection.execute(delete(serials).where(serials.c.name == FETCH_SETTINGS))
        connection.execute(insert(serials), {"name": FETCH_SETTINGS, "value": number})
    return due


@retried
def note(engine: Engine, numbers: Mapping[str, int]) -> None:
    """Keep numbers under names, in place of those that were there."""
    with writing(engine) as connection:
        connection.execute(delete(serials).where(serials.c.name.in_(numbers)))
        connection.execute(
            insert(serials), [{"name": name, "value": number} for name, number in numbers.items()]
        )


@retried
def noted(engine: Engine) -> dict[str, int]:
    """Return all numbers that are kept under names."""
    with reading(engine) as connection:
        return {row.name: row.value for row in connection.execute(select(serials))}


@retried
def look_after_lease(engine: Engine, message_id: str, *, now: datetime) -> None:
    """Have the sweep look at a message once its lease has run out, if that is not renewed until then.

    Whoever holds it may have ended, or have lost the catalog before it could let go.
    """
    changed = update(messages).where(
        *(messages.c.id == message_id, messages.c.lease_until_at > now),
        messages.c.due_at > messages.c.lease_until_at,
    )
    with writing(engine, forced=False) as connection:
        connection.execute(changed.values(due_at=messages.c.lease_until_at))


@retried
def make_due(engine: Engine, message_id: str, *, now: datetime) -> None:
    """Have the sweep look at the message at once, and so its record written."""
    with writing(engine) as connection:
        connection.execute(update(messages).where(messages.c.id == message_id).values(due_at=now))


def remove(engine: Engine, message_id: str, *, token: str, now: datetime) -> None:
    """Remove the message, which `token` holds, and leave its tombstone. Raises RefusedError."""
    _remove(engine, message_id, token=token, now=now)
    tallies.fold(engine, seconds=0)  # the changes say whose it was


@retried
def _remove(engine: Engine, message_id: str, *, token: str, now: datetime) -> None:
    with writing(engine) as connection:
        found = connection.execute(
            select(messages.c.lease_token, messages.c.hold)
            .where(messages.c.id == message_id)
            .with_for_update()
        ).one_or_none()
        if found and found.hold:
            raise RefusedError("it is held")
        if found and found.lease_token != token:
            raise RefusedError("a worker has it in hand")
        connection.execute(delete(messages).where(messages.c.id == message_id))
        entering.insert_new(connection, tombstones, {"id": message_id, "deleted_at": now})
        # Exports that are being made look through their volumes again before they end.
        being_made = is_unfinished, exports.c.state.in_(BEING_MADE)
        connection.execute(update(exports).where(*being_made).values(recheck=True))


@retried
def deleted_since(engine: Engine, moment: datetime) -> set[str]:
    """Return the ids of the messages that were deleted since then."""
    with reading(engine) as connection:
        return set(connection.scalars(select(tombstones.c.id).where(tombstones.c.deleted_at >= moment)))


@retried
def bury(engine: Engine, deleted_at: Mapping[str, datetime]) -> None:
    """Enter tombstones by message id, and remove the rows of those messages but for held ones."""
    with writing(engine) as connection:
        connection.execute(delete(messages).where(messages.c.id.in_(deleted_at), messages.c.hold.is_(False)))
        for message_id, at in deleted_at.items():
            entering.insert_new(connection, tombstones, {"id": message_id, "deleted_at": at})


@retried
def buried(engine: Engine, ids: Collection[str]) -> set[str]:
    """Return those of `ids` that were deleted for good."""
    with reading(engine) as connection:
        return set(connection.scalars(select(tombstones.c.id).where(tombstones.c.id.in_(ids))))


@retried
def tally(engine: Engine, day: date) -> dict[Day, int]:
    """Return how many receipts of each outcome came in on that day."""
    since, below = f"{day}", f"{day + timedelta(days=1)}"
    counted: dict[Day, int] = {}
    with reading(engine) as connection:
        kept = tallies.sums(connection, Kind.RECEIPT, since=since, below=below)
    for key, number in kept.items():
        _, outcome, code = key.split(SEPARATOR, 2)
        counted[day, outcome, code] = counted.get((day, outcome, code), 0) + number
    return counted


def fill_up(engine: Engine, key: Day, wanted: int, *, known: int) -> None:
    """Enter as many receipts without a name as are missing from the `known` ones to `wanted`."""
    day, outcome, code = key
    rows = [
        {
            "id": f"rebuilt-{day:%Y-%m-%d}-{outcome}-{code}-{number}",
            "outcome": outcome,
            "message_id": None,
            "code": code,
            "received_at": datetime.combine(day, time(), UTC),
        }
        for number in range(known, wanted)
    ]
    _insert_receipts(engine, rows)
    tallies.fold(engine)


@retried
def _insert_receipts(engine: Engine, rows: Sequence[Mapping[str, Any]]) -> None:
    with writing(engine) as connection:
        for batch in batches(rows):
            present = set(
                connection.scalars(
                    select(receipts.c.id).where(receipts.c.id.in_([row["id"] for row in batch]))
                )
            )
            new = [row for row in batch if row["id"] not in present]
            if new:
                connection.execute(insert(receipts), new)


@retried
def outcomes(engine: Engine, receipt_ids: Sequence[str]) -> dict[str, str]:
    """Return what came of those receipts that were worked on."""
    with reading(engine) as connection:
        found = connection.execute(
            select(receipts.c.id, receipts.c.outcome).where(receipts.c.id.in_(receipt_ids))
        )
        return {row.id: row.outcome for row in found}


@retried
def forget_receipts(engine: Engine, receipt_ids: Sequence[str]) -> None:
    """Count these receipts no longer: they are about to come in once more."""
    with writing(engine) as connection:
        connection.execute(delete(receipts).where(receipts.c.id.in_(receipt_ids)))


@retried
def recount(
    engine: Engine, receipt_ids: Sequence[str], *, outcome: str, message_id: str | None = None, code: str = ""
) -> None:
    """Count those of the receipts that were not understood as what they are now."""
    changed = {"outcome": outcome, "message_id": message_id, "code": code}
    with writing(engine) as connection:
        for batch in batches(receipt_ids):
            here = receipts.c.id.in_(batch) & (receipts.c.outcome == "quarantined")
            connection.execute(update(receipts).where(here).values(**changed))


@retried
def enter_receipts(
    engine: Engine, received_at: Mapping[str, datetime], *, outcome: str, code: str = ""
) -> None:
    """Enter receipts by their ids where they are missing."""
    with writing(engine) as connection:
        for receipt_id, at in received_at.items():
            row = {"id": receipt_id, "outcome": outcome, "message_id": None, "code": code, "received_at": at}
            entering.insert_new(connection, receipts, row)


def _standings(connection: Connection, ids: Sequence[str], *, now: datetime) -> dict[str, Standing]:
    found: Iterable[Any] = connection.execute(
        select(messages.c.id, messages.c.due_at, messages.c.lease_until_at).where(messages.c.id.in_(ids))
    ).all()
    work = {row.id: row for row in found}
    return {
        message.id: Standing(
            message,
            _is_unfinished(message, work[message.id].due_at, work[message.id].lease_until_at, now),
        )
        for message in queries.load_all_in(connection, ids)
        if message.id in work
    }


def _is_unfinished(
    message: Message, due_at: datetime | None, lease_until_at: datetime | None, now: datetime
) -> bool:
    in_hand = lease_until_at is not None and lease_until_at > now
    # What is due at another time than its files say is queued, or was changed and not written yet.
    due = due_at is not None and (due_at <= now or due_at != message.due_at)
    return in_hand or due
