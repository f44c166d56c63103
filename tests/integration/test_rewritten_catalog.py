"""What SQLite leaves of deleted rows in the pages of its file goes when the file is written anew."""

import hashlib
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import Engine

from mmsvault.catalog import scrubbing
from mmsvault.catalog.connection import migrate, open_catalog, writing

NUMBER = "14085550177"
ROWS = 3000


@pytest.fixture
def catalog(tmp_path: Path) -> Engine:
    engine = open_catalog(f"sqlite:///{tmp_path / 'catalog.sqlite'}")
    migrate(engine)
    return engine


def in_file(catalog: Engine) -> bool:
    files = Path(str(catalog.url.database)).parent.glob("catalog.sqlite*")
    return any(NUMBER.encode() in path.read_bytes() for path in files)


def fill_and_delete(catalog: Engine) -> None:
    """Have pages grow and be divided, in no order, and delete every tenth row."""
    names = [hashlib.sha256(b"%d" % number).hexdigest() for number in range(ROWS)]
    with writing(catalog) as connection:
        execute = connection.exec_driver_sql
        execute("CREATE TABLE grown (id TEXT PRIMARY KEY, sender TEXT, note TEXT, more TEXT)")
        for number, name in enumerate(names):
            sender = NUMBER if number % 10 == 0 else f"1408{number:07d}"
            more = f"{sender} " * (1 + number * 37 % 59)
            execute("INSERT INTO grown VALUES (?, ?, '', ?)", (name, sender, more))
        for number, name in enumerate(names[::2]):
            execute("UPDATE grown SET note = ? WHERE id = ?", ("x" * (number * 53 % 300), name))
        for name in names[::10]:
            execute("DELETE FROM grown WHERE id = ?", (name,))
    scrubbing.scrub(catalog)


def test_a_file_that_is_written_anew_has_nothing_of_what_was_deleted(catalog: Engine) -> None:
    fill_and_delete(catalog)
    assert in_file(catalog), "zeros over what is deleted do not reach all of it"
    assert scrubbing.rewrite(catalog) == ""
    assert not in_file(catalog)


def test_a_file_that_cannot_be_written_anew_says_why(catalog: Engine) -> None:
    fill_and_delete(catalog)
    with catalog.connect() as connection:
        connection.connection.cursor().execute("PRAGMA busy_timeout=1")
    path = str(catalog.url.database)
    with sqlite3.connect(path, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        assert "locked" in scrubbing.rewrite(catalog)
        other.execute("ROLLBACK")
    other.close()
    assert scrubbing.rewrite(catalog) == ""
