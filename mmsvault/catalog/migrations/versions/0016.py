"""Sizes and hashes of views, both branches of a forked trail, and exports that look again at their end."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """Add the columns, and have entries of the trail told apart by their hash as well."""
    for view in ("thumbnail", "preview"):
        op.add_column("media", sa.Column(f"{view}_sha256", sa.String(), nullable=False, server_default=""))
        op.add_column("media", sa.Column(f"{view}_size", sa.BigInteger()))
    op.add_column("exports", sa.Column("recheck", sa.Boolean(), nullable=False, server_default=sa.false()))
    with op.batch_alter_table("trail") as trail:
        trail.drop_constraint(op.f("pk_trail"), type_="primary")
        trail.create_primary_key(op.f("pk_trail"), ["number", "hash"])
