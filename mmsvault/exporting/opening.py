"""Opening a bag that anybody may have written: a ZIP file, or the folder that one was unpacked into.

Nothing is unpacked and no name is trusted: files are read one by one, in pieces, by names that stay
within the bag. What a ZIP file says of itself is held against its size before anything is read.
"""

import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Protocol

import pyzipper

from mmsvault.errors import RejectedInputError
from mmsvault.exporting.bags import PIECE_BYTES

MOST_FILES = 5_000_000
MOST_GROWTH = 100
"""Times that an archive may grow when it is unpacked, on the whole; stored files do not grow at all."""
GROWTH_FROM_BYTES = 1 << 30
LONGEST_TAG_BYTES = 1 << 20
_UNREADABLE = (zipfile.BadZipFile, pyzipper.BadZipFile, zlib.error, EOFError, NotImplementedError)


class BrokenArchiveError(RejectedInputError):
    """This is no archive, or not a whole one, or one that was made to do harm."""


class Contents(Protocol):
    """The files of a bag by their names, which are relative to it, with `/`."""

    @property
    def sizes(self) -> dict[str, int]:
        """The size of each file in bytes."""

    def chunks(self, name: str) -> Iterator[bytes]:
        """Give a file's bytes. Raises BrokenArchiveError."""


def read(contents: Contents, name: str, *, most_bytes: int = LONGEST_TAG_BYTES) -> bytes:
    """Return a small file whole. Raises BrokenArchiveError where it is not small."""
    if contents.sizes[name] > most_bytes:
        raise BrokenArchiveError(f"{name} is larger than such a file can be.")
    return b"".join(contents.chunks(name))


@contextmanager
def opened(path: Path, *, password: str = "") -> Iterator[Contents]:
    """Give the contents of a ZIP file or a folder. Raises BrokenArchiveError."""
    if path.is_dir():
        yield Folder(path)
        return
    kind: Any = pyzipper.AESZipFile if password else zipfile.ZipFile
    try:
        archive = kind(path)
    except FileNotFoundError as error:
        raise BrokenArchiveError(f"There is no {path}.") from error
    except (*_UNREADABLE, OSError, ValueError) as error:
        raise BrokenArchiveError(f"{path} is no whole ZIP file: {error}") from error
    with archive:
        if password:
            archive.setpassword(password.encode())
        yield Zipped(archive, archive_bytes=path.stat().st_size, protected=bool(password))


class Zipped:
    """A bag in a ZIP file, at its top or in its one folder."""

    def __init__(self, archive: Any, *, archive_bytes: int, protected: bool) -> None:
        self._archive = archive
        members = [one for one in archive.infolist() if not one.filename.endswith("/")]
        _refuse_bombs(members, archive_bytes)
        if any(one.flag_bits & 1 for one in members) and not protected:
            raise BrokenArchiveError("The archive has a password; give it with --password-file.")
        base = _base({one.filename for one in members})
        self._members: dict[str, Any] = {}
        for member in members:
            if member.orig_filename != member.filename and "\0" in member.orig_filename:
                raise BrokenArchiveError("A name in the archive has a NUL in it.")
            name = member.filename.removeprefix(base)
            if not is_inside(name):
                raise BrokenArchiveError(f"The name {name!r} leads out of the archive.")
            if name in self._members:
                raise BrokenArchiveError(f"The archive has {name} twice.")
            self._members[name] = member

    @property
    def sizes(self) -> dict[str, int]:
        """The size of each file in bytes."""
        return {name: member.file_size for name, member in self._members.items()}

    def chunks(self, name: str) -> Iterator[bytes]:
        """Give a file's bytes. Raises BrokenArchiveError."""
        try:
            with self._archive.open(self._members[name]) as file:
                yield from _pieces(file)
        except (*_UNREADABLE, OSError, RuntimeError) as error:
            raise BrokenArchiveError(f"{name} cannot be read: {error}") from error


class Folder:
    """A bag that was unpacked. Links in it are not followed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.sizes = {}
        for found in path.rglob("*"):
            if found.is_symlink():
                raise BrokenArchiveError(f"{found} is a link, and may lead anywhere.")
            if found.is_file():
                self.sizes[found.relative_to(path).as_posix()] = found.stat().st_size

    def chunks(self, name: str) -> Iterator[bytes]:
        """Give a file's bytes. Raises BrokenArchiveError."""
        try:
            with (self._path / name).open("rb") as file:
                yield from _pieces(file)
        except OSError as error:
            raise BrokenArchiveError(f"{name} cannot be read: {error}") from error


def is_inside(name: str) -> bool:
    """Return whether a name stays within the bag on every system."""
    parts = re.split(r"[/\\]", name)
    return bool(name) and not (
        ".." in parts or name.startswith(("/", "\\", "~")) or re.match(r"[A-Za-z]:", name)
    )


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    while piece := file.read(PIECE_BYTES):
        yield piece


def _base(names: set[str]) -> str:
    """Return the one folder that the bag lies in, or nothing where it lies at the top."""
    if "bagit.txt" in names:
        return ""
    tops = {name.split("/", 1)[0] for name in names}
    return f"{tops.pop()}/" if len(tops) == 1 and len(names) > 1 else ""


def _refuse_bombs(members: list[Any], archive_bytes: int) -> None:
    """Refuse what would grow without measure, or counts the same bytes many times."""
    if len(members) > MOST_FILES:
        raise BrokenArchiveError(f"The archive says that it has {len(members):,} files.")
    packed = sum(member.compress_size for member in members)
    unpacked = sum(member.file_size for member in members)
    if packed > archive_bytes:
        raise BrokenArchiveError("The files of the archive lie over each other.")
    if unpacked > max(GROWTH_FROM_BYTES, archive_bytes * MOST_GROWTH):
        raise BrokenArchiveError(f"The archive would grow from {archive_bytes:,} to {unpacked:,} bytes.")
