"""A new SQLite catalog in its newest form, without the migrations that led there.

The first start waits for it, so nothing is loaded for it: `newest.sql` is what the migrations make,
written by `make schema`. A catalog that is made from an older one of these is migrated like any other.
"""

import sqlite3
from contextlib import closing, suppress
from pathlib import Path

FORM = Path(__file__).with_name("newest.sql")
MIGRATIONS = Path(__file__).parent / "migrations"
PATIENCE_SECONDS = 30


def newest() -> str:
    """Return the name of the newest form."""
    return max(path.stem for path in MIGRATIONS.glob("versions/[0-9]*.py"))


def lay_out(path: Path) -> bool:
    """Make the catalog where there is none, and return whether it has the newest form now.

    Whatever goes wrong here is left to the migrations, which say so.
    """
    with suppress(sqlite3.Error, OSError), closing(_opened(path)) as connection:
        if _is_empty(connection):
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("BEGIN IMMEDIATE")
            for statement in FORM.read_text().split("\n\n") if _is_empty(connection) else ():
                connection.execute(statement)
            connection.execute("COMMIT")
        form = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        return bool(form and form[0] == newest())
    return False


def _opened(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=PATIENCE_SECONDS, isolation_level=None)


def _is_empty(connection: sqlite3.Connection) -> bool:
    return not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
