"""What a sweep asks is read from indexes: messages past their time, refused files, unfinished exports."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    """Add the indexes."""
    op.create_index(
        op.f("ix_messages_keyword_folded_hold_recorded_at"),
        "messages",
        ["keyword_folded", "hold", "recorded_at"],
    )
    refused = sa.text("state = 'pending' AND substr(reason, 1, 9) = 'Refused: '")
    op.create_index(
        "ix_media_refused_state_message_id",
        "media",
        ["state", "message_id"],
        sqlite_where=refused,
        postgresql_where=refused,
    )
    unfinished = sa.text("state IN ('waiting', 'running', 'ending')")
    op.create_index(
        "ix_exports_unfinished_beat_at",
        "exports",
        ["beat_at"],
        sqlite_where=unfinished,
        postgresql_where=unfinished,
    )
