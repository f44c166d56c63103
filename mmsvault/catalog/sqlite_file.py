"""An SQLite catalog as a file: whether it can be read, and the marks that stand beside it.

`catalog.sqlite.doubt` says that a program met damage: the next start looks closer. `catalog.sqlite.rebuild`
says that the catalog is a new one that the bucket's messages and people are not in yet: who finds it makes no
first admin, and a rebuild that was cut off begins again. Nothing is loaded for this module: a start waits.
"""

import sqlite3
from contextlib import closing, suppress
from pathlib import Path

PATIENCE_SECONDS = 30
MAGIC = b"SQLite format 3\0"
HEADER_BYTES = 100
JOURNALS = ("-wal", "-shm")


def damage(path: Path, *, closely: bool) -> str:
    """Return what is wrong with the file, nothing where it is right or not there.

    Its beginning and its length are looked at always; every page only if `closely`, which takes seconds for
    each gigabyte. Raises OSError.
    """
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        return ""
    with path.open("rb") as file:
        head = file.read(HEADER_BYTES)
    if not size:
        return "" if _has_frames(path) else "it is empty"
    if not head.startswith(MAGIC) or size < HEADER_BYTES:
        return "its beginning is not that of a catalog"
    if not _has_frames(path) and size < _told_bytes(head):
        return f"it has {size:,} bytes of {_told_bytes(head):,}"
    return _page_damage(path) if closely else ""


def is_there(path: Path) -> bool:
    """Return whether there is a file with something in it."""
    with suppress(FileNotFoundError):
        return path.stat().st_size > 0
    return False


def is_in_doubt(path: Path) -> bool:
    """Return whether its last user did not end cleanly, or met damage."""
    return _has_frames(path) or _mark(path, "doubt").exists()


def doubt(path: Path) -> None:
    """Have the next start look closely."""
    with suppress(OSError):
        _mark(path, "doubt").touch()


def believe(path: Path) -> None:
    """Take note that the file was looked at closely."""
    _mark(path, "doubt").unlink(missing_ok=True)


def want_rebuild(path: Path, reason: str) -> None:
    """Take note that the catalog has to be made again from the bucket, and why."""
    _mark(path, "rebuild").write_text(reason)


def wants_rebuild(path: Path | None) -> str:
    """Return why the catalog has to be made again from the bucket, nothing where it has not."""
    if path is None:
        return ""
    with suppress(FileNotFoundError):
        return _mark(path, "rebuild").read_text() or "an earlier start found it damaged"
    return ""


def have_rebuilt(path: Path | None) -> None:
    """Take note that the catalog has what the bucket has."""
    if path is not None:
        _mark(path, "rebuild").unlink(missing_ok=True)


def set_aside(path: Path, *, mark: str) -> Path:
    """Rename the file and what belongs to it, for a new one to be made; return its new name."""
    aside = path.with_name(f"{path.name}.{mark}")
    for ending in ("", *JOURNALS):
        with suppress(FileNotFoundError):
            path.with_name(path.name + ending).rename(aside.with_name(aside.name + ending))
    return aside


def _mark(path: Path, name: str) -> Path:
    return path.with_name(f"{path.name}.{name}")


def _has_frames(path: Path) -> bool:
    return is_there(path.with_name(path.name + "-wal"))


def _told_bytes(head: bytes) -> int:
    """Return the length that the header tells; 0 where it does not (sqlite.org/fileformat2.html)."""
    page = int.from_bytes(head[16:18], "big")
    is_current = head[24:28] == head[92:96]
    return int.from_bytes(head[28:32], "big") * (65536 if page == 1 else page) if is_current else 0


def _page_damage(path: Path) -> str:
    try:
        with closing(sqlite3.connect(path, timeout=PATIENCE_SECONDS)) as connection:
            found = connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.OperationalError:  # busy, or no right to it: not this question
        return ""
    except sqlite3.DatabaseError as error:
        return str(error)
    return "" if found and found[0] == "ok" else "a page of it is damaged"
