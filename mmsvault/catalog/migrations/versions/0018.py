"""One index for what is due: by when, and among what is ready by the nearest deadline."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    """Make the index, of unfinished messages only, in place of the one of all."""
    is_unfinished = sa.text("due_at IS NOT NULL")
    op.create_index(
        op.f("ix_messages_due_at_deadline_at_place"),
        "messages",
        ["due_at", "deadline_at", "place"],
        sqlite_where=is_unfinished,
        postgresql_where=is_unfinished,
    )
    op.drop_index(op.f("ix_messages_due_at"), "messages")
