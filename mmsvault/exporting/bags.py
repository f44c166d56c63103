"""One bag (BagIt 1.0, RFC 8493) written as a ZIP file, front to back, in little memory.

Files are stored as they are: media are compressed already, and stored bytes can be read by any
program for as long as there are programs. Manifests and lists grow in temporary files.
"""

import hashlib
import pickle
import time
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import IO, Any, cast

import pyzipper

from mmsvault.exporting.outputs import Forward

Tag = tuple[str, str]

BAGIT = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
MANIFEST, TAG_MANIFEST = "manifest-sha256.txt", "tagmanifest-sha256.txt"
PIECE_BYTES = 1 << 18
IN_MEMORY_BYTES = 1 << 18
FIRST_YEAR, LAST_YEAR = 1980, 2107
"""What a ZIP file's times can say."""
_FILE_MODE = 0o100644 << 16
_UNIX = 3


def spool(folder: Path) -> "SpooledTemporaryFile[bytes]":
    """Return a file that has no name and moves to the disk when it grows."""
    folder.mkdir(parents=True, exist_ok=True)
    return SpooledTemporaryFile(max_size=IN_MEMORY_BYTES, dir=str(folder))


def pieces(file: IO[bytes]) -> Iterator[bytes]:
    """Give what a file holds, from its beginning."""
    file.seek(0)
    while piece := file.read(PIECE_BYTES):
        yield piece


class _Directory:
    """The members of a ZIP file being written, kept on the disk until its own directory is written."""

    def __init__(self, folder: Path) -> None:
        self._members = spool(folder)
        self._count = 0

    def append(self, member: Any) -> None:
        pickle.dump(member, self._members)
        self._count += 1

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Any]:
        self._members.seek(0)
        for _ in range(self._count):
            yield pickle.load(self._members)  # noqa: S301 - a file without a name, written above

    def close(self) -> None:
        self._members.close()


class _Forgetful(dict[str, Any]):
    """Members by name, which a ZIP file being written keeps and never asks for."""

    def __setitem__(self, name: str, member: Any) -> None:
        """Forget it."""


class Bag:
    """A bag being written. Names are relative to the bag, with `/`, as `data/messages.csv`."""

    def __init__(self, output: Forward, *, written_at: datetime, scratch: Path, password: str = "") -> None:
        self._written_at = written_at
        self._scratch = scratch
        self._zip: Any
        if password:
            self._zip = pyzipper.AESZipFile(output, "w", encryption=pyzipper.WZ_AES)
            self._zip.setpassword(password.encode())
        else:
            self._zip = zipfile.ZipFile(cast("IO[bytes]", output), "w")
        # Else every member would stay in memory until the end.
        self._zip.filelist = self._directory = _Directory(scratch)
        self._zip.NameToInfo = _Forgetful()
        self._info: Any = self._zip.zipinfo_cls if password else zipfile.ZipInfo
        self._payload, self._tags = spool(scratch), spool(scratch)
        self.payload_bytes = self.payload_files = 0
        self._write("bagit.txt", [BAGIT], self._tags)

    def add(
        self, name: str, chunks: Iterable[bytes], *, at: datetime | None = None, size: int | None = None
    ) -> str:
        """Write a payload file and return its SHA-256; `size` is said where it may be above 4 GiB."""
        digest, count = self._write(f"data/{name}", chunks, self._payload, at=at, size=size)
        self.payload_bytes += count
        self.payload_files += 1
        return digest

    def finish(self, about: Sequence[Tag], *, more: Iterable[tuple[str, bytes]] = ()) -> bytes:
        """Write the manifests and bag-info.txt, and `more` tag files; return the tag manifest.

        What is written after this, is named by no manifest.
        """
        self._write(MANIFEST, pieces(self._payload), self._tags)
        oxum = ("Payload-Oxum", f"{self.payload_bytes}.{self.payload_files}")
        told = "".join(f"{label}: {_one_line(value)}\n" for label, value in (*about, oxum))
        self._write("bag-info.txt", [told.encode()], self._tags)
        for name, content in more:
            self._write(name, [content], self._tags)
        listed = b"".join(pieces(self._tags))
        self._write(TAG_MANIFEST, [listed], None)
        return listed

    def add_unlisted(self, name: str, content: bytes) -> None:
        """Write a tag file that no manifest names, such as the signature of one."""
        self._write(name, [content], None)

    def close(self) -> None:
        """Write the ZIP file's directory."""
        self._zip.close()
        self._let_go()

    def give_up(self) -> None:
        """Let go without a directory: what was written is no ZIP file."""
        self._zip.fp = None
        self._let_go()

    def _let_go(self) -> None:
        for listing in (self._payload, self._tags, self._directory):
            listing.close()

    def _write(
        self,
        name: str,
        chunks: Iterable[bytes],
        listing: "SpooledTemporaryFile[bytes] | None",
        *,
        at: datetime | None = None,
        size: int | None = None,
    ) -> tuple[str, int]:
        digest, count = hashlib.sha256(), 0
        with self._member(name, at or self._written_at, size) as member:
            for chunk in chunks:
                member.write(chunk)
                digest.update(chunk)
                count += len(chunk)
        if listing is not None:
            listing.write(f"{digest.hexdigest()}  {_listed(name)}\n".encode())
        return digest.hexdigest(), count

    @contextmanager
    def _member(self, name: str, at: datetime, size: int | None) -> Iterator[IO[bytes]]:
        year = min(max(at.year, FIRST_YEAR), LAST_YEAR)
        info = self._info(name, (year, *at.astimezone(UTC).timetuple()[1:6]))
        info.external_attr, info.create_system = _FILE_MODE, _UNIX
        # A size is not known beforehand for what is made on the way: such a file may be a large one.
        with self._zip.open(
            info, "w", force_zip64=size is None or size >= zipfile.ZIP64_LIMIT // 2
        ) as member:
            yield member


@contextmanager
def writing(output: Forward, *, written_at: datetime, scratch: Path, password: str = "") -> Iterator[Bag]:
    """Give a bag to write into; an error leaves a file that no program takes for an archive."""
    bag = Bag(output, written_at=written_at, scratch=scratch, password=password)
    try:
        yield bag
    except BaseException:
        bag.give_up()
        raise
    bag.close()


def moment(epoch: str | None) -> datetime:
    """Return the time to write on what is made now: SOURCE_DATE_EPOCH's, where that is set.

    See https://reproducible-builds.org/specs/source-date-epoch/.
    """
    seconds = int(epoch) if epoch and epoch.isdigit() else int(time.time())
    return datetime.fromtimestamp(seconds, UTC)


def _listed(name: str) -> str:
    """Return a name as manifests write it (RFC 8493, 2.1.3)."""
    return name.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _one_line(value: str) -> str:
    return " ".join(value.split())
