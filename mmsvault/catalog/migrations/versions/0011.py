"""What was repaired in a postback; doubt about a stored file, and what else the provider answered."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Add what was repaired in a postback, and doubt and evidence of a file."""
    op.add_column("messages", sa.Column("repaired", sa.JSON(), nullable=False, server_default="[]"))
    op.add_column("media", sa.Column("doubt", sa.Text(), nullable=False, server_default=""))
    op.add_column("media", sa.Column("evidence", sa.JSON(), nullable=False, server_default="[]"))
