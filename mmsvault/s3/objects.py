"""The bucket on an S3 server: the client that puts what is kept there, and gets it back."""

import io
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import cached_property
from typing import BinaryIO, cast

import urllib3
from minio import Minio
from minio.datatypes import Object
from minio.error import S3Error

from mmsvault.bucket import CHUNK_BYTES, PROBE_KEY, Bucket, Listed, SupportsRead
from mmsvault.errors import ConfigurationError, NotFoundError
from mmsvault.layout import is_evidence
from mmsvault.s3 import locking, versions
from mmsvault.s3.locking import Locks
from mmsvault.s3.talking import translated

_IS_THERE = ("PreconditionFailed", "ConditionalRequestConflict")
_NO_CONDITIONS = ("NotImplemented", "InvalidArgument", "InvalidRequest")
PART_BYTES = 16 << 20
"""A part of an upload whose size nobody knows; some are in memory at once, 10,000 make an object."""


class S3Bucket(Bucket):
    """Objects on a server, with versions and locks as far as that has them."""

    def __init__(self, client: Minio, name: str, *, region: str, locks: Locks | None = None) -> None:
        self._client = client
        self._name = name
        self._region = region
        self._locks = locks or Locks()

    def make(self) -> None:
        with translated(self._name):
            if not self._client.bucket_exists(self._name):
                try:
                    self._client.make_bucket(self._name, self._region, object_lock=self._locks.is_asked)
                except S3Error as error:  # another program was quicker
                    if error.code != "BucketAlreadyOwnedByYou":
                        raise
        self._check_lock()
        if self._locks.encrypts:
            locking.encrypt(self._client, self._name, probe=PROBE_KEY)

    def exists(self) -> bool:
        with translated(self._name):
            return bool(self._client.bucket_exists(self._name))

    def check_as_set(self) -> None:
        if self.exists():
            self._check_lock()

    def _check_lock(self) -> None:
        if self._locks.is_asked and not self.can_lock:
            raise ConfigurationError(
                "MMSVAULT_S3_OBJECT_LOCK",
                f"the bucket {self._name} was made without Object Lock, or its server has none; "
                "name another bucket in MMSVAULT_S3_BUCKET, and `mmsvault migrate` brings the archive there",
            )

    @cached_property
    def can_lock(self) -> bool:  # kept once it is found out, by trying
        return locking.can_lock(self._client, self._name, probe=PROBE_KEY)

    def hold(self, prefix: str, *, held: bool) -> None:
        if self.can_lock:
            for version in versions.contents(self._client, self._name, prefix):
                locking.hold(self._client, self._name, version, held=held)

    def lock(self, prefix: str) -> str:
        now = datetime.now(UTC)
        for version in versions.contents(self._client, self._name, prefix):
            if found := locking.lock_on(self._client, self._name, version, now=now):
                return found
        return ""

    def is_held(self, key: str) -> bool:
        with translated(key):
            return self._client.is_object_legal_hold_enabled(self._name, key)

    def bring_back(self, key: str, sha256: str) -> bool:
        retention = self._locks.retention(datetime.now(UTC)) if is_evidence(key) else None
        return versions.bring_back(self._client, self._name, key, sha256, retention=retention)

    def deleted(self, prefix: str) -> Iterator[str]:
        return versions.deleted(self._client, self._name, prefix)

    def undelete(self, key: str) -> None:
        versions.undelete(self._client, self._name, key)

    def put(
        self,
        key: str,
        content: bytes | BinaryIO,
        *,
        content_type: str,
        size: int | None = None,
        forced: bool = True,  # noqa: ARG002 - a server that has answered has it on its disks
    ) -> None:
        stream = io.BytesIO(content) if isinstance(content, bytes) else content
        length = len(content) if isinstance(content, bytes) else size
        if length is None:
            raise TypeError("A stream needs its size.")
        retention = self._locks.retention(datetime.now(UTC)) if is_evidence(key) else None
        with translated(key):
            self._client.put_object(
                self._name, key, stream, length, content_type=content_type, retention=retention
            )

    def put_new(self, key: str, content: bytes, *, content_type: str) -> bool:
        with translated(key):
            try:
                self._put_if_absent(key, content, content_type)
            except S3Error as error:
                if error.code in _IS_THERE:
                    return False
                if error.code not in _NO_CONDITIONS:
                    raise
                return self._put_after_a_look(key, content, content_type)
        return True

    def put_stream(self, key: str, source: SupportsRead, *, content_type: str) -> None:
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

    def chunks(self, key: str, *, offset: int = 0, length: int = 0) -> Iterator[bytes]:
        with self._open(key, offset=offset, length=length) as response:
            yield from response.stream(CHUNK_BYTES)

    def look_up(self, key: str) -> tuple[int, str]:
        found = self._stat(key)
        return found.size or 0, found.etag or ""

    def content_type(self, key: str) -> str:
        return self._stat(key).content_type or ""

    def whole(self, key: str, *, most_bytes: int) -> tuple[bytes, str] | None:
        with self._open(key) as response:
            if int(response.headers.get("content-length", most_bytes + 1)) > most_bytes:
                return None
            return b"".join(response.stream(CHUNK_BYTES)), response.headers.get("etag", "").strip('"')

    def list(self, prefix: str, *, recursive: bool = True) -> Iterator[Listed]:
        with translated(prefix):
            for found in self._client.list_objects(self._name, prefix=prefix, recursive=recursive):
                at = found.last_modified or datetime.min.replace(tzinfo=UTC)
                yield Listed(found.object_name or "", found.size or 0, at)

    def remove(self, key: str) -> None:
        with translated(key):
            self._client.remove_object(self._name, key)

    def erase(self, prefix: str) -> int:
        return versions.erase(self._client, self._name, prefix)

    def check(self, size: int) -> None:
        # Asked without a body first: a port that wants TLS may end the connection while a body still comes.
        with suppress(NotFoundError):
            self._stat(PROBE_KEY)
        with translated(PROBE_KEY):
            written = self._client.put_object(self._name, PROBE_KEY, io.BytesIO(bytes(size)), size)
            self._client.remove_object(self._name, PROBE_KEY, version_id=written.version_id)

    def _put_if_absent(self, key: str, content: bytes, content_type: str) -> None:
        # minio-py takes no condition with an object; this is what its put_object does in the end.
        headers: dict[str, str | list[str] | tuple[str]] = {
            "Content-Type": content_type,
            "If-None-Match": "*",
        }
        self._client._put_object(self._name, key, content, headers)  # noqa: SLF001 - see above

    def _put_after_a_look(self, key: str, content: bytes, content_type: str) -> bool:
        """Put an object on a server without conditions, where nothing is seen under its key."""
        with suppress(NotFoundError):
            self._stat(key)
            return False
        self.put(key, content, content_type=content_type)
        return True

    def _stat(self, key: str) -> Object:
        with translated(key):
            return self._client.stat_object(self._name, key)

    @contextmanager
    def _open(self, key: str, *, offset: int = 0, length: int = 0) -> Iterator[urllib3.BaseHTTPResponse]:
        """Give the response to read from; `length` 0 means to the end."""
        with translated(key):
            response = self._client.get_object(self._name, key, offset=offset, length=length)
            try:
                yield response
            finally:
                response.close()
                response.release_conn()
