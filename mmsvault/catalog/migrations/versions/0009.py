"""Names of senders, who saved a search, and what the last verify found."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Add names of senders, who saved a search, and what the last verify found."""
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "sender_names",
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("number", "name", "words")),
        sa.Column("named_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_sender_names")),
    )
    for name in ("saved_by", "scope"):
        op.add_column("searches", sa.Column(name, sa.Text(), nullable=False, server_default=""))
    op.create_table(
        "verdicts",
        sa.Column("extent", sa.String(), nullable=False),
        *(sa.Column(name, moment, nullable=False) for name in ("began_at", "ended_at")),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in ("checked", "problems")),
        sa.Column("first", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("extent", name=op.f("pk_verdicts")),
    )
