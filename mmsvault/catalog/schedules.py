"""Which scheduled export each message is in: at most one of each schedule.

An export takes its messages once, when it begins: those that are complete by then, were recorded before
its period ended, and are in no earlier export of its schedule. All others are left for later ones.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Engine, delete, exists, func, select, update

from mmsvault.catalog import entering, filters, queries
from mmsvault.catalog.connection import reading, retried, writing
from mmsvault.catalog.language import Query
from mmsvault.catalog.tables import messages, scheduled_exports, scheduled_messages
from mmsvault.message import MessageState

PAGE = 10_000
ROWS_AT_ONCE = 2000


@dataclass(frozen=True)
class ScheduledExport:
    """A scheduled export, by its id. `ended_at` is the end of its period."""

    id: str
    schedule: str
    ended_at: datetime


@retried
def last_ended_at(engine: Engine, schedule: str) -> datetime | None:
    """Return the end of the newest period that an export was asked for; None where there is none yet."""
    newest = select(func.max(scheduled_exports.c.ended_at)).where(scheduled_exports.c.schedule == schedule)
    with reading(engine) as connection:
        found: datetime | None = connection.scalar(newest)
        return found


@retried
def enter(engine: Engine, exports: Iterable[ScheduledExport], *, has_taken: bool = False) -> None:
    """Enter exports that are not known yet; those that have taken their messages take no more."""
    with writing(engine) as connection:
        for one in exports:
            row = {"id": one.id, "schedule": one.schedule, "ended_at": one.ended_at, "has_taken": has_taken}
            entering.insert_new(connection, scheduled_exports, row)


def take(engine: Engine, export: ScheduledExport, query: Query) -> None:
    """Have an export take its messages, after all earlier ones of its schedule that have not yet."""
    for one in _still_to_take(engine, export):
        for ids in _candidates(engine, one, query):
            if not enter_messages(engine, one, ids):
                break
        _close(engine, one.id)


@retried
def enter_messages(engine: Engine, export: ScheduledExport, ids: Iterable[str]) -> bool:
    """Enter messages into an export but for those of another one; return False where it takes no more."""
    table = scheduled_exports
    with writing(engine) as connection:
        known = connection.scalar(select(table.c.has_taken).where(table.c.id == export.id).with_for_update())
        if known:
            return False
        for message_id in ids:
            row = {"schedule": export.schedule, "message_id": message_id, "export_id": export.id}
            entering.insert_new(connection, scheduled_messages, row)
    return True


@retried
def release(engine: Engine, export_id: str) -> None:
    """Let later exports have the messages of one that is not made after all."""
    with writing(engine) as connection:
        connection.execute(
            update(scheduled_exports).where(scheduled_exports.c.id == export_id).values(has_taken=True)
        )
        connection.execute(delete(scheduled_messages).where(scheduled_messages.c.export_id == export_id))


def message_ids(engine: Engine, export_id: str) -> Iterator[list[str]]:
    """Give the ids of the messages that an export took, page by page."""
    table, last = scheduled_messages, ""
    while True:
        page = (
            select(table.c.message_id)
            .where(table.c.export_id == export_id, table.c.message_id > last)
            .order_by(table.c.message_id)
            .limit(PAGE)
        )
        with reading(engine) as connection:
            ids = list(connection.scalars(page))
        if not ids:
            return
        yield ids
        last = ids[-1]


@retried
def _still_to_take(engine: Engine, export: ScheduledExport) -> list[ScheduledExport]:
    table = scheduled_exports
    query = (
        select(table.c.id, table.c.schedule, table.c.ended_at)
        .where(
            table.c.schedule == export.schedule,
            table.c.ended_at <= export.ended_at,
            table.c.has_taken.is_(False),
        )
        .order_by(table.c.ended_at)
    )
    with reading(engine) as connection:
        return [ScheduledExport(row.id, row.schedule, row.ended_at) for row in connection.execute(query)]


def _candidates(engine: Engine, export: ScheduledExport, query: Query) -> Iterator[list[str]]:
    """Give the ids of the messages that an export may take, the newest first, page by page."""
    below: int | None = None
    while True:
        with reading(engine) as connection:
            conditions: list[ColumnElement[bool]] = [
                messages.c.state != MessageState.PENDING.value,
                messages.c.recorded_at < export.ended_at,
                ~exists().where(
                    scheduled_messages.c.schedule == export.schedule,
                    scheduled_messages.c.message_id == messages.c.id,
                ),
            ]
            if query.groups:
                found = filters.places(queries.narrowed(connection, query), connection.dialect.name)
                conditions.append(messages.c.place.in_(found.order_by(None)))
            if below is not None:
                conditions.append(messages.c.place < below)
            page = select(messages.c.id, messages.c.place).where(*conditions)
            rows = connection.execute(page.order_by(messages.c.place.desc()).limit(PAGE)).all()
        for start in range(0, len(rows), ROWS_AT_ONCE):  # others write in between
            yield [row.id for row in rows[start : start + ROWS_AT_ONCE]]
        if len(rows) < PAGE:
            return
        below = rows[-1].place


@retried
def _close(engine: Engine, export_id: str) -> None:
    with writing(engine) as connection:
        connection.execute(
            update(scheduled_exports).where(scheduled_exports.c.id == export_id).values(has_taken=True)
        )
