"""Versions of objects: all of them, those that come back, and how they go for good."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from minio import Minio
from minio.commonconfig import CopySource
from minio.error import S3Error

from mmsvault.bucket import CHUNK_BYTES
from mmsvault.errors import RefusedError
from mmsvault.s3.talking import translated


@dataclass(frozen=True)
class Version:
    """One version of an object; a mark of deletion is one as well.

    `id` is the server's: `null` for what was written while the bucket kept no versions, None where the
    server names none.
    """

    key: str
    id: str | None
    is_latest: bool
    is_mark: bool


def everything(client: Minio, name: str, prefix: str) -> Iterator[Version]:
    """Give every version of everything under `prefix`, marks of deletion among them."""
    with translated(prefix):
        for found in client.list_objects(name, prefix=prefix, recursive=True, include_version=True):
            is_latest = str(found.is_latest).lower() == "true"
            yield Version(found.object_name or "", found.version_id, is_latest, bool(found.is_delete_marker))


def contents(client: Minio, name: str, prefix: str) -> list[Version]:
    """Return every version under `prefix` that has bytes."""
    return [version for version in everything(client, name, prefix) if not version.is_mark]


def bring_back(client: Minio, name: str, key: str, sha256: str, **put: Any) -> bool:
    """Make the version with these bytes the newest again; return whether there is one."""
    with translated(key):
        for version in contents(client, name, key):
            if version.key == key and _digest(client, name, version) == sha256:
                client.copy_object(name, key, CopySource(name, key, version_id=version.id), **put)
                return True
    return False


def deleted(client: Minio, name: str, prefix: str) -> Iterator[str]:
    """Give the keys under `prefix` that are marked as deleted, and whose bytes are there still."""
    marked = [one.key for one in everything(client, name, prefix) if one.is_mark and one.is_latest]
    yield from (key for key in marked if any(one.key == key for one in contents(client, name, key)))


def undelete(client: Minio, name: str, key: str) -> None:
    """Take marks of deletion off an object, so that its newest version is seen again."""
    with translated(key):
        for version in list(everything(client, name, key)):
            if version.key == key and version.is_mark:
                client.remove_object(name, key, version_id=version.id)


def erase(client: Minio, name: str, prefix: str) -> int:
    """Remove every version of everything under `prefix`; return how many that were.

    Raises RefusedError where the bucket keeps something under a lock; the rest is gone then.
    """
    # Marks of deletion last: without them an older version that stays would show again.
    found = sorted(everything(client, name, prefix), key=lambda version: version.is_mark)
    with translated(prefix):
        refused = [reason for version in found if (reason := _remove(client, name, version))]
    if refused:
        raise RefusedError(refused[0])
    return len(found)


def _remove(client: Minio, name: str, version: Version) -> str:
    """Remove a version for good; return why the bucket does not let go of it, or nothing."""
    try:
        client.remove_object(name, version.key, version_id=version.id)
    except S3Error as error:
        if error.code != "AccessDenied" and "WORM" not in (error.message or ""):
            raise
        return f"the bucket does not let go of {version.key}: {error.message}"
    return ""


def _digest(client: Minio, name: str, version: Version) -> str:
    hashed = hashlib.sha256()
    response = client.get_object(name, version.key, version_id=version.id)
    try:
        for chunk in response.stream(CHUNK_BYTES):
            hashed.update(chunk)
        return hashed.hexdigest()
    finally:
        response.close()
        response.release_conn()
