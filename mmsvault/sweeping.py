"""What was left undone is taken up again: due attempts, jobs that failed, old temporary files.

Safe to run at any moment, twice, and on several hosts: putting a message into the queue once more
than needed costs a look at its lease.
"""

import shutil
import time
from dataclasses import dataclass
from datetime import timedelta

import structlog
from rq import Queue
from rq.exceptions import InvalidJobOperation, NoSuchJobError

from mmsvault import previewing
from mmsvault.catalog import queries, writes
from mmsvault.message import utc_now
from mmsvault.queueing.jobs import ARCHIVE_MESSAGE, enqueue
from mmsvault.tallying import keep_tallies
from mmsvault.vault import Vault

log = structlog.get_logger(__name__)

SWEEP_SECONDS = 10
MOST_AT_ONCE = 1000
REQUEUED_AFTER = timedelta(minutes=5)
"""A message whose job got lost on the way is looked at again after this."""
URGENT = timedelta(days=1)
FAILED_JOBS_WAIT = timedelta(seconds=60)
TEMPORARY_FILES_KEPT = timedelta(hours=2)


@dataclass(frozen=True)
class Swept:
    """What one sweep took up."""

    attempts: int
    previews: int
    failed_jobs: int
    temporary_files: int


def sweep(vault: Vault) -> Swept:
    """Take up everything that is due now. Raises UnavailableError when the catalog is away."""
    swept = Swept(
        attempts=enqueue_due(vault),
        previews=previewing.enqueue_due(vault),
        failed_jobs=requeue_failed(vault.queue),
        temporary_files=remove_temporary_files(vault),
    )
    keep_tallies(vault)
    if swept != Swept(0, 0, 0, 0):
        log.info("sweep", attempts=swept.attempts, previews=swept.previews, failed_jobs=swept.failed_jobs)
    return swept


def enqueue_due(vault: Vault) -> int:
    """Queue the messages whose next attempt is due, those with under a day left before all others."""
    now = utc_now()
    due = queries.due(vault.catalog, now=now, limit=MOST_AT_ONCE)
    # Pushed to the front one by one, the last comes out first: so the nearest deadline goes last.
    for message_id, deadline_at in reversed(due):
        enqueue(vault.queue, ARCHIVE_MESSAGE, message_id, at_front=deadline_at - now < URGENT)
    if due:
        writes.postpone(vault.catalog, [message_id for message_id, _ in due], until=now + REQUEUED_AFTER)
    return len(due)


def requeue_failed(queue: Queue) -> int:
    """Queue again the jobs that ended in an error a while ago: no receipt is ever given up here."""
    registry = queue.failed_job_registry
    requeued = 0
    for job_id in registry.get_job_ids():
        try:
            job = queue.job_class.fetch(job_id, connection=queue.connection, serializer=queue.serializer)
            if job.ended_at is None or utc_now() - job.ended_at >= FAILED_JOBS_WAIT:
                registry.requeue(job_id)
                requeued += 1
        except (NoSuchJobError, InvalidJobOperation):
            continue  # another sweep was quicker
    return requeued


def remove_temporary_files(vault: Vault) -> int:
    """Remove downloads that a killed worker left behind."""
    oldest = time.time() - TEMPORARY_FILES_KEPT.total_seconds()
    removed = 0
    for path in vault.settings.temporary_dir.glob("download-*"):
        try:
            if path.stat().st_mtime < oldest:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
                removed += 1
        except FileNotFoundError:
            continue
    return removed
