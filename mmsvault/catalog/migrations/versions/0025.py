"""Indexes for statements that read a whole table, and none where nothing asks for one."""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"

ADDED = (
    ("receipts", "ix_receipts_message_id", ["message_id"]),
    ("tombstones", "ix_tombstones_deleted_at", ["deleted_at"]),
    ("exports", "ix_exports_made_by_made_at", ["made_by", "made_at"]),
    ("sessions", "ix_sessions_ends_at", ["ends_at"]),
    ("used_once", "ix_used_once_ends_at", ["ends_at"]),
    ("failures", "ix_failures_last_at", ["last_at"]),
    ("trail", "ix_trail_hash", ["hash"]),
    ("trail", "ix_trail_action_number", ["action", "number"]),
    ("trail", "ix_trail_at_number", ["at", "number"]),
)
REMOVED = (
    ("receipts", "ix_receipts_outcome"),
    # SQLite preferred it to the primary key, and looked through all files of a state for one message's.
    ("media", "ix_media_state"),
    ("trail", "ix_trail_at"),
)


def upgrade() -> None:
    """Add and remove the indexes."""
    for table, name in REMOVED:
        op.drop_index(op.f(name), table_name=table)
    for table, name, columns in ADDED:
        op.create_index(op.f(name), table, columns)
    empty = sa.text("number = 0")
    op.create_index("ix_counts_empty", "counts", ["kind", "key"], sqlite_where=empty, postgresql_where=empty)
    if op.get_bind().dialect.name == "postgresql":  # SQLite finds beginnings by the primary key
        for table in ("senders", "keywords"):
            op.create_index(
                f"ix_{table}_beginning", table, ["key"], postgresql_ops={"key": "text_pattern_ops"}
            )
