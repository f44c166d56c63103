"""The bucket: where everything is kept, as objects by key, whatever keeps them.

`s3.objects` keeps them on an S3 server; `folder` as files of this machine, which the embedded S3
server shows to other programs.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO, Protocol

CHUNK_BYTES = 1 << 18
PROBE_KEY = "probe"
"""Written and removed again to find out whether the bucket takes anything in."""


class SupportsRead(Protocol):
    """What bytes can be read from."""

    def read(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes, none at the end."""


@dataclass(frozen=True)
class Listed:
    """An object in a listing, or a folder, whose key ends in `/`. `size` in bytes."""

    key: str
    size: int
    modified_at: datetime

    @property
    def is_folder(self) -> bool:
        """Whether it stands for everything under it."""
        return self.key.endswith("/")


class Bucket(ABC):
    """Objects by key.

    Every method raises UnavailableError when what keeps them is away or refuses, and NotFoundError
    when the object is not there. Unless it says otherwise, a bucket has no versions and no locks.
    """

    @abstractmethod
    def make(self) -> None:
        """Make the bucket where there is none yet. Raises ConfigurationError where it cannot be as set."""

    def exists(self) -> bool:
        """Return whether the bucket is there."""
        return True

    def check_as_set(self) -> None:  # noqa: B027 - for those that have settings of their own
        """Raise ConfigurationError where the bucket is there and is not as the settings ask for."""

    @abstractmethod
    def put(
        self,
        key: str,
        content: bytes | BinaryIO,
        *,
        content_type: str,
        size: int | None = None,
        forced: bool = True,
    ) -> None:
        """Keep `content` under `key`, on the disk when this returns; not `forced`, after `force`.

        A stream is read from where it stands; its `size` is needed.
        """

    @abstractmethod
    def put_new(self, key: str, content: bytes, *, content_type: str) -> bool:
        """Keep `content` under a key that nothing is kept under; return whether that was so.

        What is there already is never written over, whoever writes at the same time.
        """

    @abstractmethod
    def put_stream(self, key: str, source: SupportsRead, *, content_type: str) -> None:
        """Keep all that `source` gives, whose size nobody knows; an error in it leaves nothing."""

    def force(self, keys: Collection[str]) -> None:  # noqa: B027 - for those that have not yet
        """Force objects that were not put so to the disk."""

    @abstractmethod
    def chunks(self, key: str, *, offset: int = 0, length: int = 0) -> Iterator[bytes]:
        """Give an object piece by piece; `length` 0 means to the end."""

    def read(self, key: str) -> bytes:
        """Return a small object whole."""
        return b"".join(self.chunks(key))

    def beginning(self, key: str, *, most_bytes: int) -> bytes:
        """Return no more than that of an object."""
        found = bytearray()
        for chunk in self.chunks(key):
            found += chunk
            if len(found) >= most_bytes:
                break
        return bytes(found[:most_bytes])

    def fetch(self, key: str, into: BinaryIO) -> None:
        """Write an object into a file, piece by piece."""
        into.writelines(self.chunks(key))
        into.flush()

    @abstractmethod
    def look_up(self, key: str) -> tuple[int, str]:
        """Return size in bytes and a mark that changes with the content of an object."""

    def content_type(self, key: str) -> str:  # noqa: ARG002 - for those that keep it
        """Return the type that an object was put with; nothing where that is not kept."""
        return ""

    @abstractmethod
    def whole(self, key: str, *, most_bytes: int) -> tuple[bytes, str] | None:
        """Return an object and its mark by one question; None for one of more than `most_bytes`."""

    @abstractmethod
    def list(self, prefix: str, *, recursive: bool = True) -> Iterator[Listed]:
        """Give what is under `prefix`, which ends in `/` or is empty, without gathering it all.

        Not recursive, what is deeper is one folder each.
        """

    @abstractmethod
    def remove(self, key: str) -> None:
        """Remove an object; one that is not there is removed already."""

    @abstractmethod
    def erase(self, prefix: str) -> int:
        """Remove everything under `prefix`, a folder or one key, with every version of it; return how many.

        Raises RefusedError where the bucket keeps something under a lock; the rest is gone then.
        """

    @abstractmethod
    def check(self, size: int) -> None:
        """Raise UnavailableError unless the bucket takes an object of `size` bytes now."""

    @property
    def can_lock(self) -> bool:
        """Whether objects can be held and kept unchanged here."""
        return False

    def hold(self, prefix: str, *, held: bool) -> None:  # noqa: B027 - for those that can
        """Put a legal hold on everything under `prefix`, with all versions, or take it off.

        Does nothing where the bucket has no Object Lock. Raises RefusedError where the server did not.
        """

    def lock(self, prefix: str) -> str:  # noqa: ARG002 - as above
        """Return in plain words what keeps something under `prefix` from being removed; mostly nothing."""
        return ""

    def is_held(self, key: str) -> bool:  # noqa: ARG002 - as above
        """Return whether an object, as it is now, is under a legal hold."""
        return False

    def bring_back(self, key: str, sha256: str) -> bool:  # noqa: ARG002 - as above
        """Make an older version the newest again, if one has these bytes; return whether one had."""
        return False

    def deleted(self, prefix: str) -> Iterator[str]:  # noqa: ARG002 - as above
        """Give the keys under `prefix` that are marked as deleted, and whose versions are there still."""
        return iter(())

    def undelete(self, key: str) -> None:  # noqa: B027 - as above
        """Take marks of deletion off an object, so that its newest version is seen again."""
