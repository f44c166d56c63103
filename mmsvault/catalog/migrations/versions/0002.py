"""What is found out about a file."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0005"


def upgrade() -> None:
    """What is found out about a file."""
    with op.batch_alter_table("media", schema=None) as batch_op:
        batch_op.add_column(sa.Column("codecs", sa.JSON(), nullable=False, server_default="[]"))
        batch_op.add_column(sa.Column("frame_count", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("captured", sa.String(), nullable=False, server_default=""))
        batch_op.add_column(
            sa.Column("has_location", sa.Boolean(), nullable=False, server_default=sa.false())
        )
        batch_op.add_column(sa.Column("perceptual_hash", sa.String(), nullable=False, server_default=""))
        batch_op.add_column(sa.Column("preview_due_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.create_index(batch_op.f("ix_media_preview_due_at"), ["preview_due_at"], unique=False)
