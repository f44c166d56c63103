"""The files and snapshots of a backup at its place.

backup.json                      what it is, and for an encrypted one its locked key
data/ab/abcd...                  files, each under its own name once and never written over
snapshots/TIME-NAME.jsonl.gz     what the bucket had then: a line a key, with size and SHA-256
secrets.age                      what the vault made for itself, where the backup is encrypted
"""

import gzip
import hashlib
import json
import re
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, BinaryIO, cast

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from mmsvault.backup.encryption import Encryption, Plain, new_age, opened_age
from mmsvault.backup.place import Place
from mmsvault.backup.secrets import VaultSecrets
from mmsvault.errors import DamagedError, NotFoundError, RefusedError, RejectedInputError
from mmsvault.importing import Readable

FORMAT = 1
HEADER, SECRETS = "backup.json", "secrets.age"
DATA, SNAPSHOTS = "data/", "snapshots/"
NAME_DIGITS = 32
_SNAPSHOT = re.compile(r"\d{8}T\d{12}Z-[0-9a-f]{32}")
_TIME = "%Y%m%dT%H%M%S%f"

Passphrase = Callable[[], str]
"""Asks for the passphrase where one is needed."""


def _proper_key(key: str) -> str:
    if key.startswith("/") or key.endswith("/") or {"", ".", ".."} & set(key.split("/")) or "\0" in key:
        raise ValueError("it is no key")
    return key


class Entry(BaseModel):
    """An object of the bucket in a snapshot. `type` is its content type, empty where none is kept."""

    model_config = ConfigDict(frozen=True)

    key: Annotated[str, StringConstraints(min_length=1, max_length=1024), AfterValidator(_proper_key)]
    size: Annotated[int, Field(ge=0)]
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    modified_at: Annotated[str, StringConstraints(max_length=40)] = ""
    type: Annotated[str, StringConstraints(max_length=200)] = ""


@dataclass(frozen=True)
class Repository:
    """A backup at a place. `identity` is its own, `folder` takes temporary files."""

    place: Place
    encryption: Encryption
    identity: str
    folder: Path

    @contextmanager
    def temporary(self) -> Iterator[BinaryIO]:
        """Give a file that is gone afterwards."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=self.folder) as file:
            yield cast("BinaryIO", file)

    def key_of(self, sha256: str) -> str:
        """Return where a file with these bytes is kept."""
        name = self.encryption.name_of(sha256)
        return f"{DATA}{name[:2]}/{name}"

    def keep(self, plain: BinaryIO, sha256: str, size: int) -> int:
        """Keep a file and read it back; return its size as it is kept.

        Raises DamagedError where something else came back, and UnavailableError.
        """
        key = self.key_of(sha256)
        kept = self._put(key, plain, size)
        self.check(sha256, size)
        return kept

    def check(self, sha256: str, size: int) -> None:
        """Raise DamagedError where a file is not as it was, or not there."""
        sink = _Sink()
        self._fetch(self.key_of(sha256), cast("BinaryIO", sink))
        self._compare(sink.sha256, sink.size, sha256, size)

    def fetch(self, sha256: str, size: int, into: BinaryIO) -> None:
        """Write a file as it was, and rewind. Raises DamagedError."""
        sink = _Sink(into)
        self._fetch(self.key_of(sha256), cast("BinaryIO", sink))
        self._compare(sink.sha256, sink.size, sha256, size)
        into.seek(0)

    def kept_files(self) -> Iterator[tuple[str, int]]:
        """Give key and size of every file that is kept."""
        return ((found.key, found.size) for found in self.place.list(DATA))

    def remove(self, key: str) -> None:
        """Remove a file; what the place keeps under a lock stays."""
        try:
            self.place.remove(key)
        except RefusedError:
            return

    def snapshots(self) -> list[str]:
        """Return the names of the snapshots, the newest first."""
        ending = f".jsonl.gz{self.encryption.ending}"
        names = (
            found.key.removeprefix(SNAPSHOTS).removesuffix(ending) for found in self.place.list(SNAPSHOTS)
        )
        return sorted((name for name in names if _SNAPSHOT.fullmatch(name)), reverse=True)

    def write_snapshot(self, entries: Iterator[Entry], *, at: datetime) -> str:
        """Keep a snapshot, read it back and return its name: the newest, whatever the clock says."""
        for newest in self.snapshots()[:1]:
            before = datetime.strptime(newest.partition("Z-")[0], _TIME).replace(tzinfo=UTC)
            at = max(at, before + timedelta(microseconds=1))
        with self.temporary() as file:
            with gzip.GzipFile(fileobj=file, mode="wb", mtime=0, compresslevel=6) as packed:
                for entry in entries:
                    packed.write(entry.model_dump_json().encode() + b"\n")
            size = file.tell()
            file.seek(0)
            name = self.encryption.name_of(_digest(file))
            snapshot = f"{at.strftime(_TIME)}Z-{name[:NAME_DIGITS]}"
            file.seek(0)
            self._put(self._snapshot_key(snapshot), file, size)
        with self._opened(snapshot):
            return snapshot

    def entries(self, snapshot: str) -> Iterator[Entry]:
        """Give what a snapshot lists. Raises DamagedError, and RejectedInputError for none of that name."""
        with self._opened(snapshot) as file, gzip.GzipFile(fileobj=file, mode="rb") as unpacked:
            for line in unpacked:
                try:
                    yield Entry.model_validate_json(line)
                except ValidationError as error:
                    raise DamagedError(snapshot, f"A line of the snapshot {snapshot} is damaged.") from error

    def remove_snapshot(self, snapshot: str) -> None:
        """Remove a snapshot; its files are for whoever knows which others need."""
        self.remove(self._snapshot_key(snapshot))

    def write_secrets(self, secrets: VaultSecrets) -> None:
        """Keep what the vault made for itself. The backup must be encrypted."""
        data = secrets.model_dump_json().encode()
        with self.temporary() as file:
            file.write(data)
            file.seek(0)
            self._put(SECRETS, file, len(data))

    def secrets(self) -> VaultSecrets | None:
        """Return what the vault had made for itself; None where the backup has it not."""
        if not self.encryption.is_secret:
            return None
        with self.temporary() as file:
            try:
                self._fetch(SECRETS, file)
            except DamagedError:
                return None
            file.seek(0)
            try:
                return VaultSecrets.model_validate_json(file.read())
            except ValidationError as error:
                raise DamagedError(SECRETS, "The secrets of the backup are damaged.") from error

    @contextmanager
    def _opened(self, snapshot: str) -> Iterator[BinaryIO]:
        if not _SNAPSHOT.fullmatch(snapshot):
            raise RejectedInputError(f"{snapshot!r} is no name of a snapshot.")
        with self.temporary() as file:
            self._fetch(self._snapshot_key(snapshot), file)
            file.seek(0)
            name = self.encryption.name_of(_digest(file))
            if not snapshot.endswith(f"-{name[:NAME_DIGITS]}"):
                raise DamagedError(snapshot, f"The snapshot {snapshot} is not what was written.")
            file.seek(0)
            yield file

    def _snapshot_key(self, snapshot: str) -> str:
        return f"{SNAPSHOTS}{snapshot}.jsonl.gz{self.encryption.ending}"

    def _put(self, key: str, plain: BinaryIO, size: int) -> int:
        if not self.encryption.is_secret:
            self.place.put(key, plain, size=size)
            return size
        with self.temporary() as file:
            self.encryption.encrypt(plain, file)
            kept = file.tell()
            file.seek(0)
            self.place.put(key, file, size=kept)
        return kept

    def _fetch(self, key: str, into: BinaryIO) -> None:
        try:
            self.encryption.decrypt(cast("BinaryIO", Readable(self.place.chunks(key))), into)
        except NotFoundError as error:
            raise DamagedError(key, f"The backup has no {key}.") from error
        except DamagedError as error:
            raise DamagedError(key, f"{key} of the backup is damaged: {error}.") from error

    def _compare(self, sha256: str, size: int, wanted: str, wanted_size: int) -> None:
        if (sha256, size) != (wanted, wanted_size):
            key = self.key_of(wanted)
            raise DamagedError(key, f"{key} of the backup has other bytes than were written.")


def open_repository(place: Place, *, folder: Path, passphrase: Passphrase) -> Repository | None:
    """Return the backup at a place; None where there is none.

    Raises RejectedInputError for what is none of this product, of a newer form, or a wrong passphrase.
    """
    if not place.exists():
        return None
    try:
        told = json.loads(place.read(HEADER))
        number, identity, locked = int(told["format"]), str(told["id"]), str(told["key"])
    except NotFoundError:
        return None
    except (ValueError, LookupError, TypeError) as error:
        raise RejectedInputError(f"{place.name} has a {HEADER} that is none of MMS Vault.") from error
    if number != FORMAT:
        raise RejectedInputError(
            f"{place.name} was written by another version of MMS Vault; update this one."
        )
    encryption = opened_age(locked, passphrase()) if locked else Plain()
    return Repository(place, encryption, identity, folder)


def make_repository(place: Place, *, folder: Path, passphrase: str) -> Repository:
    """Begin a backup at a place that has none; with a passphrase it is encrypted.

    Raises RejectedInputError where something else is there.
    """
    place.make()
    if next(place.list(""), None) is not None:
        raise RejectedInputError(f"{place.name} is not empty and has no backup; name another place.")
    encryption, locked = new_age(passphrase) if passphrase else (Plain(), "")
    identity = uuid.uuid4().hex
    told = {"format": FORMAT, "id": identity, "encryption": "age" if locked else "none", "key": locked}
    place.put(HEADER, json.dumps(told, indent=2).encode())
    return Repository(place, encryption, identity, folder)


def _digest(file: BinaryIO) -> str:
    hashed = hashlib.sha256()
    while chunk := file.read(1 << 18):
        hashed.update(chunk)
    return hashed.hexdigest()


class _Sink:
    """Counts and hashes what is written, and passes it on."""

    def __init__(self, into: BinaryIO | None = None) -> None:
        self._into, self._hashed, self.size = into, hashlib.sha256(), 0

    @property
    def sha256(self) -> str:
        return self._hashed.hexdigest()

    def write(self, data: bytes) -> int:
        self._hashed.update(data)
        self.size += len(data)
        if self._into is not None:
            self._into.write(data)
        return len(data)

    def flush(self) -> None:
        """Do nothing: what is written is passed on at once."""
