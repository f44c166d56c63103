"""Texts under names, and when a person was last changed."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    """Add the table and the column."""
    op.create_table(
        "key_values",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_key_values")),
    )
    op.add_column("users", sa.Column("changed_at", sa.DateTime(timezone=True)))
