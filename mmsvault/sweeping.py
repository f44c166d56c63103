"""What was left undone is taken up again: spooled receipts, due attempts, jobs that nobody works on.

Safe to run at any moment, twice, and on several hosts: putting a message into the queue once more
than needed costs a look at its lease.
"""

import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path

import structlog
from rq import Queue

from mmsvault import auditing, previewing, quarantine, retention
from mmsvault.archive.retries import Retries
from mmsvault.catalog import source_activity, upkeep
from mmsvault.folder import HALF_WRITTEN
from mmsvault.message import utc_now
from mmsvault.queueing.durable import DurableQueue
from mmsvault.queueing.leftovers import Leftovers
from mmsvault.queueing.spool import Spool
from mmsvault.retention import Outcome
from mmsvault.state.keeper import StateKeeper
from mmsvault.tallying import keep_tallies
from mmsvault.vault import Vault

log = structlog.get_logger(__name__)

STRANDED_EVERY_SECONDS = 300
TEMPORARY_FILES_KEPT = timedelta(hours=2)
BUCKET_DRAFTS_KEPT = timedelta(hours=6)
BUCKET_WALKED_EVERY_SECONDS = 6 * 3600
SECONDS_FOR_A_WALK = 1.0
RETIRED_EVERY_SECONDS = 3600
SECONDS_FOR_RETIRING = 5.0
QUARANTINE_LISTED_EVERY_SECONDS = 6 * 3600


@dataclass(frozen=True)
class Swept:
    """What one sweep took up."""

    attempts: int = 0
    previews: int = 0
    retired: int = 0
    jobs: int = 0
    files: int = 0


class Sweeper:
    """Sweeps again and again; it remembers what it saw, so that what stands still is noticed.

    `queue` is one that fails soon: a sweep is only put off.
    """

    def __init__(self, vault: Vault, queue: Queue) -> None:
        self._vault = vault
        self._queue = queue
        self._durable = DurableQueue(queue, replicas=vault.settings.effective_redis_replicas)
        self._spool = Spool(vault.settings.spool_dir)
        self._leftovers = Leftovers(queue)
        self.retries = Retries(vault, queue)
        """What is due; more often than a sweep comes round, the queue is fed from there."""
        self._stranded_looked_for = time.monotonic()
        self._drafts = bucket_drafts(vault.settings.embedded_bucket_dir)
        self._walked_at: float | None = None
        self._retiring: Iterator[Outcome] | None = None
        self._retired_at: float | None = None
        self._fetch_settings = ""
        self._state = StateKeeper(vault)
        self._quarantine_listed_at: float | None = None

    def drain_spool(self) -> int:
        """Bring this host's spool into the queue. Raises UnavailableError or ConfigurationError."""
        return self._spool.drain(self._durable.keep) if len(self._spool) else 0

    def sweep(self) -> Swept:
        """Take up everything that is due now.

        Raises UnavailableError when catalog or bucket is away, RedisError when the queue is, and
        OvertakenError when another sweep has begun.
        """
        settings = self._vault.settings
        told = (
            f"{settings.fetch_hosts} {settings.fetch_private_networks}"
            f" {settings.fetch_ports} {settings.max_media_bytes}"
        )
        if told != self._fetch_settings:
            upkeep.retry_refused(self._vault.catalog, told, now=utc_now())
            self._fetch_settings = told
        swept = Swept(
            attempts=self.retries.feed(),
            previews=previewing.enqueue_due(self._vault, self._queue),
            retired=self._retire(),
            jobs=self._requeue(),
            files=remove_old(temporary_files(self._vault), age=TEMPORARY_FILES_KEPT)
            + remove_old(self._some_drafts(), age=BUCKET_DRAFTS_KEPT),
        )
        if swept != Swept():
            log.info("sweep", **asdict(swept))
        self._list_quarantine()
        keep_tallies(self._vault)
        source_activity.count_new(self._vault.catalog, now=utc_now())
        auditing.keep(self._vault)
        self._state.keep()
        return swept

    def _list_quarantine(self) -> None:
        """Look now and then whether the catalog knows all that is in quarantine, as an older one did not."""
        now = time.monotonic()
        listed_at = self._quarantine_listed_at
        if listed_at is None or now - listed_at > QUARANTINE_LISTED_EVERY_SECONDS:
            quarantine.restore(self._vault)
            self._quarantine_listed_at = now

    def _requeue(self) -> int:
        now = utc_now()
        requeued = self._leftovers.requeue(now=now)
        if time.monotonic() - self._stranded_looked_for > STRANDED_EVERY_SECONDS:
            requeued += self._leftovers.requeue_stranded(now=now)
            self._stranded_looked_for = time.monotonic()
        return requeued

    def _retire(self) -> int:
        """Delete for a moment what is past its time; look for more hours later, once all of it is gone."""
        began = time.monotonic()
        if self._retired_at is not None and began - self._retired_at < RETIRED_EVERY_SECONDS:
            return 0
        walk, self._retiring = self._retiring or retention.retire(self._vault, with_held=False), None
        retired = 0
        for outcome in walk:
            retired += not outcome.reason
            if time.monotonic() - began > SECONDS_FOR_RETIRING:
                self._retiring = walk
                return retired
        self._retired_at = time.monotonic()
        return retired

    def _some_drafts(self) -> Iterator[Path]:
        """Go on with the walk through the bucket's folders for a moment; begin again hours later."""
        began = time.monotonic()
        if self._walked_at is not None and began - self._walked_at < BUCKET_WALKED_EVERY_SECONDS:
            return
        for path in self._drafts:
            if path is not None:
                yield path
            elif time.monotonic() - began > SECONDS_FOR_A_WALK:
                return
        self._drafts = bucket_drafts(self._vault.settings.embedded_bucket_dir)
        self._walked_at = time.monotonic()


def temporary_files(vault: Vault) -> Iterator[Path]:
    """Yield downloads and folders of sandboxes, of which a killed worker may have left some behind."""
    yield from vault.settings.temporary_dir.glob("download-*")
    yield from vault.settings.temporary_dir.glob("sandbox-*")
    yield from vault.settings.spool_dir.glob(".*.part")


def bucket_drafts(folder: Path | None) -> Iterator[Path | None]:
    """Yield unfinished uploads that a killed embedded server left, and None after each folder.

    There may be a million folders.
    """
    for place, _, names in os.walk(folder) if folder else ():
        yield from (Path(place, name) for name in names if name.startswith(HALF_WRITTEN))
        yield None


def remove_old(paths: Iterator[Path], *, age: timedelta) -> int:
    """Remove those of the files that were last written longer than `age` ago; return how many."""
    oldest = time.time() - age.total_seconds()
    removed = 0
    for path in paths:
        try:
            if path.stat().st_mtime < oldest:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
                removed += 1
        except FileNotFoundError:
            continue
    return removed
