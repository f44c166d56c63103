"""Where the catalog names a number outside of the messages from it or to it."""

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Engine, delete, select

from mmsvault.catalog import trail as audit_log
from mmsvault.catalog.connection import reading, retried, writing
from mmsvault.catalog.number_text import NumberText
from mmsvault.catalog.tables import failures, media, messages, sender_names, source_hours, users
from mmsvault.message import normal_number

PAGE = 1000


@dataclass(frozen=True)
class NamedSender:
    """A sender with the name that people gave them."""

    number: str
    name: str


@retried
def forget_counts(engine: Engine, forms: tuple[str, ...], number: NumberText) -> None:
    """Remove the hours in which messages came to the number, and tries to log in with it as a name."""
    with writing(engine) as connection:
        recipients = connection.scalars(select(source_hours.c.recipient).distinct())
        named = [one for one in recipients if one and normal_number(one) in forms]
        connection.execute(delete(source_hours).where(source_hours.c.recipient.in_(named)))
        keys = [key for key in connection.scalars(select(failures.c.key)) if number.is_in(key)]
        connection.execute(delete(failures).where(failures.c.key.in_(keys)))


def messages_naming(engine: Engine, number: NumberText) -> Iterator[str]:
    """Give the ids of messages that name the number in their subject, text, keyword, note or tags."""
    last = ""
    columns = (messages.c.id, messages.c.subject, messages.c.keyword, messages.c.note, messages.c.tags)
    while True:
        page = select(*columns).where(messages.c.id > last).order_by(messages.c.id).limit(PAGE)
        with reading(engine) as connection:
            rows = connection.execute(page).all()
            if not rows:
                return
            its = media.c.message_id.between(rows[0].id, rows[-1].id)
            found = connection.execute(
                select(media.c.message_id, media.c.text).where(its, media.c.text != "")
            )
            in_text = {row.message_id for row in found if number.is_in(row.text)}
        for row in rows:
            if row.id in in_text or number.is_in(row.subject, row.keyword, row.note, *row.tags):
                yield row.id
        last = rows[-1].id


def senders_named_by(engine: Engine, number: NumberText) -> list[NamedSender]:
    """Return the senders whose name, as people gave it, has the number in it."""
    with reading(engine) as connection:
        rows = connection.execute(select(sender_names.c.number, sender_names.c.name)).all()
    return [NamedSender(row.number, row.name) for row in rows if number.is_in(row.name)]


def scopes_naming(engine: Engine, number: NumberText) -> list[str]:
    """Return who has a scope that names the number, or a name that has it in it."""
    with reading(engine) as connection:
        rows = connection.execute(select(users.c.name, users.c.scope).order_by(users.c.name)).all()
    return [row.name for row in rows if number.is_in(row.name, row.scope)]


def audit_entries_naming(engine: Engine, number: NumberText) -> list[int]:
    """Return the numbers of the entries of the audit log that have the number in plain text."""
    return [
        entry.number
        for entry in audit_log.entries(engine)
        if number.is_in(entry.who, entry.subject, entry.details)
    ]
