"""Where a backup is: a folder, or a prefix of a bucket on an S3 server."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from mmsvault.bucket import Bucket, Listed
from mmsvault.errors import ConfigurationError, RejectedInputError, UnavailableError
from mmsvault.folder import FolderBucket
from mmsvault.s3.objects import S3Bucket
from mmsvault.s3.talking import open_client
from mmsvault.settings import Settings
from mmsvault.settings.forms import address_of
from mmsvault.settings.sources import PREFIX

S3 = "s3://"
_OWN_SETTING = re.compile(rf"{PREFIX}(?=S3_(?:ENDPOINT|ACCESS_KEY|SECRET_KEY|REGION)\b)")
"""A setting of the vault's bucket that the bucket of the backup has one of its own for."""
OCTETS = "application/octet-stream"


@dataclass(frozen=True)
class Place:
    """Objects of a bucket under a prefix, which is empty or ends in `/`. `name` is what people call it."""

    name: str
    bucket: Bucket
    prefix: str = ""

    def exists(self) -> bool:
        """Return whether there is such a folder or bucket. Raises UnavailableError."""
        with self._named():
            return self.bucket.exists()

    def make(self) -> None:
        """Make the folder or bucket unless it is there. Raises UnavailableError."""
        with self._named():
            self.bucket.make()

    def put(self, key: str, content: bytes | BinaryIO, *, size: int | None = None) -> None:
        """Keep an object, on the disk when this returns. Raises UnavailableError."""
        with self._named():
            self.bucket.put(self.prefix + key, content, content_type=OCTETS, size=size)

    def chunks(self, key: str) -> Iterator[bytes]:
        """Give an object piece by piece. Raises NotFoundError, UnavailableError."""
        with self._named():
            yield from self.bucket.chunks(self.prefix + key)

    def read(self, key: str) -> bytes:
        """Return a small object whole. Raises NotFoundError, UnavailableError."""
        with self._named():
            return self.bucket.read(self.prefix + key)

    def list(self, folder: str) -> Iterator[Listed]:
        """Give what is in a folder, by its key here."""
        with self._named():
            for found in self.bucket.list(self.prefix + folder):
                yield replace(found, key=found.key.removeprefix(self.prefix))

    def remove(self, key: str) -> None:
        """Remove an object with all of its versions. Raises RefusedError where it is locked."""
        with self._named():
            self.bucket.erase(self.prefix + key)

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Say of a server that is away that it is the backup's, and which settings are its own."""
        try:
            yield
        except UnavailableError as error:
            told = re.sub(r"([Tt]he) bucket(?='s server)", r"\1 backup", str(error))
            told = _OWN_SETTING.sub(f"{PREFIX}BACKUP_", told)
            raise UnavailableError(f"{self.name}: {told}") from error


def open_place(told: str, settings: Settings) -> Place:
    """Return the place that a person names.

    Raises RejectedInputError for one inside the vault itself, and ConfigurationError where settings lack.
    """
    if told.startswith(S3):
        return _in_bucket(told, settings)
    if not told.strip() or re.match(r"[a-z0-9]+://", told):
        raise RejectedInputError("Name a folder, or s3://BUCKET/PREFIX.")
    folder = Path(told).expanduser().absolute().resolve()
    if folder.is_relative_to(settings.data_dir.absolute().resolve()):
        raise RejectedInputError(
            "A backup inside the vault's own folder is lost with it; name another place."
        )
    return Place(str(folder), FolderBucket(folder))


def _in_bucket(told: str, settings: Settings) -> Place:
    name, _, prefix = told.removeprefix(S3).partition("/")
    if not re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", name) or ".." in prefix.split("/"):
        raise RejectedInputError(f"{told} names no bucket; write s3://BUCKET/PREFIX.")
    if not (settings.backup_s3_endpoint and settings.backup_s3_access_key and settings.backup_s3_secret_key):
        raise ConfigurationError(
            PREFIX + "BACKUP_S3_ENDPOINT",
            "give it together with BACKUP_S3_ACCESS_KEY and BACKUP_S3_SECRET_KEY, to back up to a bucket",
        )
    address, secure = address_of(settings.backup_s3_endpoint, secure=True)
    if not settings.embeds_bucket and (address, name) == (settings.bucket_address[0], settings.s3_bucket):
        raise RejectedInputError("That is the vault's own bucket; a backup there is lost with it.")
    client = open_client(
        address,
        secure=secure,
        keys=(settings.backup_s3_access_key, settings.backup_s3_secret_key),
        region=settings.backup_s3_region,
    )
    folder = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
    return Place(told, S3Bucket(client, name, region=settings.backup_s3_region), folder)
