"""Earlier versions of a file, with their hashes."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Add what was kept of a file before another version came."""
    op.add_column("media", sa.Column("earlier", sa.JSON(), nullable=False, server_default="[]"))
