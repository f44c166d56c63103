"""Numbers that were sent with a name, a scheme, an extension or in other digits are found as plain ones."""

from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

from mmsvault.catalog import documents
from mmsvault.message import MediaItem, Message, normal_number

revision = "0012"
down_revision = "0011"

BATCH = 1000

messages = sa.table(
    "messages",
    *(sa.column(name) for name in ("id", "sender", "sender_number", "keyword", "subject", "operator_id")),
    sa.column("hold"),
    sa.column("tags", sa.JSON()),
)
media = sa.table(
    "media", *(sa.column(name) for name in ("message_id", "position", "content_type", "text", "state"))
)
recipients = sa.table(
    "recipients", *(sa.column(name) for name in ("message_id", "position", "recipient", "recipient_number"))
)


def upgrade() -> None:
    """Compare numbers anew where they are not digits only; those are the same as before."""
    connection = op.get_bind()
    for ids in _batches(connection):
        numbers = _rows(connection, recipients, recipients.c.message_id, ids)
        files = _rows(connection, media, media.c.message_id, ids)
        for row in _rows(connection, messages, messages.c.id, ids):
            own = [one for one in numbers if one["message_id"] == row["id"]]
            if _renumber(connection, row, own):
                of_it = [one for one in files if one["message_id"] == row["id"]]
                documents.keep(connection, _message(row, own, of_it))


def _batches(connection: sa.Connection) -> Iterator[list[str]]:
    """Give the ids of messages with a number that has more than digits."""
    sender, recipient = _has_more(messages.c.sender_number), _has_more(recipients.c.recipient_number)
    of_recipients = sa.select(recipients.c.message_id).where(recipient)
    found = sa.select(messages.c.id).where(sa.or_(sender, messages.c.id.in_(of_recipients)))
    last = ""
    while ids := list(
        connection.scalars(found.where(messages.c.id > last).order_by(messages.c.id).limit(BATCH))
    ):
        yield ids
        last = ids[-1]


def _has_more(column: sa.ColumnClause[Any]) -> sa.ColumnElement[bool]:
    if op.get_context().dialect.name == "sqlite":
        return column.op("GLOB", is_comparison=True)("*[^0-9]*")
    return column.op("~", is_comparison=True)("[^0-9]")


def _rows(
    connection: sa.Connection, table: sa.TableClause, key: sa.ColumnClause[Any], ids: Sequence[str]
) -> list[sa.RowMapping]:
    order = [key] if table is messages else [key, table.c.position]
    return list(connection.execute(sa.select(table).where(key.in_(ids)).order_by(*order)).mappings())


def _renumber(connection: sa.Connection, row: sa.RowMapping, to: Sequence[sa.RowMapping]) -> bool:
    changed = False
    number = normal_number(row["sender"])
    if number != row["sender_number"]:
        of_it = messages.c.id == row["id"]
        connection.execute(sa.update(messages).where(of_it).values(sender_number=number))
        changed = True
    for one in to:
        number = normal_number(one["recipient"])
        if number != one["recipient_number"]:
            of_it = sa.and_(recipients.c.message_id == row["id"], recipients.c.position == one["position"])
            connection.execute(sa.update(recipients).where(of_it).values(recipient_number=number))
            changed = True
    return changed


def _message(row: sa.RowMapping, to: Sequence[sa.RowMapping], files: Sequence[sa.RowMapping]) -> Message:
    """Return as much of a message as its document is made of."""
    given = {name: row[name] for name in ("id", "sender", "keyword", "subject", "operator_id", "hold")}
    return Message.model_construct(
        **given,
        to=tuple(one["recipient"] for one in to),
        tags=tuple(row["tags"]),
        media=tuple(
            MediaItem.model_construct(state=one["state"], content_type=one["content_type"], text=one["text"])
            for one in files
        ),
    )
