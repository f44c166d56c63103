"""Second factors, recovery codes, what is used once, and when sessions began and were last seen."""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"

_LONG_AGO = sa.text("'1970-01-01 00:00:00'")


def upgrade() -> None:
    """Add second factors, recovery codes, what is used once, and more about sessions."""
    moment = sa.DateTime(timezone=True)
    op.add_column("users", sa.Column("second_factor", sa.Text(), nullable=False, server_default=""))
    op.add_column(
        "users", sa.Column("second_factor_step", sa.BigInteger(), nullable=False, server_default="0")
    )
    for name in ("began_at", "seen_at"):
        op.add_column("sessions", sa.Column(name, moment, nullable=False, server_default=_LONG_AGO))
    for name in ("source", "browser"):
        op.add_column("sessions", sa.Column(name, sa.Text(), nullable=False, server_default=""))
    sessions = sa.table("sessions", sa.column("began_at", moment), sa.column("seen_at", moment))
    now = datetime.now(UTC)
    if op.get_bind().dialect.name == "sqlite":
        now = now.replace(tzinfo=None)
    op.execute(sessions.update().values(began_at=now, seen_at=now))  # whoever is logged in stays so
    op.create_table(
        "recovery_codes",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("name", "digest", name=op.f("pk_recovery_codes")),
        sa.ForeignKeyConstraint(
            ["name"], ["users.name"], name=op.f("fk_recovery_codes_name"), ondelete="CASCADE"
        ),
    )
    op.create_table(
        "used_once",
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("ends_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_used_once")),
    )
