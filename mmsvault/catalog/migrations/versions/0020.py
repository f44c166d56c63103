"""Hours in which each number of the business had messages, and values kept by name."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0018"


def upgrade() -> None:
    """Add both tables; values by name may be there already, from another step of this chain."""
    op.create_table(
        "source_hours",
        sa.Column("provider", sa.String(), nullable=False),
        sa.Column("recipient", sa.Text(), nullable=False),
        sa.Column("hour", sa.BigInteger(), nullable=False),
        sa.Column("messages", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("provider", "recipient", "hour", name=op.f("pk_source_hours")),
    )
    op.create_index(op.f("ix_source_hours_hour"), "source_hours", ["hour"])
    if not sa.inspect(op.get_bind()).has_table("key_values"):
        op.create_table(
            "key_values",
            sa.Column("key", sa.String(), nullable=False),
            sa.Column("value", sa.Text(), nullable=False),
            sa.PrimaryKeyConstraint("key", name=op.f("pk_key_values")),
        )
