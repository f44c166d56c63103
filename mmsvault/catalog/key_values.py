"""Short texts that the vault keeps under names, such as when the last backup was finished."""

from datetime import UTC, datetime

from sqlalchemy import Connection, Engine, delete, insert, select, update

from mmsvault.catalog import entering
from mmsvault.catalog.connection import reading, retried, writing
from mmsvault.catalog.tables import key_values

BACKUP_FINISHED_AT = "backup.finished_at"
"""When the last backup ended: ISO, UTC."""
RESTORING = "restore.snapshot"
"""Which snapshot of a backup is being brought back; nothing once that is done."""


@retried
def put(engine: Engine, name: str, value: str) -> None:
    """Keep a text under a name, in place of the one that was there."""
    with writing(engine) as connection:
        put_in(connection, name, value)


def put_in(connection: Connection, name: str, value: str) -> None:
    """Do the same as a part of a transaction."""
    connection.execute(delete(key_values).where(key_values.c.name == name))
    connection.execute(insert(key_values), {"name": name, "value": value})


@retried
def get(engine: Engine, name: str) -> str:
    """Return the text that is kept under a name; empty where there is none."""
    with reading(engine) as connection:
        return get_in(connection, name)


def get_in(connection: Connection, name: str) -> str:
    """Do the same as a part of a transaction."""
    return connection.scalar(select(key_values.c.value).where(key_values.c.name == name)) or ""


@retried
def replace(engine: Engine, name: str, value: str, *, old: str) -> bool:
    """Keep a text in the place of `old`, empty for none; return whether that was still there."""
    row = {"name": name, "value": value}
    with writing(engine) as connection:
        if not old:
            return entering.insert_new(connection, key_values, row)
        there = (key_values.c.name == name) & (key_values.c.value == old)
        return connection.execute(update(key_values).where(there).values(value=value)).rowcount == 1


@retried
def remove(engine: Engine, name: str) -> None:
    """Forget what is kept under a name."""
    with writing(engine) as connection:
        connection.execute(delete(key_values).where(key_values.c.name == name))


def backup_finished_at(engine: Engine) -> datetime | None:
    """Return when the last backup ended; None where none was made. Raises UnavailableError."""
    try:
        at = datetime.fromisoformat(get(engine, BACKUP_FINISHED_AT))
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
