"""Hours in which each number of the business had messages."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "source_hours",
        sa.Column("provider", sa.String(), nullable=False),
        sa.Column("recipient", sa.Text(), nullable=False),
        sa.Column("hour", sa.BigInteger(), nullable=False),
        sa.Column("messages", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("provider", "recipient", "hour", name=op.f("pk_source_hours")),
    )
    op.create_index(op.f("ix_source_hours_hour"), "source_hours", ["hour"])
