"""What was deleted leaves the catalog's file as well, not only its tables.

SQLite lets deleted words stand in its full-text index until it is merged, and in its write-ahead log
until that begins anew. PostgreSQL has vacuum, which it runs by itself.
"""

from sqlalchemy import Connection, Engine, text

from mmsvault.catalog.connection import writing

PAGES_A_STEP = 500
"""Of the index, in one transaction: others wait that long at the most."""


def overwrite_deleted(connection: Connection) -> None:
    """Have what this transaction deletes overwritten with zeros in SQLite's file."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("PRAGMA secure_delete=ON")


def scrub(engine: Engine) -> None:
    """Merge the index, step by step while others write, and begin the write-ahead log anew."""
    if engine.dialect.name != "sqlite":
        return
    pages = -PAGES_A_STEP  # the first step says that everything is to be merged
    while _merge(engine, pages):
        pages = PAGES_A_STEP
    with engine.connect() as connection:
        # Outside of a transaction; readers may hold it up, and the next checkpoint does it then.
        connection.connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _merge(engine: Engine, pages: int) -> bool:
    with writing(engine) as connection:
        before = connection.scalar(text("SELECT total_changes()")) or 0
        overwrite_deleted(connection)
        connection.execute(
            text("INSERT INTO message_words (message_words, rank) VALUES ('merge', :pages)"), {"pages": pages}
        )
        changed = (connection.scalar(text("SELECT total_changes()")) or 0) - before
    return changed > 1  # the command itself counts as one (FTS5, 6.8)
