"""A catalog brought into another one, of the same or the other database, as often as it takes.

Messages go one by one, since each database keeps their words in a form of its own; a message that
is there and the same is left alone. The other tables are written anew as a whole. Logins and
whatever follows from messages and receipts (counts, places of words) are not copied.
"""

from collections.abc import Sequence

from sqlalchemy import Engine, Table, delete, insert, select

from mmsvault.catalog import entering, queries, tallies, upkeep
from mmsvault.catalog.connection import reading, retried, writing
from mmsvault.catalog.tables import (
    exports,
    key_values,
    messages,
    quarantine,
    receipts,
    recovery_codes,
    scheduled_exports,
    scheduled_messages,
    searches,
    sender_names,
    tombstones,
    trail,
    trail_about,
    users,
)
from mmsvault.message import Message

TABLES: Sequence[Table] = (
    tombstones,
    receipts,
    quarantine,
    exports,
    scheduled_exports,
    scheduled_messages,
    searches,
    sender_names,
    users,
    recovery_codes,
    trail,
    trail_about,
    key_values,
)
ROWS_AT_ONCE = 1000


def strangers(source: Engine, target: Engine) -> int:
    """Return how many messages the target has that the source knows nothing of."""
    count = 0
    for ids in upkeep.pages(target):
        known = {*upkeep.folders(source, ids), *upkeep.buried(source, ids)}
        count += sum(one not in known for one in ids)
    return count


@retried
def places(engine: Engine, ids: Sequence[str]) -> dict[str, int]:
    """Return the places in time of those messages: their order is the same in every copy."""
    with reading(engine) as connection:
        found = connection.execute(select(messages.c.id, messages.c.place).where(messages.c.id.in_(ids)))
        return {row.id: row.place for row in found}


def bring(engine: Engine, page: Sequence[tuple[Message, int]]) -> None:
    """Enter messages at their places, in place of what was known of them."""
    _bring(engine, page)
    tallies.fold(engine, seconds=0)


@retried
def _bring(engine: Engine, page: Sequence[tuple[Message, int]]) -> None:
    ids = [message.id for message, _ in page]
    with writing(engine) as connection:
        known = {message.id: message for message in queries.load_all_in(connection, ids)}
        for message, place in page:
            if known.get(message.id) != message:
                connection.execute(delete(messages).where(messages.c.id == message.id))
                entering.insert_whole(connection, message, place=place)


def copy_table(source: Engine, target: Engine, table: Table) -> int:
    """Write a table as the source has it, in one transaction; return how many rows it has."""
    count = 0
    with reading(source) as old, writing(target) as new:
        new.execute(delete(table))
        found = old.execution_options(yield_per=ROWS_AT_ONCE).execute(select(table))
        for rows in found.mappings().partitions():
            new.execute(insert(table), [dict(row) for row in rows])
            count += len(rows)
    return count
