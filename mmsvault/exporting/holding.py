"""Which finished exports in the bucket hold certain messages: for whoever deleted these, to delete them too.

An export's volumes are asked themselves, by the list of names at the end of each ZIP file: what the
register knows of a query says nothing of the messages as they were then.
"""

import io
import re
import zipfile
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mmsvault.bucket import Bucket
from mmsvault.errors import NotFoundError
from mmsvault.layout import EXPORTS

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

PIECE_BYTES = 1 << 18
_MESSAGE = re.compile(r"(?:^|/)messages/\d{4}/\d\d/\d\d/([^/]+)/")
_DOUBLE = re.compile(r"~~[0-9a-f]{8}$")
"""What is added to a folder's name in a bag where another differs from it by case only."""


@dataclass(frozen=True)
class Holding:
    """A volume of an export, by its key, that holds so many of the messages; or a `problem` with it."""

    key: str
    messages: int
    problem: str = ""

    def as_json(self) -> dict[str, object]:
        """Return it for scripts and for receipts."""
        return {"key": self.key, "messages": self.messages, "problem": self.problem}


def holding(bucket: Bucket, ids: Collection[str]) -> Iterator[Holding]:
    """Give the volumes that hold some of the messages, and those that cannot be asked."""
    wanted = set(ids)
    volumes = bucket.list(EXPORTS) if wanted else iter(())
    for found in volumes:
        if not found.key.endswith(".zip"):
            continue
        try:
            held = len(wanted & _messages_in(bucket, found.key, found.size))
        except NotFoundError:  # it was deleted since
            continue
        except (zipfile.BadZipFile, OSError, ValueError):
            yield Holding(found.key, 0, "it cannot be read, and may hold some")
            continue
        if held:
            yield Holding(found.key, held)


def _messages_in(bucket: Bucket, key: str, size: int) -> set[str]:
    with io.BufferedReader(_Object(bucket, key, size), PIECE_BYTES) as file, zipfile.ZipFile(file) as archive:
        names = (_MESSAGE.search(name) for name in archive.namelist())
        folders = {found[1] for found in names if found}
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
