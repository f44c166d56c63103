"""What was copied already: an SQLite file of this machine, which the newest snapshot makes again.

It is only believed as far as the files are at the place. Millions of objects need no memory.
"""

import sqlite3
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from mmsvault.backup.repository import Entry
from mmsvault.errors import UnavailableError

_FORM = """
CREATE TABLE IF NOT EXISTS about (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS objects (
    key TEXT PRIMARY KEY, size INTEGER NOT NULL, sha256 TEXT NOT NULL, modified_at TEXT NOT NULL,
    type TEXT NOT NULL, seen INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS files (key TEXT PRIMARY KEY, used INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS wanted (key TEXT PRIMARY KEY, sha256 TEXT NOT NULL) WITHOUT ROWID;
"""
_ENTRY = "key, size, sha256, modified_at, type"
ROWS_AT_ONCE = 1000


class Index:
    """The objects of the bucket as they were copied, and the files at the place. For several threads."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = threading.RLock()
        self._connection = _opened(path)

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    @property
    def identity(self) -> str:
        """The backup that this is of; empty for none."""
        rows = self._ask("SELECT value FROM about WHERE name = 'identity'")
        return str(rows[0][0]) if rows else ""

    def begin(self, identity: str, files: Iterable[tuple[str, int]]) -> bool:
        """Begin a run of a backup that has these files; return whether the objects must be loaded first."""
        is_other = self.identity != identity
        with self._lock:
            self._connection.execute("BEGIN")
            if is_other:
                self._connection.execute("DELETE FROM objects")
            self._connection.execute("REPLACE INTO about VALUES ('identity', ?)", (identity,))
            self._connection.execute("DELETE FROM files")
            self._connection.execute("DELETE FROM wanted")
            self._connection.execute("UPDATE objects SET seen = 0")
            rows = ((key, 0) for key, _ in files)
            self._connection.executemany("REPLACE INTO files VALUES (?, ?)", rows)
            self._connection.execute("COMMIT")
        return is_other

    def load(self, entries: Iterable[Entry]) -> None:
        """Enter the objects of a snapshot as ones that were not seen in this run."""
        with self._lock:
            self._connection.execute("BEGIN")
            for entry in entries:
                self._enter(entry, seen=0)
            self._connection.execute("COMMIT")

    def find(self, key: str) -> Entry | None:
        """Return an object as it was copied."""
        rows = self._ask(f"SELECT {_ENTRY} FROM objects WHERE key = ?", key)  # noqa: S608 - our own names
        return _entry(rows[0]) if rows else None

    def see(self, entry: Entry) -> None:
        """Enter an object that is in the bucket now, as it was copied."""
        with self._lock:
            self._enter(entry, seen=1)

    def has_file(self, key: str) -> bool:
        """Return whether the place has a file."""
        return bool(self._ask("SELECT 1 FROM files WHERE key = ?", key))

    def add_file(self, key: str) -> None:
        """Say that the place has a file."""
        self._do("REPLACE INTO files VALUES (?, 0)", key)

    def want(self, key: str, sha256: str) -> None:
        """Say that a record names an object; `sha256` is empty where it does not tell it."""
        self._do("REPLACE INTO wanted VALUES (?, ?)", key, sha256)

    def missing(self) -> list[str]:
        """Return the objects that records name and that were not copied, or not with those bytes."""
        rows = self._ask(
            "SELECT w.key FROM wanted w LEFT JOIN objects o ON o.key = w.key AND o.seen = 1"
            " WHERE o.key IS NULL OR (w.sha256 != '' AND o.sha256 != w.sha256) ORDER BY w.key"
        )
        return [row[0] for row in rows]

    def unsee(self, prefix: str) -> None:
        """Forget that objects under a prefix were seen: they are looked at again."""
        self._do("UPDATE objects SET seen = 0 WHERE key >= ? AND key < ?", prefix, prefix[:-1] + "0")

    def unsee_message(self, message_id: str) -> None:
        """Leave out a message that was deleted meanwhile."""
        self._do("UPDATE objects SET seen = 0 WHERE key GLOB ?", f"messages/*/{_escaped(message_id)}/*")

    def seen(self) -> Iterator[Entry]:
        """Give the objects that were seen in this run, in the order of their keys."""
        after = ""
        while True:
            rows = self._ask(
                f"SELECT {_ENTRY} FROM objects WHERE seen = 1 AND key > ? ORDER BY key LIMIT {ROWS_AT_ONCE}",  # noqa: S608 - as above
                after,
            )
            yield from map(_entry, rows)
            if len(rows) < ROWS_AT_ONCE:
                return
            after = rows[-1][0]

    def totals(self) -> tuple[int, int]:
        """Return how many objects were seen in this run, and their bytes."""
        rows = self._ask("SELECT count(*), coalesce(sum(size), 0) FROM objects WHERE seen = 1")
        return rows[0][0], rows[0][1]

    def forget_unseen(self) -> None:
        """Forget what is in the bucket no more."""
        self._do("DELETE FROM objects WHERE seen = 0")

    def use(self, keys: Iterable[str]) -> None:
        """Say that a snapshot needs these files."""
        with self._lock:
            self._connection.execute("BEGIN")
            self._connection.executemany("UPDATE files SET used = 1 WHERE key = ?", ((key,) for key in keys))
            self._connection.execute("COMMIT")

    def unused(self) -> list[str]:
        """Return the files that no snapshot needs."""
        return [row[0] for row in self._ask("SELECT key FROM files WHERE used = 0 ORDER BY key")]

    def drop_file(self, key: str) -> None:
        """Say that the place has a file no more."""
        self._do("DELETE FROM files WHERE key = ?", key)

    def _enter(self, entry: Entry, *, seen: int) -> None:
        row = (entry.key, entry.size, entry.sha256, entry.modified_at, entry.type, seen)
        self._connection.execute("REPLACE INTO objects VALUES (?, ?, ?, ?, ?, ?)", row)

    def _ask(self, query: str, *values: Any) -> list[Any]:
        with self._lock:
            return self._connection.execute(query, values).fetchall()

    def _do(self, statement: str, *values: Any) -> None:
        with self._lock:
            self._connection.execute(statement, values)


def _opened(path: Path) -> sqlite3.Connection:
    """Open the file; one that is damaged is made anew."""
    for is_last in (False, True):
        connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute(
                "PRAGMA synchronous=OFF"
            )  # a loss of power damages it, and it can be made again
            connection.executescript(_FORM)
            if connection.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok":
                return connection
        except sqlite3.DatabaseError:
            if is_last:
                raise
        connection.close()
        for ending in ("", "-wal", "-shm"):
            path.with_name(path.name + ending).unlink(missing_ok=True)
    raise UnavailableError(f"The list of what was copied, {path.name}, cannot be made in the data directory.")


def _entry(row: tuple[Any, ...]) -> Entry:
    key, size, sha256, modified_at, kind = row
    return Entry.model_construct(key=key, size=size, sha256=sha256, modified_at=modified_at, type=kind)


def _escaped(text: str) -> str:
    return "".join(f"[{sign}]" if sign in "*?[" else sign for sign in text)
