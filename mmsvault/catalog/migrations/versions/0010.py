"""Passwords of exports, sealed until they are made."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Add passwords of exports, sealed until they are made."""
    op.add_column("exports", sa.Column("sealed", sa.Text()))
