"""A backup brought back into an empty vault, which is then what the backed up one was.

Objects go into a bucket that is made as the settings ask for, each compared with its SHA-256 on the way and
read back afterwards. Then the catalog is made from them, and everything is verified. Cut off, it goes on.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

from mmsvault.backup.content_types import type_by_name
from mmsvault.backup.copy import newest_of
from mmsvault.backup.repository import Entry, Repository
from mmsvault.backup.secrets import take_over
from mmsvault.bucket import PROBE_KEY, Bucket
from mmsvault.catalog import key_values, trail, upkeep
from mmsvault.disposition import hold_objects
from mmsvault.errors import DamagedError, NotFoundError, RefusedError
from mmsvault.integrity import rebuilding
from mmsvault.integrity.checking import Problem, digest
from mmsvault.integrity.rebuilding import Rebuilt
from mmsvault.integrity.repairing import verify_and_repair
from mmsvault.state import rows
from mmsvault.vault import Vault

AT_ONCE = 8

Progress = Callable[[str, int], None]
"""Is told what is being done, and how many more objects that is."""


@dataclass
class Restored:
    """What a restore came to. `problems` are what is wrong in the vault now."""

    snapshot: str
    objects: int = 0
    copied: int = 0
    bytes: int = 0
    messages: int = 0
    checked: int = 0
    has_secrets: bool = False
    rebuilt: Rebuilt = field(default_factory=Rebuilt)
    problems: list[Problem] = field(default_factory=list)


def restore(
    vault: Vault,
    repository: Repository,
    *,
    snapshot: str = "",
    former_secret: str = "",
    progress: Progress = lambda *_: None,
) -> Restored:
    """Bring a snapshot back, the newest if none is named.

    `former_secret` is the secret key that the bucket had, for people; an encrypted backup has it itself.
    Raises RefusedError where the vault is not empty, ConfigurationError where its bucket is not as the
    settings ask for, DamagedError, RejectedInputError, UnavailableError.
    """
    done = Restored(snapshot or newest_of(repository))
    vault.make()
    _begin(vault, done.snapshot)
    secrets = repository.secrets()
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="restore") as side_by_side:
        for batch in upkeep.batches(repository.entries(done.snapshot)):
            copied = side_by_side.map(partial(_copy, repository, vault.bucket), batch)
            done.copied += sum(copied)
            done.objects += len(batch)
            done.bytes += sum(entry.size for entry in batch)
            progress("copying", len(batch))
    if secrets:
        take_over(secrets, vault.settings)
        done.has_secrets, former_secret = True, former_secret or secrets.bucket_secret
    done.rebuilt = rebuilding.rebuild(
        vault, progress=lambda more: progress("reading", more), former_secret=former_secret
    )
    hold_objects(vault)
    report = verify_and_repair(vault, progress=lambda more: progress("checking", more))
    done.messages, done.checked = done.rebuilt.messages, report.checked
    done.problems = [
        *done.rebuilt.problems,
        *(one for one in report.problems if one not in done.rebuilt.problems),
    ]
    key_values.remove(vault.catalog, key_values.RESTORING)
    return done


def _begin(vault: Vault, snapshot: str) -> None:
    """Refuse a vault that has something, unless this very restore was cut off in it."""
    begun = key_values.get(vault.catalog, key_values.RESTORING)
    if begun == snapshot:
        return
    if begun:
        raise RefusedError(
            f"A restore of the snapshot {begun} was cut off here; finish it with `--snapshot {begun}`."
        )
    has = [what for what, is_there in _contents(vault) if is_there]
    if has:
        raise RefusedError(
            f"The vault here is not empty ({', '.join(has)}). A backup is restored into an empty one only: "
            "name another MMSVAULT_DATA_DIR, or another MMSVAULT_S3_BUCKET and an empty "
            "MMSVAULT_DATABASE_URL. Do not start it before."
        )
    key_values.put(vault.catalog, key_values.RESTORING, snapshot)


def _contents(vault: Vault) -> tuple[tuple[str, bool], ...]:
    in_bucket = any(found.key != PROBE_KEY for found in vault.bucket.list(""))
    return (
        ("its bucket has objects", in_bucket),
        ("its catalog has messages", upkeep.count(vault.catalog) > 0),
        ("its catalog has people", rows.has_people(vault.catalog)),
        ("its catalog has a trail", bool(trail.latest(vault.catalog, limit=1))),
    )


def _copy(repository: Repository, target: Bucket, entry: Entry) -> bool:
    """Bring an object back unless it is there; return whether it was brought. Raises DamagedError."""
    with suppress(NotFoundError):
        if target.look_up(entry.key)[0] == entry.size and digest(target, entry.key) == entry.sha256:
            return False
    with repository.temporary() as file:
        repository.fetch(entry.sha256, entry.size, file)
        content_type = entry.type or type_by_name(entry.key)
        target.put(entry.key, file, size=entry.size, content_type=content_type)
    if target.look_up(entry.key)[0] != entry.size or digest(target, entry.key) != entry.sha256:
        raise DamagedError(entry.key, f"What came of {entry.key} is not what was sent; run it again.")
    return True
