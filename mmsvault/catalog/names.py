"""Names that people gave to senders, by number. They stand beside the number wherever it is listed.

A search for a name is one for the numbers that have it now: nothing of a message changes when its
sender is given a name, and a scope, which is made of numbers, means the same before and after.
"""

from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import Connection, Engine, delete, insert, select

from mmsvault.catalog.connection import reading, writing
from mmsvault.catalog.tables import sender_names
from mmsvault.catalog.words import words_of
from mmsvault.errors import SearchError

MOST_FOUND = 500
"""Numbers that one name in a search stands for."""


def of(engine: Engine, numbers: Collection[str]) -> dict[str, str]:
    """Return the names of those of the senders that have one."""
    with reading(engine) as connection:
        return of_in(connection, numbers)


def of_in(connection: Connection, numbers: Collection[str]) -> dict[str, str]:
    """Return them as this transaction sees them."""
    found = select(sender_names.c.number, sender_names.c.name).where(sender_names.c.number.in_(numbers))
    return {row.number: row.name for row in connection.execute(found)}


def find_in(connection: Connection, text: str) -> tuple[str, ...]:
    """Return the numbers whose name has these words in a row. Raises SearchError for too many."""
    words = words_of(text)
    if not words:
        return ()
    has_them = sender_names.c.words.contains(_spaced(words), autoescape=True)
    found = select(sender_names.c.number).where(has_them).order_by(sender_names.c.number)
    numbers = tuple(connection.scalars(found.limit(MOST_FOUND + 1)))
    if len(numbers) > MOST_FOUND:
        raise SearchError(text, 0, f"More than {MOST_FOUND} senders have a name like this; say more of it.")
    return numbers


def give(engine: Engine, number: str, name: str, *, named_at: datetime) -> None:
    """Give a sender a name in place of an earlier one; the empty one takes it away."""
    with writing(engine) as connection:
        connection.execute(delete(sender_names).where(sender_names.c.number == number))
        if name:
            row = {"number": number, "name": name, "words": _spaced(words_of(name)), "named_at": named_at}
            connection.execute(insert(sender_names), row)


def replace(engine: Engine, named: Mapping[str, tuple[str, datetime]], *, before: datetime) -> None:
    """Make these all names that there are, but for those given since `before`."""
    with writing(engine) as connection:
        connection.execute(delete(sender_names).where(sender_names.c.named_at < before))
        newer = set(connection.scalars(select(sender_names.c.number)))
        rows = [
            {"number": number, "name": name, "words": _spaced(words_of(name)), "named_at": at}
            for number, (name, at) in named.items()
            if number not in newer
        ]
        if rows:
            connection.execute(insert(sender_names), rows)


def _spaced(words: list[str]) -> str:
    return f" {' '.join(words)} "
