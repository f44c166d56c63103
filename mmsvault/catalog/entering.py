"""A message as rows, and how rows are entered: new ones only, all of a message's together."""

import importlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from itertools import chain
from typing import Any

from sqlalchemy import Connection, Executable, Table, insert, select

from mmsvault.catalog import documents
from mmsvault.catalog.places import possible_places
from mmsvault.catalog.tables import attempts, media, messages, postbacks, recipients
from mmsvault.message import MediaItem, Message, fold, normal_number


@dataclass(frozen=True)
class Claim:
    """A lease that is taken together with what it is for."""

    token: str
    until_at: datetime


def insert_whole(
    connection: Connection, message: Message, *, claim: Claim | None = None, place: int | None = None
) -> bool:
    """Return whether the message was new, and enter it with all of its parts then, to be found.

    `place` is the one that it has in another catalog.
    """
    row = message_row(message)
    if claim:
        row |= {"lease_token": claim.token, "lease_until_at": claim.until_at}
    known = select(messages.c.id).where(messages.c.id == message.id)
    given = () if place is None else (place,)
    for possible in chain(given, possible_places(message.received_at, message.id)):
        if insert_new(connection, messages, {**row, "place": possible}):
            break
        if connection.scalar(known):
            return False
    _insert_parts(connection, message)
    documents.keep(connection, message)
    return True


def insert_new(connection: Connection, table: Table, row: dict[str, Any]) -> bool:
    """Return whether the row was new; one with the same key stays as it is."""
    return connection.execute(_insert_new(connection.dialect.name, table), row).first() is not None


@cache
def _insert_new(dialect_name: str, table: Table) -> Executable:
    new = (
        insert_in_dialect(dialect_name, table).on_conflict_do_nothing().returning(*table.primary_key.columns)
    )
    made: Executable = new
    return made


def insert_in_dialect(dialect_name: str, table: Table) -> Any:
    """Return an insert that can say what happens to a row that is there; only its dialect is loaded."""
    return importlib.import_module(f"sqlalchemy.dialects.{dialect_name}").insert(table)


def insert_all(connection: Connection, table: Table, rows: Iterable[dict[str, Any]]) -> None:
    """Enter the rows, which may be none."""
    listed = list(rows)
    if listed:
        connection.execute(insert(table), listed)


def _insert_parts(connection: Connection, message: Message) -> None:
    insert_all(connection, media, (media_row(message.id, item) for item in message.media))
    insert_all(
        connection,
        recipients,
        (
            {
                "message_id": message.id,
                "position": position,
                "recipient": number,
                "recipient_number": normal_number(number),
            }
            for position, number in enumerate(message.to)
        ),
    )
    insert_all(connection, postbacks, numbered(message.id, message.postbacks))
    insert_all(connection, attempts, numbered(message.id, message.attempts))


def message_row(message: Message) -> dict[str, Any]:
    """Return what a message has of its own, without its parts and its place, as a row."""
    return {
        **message.model_dump(exclude={"to", "media", "postbacks", "attempts"}),
        "tags": list(message.tags),
        "repaired": list(message.repaired),
        "sender_number": normal_number(message.sender),
        "keyword_folded": fold(message.keyword),
        "state": message.state.value,
        "due_at": message.due_at,
    }


def media_row(message_id: str, item: MediaItem) -> dict[str, Any]:
    """Return a file of a message as a row."""
    row = item.model_dump()
    lists = {name: list(row[name]) for name in ("codecs", "evidence", "earlier")}
    return {"message_id": message_id, **row, **lists, "state": item.state.value}


def numbered(message_id: str, values: Iterable[Any], *, start: int = 1) -> list[dict[str, Any]]:
    """Return parts of a message as rows, numbered from `start`."""
    return [
        {"message_id": message_id, "number": number, **value.model_dump()}
        for number, value in enumerate(values, start=start)
    ]
