"""What SQLite leaves of deleted rows in the pages of its file goes when the file is written anew."""

import hashlib
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import Engine, delete, update

from mmsvault.catalog import entering, scrubbing, tallies
from mmsvault.catalog.connection import migrate, open_catalog, writing
from mmsvault.catalog.tables import messages
from tests.integration.searchable import message

NUMBER = "14085550177"
MESSAGES = 400


@pytest.fixture
def catalog(tmp_path: Path) -> Engine:
    engine = open_catalog(f"sqlite:///{tmp_path / 'catalog.sqlite'}")
    migrate(engine)
    return engine


def in_file(catalog: Engine) -> bool:
    files = Path(str(catalog.url.database)).parent.glob("catalog.sqlite*")
    return any(NUMBER.encode() in path.read_bytes() for path in files)


def fill_and_delete(catalog: Engine) -> None:
    """Have pages grow and be divided, in no order, and delete every tenth message."""
    names = [hashlib.sha256(b"%d" % number).hexdigest()[:12] for number in range(MESSAGES)]
    with writing(catalog) as connection:
        for number, name in enumerate(names):
            sender = NUMBER if number % 10 == 0 else f"1408{number:07d}"
            subject = f"{sender} " * (number * 37 % 60)
            entering.insert_whole(connection, message(name, minutes=number, sender=sender, subject=subject))
        for number, name in enumerate(names):
            note = "x" * (number * 53 % 900)
            connection.execute(update(messages).where(messages.c.id == f"sinch-{name}").values(note=note))
        connection.execute(delete(messages).where(messages.c.sender_number == NUMBER))
    tallies.fold(catalog, seconds=0)
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
