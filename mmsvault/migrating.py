"""A whole vault brought to other servers: its bucket, its catalog, its secrets, the receipts that wait.

Nothing is taken away from where it was. Cut off at any point, it is simply run again: what is there
already and the same is left alone. Nothing may work on the vault meanwhile.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from dotenv import dotenv_values
from redis.exceptions import RedisError
from rq import Worker
from rq.exceptions import NoSuchJobError

from mmsvault import audit_keys
from mmsvault.backup.content_types import type_by_name
from mmsvault.backup.secrets import secrets_of, take_over, write_secret
from mmsvault.bucket import PROBE_KEY, Bucket, Listed
from mmsvault.catalog import copying, second_factors, tallies, trail_numbers, upkeep
from mmsvault.catalog.connection import migrate as make_tables
from mmsvault.disposition import hold_objects
from mmsvault.errors import (
    ConfigurationError,
    NotFoundError,
    RefusedError,
    RejectedInputError,
    UnavailableError,
)
from mmsvault.importing import Readable
from mmsvault.integrity.checking import Problem
from mmsvault.integrity.repairing import verify_and_repair
from mmsvault.layout import MESSAGES, NAMES, is_evidence
from mmsvault.message import utc_now
from mmsvault.queueing.connection import connect_to_answer, unavailable
from mmsvault.queueing.durable import DurableQueue, Kept
from mmsvault.queueing.jobs import ARCHIVE_RECEIPT, open_queue
from mmsvault.queueing.leftovers import PREFIX as JOB_PREFIX
from mmsvault.queueing.spool import Spool
from mmsvault.settings import Settings
from mmsvault.settings.sources import PREFIX
from mmsvault.state import keeper
from mmsvault.vault import Vault

AT_ONCE = 8
RECEIPTS_AT_ONCE = 100

Progress = Callable[[str, int, int], None]
"""Is told what is being done, how much of it more, and of how much in all."""


@dataclass
class Migrated:
    """What was brought over: objects, of those `copied` in this run, messages, receipts that waited."""

    objects: int = 0
    copied: int = 0
    bytes: int = 0
    messages: int = 0
    receipts: int = 0
    checked: int = 0
    problems: list[Problem] = field(default_factory=list)


def target_settings(path: Path, here: Settings) -> Settings:
    """Return the settings of here with those of a `.env` file in their place.

    An empty value stands for the default. Raises ConfigurationError for a setting that is none, and where
    the file changes no server.
    """
    if not path.is_file():
        raise RejectedInputError(f"There is no file {path}.")
    given = {name: value for name, value in dotenv_values(path).items() if name.startswith(PREFIX)}
    fields: dict[str, Any] = {name.removeprefix(PREFIX).lower(): value for name, value in given.items()}
    for name, value in fields.items():
        if name not in Settings.model_fields:
            raise ConfigurationError(PREFIX + name.upper(), f"is not a setting ({path})")
        if not value:  # what it is without being set: the embedded server, say
            fields[name] = Settings.model_fields[name].get_default(call_default_factory=True)
    kept = {name: getattr(here, name) for name in here.model_fields_set}
    there = Settings.load(**{**kept, **fields})
    if _servers(there) == _servers(here):
        raise ConfigurationError(PREFIX + "S3_ENDPOINT", f"{path} names the servers that are in use already")
    return there


def migrate(source: Vault, target: Vault, *, progress: Progress = lambda *_: None) -> Migrated:
    """Bring everything over, and check it there.

    Raises RefusedError where programs still work on the vault, or where the target has messages of
    another one; UnavailableError where a server is away.
    """
    done = Migrated()
    here, there = _servers(source.settings), _servers(target.settings)
    moves_bucket, moves_catalog, moves_queue = (old != new for old, new in zip(here, there, strict=True))
    if not source.settings.embeds_redis:
        _refuse_workers(source)
    make_tables(source.catalog)
    make_tables(target.catalog)
    target.bucket.make()
    if moves_catalog and (count := copying.strangers(source.catalog, target.catalog)):
        raise RefusedError(
            f"The catalog there has {count:,} messages that are not from here; name an empty database."
        )
    if moves_bucket:
        _copy_objects(source, target, done, progress)
    if moves_catalog:
        _copy_catalog(source, target, progress)
        _forget_deleted(source, target)
    old_key, new_key = (vault.settings.bucket_keys[1] for vault in (source, target))
    if old_key != new_key:
        second_factors.seal_anew(target.catalog, old_key=old_key, new_key=new_key)
        audit_keys.keep(target, former_secret=old_key)
    keeper.replace(target)
    if source.settings.data_dir.absolute() != target.settings.data_dir.absolute():
        take_over(secrets_of(source.settings), target.settings)
    if moves_bucket:
        hold_objects(target)
    if moves_queue:
        done.receipts = _copy_receipts(source, target)
    _check(target, done, progress)
    return done


def _servers(settings: Settings) -> tuple[object, str, str]:
    """Return which bucket, catalog and queue they are."""
    bucket = (*settings.bucket_address, settings.s3_bucket)
    return bucket, settings.effective_database_url, settings.effective_redis_url


def _refuse_workers(source: Vault) -> None:
    try:
        count = Worker.count(connection=source.redis)
    except RedisError as error:
        raise unavailable(error) from error
    if count:
        raise RefusedError(
            f"{count} workers are at work on this vault. End every program of it, and try again in a minute."
        )


def _copy_objects(source: Vault, target: Vault, done: Migrated, progress: Progress) -> None:
    total = sum(1 for _ in source.bucket.list(""))
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="migrate") as side_by_side:
        for batch in upkeep.batches(source.bucket.list("")):
            found = [one for one in batch if one.key != PROBE_KEY]
            for one, copied in zip(
                found, side_by_side.map(partial(_copy, source.bucket, target.bucket), found), strict=True
            ):
                done.objects += 1
                done.copied += copied
                done.bytes += one.size
            progress("objects", len(batch), total)


def _copy(source: Bucket, target: Bucket, found: Listed) -> bool:
    """Copy an object unless it is there; return whether it was copied. Raises RefusedError."""
    key = found.key
    with suppress(NotFoundError):
        if target.look_up(key)[0] == found.size and _digest(target, key) == _digest(source, key):
            return False
        if is_evidence(key):
            raise RefusedError(f"The bucket there has other bytes at {key}; name an empty bucket.")
    with suppress(NotFoundError):  # it was removed here since it was listed
        content = Readable(source.chunks(key))
        target.put(key, content, size=found.size, content_type=source.content_type(key) or type_by_name(key))  # type: ignore[arg-type]  # it only reads
        if not key.startswith(MESSAGES) and _digest(target, key) != _digest(source, key):
            raise UnavailableError(f"What came of {key} is not what was sent; run it again.")
    return True


def _digest(bucket: Bucket, key: str) -> str:
    hashed = hashlib.sha256()
    for chunk in bucket.chunks(key):
        hashed.update(chunk)
    return hashed.hexdigest()


def _copy_catalog(source: Vault, target: Vault, progress: Progress) -> None:
    total = upkeep.count(source.catalog)
    for ids in upkeep.pages(source.catalog):
        standings = upkeep.standings(source.catalog, ids, now=utc_now())
        places = copying.places(source.catalog, ids)
        copying.bring(target.catalog, [(standings[one].message, places[one]) for one in standings])
        for message_id, standing in standings.items():
            if standing.unfinished:
                upkeep.make_due(target.catalog, message_id, now=utc_now())
        progress("messages", len(ids), total)
    for table in copying.TABLES:
        copying.copy_table(source.catalog, target.catalog, table)
    tallies.fold(target.catalog)
    trail_numbers.add_keys(target.catalog, trail_numbers.all_keys(source.catalog))


def _forget_deleted(source: Vault, target: Vault) -> None:
    """Delete there what was deleted here since an earlier copy, and names that were taken away."""
    for ids in upkeep.pages(target.catalog):
        known = upkeep.folders(source.catalog, ids)
        gone = upkeep.folders(target.catalog, [one for one in ids if one not in known])
        for message_id, prefix in gone.items():
            upkeep.hold(target.catalog, message_id, held=False, now=utc_now())
            target.bucket.hold(prefix, held=False)
            target.bucket.erase(prefix)
        upkeep.bury(target.catalog, dict.fromkeys(gone, utc_now()))
    named = {found.key for found in source.bucket.list(NAMES)}
    for found in list(target.bucket.list(NAMES)):
        if found.key not in named:
            target.bucket.erase(found.key)


def write_down_tokens(path: Path, source: Settings, target: Settings) -> list[str]:
    """Add the tokens that others know to the file of the new settings, unless those say other ones.

    Return the names of the settings that were added. On another machine the vault would make new tokens,
    and the provider would be refused.
    """
    tokens = {"POSTBACK_TOKEN": source.effective_token, "METRICS_TOKEN": source.effective_metrics_token}
    added = {name: value for name, value in tokens.items() if not getattr(target, name.lower())}
    if added:
        before = path.read_text()
        lines = "".join(f"{PREFIX}{name}={value}\n" for name, value in added.items())
        comment = "# Of the vault that was moved: the provider, and whoever reads the metrics, know them.\n"
        write_secret(path, f"{before}{'' if before.endswith(chr(10)) else chr(10)}{comment}{lines}")
    return [PREFIX + name for name in added]


def _copy_receipts(source: Vault, target: Vault) -> int:
    """Put the receipts that wait here into the queue there; twice is no harm, each counts once."""
    opened = open_queue(connect_to_answer(target.settings.effective_redis_url))
    queue = DurableQueue(opened, replicas=target.settings.effective_redis_replicas)
    queue.check()
    count = 0
    try:
        for batch in _batches(list(_receipts(source))):
            queue.keep(batch)
            count += len(batch)
    except RedisError as error:
        raise unavailable(error) from error
    return count + Spool(source.settings.spool_dir).drain(queue.keep)


def _batches(receipts: Sequence[Kept]) -> Iterator[Sequence[Kept]]:
    for start in range(0, len(receipts), RECEIPTS_AT_ONCE):
        yield receipts[start : start + RECEIPTS_AT_ONCE]


def _receipts(source: Vault) -> Iterator[Kept]:
    """Give every receipt that a job here is about, in whatever list the job is."""
    for key in source.redis.scan_iter(f"{JOB_PREFIX}*", count=1000):
        with suppress(NoSuchJobError):
            job = source.queue.fetch_job(key.decode().removeprefix(JOB_PREFIX))
            if job and job.func_name == ARCHIVE_RECEIPT:
                yield job.args[0]


def _check(target: Vault, done: Migrated, progress: Progress) -> None:
    done.messages = total = upkeep.count(target.catalog)
    report = verify_and_repair(target, progress=lambda more: progress("checking", more, total))
    done.checked, done.problems = report.checked, report.problems
