"""The bucket: the client that puts what is kept there, and gets it back."""

import io
import os
import sys
import uuid
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, Protocol, cast

import urllib3
from minio import Minio
from minio.error import S3Error

from mmsvault.errors import ConfigurationError, NotFoundError, RefusedError, UnavailableError
from mmsvault.layout import is_evidence
from mmsvault.s3 import locking
from mmsvault.s3.locking import Locks, Version
from mmsvault.s3.talking import translated

CHUNK_BYTES = 1 << 18
PROBE_KEY = "probe"
"""Written and removed again to find out whether the bucket takes anything in."""
PART_BYTES = 16 << 20
"""A part of an upload whose size nobody knows; some are in memory at once, 10,000 make an object."""
HALF_WRITTEN = ".rclone_temp_put_"
"""How the embedded server, too, names a file that is not whole yet; what is left is swept away."""


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


class Bucket:
    """Objects by key. `local_dir` is where an embedded server keeps them as files, else None.

    Every method raises UnavailableError when the server is away or refuses, and NotFoundError when
    the object is not there.
    """

    def __init__(
        self,
        client: Minio,
        name: str,
        *,
        region: str,
        locks: Locks | None = None,
        local_dir: Path | None = None,
    ) -> None:
        self._client = client
        self._name = name
        self._region = region
        self._locks = locks or Locks()
        self._local_dir = local_dir

    @property
    def is_local(self) -> bool:
        """Whether the objects are read as files of this machine."""
        return self._local_dir is not None

    def make(self) -> None:
        """Make the bucket where there is none yet. Raises ConfigurationError where it cannot be as set."""
        with translated(self._name):
            if not self._client.bucket_exists(self._name):
                try:
                    self._client.make_bucket(self._name, self._region, object_lock=self._locks.is_asked)
                except S3Error as error:  # another program was quicker
                    if error.code != "BucketAlreadyOwnedByYou":
                        raise
        if self._locks.is_asked and not self.can_lock:
            raise ConfigurationError(
                "MMSVAULT_S3_OBJECT_LOCK",
                f"the bucket {self._name} was made without Object Lock, or its server has none; "
                "name another bucket in MMSVAULT_S3_BUCKET, and `mmsvault migrate` brings the archive there",
            )
        if self._locks.encrypts:
            locking.encrypt(self._client, self._name, probe=PROBE_KEY)

    @cached_property
    def can_lock(self) -> bool:
        """Whether objects can be held and kept unchanged here, found out by trying."""
        return self._local_dir is None and locking.can_lock(self._client, self._name, probe=PROBE_KEY)

    def hold(self, prefix: str, *, held: bool) -> None:
        """Put a legal hold on everything under `prefix`, with all versions, or take it off.

        Does nothing where the bucket has no Object Lock. Raises RefusedError where the server did not.
        """
        if self.can_lock:
            for version in self._versions(prefix):
                locking.hold(self._client, self._name, version, held=held)

    def lock(self, prefix: str) -> str:
        """Return in plain words what keeps something under `prefix` from being removed; mostly nothing."""
        if self._local_dir is None:
            now = datetime.now(UTC)
            for version in self._versions(prefix):
                if found := locking.lock_on(self._client, self._name, version, now=now):
                    return found
        return ""

    def is_held(self, key: str) -> bool:
        """Return whether an object, as it is now, is under a legal hold."""
        with translated(key):
            return self._client.is_object_legal_hold_enabled(self._name, key)

    def bring_back(self, key: str, sha256: str) -> bool:
        """Make an older version the newest again, if one has these bytes; return whether one had."""
        if self._local_dir is not None:
            return False
        retention = self._locks.retention(datetime.now(UTC)) if is_evidence(key) else None
        return locking.bring_back(self._client, self._name, key, sha256, retention=retention)

    def deleted(self, prefix: str) -> Iterator[str]:
        """Give the keys under `prefix` that are marked as deleted, and whose versions are there still."""
        if self._local_dir is None:
            with translated(prefix):
                found = locking.versions(self._client, self._name, prefix)
                marked = [version.key for version in found if version.is_mark and version.is_latest]
            yield from (key for key in marked if any(one.key == key for one in self._versions(key)))

    def undelete(self, key: str) -> None:
        """Take marks of deletion off an object, so that its newest version is seen again."""
        with translated(key):
            for version in list(locking.versions(self._client, self._name, key)):
                if version.key == key and version.is_mark:
                    self._client.remove_object(self._name, key, version_id=version.id)

    def _versions(self, prefix: str) -> list[Version]:
        with translated(prefix):
            found = locking.versions(self._client, self._name, prefix)
            return [version for version in found if not version.is_mark]

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
        stream = io.BytesIO(content) if isinstance(content, bytes) else content
        length = len(content) if isinstance(content, bytes) else size
        if length is None:
            raise TypeError("A stream needs its size.")
        retention = self._locks.retention(datetime.now(UTC)) if is_evidence(key) else None
        with translated(key):
            self._client.put_object(
                self._name, key, stream, length, content_type=content_type, retention=retention
            )
        if forced:
            self.force([key])

    def put_stream(self, key: str, source: SupportsRead, *, content_type: str) -> None:
        """Keep all that `source` gives, whose size nobody knows; an error in it leaves nothing.

        An embedded server would gather it in memory: there it is written to the disk itself.
        """
        if self._local_dir is None:
            with translated(key):
                self._client.put_object(
                    self._name,
                    key,
                    cast("BinaryIO", source),
                    -1,
                    content_type,
                    part_size=PART_BYTES,
                    num_parallel_uploads=2,
                )
            return
        path = self._local_dir / key
        draft = path.with_name(f"{HALF_WRITTEN}{uuid.uuid4().hex}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with draft.open("wb") as file:
                while chunk := source.read(CHUNK_BYTES):
                    file.write(chunk)
            draft.replace(path)
            self.force([key])
        except OSError as error:
            raise UnavailableError(f"The disk did not take {key}: {error}") from error
        finally:
            draft.unlink(missing_ok=True)

    def get(self, key: str) -> bytes:
        """Return a small object whole."""
        with self.open(key) as response:
            return b"".join(response.stream(1 << 16))

    @contextmanager
    def open(self, key: str, *, offset: int = 0, length: int = 0) -> Iterator[urllib3.BaseHTTPResponse]:
        """Give the response to read from; `length` 0 means to the end."""
        with translated(key):
            response = self._client.get_object(self._name, key, offset=offset, length=length)
            try:
                yield response
            finally:
                response.close()
                response.release_conn()

    def fetch(self, key: str, into: BinaryIO) -> None:
        """Write an object into a file, piece by piece."""
        with self.open(key) as response:
            into.writelines(response.stream(1 << 16))
        into.flush()

    def describe(self, key: str) -> Mapping[str, Any]:
        """Return `size` in bytes, `content_type` and `etag` of an object."""
        with translated(key):
            found = self._client.stat_object(self._name, key)
        return {"size": found.size, "content_type": found.content_type, "etag": found.etag}

    def look_up(self, key: str) -> tuple[int, str]:
        """Return size and a mark that changes with the content of an object, or of its file here."""
        if self._local_dir is None:
            found = self.describe(key)
            return int(found["size"]), str(found["etag"])
        try:
            kept = (self._local_dir / key).stat()
        except (FileNotFoundError, NotADirectoryError) as error:
            raise NotFoundError(f"The bucket has no {key}.") from error
        except OSError as error:
            raise UnavailableError(f"The disk did not give {key}: {error}") from error
        return kept.st_size, f"{kept.st_mtime_ns:x}-{kept.st_size:x}"

    def whole(self, key: str, *, most_bytes: int) -> tuple[bytes, str] | None:
        """Return an object and its mark by one question; None for one of more than `most_bytes`."""
        if self._local_dir is not None:
            size, mark = self.look_up(key)
            return (self.read(key), mark) if size <= most_bytes else None
        with self.open(key) as response:
            if int(response.headers.get("content-length", most_bytes + 1)) > most_bytes:
                return None
            return b"".join(response.stream(CHUNK_BYTES)), response.headers.get("etag", "").strip('"')

    def list(self, prefix: str, *, recursive: bool = True) -> Iterator[Listed]:
        """Give what is under `prefix`, which ends in `/` or is empty, without gathering it all.

        Not recursive, what is deeper is one folder each. An embedded server is not asked: it
        remembers folders for minutes, and what is on the disk is what there is.
        """
        if self._local_dir is not None:
            yield from _on_disk(self._local_dir, prefix, recursive=recursive)
            return
        with translated(prefix):
            for found in self._client.list_objects(self._name, prefix=prefix, recursive=recursive):
                at = found.last_modified or datetime.min.replace(tzinfo=UTC)
                yield Listed(found.object_name or "", found.size or 0, at)

    def chunks(self, key: str, *, offset: int = 0, length: int = 0) -> Iterator[bytes]:
        """Give an object as it is kept, from the disk itself where the server is embedded.

        `length` 0 means to the end.
        """
        if self._local_dir is None:
            with self.open(key, offset=offset, length=length) as response:
                yield from response.stream(CHUNK_BYTES)
            return
        left = length or sys.maxsize
        try:
            with (self._local_dir / key).open("rb") as file:
                file.seek(offset)
                while chunk := file.read(min(CHUNK_BYTES, left)):
                    left -= len(chunk)
                    yield chunk
        except FileNotFoundError as error:
            raise NotFoundError(f"The bucket has no {key}.") from error
        except OSError as error:
            raise UnavailableError(f"The disk did not give {key}: {error}") from error

    def read(self, key: str) -> bytes:
        """Return a small object whole, as it is kept."""
        return b"".join(self.chunks(key))

    def remove(self, key: str) -> None:
        """Remove an object; one that is not there is removed already."""
        with translated(key):
            self._client.remove_object(self._name, key)
        if self._local_dir is not None:  # a file that the embedded server never saw
            with suppress(FileNotFoundError):
                (self._local_dir / key).unlink()

    def erase(self, prefix: str) -> int:
        """Remove everything under `prefix`, a folder or one key, with every version of it; return how many.

        Raises RefusedError where the bucket keeps something under a lock; the rest is gone then.
        """
        if self._local_dir is not None:  # it keeps no versions
            keys = [found.key for found in self.list(prefix)] if prefix.endswith("/") else [prefix]
            for key in keys:
                self.remove(key)
            return len(keys)
        with translated(prefix):
            found = list(
                self._client.list_objects(self._name, prefix=prefix, recursive=True, include_version=True)
            )
            # Marks of deletion last: without them an older version that stays would show again.
            refused = [
                reason
                for one in sorted(found, key=lambda one: one.is_delete_marker)
                if (reason := self._erase_version(one.object_name or "", one.version_id))
            ]
        if refused:
            raise RefusedError(refused[0])
        return len(found)

    def _erase_version(self, key: str, version: str | None) -> str:
        """Remove a version for good; return why the bucket does not let go of it, or nothing."""
        try:
            self._client.remove_object(self._name, key, version_id=version)
        except S3Error as error:
            if error.code != "AccessDenied" and "WORM" not in (error.message or ""):
                raise
            return f"the bucket does not let go of {key}: {error.message}"
        return ""

    def check(self, size: int) -> None:
        """Raise UnavailableError unless the bucket takes an object of `size` bytes now."""
        with translated(PROBE_KEY):
            written = self._client.put_object(self._name, PROBE_KEY, io.BytesIO(bytes(size)), size)
            self._client.remove_object(self._name, PROBE_KEY, version_id=written.version_id)

    def force(self, keys: Collection[str]) -> None:
        """Force objects to the disk: the embedded server renames them into place without fsync.

        Together is cheaper than one by one: the first takes most of the file system's log along.
        """
        if self._local_dir is None:
            return
        paths = [self._local_dir / key for key in keys]
        try:
            for place in (*paths, *dict.fromkeys(path.parent for path in paths)):
                descriptor = os.open(place, os.O_RDONLY)
                try:
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)
        except OSError as error:
            raise UnavailableError(f"The disk did not take {', '.join(keys)}: {error}") from error


def _on_disk(folder: Path, prefix: str, *, recursive: bool) -> Iterator[Listed]:
    try:
        entries = sorted(os.scandir(folder / prefix), key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise UnavailableError(f"The disk did not list {prefix}: {error}") from error
    for entry in entries:
        is_folder = entry.is_dir(follow_symlinks=False)
        if is_folder and recursive:
            yield from _on_disk(folder, f"{prefix}{entry.name}/", recursive=True)
            continue
        try:
            found = entry.stat(follow_symlinks=False)
        except FileNotFoundError:  # removed or renamed since
            continue
        at = datetime.fromtimestamp(found.st_mtime, UTC)
        if is_folder:
            yield Listed(f"{prefix}{entry.name}/", 0, at)
        else:
            yield Listed(f"{prefix}{entry.name}", found.st_size, at)
