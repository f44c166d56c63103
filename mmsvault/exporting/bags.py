"""One bag (BagIt 1.0, RFC 8493) written as a ZIP file, front to back, in little memory.

Files are stored as they are: media are compressed already, and stored bytes can be read by any
program for as long as there are programs. The size and the checksum of each stand before its bytes,
so that a program that reads the archive from a pipe finds where the next file begins. Manifests and
lists grow in temporary files.
"""

import hashlib
import time
import zlib
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import IO, Self

from stream_zip import NO_COMPRESSION_32, NO_COMPRESSION_64, Method, stream_zip

from mmsvault.exporting.outputs import Forward

Tag = tuple[str, str]
Content = bytes | Callable[[], Iterable[bytes]]
"""What a file holds: its bytes, or what gives the same bytes each time it is called."""

BAGIT = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
MANIFEST, TAG_MANIFEST = "manifest-sha256.txt", "tagmanifest-sha256.txt"
PIECE_BYTES = 1 << 18
IN_MEMORY_BYTES = 1 << 18
FIRST_YEAR, LAST_YEAR = 1980, 2107
"""What a ZIP file's times can say."""
LARGE_FROM_BYTES = (1 << 32) - (1 << 21)
LARGE_FROM_FILES = (1 << 16) - 2
"""Where the first form of ZIP files ends (ZIP64 begins), less what may be on its way to the output."""
_FILE_MODE = 0o100644


def spool(folder: Path, *, most_bytes: int = IN_MEMORY_BYTES) -> "SpooledTemporaryFile[bytes]":
    """Return a file that has no name and moves to the disk when it grows over `most_bytes`."""
    folder.mkdir(parents=True, exist_ok=True)
    return SpooledTemporaryFile(max_size=most_bytes, dir=str(folder))


def pieces(file: IO[bytes]) -> Iterator[bytes]:
    """Give what a file holds, from its beginning."""
    file.seek(0)
    while piece := file.read(PIECE_BYTES):
        yield piece


@contextmanager
def kept(chunks: Iterable[bytes], scratch: Path, *, most_bytes: int = IN_MEMORY_BYTES) -> Iterator[Content]:
    """Give what can be read only once as content that can be read again, until the context ends."""
    coming = iter(chunks)
    first, second = next(coming, b""), next(coming, None)
    if second is None:  # small objects come in one piece
        yield first
        return
    with spool(scratch, most_bytes=most_bytes) as file:
        for chunk in chain((first, second), coming):
            file.write(chunk)
        yield lambda: pieces(file)


@dataclass(frozen=True)
class Member:
    """A file of the bag, read through once: its size in bytes, its checksums, and its bytes again."""

    name: str
    at: datetime
    size: int
    crc32: int
    sha256: str
    content: Content

    def chunks(self) -> Iterable[bytes]:
        """Give its bytes."""
        return _chunks(self.content)


class Bag:
    """The files of a bag, made one by one for `write`. Names are relative to the bag, with `/`."""

    def __init__(self, *, written_at: datetime, scratch: Path) -> None:
        self._written_at = written_at
        self._payload, self._tags = spool(scratch), spool(scratch)
        self.payload_bytes = self.payload_files = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._payload.close()
        self._tags.close()

    def declaration(self) -> Member:
        """Return the file that makes it a bag; it is the first one."""
        return self._listed("bagit.txt", BAGIT, self._tags)

    def add(self, name: str, content: Content, *, at: datetime | None = None) -> Member:
        """Return a payload file, and list it in the manifest."""
        member = self._listed(f"data/{name}", content, self._payload, at=at)
        self.payload_bytes += member.size
        self.payload_files += 1
        return member

    def finish(
        self, about: Sequence[Tag], *, more: Iterable[tuple[str, bytes]] = ()
    ) -> Generator[Member, None, bytes]:
        """Give the manifests and bag-info.txt, and `more` tag files; return the tag manifest.

        What comes after this, is named by no manifest.
        """
        yield self._listed(MANIFEST, lambda: pieces(self._payload), self._tags)
        oxum = ("Payload-Oxum", f"{self.payload_bytes}.{self.payload_files}")
        told = "".join(f"{label}: {_one_line(value)}\n" for label, value in (*about, oxum))
        yield self._listed("bag-info.txt", told.encode(), self._tags)
        for name, content in more:
            yield self._listed(name, content, self._tags)
        listed = b"".join(pieces(self._tags))
        yield self.unlisted(TAG_MANIFEST, listed)
        return listed

    def unlisted(self, name: str, content: Content, *, at: datetime | None = None) -> Member:
        """Return a file that no manifest names, such as the signature of one."""
        size, crc32, digest = 0, 0, hashlib.sha256()
        for chunk in _chunks(content):
            size += len(chunk)
            crc32 = zlib.crc32(chunk, crc32)
            digest.update(chunk)
        return Member(name, at or self._written_at, size, crc32, digest.hexdigest(), content)

    def _listed(
        self,
        name: str,
        content: Content,
        listing: "SpooledTemporaryFile[bytes]",
        *,
        at: datetime | None = None,
    ) -> Member:
        member = self.unlisted(name, content, at=at)
        listing.write(f"{member.sha256}  {_escaped(name)}\n".encode())
        return member


def write(output: Forward, members: Iterable[Member], *, password: str = "") -> None:
    """Write the members as a ZIP file, each as it comes.

    An error in one leaves a file that no program takes for an archive.
    """

    def described() -> Iterator[tuple[str, datetime, int, Method, Iterable[bytes]]]:
        for number, member in enumerate(members):
            is_large = number >= LARGE_FROM_FILES or output.size + member.size >= LARGE_FROM_BYTES
            method = NO_COMPRESSION_64 if is_large else NO_COMPRESSION_32
            at = member.at.astimezone(UTC)
            at = at.replace(year=min(max(at.year, FIRST_YEAR), LAST_YEAR))
            yield member.name, at, _FILE_MODE, method(member.size, member.crc32), member.chunks()

    # It writes a password in Latin-1; what opens the archive reads UTF-8.
    secret = password.encode().decode("latin-1") or None
    zipped = stream_zip(described(), chunk_size=PIECE_BYTES, extended_timestamps=False, password=secret)
    for block in zipped:
        output.write(block)


def moment(epoch: str | None) -> datetime:
    """Return the time to write on what is made now: SOURCE_DATE_EPOCH's, where that is set.

    See https://reproducible-builds.org/specs/source-date-epoch/.
    """
    seconds = int(epoch) if epoch and epoch.isdigit() else int(time.time())
    return datetime.fromtimestamp(seconds, UTC)


def _escaped(name: str) -> str:
    """Return a name as manifests write it (RFC 8493, 2.1.3)."""
    return name.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _one_line(value: str) -> str:
    return " ".join(value.split())


def _chunks(content: Content) -> Iterable[bytes]:
    return (content,) if isinstance(content, bytes) else content()
