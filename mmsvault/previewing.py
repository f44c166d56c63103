"""Previews: what a browser is given where it cannot show the original, made once the original is kept.

A file says when its preview is due; the job below makes it and takes that away again. Originals come
first: previews are queued only while nothing waits in the queue, and the job lets go of its worker
between two of them when something does.
"""

import hashlib
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import partial
from pathlib import Path

import structlog
from rq import Queue

from mmsvault import layout, leases
from mmsvault.catalog import queries, writes
from mmsvault.errors import NotFoundError, OvertakenError
from mmsvault.leases import Lease
from mmsvault.media import playing
from mmsvault.media.facts import NotShownError
from mmsvault.message import MediaItem, Message, utc_now
from mmsvault.outages import patient
from mmsvault.queueing.jobs import MAKE_PREVIEWS, Tasks, enqueue
from mmsvault.settling import settle
from mmsvault.steps import about, step
from mmsvault.vault import Vault

log = structlog.get_logger(__name__)

MOST_AT_ONCE = 20
LOOKED_AT_AGAIN_AFTER = timedelta(minutes=3)
"""A preview whose job got lost on the way is queued again after this."""
SECONDS_BETWEEN_LOOKS = 1.0


def tasks(vault: Vault) -> Tasks:
    """Return the job, by the name it is queued under."""
    return {MAKE_PREVIEWS: patient(vault, partial(make_previews, vault))}


def make_previews(vault: Vault, message_id: str) -> None:
    """Make what is due of the message's previews; do nothing where another worker is at it."""
    about(message=message_id)
    with suppress(OvertakenError), leases.hold(vault.catalog, message_id) as lease:
        if lease is None:
            return
        message = queries.load(vault.catalog, message_id)
        made: list[MediaItem] = []
        for item in message.media:
            if item.preview_due_at and (not made or vault.queue.is_empty()):
                with _turn(vault) as is_mine:
                    if is_mine:
                        made.append(make_preview(vault, message, item))
        if made:
            keep(vault, message, lease, made)


@contextmanager
def _turn(vault: Vault) -> Iterator[bool]:
    """Wait for this worker's other preview; give False where receipts have come in meanwhile."""
    while not (is_mine := _making.acquire(timeout=SECONDS_BETWEEN_LOOKS)):
        if not vault.queue.is_empty():
            break
    try:
        yield is_mine
    finally:
        if is_mine:
            _making.release()


_making = threading.Lock()


@step("preview")
def make_preview(vault: Vault, message: Message, item: MediaItem) -> MediaItem:
    """Return the file with its preview in the bucket, or with the reason why there is none.

    Raises UnavailableError when the bucket is away; the preview then stays due.
    """
    preview_type = playing.preview_type(
        item.content_type, item.codecs, size=item.size or 0, animated=item.is_animated
    )
    key, reason, sha256 = "", "", ""
    size: int | None = None
    vault.settings.temporary_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=vault.settings.temporary_dir, prefix="download-") as folder:
        original, made = Path(folder) / "original", Path(folder) / "preview" / "made"
        made.parent.mkdir()
        try:
            with original.open("wb") as file:
                vault.bucket.fetch(item.key, file)
            reason = vault.sandbox.make_preview(
                original, item.content_type, into=made, preview_type=preview_type
            )
            extension = playing.preview_extension(preview_type)
            key = layout.preview_key(message.prefix, item.position, extension)
            with made.open("rb") as file:
                sha256, size = hashlib.file_digest(file, "sha256").hexdigest(), made.stat().st_size
                file.seek(0)
                vault.bucket.put(key, file, size=size, content_type=preview_type)
        except NotShownError as error:
            reason = str(error)
        except NotFoundError:
            reason = "preview not made: the bucket does not hold the original"
    log.info("preview", position=item.position, content_type=item.content_type, key=key, reason=reason)
    return item.model_copy(
        update={
            "preview_key": key,
            "preview_sha256": sha256,
            "preview_size": size,
            "preview_due_at": None,
            "reason": _reasons(item.reason, reason),
        }
    )


def keep(vault: Vault, message: Message, lease: Lease, made: list[MediaItem]) -> None:
    """Write what came of it: the catalog's rows, then message.json, and last how it stands."""
    done = writes.save_attempts(
        vault.catalog, message.id, items=made, tried=[], token=lease.token, now=utc_now()
    )
    if done is None:
        log.warning("another worker took the message over; what it writes counts")
        return
    settle(vault, done, lease)


def enqueue_due(vault: Vault, queue: Queue) -> int:
    """Queue messages with previews due, while no file waits for its download."""
    if not queue.is_empty():
        return 0
    now = utc_now()
    due = queries.previews_due(vault.catalog, now=now, limit=MOST_AT_ONCE)
    for message_id in due:
        enqueue(queue, MAKE_PREVIEWS, message_id)
    if due:
        writes.postpone_previews(vault.catalog, due, until=now + LOOKED_AT_AGAIN_AFTER)
    return len(due)


def _reasons(*reasons: str) -> str:
    return "; ".join(dict.fromkeys(filter(None, reasons)))
