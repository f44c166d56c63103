"""What was deleted leaves the catalog's file as well, not only its tables.

SQLite lets deleted words stand in its full-text index until it is merged, and in its write-ahead log
until that begins anew. Pages that grew and were divided keep parts of rows in the space between, which
zeros never reach. PostgreSQL has vacuum, which it runs by itself.
"""

import sqlite3

import structlog
from sqlalchemy import Engine, text

from mmsvault.catalog.connection import writing
from mmsvault.errors import plain_reason

log = structlog.get_logger(__name__)

PAGES_A_STEP = 500
"""Of the index, in one transaction: others wait that long at the most."""


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


def rewrite(engine: Engine) -> str:
    """Write SQLite's file anew, with what the tables hold and nothing else; return why not, or nothing.

    It takes as long as it takes to copy the file, needs that much free space, and others write afterwards.
    """
    if engine.dialect.name != "sqlite":
        return ""
    try:
        with engine.connect() as connection:
            # Outside of a transaction.
            cursor = connection.connection.cursor()
            cursor.execute("VACUUM")
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            is_held_up = (cursor.fetchone() or (1,))[0] != 0
    except sqlite3.Error as error:
        log.warning("the catalog's file was not written anew", exc_info=True)
        return plain_reason(error, otherwise="its file cannot be written")
    return "another program reads it" if is_held_up else ""


def _merge(engine: Engine, pages: int) -> bool:
    with writing(engine) as connection:
        before = connection.scalar(text("SELECT total_changes()")) or 0
        connection.execute(
            text("INSERT INTO message_words (message_words, rank) VALUES ('merge', :pages)"), {"pages": pages}
        )
        changed = (connection.scalar(text("SELECT total_changes()")) or 0) - before
    return changed > 1  # the command itself counts as one (FTS5, 6.8)
