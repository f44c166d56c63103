"""Which finished exports in the bucket hold certain messages: for whoever deleted these, to delete them too.

An export's volumes are asked themselves, by the list of names at the end of each ZIP file: what the
register knows of a query says nothing of the messages as they were then.
"""

import io
import re
import zipfile
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from mmsvault.bucket import Bucket, Listed
from mmsvault.errors import NotFoundError
from mmsvault.exporting import register
from mmsvault.layout import EXPORTS
from mmsvault.vault import Vault

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

PIECE_BYTES = 1 << 18
UNREADABLE = (zipfile.BadZipFile, OSError, ValueError)
CLOCKS_DIFFER = timedelta(hours=1)
"""At the most, between the machine that deletes and the one that exports."""
BEING_MADE = "it is being made, was told, and leaves these messages out before it ends"
_MESSAGE = re.compile(r"(?:^|/)messages/\d{4}/\d\d/\d\d/([^/]+)/")
_DOUBLE = re.compile(r"~~[0-9a-f]{8}$")
"""What is added to a folder's name in a bag where another differs from it by case only."""


@dataclass(frozen=True)
class Holding:
    """A volume of an export, by its key, that holds so many of the messages; or a `problem` with it."""

    key: str
    messages: int
    problem: str = ""

    @property
    def is_being_made(self) -> bool:
        """Whether it is an export that leaves the messages out by itself before it ends."""
        return self.problem == BEING_MADE

    def as_json(self) -> dict[str, object]:
        """Return it for scripts and for receipts."""
        return {"key": self.key, "messages": self.messages, "problem": self.problem}


def holding(bucket: Bucket, ids: Collection[str], *, prefix: str = EXPORTS) -> Iterator[Holding]:
    """Give the volumes that hold some of the messages, and those that cannot be asked."""
    wanted = set(ids)
    volumes = bucket.list(prefix) if wanted else iter(())
    for found in volumes:
        if not found.key.endswith(".zip"):
            continue
        try:
            held = len(wanted & messages_in_object(bucket, found))
        except NotFoundError:  # it was deleted since
            continue
        except UNREADABLE:
            yield Holding(found.key, 0, "it cannot be read, and may hold some")
            continue
        if held:
            yield Holding(found.key, held)


def held(vault: Vault, ids: Collection[str]) -> Iterator[Holding]:
    """Give what `holding` gives, and exports that are being made.

    Whoever deletes a message tells these of it (`upkeep.remove`), and each looks through its volumes once
    more before it ends.
    """
    if not ids:
        return
    running = register.being_made(vault.catalog)  # before the volumes: one that ends meanwhile is found there
    for export in running:
        yield Holding(export.prefix, 0, BEING_MADE)
    prefixes = tuple(export.prefix for export in running)
    yield from (one for one in holding(vault.bucket, ids) if not (prefixes and one.key.startswith(prefixes)))


def messages_in(path: Path) -> set[str]:
    """Return the ids of the messages that a volume in a file holds."""
    with zipfile.ZipFile(path) as archive:
        return _ids(archive.namelist())


def messages_in_object(bucket: Bucket, found: Listed) -> set[str]:
    """Return the ids of the messages that a volume in the bucket holds. Raises what is `UNREADABLE`."""
    reader = io.BufferedReader(_Object(bucket, found.key, found.size), PIECE_BYTES)
    with reader as file, zipfile.ZipFile(file) as archive:
        return _ids(archive.namelist())


def _ids(names: Iterable[str]) -> set[str]:
    folders = {found[1] for found in map(_MESSAGE.search, names) if found}
    return folders | {_DOUBLE.sub("", folder) for folder in folders}


class _Object(io.RawIOBase):
    """An object as a file that is read here and there."""

    def __init__(self, bucket: Bucket, key: str, size: int) -> None:
        self._bucket = bucket
        self._key = key
        self._size = size
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, origin + offset)
        return self._at

    def readinto(self, into: "WriteableBuffer") -> int:
        view = memoryview(into).cast("B")
        length = min(len(view), self._size - self._at)
        if length <= 0:
            return 0
        data = b"".join(self._bucket.chunks(self._key, offset=self._at, length=length))
        view[: len(data)] = data
        self._at += len(data)
        return len(data)
