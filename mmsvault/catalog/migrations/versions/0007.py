"""People and their roles, sessions, wrong passwords, and the trail of who did what."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Add the tables of people, of their sessions and of what they did."""
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "users",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("is_one_time", sa.Boolean(), nullable=False),
        sa.Column("made_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_users")),
    )
    op.create_table(
        "sessions",
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("ends_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_sessions")),
        sa.ForeignKeyConstraint(["name"], ["users.name"], name=op.f("fk_sessions_name"), ondelete="CASCADE"),
    )
    op.create_index(op.f("ix_sessions_name"), "sessions", ["name"])
    op.create_table(
        "failures",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("last_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_failures")),
    )
    op.create_table(
        "trail",
        sa.Column("number", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("at", moment, nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("who", "source")),
        sa.Column("action", sa.String(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("subject", "details")),
        *(sa.Column(name, sa.String(), nullable=False) for name in ("previous", "hash")),
        sa.Column("kept", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_trail")),
    )
    op.create_index(op.f("ix_trail_kept_number"), "trail", ["kept", "number"])
    op.create_index(op.f("ix_trail_who_number"), "trail", ["who", "number"])
