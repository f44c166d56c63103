"""`python -m tests.newest_form`: writes mmsvault/catalog/newest.sql, the form that the migrations make."""

import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

from mmsvault.catalog import forms
from mmsvault.catalog.connection import open_catalog, upgrade, writing

SHADOWS = ("message_words_", "sqlite_")
"""Tables that SQLite makes by itself."""


def of_the_migrations() -> str:
    """Return the statements, an empty line between them."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "catalog.sqlite"
        engine = open_catalog(f"sqlite:///{path}")
        with writing(engine) as connection:
            upgrade(connection, None)
        engine.dispose()
        return dumped(path)


def dumped(path: Path) -> str:
    """Return the form of a catalog and the rows that it begins with, as statements."""
    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute(
            "SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL"
            " ORDER BY type = 'trigger', type = 'index', name"
        ).fetchall()
        made = [(kind, name, sql) for kind, name, sql in found if not name.startswith(SHADOWS)]
        rows = []
        for name in (name for kind, name, _ in made if kind == "table" and name != "message_words"):
            for row in connection.execute(f'SELECT * FROM "{name}"'):  # noqa: S608 - our own names
                values = ", ".join(
                    connection.execute("SELECT quote(?)", (value,)).fetchone()[0] for value in row
                )
                rows.append(f"INSERT INTO {name} VALUES ({values})")  # noqa: S608 - as above
    tables = [sql for kind, _, sql in made if kind != "trigger"]
    triggers = [sql for kind, _, sql in made if kind == "trigger"]
    statements = [*tables, *rows, *triggers]
    return "\n\n".join("\n".join(filter(str.strip, one.splitlines())) for one in statements) + "\n"


if __name__ == "__main__":
    forms.FORM.write_text(of_the_migrations())
