"""Texts that are kept in the catalog by name."""

from datetime import UTC, datetime

from sqlalchemy import Engine, delete, select

from mmsvault.catalog.connection import reading, retried, writing
from mmsvault.catalog.tables import key_values

BACKUP_FINISHED_AT = "backup.finished_at"
"""When the last backup ended: ISO, UTC."""


@retried
def get(engine: Engine, key: str) -> str:
    """Return the text of that name, empty where there is none. Raises UnavailableError."""
    with reading(engine) as connection:
        return connection.scalar(select(key_values.c.value).where(key_values.c.key == key)) or ""


@retried
def put(engine: Engine, key: str, value: str) -> None:
    """Keep a text under a name, in place of the last. Raises UnavailableError."""
    with writing(engine) as connection:
        connection.execute(delete(key_values).where(key_values.c.key == key))
        connection.execute(key_values.insert().values(key=key, value=value))


def backup_finished_at(engine: Engine) -> datetime | None:
    """Return when the last backup ended; None where none was made. Raises UnavailableError."""
    try:
        at = datetime.fromisoformat(get(engine, BACKUP_FINISHED_AT))
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
