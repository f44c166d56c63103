"""What is noticed of a damaged SQLite file, and the marks beside it."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from mmsvault.catalog import sqlite_file
from mmsvault.catalog.forms import lay_out


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "catalog.sqlite"
    lay_out(made)
    return made


def changed(path: Path, change: Callable[[bytes], bytes]) -> None:
    path.write_bytes(change(path.read_bytes()))


def test_a_right_file_and_a_missing_one_are_not_damaged(path: Path, tmp_path: Path) -> None:
    assert sqlite_file.damage(path, closely=True) == ""
    assert sqlite_file.damage(tmp_path / "none", closely=True) == ""


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda _: b"", "it is empty"),
        (lambda data: bytes(100) + data[100:], "its beginning is not that of a catalog"),
        (lambda data: bytes(len(data)), "its beginning is not that of a catalog"),
        (lambda data: data[:50], "its beginning is not that of a catalog"),
        (lambda data: data[:-4096], " bytes of "),
        (lambda data: data[:-1], " bytes of "),
    ],
)
def test_damage_to_the_beginning_and_the_length_is_noticed_at_every_start(
    path: Path, change: Callable[[bytes], bytes], reason: str
) -> None:
    changed(path, change)
    assert reason in sqlite_file.damage(path, closely=False)


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data[:-8192] + bytes(8192),
        lambda data: data[:4096] + b"\xff" * 4096 + data[8192:],
        lambda data: data[:100] + bytes(4000) + data[4100:],
    ],
)
def test_damage_to_a_page_is_noticed_when_looked_at_closely(
    path: Path, change: Callable[[bytes], bytes]
) -> None:
    changed(path, change)
    assert sqlite_file.damage(path, closely=True)


def test_zeros_behind_the_last_page_are_no_damage(path: Path) -> None:
    changed(path, lambda data: data + bytes(4096))
    assert sqlite_file.damage(path, closely=True) == ""


def test_a_journal_that_was_left_behind_puts_the_file_in_doubt(path: Path) -> None:
    assert not sqlite_file.is_in_doubt(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE more (one)")
        assert sqlite_file.is_in_doubt(path)  # as a copy of a running one, or after a kill
    assert not sqlite_file.is_in_doubt(path)


def test_a_doubt_stays_until_it_is_believed_again(path: Path) -> None:
    sqlite_file.doubt(path)
    assert sqlite_file.is_in_doubt(path)
    sqlite_file.believe(path)
    assert not sqlite_file.is_in_doubt(path)


def test_a_rebuild_is_wanted_until_it_is_done(path: Path) -> None:
    assert sqlite_file.wants_rebuild(path) == ""
    sqlite_file.want_rebuild(path, "it is empty")
    assert sqlite_file.wants_rebuild(path) == "it is empty"
    sqlite_file.have_rebuilt(path)
    assert sqlite_file.wants_rebuild(path) == ""
    assert sqlite_file.wants_rebuild(None) == ""


def test_what_is_set_aside_takes_its_journal_along(path: Path) -> None:
    path.with_name("catalog.sqlite-wal").write_bytes(b"x")
    aside = sqlite_file.set_aside(path, mark="broken")
    assert aside.exists()
    assert aside.with_name("catalog.sqlite.broken-wal").read_bytes() == b"x"
    assert not path.exists()
