"""What is in quarantine, and which postbacks of a message a person corrected."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Add what is in quarantine, and who corrected a postback; the sweep enters what is there already."""
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "quarantine",
        sa.Column("folder", sa.String(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("reason", "source")),
        *(sa.Column(name, moment, nullable=False) for name in ("received_at", "kept_at")),
        sa.Column("times", sa.Integer(), nullable=False),
        sa.Column("understood_as", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("folder", name=op.f("pk_quarantine")),
    )
    op.create_index(op.f("ix_quarantine_understood_as_kept_at"), "quarantine", ["understood_as", "kept_at"])
    for name in ("corrects", "corrected_by"):
        op.add_column("postbacks", sa.Column(name, sa.Text(), nullable=False, server_default=""))
    op.add_column("postbacks", sa.Column("corrected_at", moment))
