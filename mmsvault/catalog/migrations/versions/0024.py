"""Which messages and numbers an entry of the trail is about, to ask it by."""

import re

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"

PAGE = 1000
OF_MESSAGES = (
    *("looked at", "downloaded", "tagged", "wrote a note", "held", "released", "began to delete"),
    *("deleted", "retired", "fetched again"),
)
"""What older entries said of messages by their ids in the subject."""


def upgrade() -> None:
    """Add the columns and the table, and enter what older entries say."""
    for name in ("messages", "numbers"):
        op.add_column("trail", sa.Column(name, sa.Text(), nullable=False, server_default="[]"))
    op.create_index(op.f("ix_trail_at"), "trail", ["at"])
    op.create_table(
        "trail_about",
        sa.Column("about", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("about", "number", "hash", name=op.f("pk_trail_about")),
    )
    op.create_index(op.f("ix_trail_about_hash"), "trail_about", ["hash"])
    _enter_older()


def _enter_older() -> None:
    trail = sa.table("trail", *map(sa.column, ("number", "hash", "action", "subject")))
    about = sa.table("trail_about", *map(sa.column, ("about", "number", "hash")))
    connection = op.get_bind()
    after: tuple[int, str] = (-1, "")
    while True:
        past = sa.tuple_(trail.c.number, trail.c.hash) > sa.tuple_(*map(sa.literal, after))
        query = sa.select(trail).where(past).order_by(trail.c.number, trail.c.hash).limit(PAGE)
        rows = connection.execute(query).all()
        told = [
            {"about": word, "number": row.number, "hash": row.hash}
            for row in rows
            if row.action in OF_MESSAGES
            for word in dict.fromkeys(map(_id, row.subject.split()))
            if "-" in word
        ]
        if told:
            connection.execute(sa.insert(about), told)
        if len(rows) < PAGE:
            return
        after = (rows[-1].number, rows[-1].hash)


def _id(word: str) -> str:
    found = re.fullmatch(r"messages/\d{4}/\d\d/\d\d/([^/]+)/.+", word)
    return found[1] if found else word
