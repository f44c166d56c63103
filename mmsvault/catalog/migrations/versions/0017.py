"""Counts that no writer waits for, of what waits, what came in by the hour, and quarantine."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"

MESSAGE_STATES = ("pending", "archived", "partial", "lost")
MEDIA_STATES = ("pending", "stored", "lost")
OUTCOMES = ("message", "duplicate", "other", "quarantined")
SLOTS = 1024


@dataclass(frozen=True)
class Trigger:
    """What is done for each row that an event changes."""

    name: str
    event: str
    table: str
    changes: tuple[str, ...]
    when: str = ""


def upgrade() -> None:
    """Add the tables and indexes, count what is there, and have the triggers append changes."""
    _make_tables()
    _count()
    _make_indexes()
    for trigger in _triggers():
        _drop_trigger(trigger)
        _make_trigger(trigger)


def _on_sqlite() -> bool:
    return op.get_context().dialect.name == "sqlite"


def _make_tables() -> None:
    op.create_table(
        "counts",
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "key", name=op.f("pk_counts")),
    )
    op.create_table(
        "count_changes",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            sa.Identity(),
            nullable=False,
            autoincrement=True,
        ),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_count_changes")),
    )


def _count() -> None:
    for kind, key, rows in (
        ("hour", f"{_hour('recorded_at')} || '|' || state", "messages"),
        (
            "deadline",
            _minute("deadline_at"),
            "media JOIN messages ON messages.id = media.message_id WHERE media.state = 'pending'",
        ),
        ("reason", "reason", "media WHERE state = 'pending' AND reason <> ''"),
        ("receipt", f"{_hour('received_at')} || '|' || outcome || '|' || code", "receipts"),
        ("quarantine", "''", "quarantine WHERE understood_as = ''"),
    ):
        op.execute(
            f"INSERT INTO counts (kind, key, number) SELECT '{kind}', key, count(*)"
            f" FROM (SELECT {key} AS key FROM {rows}) AS found GROUP BY key"
        )


def _make_indexes() -> None:
    op.drop_index("ix_messages_state_deadline_at", "messages")
    for column in ("deadline_at", "recorded_at"):
        op.execute(
            f"CREATE INDEX ix_messages_pending_{column} ON messages ({column}) WHERE state = 'pending'"
        )


def _triggers() -> Iterator[Trigger]:
    yield from _of_messages()
    yield from _of_media()
    yield from _of_receipts()
    yield from _of_quarantine()


def _of_messages() -> Iterator[Trigger]:
    words = "rowid" if _on_sqlite() else "place"
    yield Trigger(
        "message_added",
        "AFTER INSERT",
        "messages",
        (_changed(*_told("NEW", 1), _at_hour("NEW", 1)), _counted(_states("NEW", "messages", 1))),
    )
    # Its files are gone once it is: what waits of them is looked up before.
    yield Trigger("message_leaves", "BEFORE DELETE", "messages", (_changed(_waiting_files("OLD", -1)),))
    yield Trigger(
        "message_removed",
        "AFTER DELETE",
        "messages",
        (
            _changed(*_told("OLD", -1), _at_hour("OLD", -1)),
            _counted(_states("OLD", "messages", -1)),
            f"DELETE FROM message_words WHERE {words} = OLD.place",
        ),
    )
    yield Trigger(
        "message_settled",
        "AFTER UPDATE OF state, recorded_at",
        "messages",
        (
            _changed(_at_hour("OLD", -1), _at_hour("NEW", 1)),
            _counted(_both(_states("NEW", "messages", 1), _states("OLD", "messages", -1))),
        ),
        when="OLD.state <> NEW.state OR OLD.recorded_at <> NEW.recorded_at",
    )
    yield Trigger(
        "message_changed",
        "AFTER UPDATE OF sender_number, keyword_folded, received_at, place",
        "messages",
        (_changed(*_told("OLD", -1), *_told("NEW", 1)),),
    )
    yield Trigger(
        "message_postponed",
        "AFTER UPDATE OF deadline_at",
        "messages",
        (_changed(_waiting_files("OLD", -1), _waiting_files("NEW", 1)),),
        when="OLD.deadline_at <> NEW.deadline_at",
    )


def _of_media() -> Iterator[Trigger]:
    yield Trigger(
        "media_added",
        "AFTER INSERT",
        "media",
        (_changed(_waits("NEW", 1), _for_reason("NEW", 1)), _counted(_files("NEW", 1))),
    )
    yield Trigger(
        "media_removed",
        "AFTER DELETE",
        "media",
        (_changed(_waits("OLD", -1), _for_reason("OLD", -1)), _counted(_files("OLD", -1))),
    )
    yield Trigger(
        "media_changed",
        "AFTER UPDATE OF state, size",
        "media",
        (_counted(_both(_files("NEW", 1), _files("OLD", -1))),),
        when="OLD.state <> NEW.state OR coalesce(OLD.size, 0) <> coalesce(NEW.size, 0)",
    )
    yield Trigger(
        "media_moved",
        "AFTER UPDATE OF state",
        "media",
        (_changed(_waits("OLD", -1), _waits("NEW", 1)),),
        when="OLD.state <> NEW.state",
    )
    yield Trigger(
        "media_explained",
        "AFTER UPDATE OF state, reason",
        "media",
        (_changed(_for_reason("OLD", -1), _for_reason("NEW", 1)),),
        when="OLD.state <> NEW.state OR OLD.reason <> NEW.reason",
    )


def _of_receipts() -> Iterator[Trigger]:
    yield Trigger(
        "receipt_added",
        "AFTER INSERT",
        "receipts",
        (_changed(_received("NEW", 1)), _counted(_outcomes("NEW", 1))),
    )
    yield Trigger(
        "receipt_removed",
        "AFTER DELETE",
        "receipts",
        (_changed(_received("OLD", -1)), _counted(_outcomes("OLD", -1))),
    )
    yield Trigger(
        "receipt_changed",
        "AFTER UPDATE OF outcome, code, received_at",
        "receipts",
        (
            _changed(_received("OLD", -1), _received("NEW", 1)),
            _counted(_both(_outcomes("NEW", 1), _outcomes("OLD", -1))),
        ),
    )


def _of_quarantine() -> Iterator[Trigger]:
    yield Trigger("quarantine_added", "AFTER INSERT", "quarantine", (_changed(_unread("NEW", 1)),))
    yield Trigger("quarantine_removed", "AFTER DELETE", "quarantine", (_changed(_unread("OLD", -1)),))
    yield Trigger(
        "quarantine_changed",
        "AFTER UPDATE OF understood_as",
        "quarantine",
        (_changed(_unread("OLD", -1), _unread("NEW", 1)),),
        when="OLD.understood_as <> NEW.understood_as",
    )


def _changed(*rows: str) -> str:
    return f"INSERT INTO count_changes (kind, key, step) {' UNION ALL '.join(rows)}"


def _told(row: str, step: int) -> tuple[str, str]:
    return (
        f"SELECT 'sender', {row}.sender_number, {step}",
        f"SELECT 'keyword', {row}.keyword_folded, {step}",
    )


def _at_hour(row: str, step: int) -> str:
    return f"SELECT 'hour', {_hour(f'{row}.recorded_at')} || '|' || {row}.state, {step}"


def _waiting_files(row: str, step: int) -> str:
    return (
        f"SELECT 'deadline', {_minute(f'{row}.deadline_at')}, {step} FROM media"
        f" WHERE media.message_id = {row}.id AND media.state = 'pending'"
    )


def _waits(row: str, step: int) -> str:
    # Nothing where the message itself has just been deleted: `message_leaves` has counted it then.
    return (
        f"SELECT 'deadline', {_minute('messages.deadline_at')}, {step} FROM messages"
        f" WHERE messages.id = {row}.message_id AND {row}.state = 'pending'"
    )


def _for_reason(row: str, step: int) -> str:
    return f"SELECT 'reason', {row}.reason, {step} WHERE {row}.state = 'pending' AND {row}.reason <> ''"


def _received(row: str, step: int) -> str:
    key = f"{_hour(f'{row}.received_at')} || '|' || {row}.outcome || '|' || {row}.code"
    return f"SELECT 'receipt', {key}, {step}"


def _unread(row: str, step: int) -> str:
    return f"SELECT 'quarantine', '', {step} WHERE {row}.understood_as = ''"


def _hour(column: str) -> str:
    if _on_sqlite():
        return f"coalesce(strftime('%Y-%m-%dT%H', {column}), '')"
    return f"to_char({column} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24')"


def _minute(column: str) -> str:
    if _on_sqlite():
        return f"coalesce(strftime('%Y-%m-%dT%H:%M', {column}), '')"
    return f"to_char({column} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI')"


def _states(row: str, table: str, step: int, names: Iterable[str] = MESSAGE_STATES) -> dict[str, str]:
    return {f"{table}_{name}": f"CASE WHEN {row}.state = '{name}' THEN {step} ELSE 0 END" for name in names}


def _files(row: str, step: int) -> dict[str, str]:
    return {**_states(row, "media", step, MEDIA_STATES), "bytes": f"{step} * coalesce({row}.size, 0)"}


def _outcomes(row: str, step: int) -> dict[str, str]:
    return {
        f"receipts_{one}": f"CASE WHEN {row}.outcome = '{one}' THEN {step} ELSE 0 END" for one in OUTCOMES
    }


def _both(one: dict[str, str], other: dict[str, str]) -> dict[str, str]:
    return {name: f"{value} + {other[name]}" for name, value in one.items()}


def _counted(changes: dict[str, str]) -> str:
    # One row for all counters, so that no two of them are ever locked in another order.
    slot = "0" if _on_sqlite() else f"mod(pg_backend_pid(), {SLOTS})"
    sums = ", ".join(f"{name} = counters.{name} + excluded.{name}" for name in changes)
    return (
        f"INSERT INTO counters (slot, {', '.join(changes)}) VALUES ({slot}, {', '.join(changes.values())})"
        f" ON CONFLICT (slot) DO UPDATE SET {sums}"
    )


def _drop_trigger(trigger: Trigger) -> None:
    if _on_sqlite():
        op.execute(f"DROP TRIGGER IF EXISTS {trigger.name}")
        return
    op.execute(f"DROP TRIGGER IF EXISTS {trigger.name} ON {trigger.table}")
    op.execute(f"DROP FUNCTION IF EXISTS {trigger.name}()")


def _make_trigger(trigger: Trigger) -> None:
    body = " ".join(f"{change};" for change in trigger.changes)
    when = f" WHEN ({trigger.when})" if trigger.when else ""
    begins = f"CREATE TRIGGER {trigger.name} {trigger.event} ON {trigger.table} FOR EACH ROW{when}"
    if _on_sqlite():
        op.execute(f"{begins} BEGIN {body} END")
        return
    result = "OLD" if trigger.event == "BEFORE DELETE" else "NULL"
    op.execute(
        f"CREATE FUNCTION {trigger.name}() RETURNS trigger LANGUAGE plpgsql AS"
        f" $trigger$ BEGIN {body} RETURN {result}; END $trigger$"
    )
    op.execute(f"{begins} EXECUTE FUNCTION {trigger.name}()")
