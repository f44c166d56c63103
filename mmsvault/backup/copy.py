"""A backup made while the vault runs.

What the catalog alone knows (entries of the trail, people, counts of receipts) is written into the bucket
first, and once more at the end, so that the bucket is all that must be copied. A record is never older than
the files that it names: those that came while the listing went on are looked for by the records.
"""

import contextlib
import fcntl
import hashlib
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta

from mmsvault import auditing, layout, outside
from mmsvault.backup.index import Index
from mmsvault.backup.place import Place
from mmsvault.backup.repository import Entry, Passphrase, Repository, make_repository, open_repository
from mmsvault.backup.secrets import secrets_of
from mmsvault.bucket import PROBE_KEY, Listed
from mmsvault.catalog import key_values, upkeep
from mmsvault.errors import DamagedError, NotFoundError, RecordError, RefusedError
from mmsvault.folder import HALF_WRITTEN
from mmsvault.integrity.checking import expected
from mmsvault.message import utc_now
from mmsvault.state import keeper
from mmsvault.tallying import keep_tallies
from mmsvault.vault import Vault

AT_ONCE = 8
SNAPSHOTS_KEPT = 7
MAY_CHANGE_AGAIN = timedelta(seconds=5)
"""A file that was written so short a time before it was copied may get other bytes at the same time."""
LOOKED_AT_AGAIN = (
    *(layout.TRAIL, layout.STATE, layout.NAMES, layout.RECEIPTS),
    *(layout.DELETED, layout.ERASURES, layout.QUARANTINE),
)
"""What is small and changes by itself, without a message."""

Progress = Callable[[str, int], None]
"""Is told what is being done, and how many more objects that is."""


@dataclass
class BackedUp:
    """What a backup came to: objects that it has and their bytes, and what was copied in this run."""

    snapshot: str = ""
    objects: int = 0
    bytes: int = 0
    copied: int = 0
    copied_bytes: int = 0
    removed: int = 0
    is_encrypted: bool = False


@dataclass(frozen=True)
class Checked:
    """How many files of a snapshot were read, and what is wrong with which objects."""

    files: int
    problems: tuple[tuple[str, str], ...]


def back_up(
    vault: Vault,
    place: Place,
    *,
    passphrase: Passphrase,
    encrypts: bool = False,
    is_secret: bool = False,
    is_new: bool = False,
    kept: int = SNAPSHOTS_KEPT,
    progress: Progress = lambda *_: None,
) -> BackedUp:
    """Bring a backup up to what the vault has now; cut off, it goes on the next time.

    `encrypts` is for the first time, later ones go by what is there. Where it `is_secret`, nothing is written
    that is not encrypted. Raises RefusedError for that, where another backup runs, or where the backup of
    before is gone (unless `is_new`); DamagedError where a file is not what was written; RejectedInputError,
    UnavailableError.
    """
    with _alone(vault), contextlib.closing(_index(vault, place)) as index:
        repository = _repository(
            vault,
            place,
            index,
            passphrase=passphrase,
            encrypts=encrypts,
            is_secret=is_secret or encrypts,
            is_new=is_new,
        )
        if index.begin(repository.identity, repository.kept_files()):
            for snapshot in repository.snapshots()[:1]:
                index.load(repository.entries(snapshot))
        done = BackedUp(is_encrypted=repository.encryption.is_secret)
        run = _Run(vault, repository, index, done, progress)
        run.copy_everything()
        done.objects, done.bytes = index.totals()
        at = utc_now()
        if repository.encryption.is_secret:
            repository.write_secrets(secrets_of(vault.settings))
        done.snapshot = repository.write_snapshot(index.seen(), at=at)
        index.forget_unseen()
        done.removed = run.remove_unused(kept)
        key_values.put(vault.catalog, key_values.BACKUP_FINISHED_AT, utc_now().isoformat())
        return done


def check(repository: Repository, *, snapshot: str = "", progress: Progress = lambda *_: None) -> Checked:
    """Read every file of a snapshot, the newest if none is named.

    One that is not what was written is removed: the next backup copies it again, if the vault has it. Raises
    RejectedInputError for no snapshot of that name.
    """
    problems, count = [], 0
    for entry in repository.entries(snapshot or newest_of(repository)):
        try:
            repository.check(entry.sha256, entry.size)
        except DamagedError as error:
            repository.remove(repository.key_of(entry.sha256))
            problems.append((entry.key, f"{error} The next backup copies it again, if it is in the vault."))
        count += 1
        progress("checking", 1)
    return Checked(count, tuple(problems))


def newest_of(repository: Repository) -> str:
    """Return the newest snapshot. Raises RefusedError where no backup was ever finished."""
    found = repository.snapshots()
    if not found:
        raise RefusedError(f"No backup to {repository.place.name} was ever finished; run it again.")
    return found[0]


@dataclass
class _Run:
    """One run: what is copied, and where it is noted."""

    vault: Vault
    repository: Repository
    index: Index
    done: BackedUp
    progress: Progress

    def copy_everything(self) -> None:
        began_at = utc_now()
        self._write_what_the_catalog_knows()
        self._copy("")
        self._write_what_the_catalog_knows()
        for prefix in LOOKED_AT_AGAIN:
            self.index.unsee(prefix)
            self._copy(prefix)
        self._copy_missing()
        for message_id in upkeep.deleted_since(self.vault.catalog, began_at - MAY_CHANGE_AGAIN):
            self.index.unsee_message(message_id)

    def remove_unused(self, kept: int) -> int:
        """Remove snapshots but the newest, and files that none of those needs; return how many files."""
        snapshots = self.repository.snapshots()
        for snapshot in snapshots[kept:]:
            self.repository.remove_snapshot(snapshot)
        for snapshot in snapshots[:kept]:
            entries = self.repository.entries(snapshot)
            self.index.use(self.repository.key_of(entry.sha256) for entry in entries)
        unused = self.index.unused()
        for key in unused:
            self.repository.remove(key)
            self.index.drop_file(key)
        return len(unused)

    def _write_what_the_catalog_knows(self) -> None:
        keep_tallies(self.vault)
        keeper.keep(self.vault)
        auditing.keep(self.vault)

    def _copy(self, prefix: str) -> None:
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="backup") as side_by_side:
            for batch in upkeep.batches(self.vault.bucket.list(prefix)):
                found = [one for one in batch if _belongs(one.key)]
                for copied in side_by_side.map(self._copy_one, found):
                    self._count(copied)
                self.progress("copying", len(batch))

    def _copy_missing(self) -> None:
        for key in self.index.missing():
            with contextlib.suppress(NotFoundError):  # the record is damaged, or the message is deleted
                size, _ = self.vault.bucket.look_up(key)
                self._count(self._read(Listed(key, size, utc_now())))

    def _count(self, copied_bytes: int | None) -> None:
        if copied_bytes is not None:
            self.done.copied += 1
            self.done.copied_bytes += copied_bytes

    def _copy_one(self, found: Listed) -> int | None:
        """See an object, and copy it unless it is there as it was; return how many bytes were copied."""
        known = self.index.find(found.key)
        is_same = known and (known.size, known.modified_at) == (found.size, found.modified_at.isoformat())
        if known and is_same and self.index.has_file(self.repository.key_of(known.sha256)):
            self.index.see(known)
            return None
        try:
            return self._read(found)
        except NotFoundError:  # it was removed since it was listed
            return None

    def _read(self, found: Listed) -> int | None:
        at, copied_bytes = utc_now(), None
        hashed, size = hashlib.sha256(), 0
        with self.repository.temporary() as file:
            for chunk in self.vault.bucket.chunks(found.key):
                hashed.update(chunk)
                size += len(chunk)
                file.write(chunk)
            sha256 = hashed.hexdigest()
            key = self.repository.key_of(sha256)
            if not self.index.has_file(key):
                file.seek(0)
                copied_bytes = self.repository.keep(file, sha256, size)
                self.index.add_file(key)
            file.seek(0)
            if found.key.endswith(f"/{layout.RECORD_NAME}"):
                self._want_what_is_named(file.read(outside.LARGEST_RECORD_BYTES + 1))
        is_old = at - found.modified_at > MAY_CHANGE_AGAIN
        entry = Entry(
            key=found.key,
            size=size,
            sha256=sha256,
            modified_at=found.modified_at.isoformat() if is_old and size == found.size else "",
            type=self.vault.bucket.content_type(found.key),
        )
        self.index.see(entry)
        return copied_bytes

    def _want_what_is_named(self, data: bytes) -> None:
        retention = timedelta(days=self.vault.settings.retention_days)
        with contextlib.suppress(RecordError):  # a damaged record is copied as it is
            message = outside.read(data, now=utc_now(), retention=retention).message
            for one in expected(message):
                if not one.key.endswith(f"/{layout.RECORD_NAME}"):
                    self.index.want(one.key, one.sha256 if _is_whole(one.sha256) else "")


def _belongs(key: str) -> bool:
    """Return whether an object belongs to the archive, and is whole."""
    return key != PROBE_KEY and not key.rpartition("/")[2].startswith(HALF_WRITTEN)


def _is_whole(sha256: str) -> bool:
    return re.fullmatch("[0-9a-f]{64}", sha256) is not None


def _repository(
    vault: Vault,
    place: Place,
    index: Index,
    *,
    passphrase: Passphrase,
    encrypts: bool,
    is_secret: bool,
    is_new: bool,
) -> Repository:
    folder = vault.settings.temporary_dir
    found = open_repository(place, folder=folder, passphrase=passphrase)
    if found and is_secret and not found.encryption.is_secret:
        raise RefusedError(
            f"The backup in {place.name} is not encrypted; name another place for one that is, or give no "
            "passphrase."
        )
    if found:
        return found
    if index.identity and not is_new:
        raise RefusedError(
            f"There was a backup in {place.name}, and it is not there now. Is its disk mounted, and its "
            "server the same? To begin another one there, run it with --new."
        )
    if is_secret and not encrypts:  # a first run that was cut off before it wrote anything
        raise RefusedError(f"There is no backup in {place.name} yet; begin one with --encrypt.")
    return make_repository(place, folder=folder, passphrase=passphrase() if encrypts else "")


def _index(vault: Vault, place: Place) -> Index:
    name = hashlib.sha256(place.name.encode()).hexdigest()[:16]
    return Index(vault.settings.data_dir / "backups" / f"{name}.sqlite")


@contextlib.contextmanager
def _alone(vault: Vault) -> Iterator[None]:
    """Have one backup of a vault run at a time on this machine. Raises RefusedError."""
    with (vault.settings.data_dir / "backup.lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RefusedError("A backup of this vault runs already; try again once it is done.") from None
        yield
