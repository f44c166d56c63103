"""Which scheduled export each message is in."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    """Add the scheduled exports and their messages; the sweep enters what was exported before."""
    op.create_table(
        "scheduled_exports",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("schedule", sa.String(), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("has_taken", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_scheduled_exports")),
    )
    op.create_index(
        op.f("ix_scheduled_exports_schedule_ended_at"), "scheduled_exports", ["schedule", "ended_at"]
    )
    op.create_table(
        "scheduled_messages",
        sa.Column("schedule", sa.String(), nullable=False),
        sa.Column("message_id", sa.String(), nullable=False),
        sa.Column("export_id", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("schedule", "message_id", name=op.f("pk_scheduled_messages")),
    )
    op.create_index(
        op.f("ix_scheduled_messages_export_id_message_id"), "scheduled_messages", ["export_id", "message_id"]
    )
