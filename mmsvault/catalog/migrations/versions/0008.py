"""Messages by when they came in, which their age is counted from."""

from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Add the index."""
    op.create_index(op.f("ix_messages_recorded_at"), "messages", ["recorded_at"])
