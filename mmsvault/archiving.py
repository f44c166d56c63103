"""The way of a message, top to bottom: understand, record, download, inspect, store, finish.

Every step is safe to run again, and the message id is the key everywhere, so a job that was cut off
at any point is simply run again. A lease in the catalog keeps two workers from one message; its
holder alone may write what came of an attempt.
"""

import contextlib
import contextvars
import hashlib
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any, BinaryIO

import structlog

from mmsvault import layout, leases, quarantine
from mmsvault.attempts import missed
from mmsvault.catalog import queries, upkeep, writes
from mmsvault.catalog.totals import AT_RISK
from mmsvault.catalog.writes import Recorded
from mmsvault.errors import (
    FetchError,
    NotReadyError,
    NotUnderstoodError,
    OvertakenError,
    PermanentFetchError,
    RefusedFetchError,
    UnavailableError,
)
from mmsvault.fetching import Fetched
from mmsvault.fetching.backpressure import NOT_PUT_OFF_WITHIN, host_of
from mmsvault.leases import Lease
from mmsvault.media import answers, sniffing
from mmsvault.media.answers import WEB_PAGE, Told
from mmsvault.media.facts import Facts
from mmsvault.message import (
    Attempt,
    EarlierVersion,
    MediaItem,
    MediaState,
    Message,
    MessageState,
    Receipt,
    utc_now,
)
from mmsvault.outages import patient
from mmsvault.postbacks import OtherNotice, understand
from mmsvault.queueing.hands import aside
from mmsvault.queueing.jobs import ARCHIVE_MESSAGE, ARCHIVE_RECEIPT, MAKE_PREVIEWS, Tasks, enqueue
from mmsvault.settling import Tried, finish, refresh
from mmsvault.steps import ATTEMPT, BYTES, COUNTED, about, carried_on, step
from mmsvault.vault import Vault

log = structlog.get_logger(__name__)

DOWNLOADS_AT_ONCE = 8
MOST_EVIDENCE, MOST_EVIDENCE_BYTES = 5, 64 << 10
"""Answers that are kept of one file, and of each of them."""
PREVIEW_GRACE = timedelta(seconds=30)
"""The sweep leaves a preview alone for so long: its job is most likely queued already."""
FACTS_KEPT = (
    *("width", "height", "duration_ms", "codecs", "frame_count", "captured", "has_location"),
    *("perceptual_hash", "text", "reason"),
)


def tasks(vault: Vault) -> Tasks:
    """Return the jobs of the archive queue, by the names they are queued under."""
    return {
        ARCHIVE_RECEIPT: patient(vault, partial(archive_receipt, vault)),
        ARCHIVE_MESSAGE: patient(vault, partial(archive_message, vault)),
    }


def archive_receipt(vault: Vault, kept: Mapping[str, Any]) -> None:
    """Take a receipt from the queue as far as it goes, in the trace that the receiver began."""
    with carried_on(kept.get("trace")):
        take_in(vault, Receipt.model_validate(kept))


@step("receipt")
def take_in(vault: Vault, receipt: Receipt) -> None:
    """Make of a receipt what it is: a message, which is archived, something counted, or quarantine."""
    about(receipt=receipt.id)
    try:
        announced = understand(receipt.to_read, retention=timedelta(days=vault.settings.retention_days))
    except NotUnderstoodError as error:
        quarantine.keep(vault, receipt, str(error))
        return
    if isinstance(announced, OtherNotice):
        writes.count_receipt(vault.catalog, receipt, "other", code=announced.code)
        if receipt.quarantined_as:
            quarantine.leave(vault, receipt, announced)
        return
    about(message=announced.id)
    lease = Lease(vault.catalog, announced.id)
    recorded = record(vault, announced, receipt, lease)
    if receipt.quarantined_as:
        quarantine.leave(vault, receipt, announced)
    if recorded and recorded.message.state is MessageState.PENDING:
        if recorded.is_first:
            archive_first(vault, recorded.message, lease, unforced=list(recorded.bodies(receipt)))
        else:
            archive_message(vault, announced.id)


@step("record")
def record(vault: Vault, announced: Message, receipt: Receipt, lease: Lease) -> Recorded | None:
    """Enter the message and its raw postback before anything is fetched; return what that came to.

    A new message is in the hand of `lease`, and if files of it are to be fetched, not forced to the disk
    yet: that is done together with them. None is for one that was deleted: it stays so.
    """
    claim = lease.claim() if announced.state is MessageState.PENDING else None
    recorded = writes.record(vault.catalog, announced, receipt, claim=claim, forced=False)
    goes_on = recorded is not None and recorded.is_first and claim is not None
    if not goes_on:
        writes.force(vault.catalog)
    if recorded is None:
        log.info("a repeat of a deleted message")
        return None
    if recorded.is_new:
        for key, body in recorded.bodies(receipt).items():
            content_type = "application/json" if key.endswith("json") else "application/xml"
            vault.bucket.put(key, body, content_type=content_type, forced=not goes_on)
        if recorded.message.state is not MessageState.PENDING:
            refresh(vault, announced.id)
    return recorded


@step("message")
def archive_first(vault: Vault, message: Message, lease: Lease, *, unforced: Sequence[str]) -> None:
    """Fetch the files of a message that was recorded just now, and is in the hand of `lease`."""
    with leases.kept(lease):
        if is_put_off(vault, message):
            vault.bucket.force(list(unforced))
            writes.force(vault.catalog)
            return
        done = archive_due(vault, message, lease, unforced=unforced)
    if done is None:  # whoever took it over may not have got so far, and forces only what it writes itself
        vault.bucket.force(list(unforced))
        writes.force(vault.catalog)


@step("message")
def archive_message(vault: Vault, message_id: str) -> None:
    """Fetch what is due of the message's files; do nothing where another worker is at it."""
    about(message=message_id)
    with leases.hold(vault.catalog, message_id) as lease:
        if lease is None:
            upkeep.look_after_lease(vault.catalog, message_id, now=utc_now())
            return
        message = queries.load(vault.catalog, message_id)
        if not is_put_off(vault, message):
            archive_due(vault, message, lease)


def is_urgent(message: Message) -> bool:
    """Return whether under a day is left for its files."""
    return message.give_up_at - utc_now() < AT_RISK


def is_put_off(vault: Vault, message: Message) -> bool:
    """Return whether the message waits: its host is away, or it is slow and the deadline far.

    A worker's hands are for those whose files come.
    """
    hosts = {host_of(item.url) for item in due_items(message)}
    is_near = message.give_up_at - utc_now() < NOT_PUT_OFF_WITHIN
    if not is_near and not all(vault.hosts.may_ask(host) for host in hosts):
        log.info("put off: the provider is away, and is asked now and then until it answers")
        upkeep.make_due(vault.catalog, message.id, now=utc_now())
        return True
    if is_urgent(message):
        return False
    put_off = any(vault.fetcher.is_crowded(item.url) for item in message.media if item.next_attempt_at)
    if put_off:
        log.info("put off: the provider is slow, and other downloads from it go first")
    return put_off


def archive_due(
    vault: Vault, message: Message, lease: Lease, *, unforced: Sequence[str] = ()
) -> Message | None:
    """Fetch what is due now and return the message as it then stands; None if another worker took it over.

    `unforced` are keys in the bucket that are not on the disk yet.
    """
    try:
        tried = archive_files(vault, message, lease, due_items(message), unforced=unforced)
        done = finish(vault, message, lease, tried)
    except OvertakenError as error:
        log.warning("left to another worker", reason=str(error))
        return None
    # A preview's job that met this one's lease did nothing. The sweep asks again, once nothing waits.
    if any(item.preview_due_at for item in done.media) and vault.queue.is_empty():
        enqueue(vault.queue, MAKE_PREVIEWS, message.id)
    return done


def due_items(message: Message) -> list[MediaItem]:
    """Return the files that are to be fetched now."""
    now = utc_now()
    return [
        item
        for item in message.media  # what was never tried is due whatever the receiver's clock said
        if item.next_attempt_at and (item.next_attempt_at <= now or not item.attempts)
    ]


def archive_files(
    vault: Vault, message: Message, lease: Lease, due: Sequence[MediaItem], *, unforced: Sequence[str] = ()
) -> list[Tried]:
    """Try the files side by side; what was stored of them is on the disk when this returns."""
    one = partial(archive_file, vault, message, lease)
    if len(due) == 1:
        tried = [one(due[0])]
    else:
        with ThreadPoolExecutor(DOWNLOADS_AT_ONCE, thread_name_prefix="download") as side_by_side:
            # Each thread goes on in this one's context: its log and its trace are of the same message.
            contexts = [contextvars.copy_context() for _ in due]
            tried = list(side_by_side.map(lambda context, item: context.run(one, item), contexts, due))
    stored = [each.item for each in tried if each.item.state is MediaState.STORED]
    keys = [key for item in stored for key in (item.key, item.thumbnail_key) if key]
    vault.bucket.force([*unforced, *keys])
    return tried


def archive_file(vault: Vault, message: Message, lease: Lease, item: MediaItem) -> Tried:
    """Download, inspect and store one file, and return what came of it.

    A failed download is an outcome. Raises UnavailableError when the bucket is away or the disk is
    full, and OvertakenError when the message is no longer this worker's.
    """
    began_at, began = utc_now(), time.monotonic()
    fetched: Fetched | None = None
    failure: FetchError | None = None
    with temporary_file(vault) as file:
        try:
            with step("download"):
                fetched = fetch(vault, item.url, file, is_urgent=is_urgent(message))
            lease.check()
            stored, failure = take(vault, message, item, fetched, Path(file.name))
        except FetchError as error:
            failure, stored = error, missed(message, item, error, now=utc_now())
    outcome = outcome_of(stored, failure)
    count(stored, outcome, failure)
    return Tried(
        item=stored,
        attempt=Attempt(
            position=item.position,
            at=began_at,
            duration_ms=round((time.monotonic() - began) * 1000),
            outcome=outcome.value,
            reason=failure.reason if failure else "",
            status=fetched.status if fetched else failure.status if failure else None,
            headers=fetched.headers if fetched else {},
        ),
    )


def fetch(vault: Vault, url: str, into: BinaryIO, *, is_urgent: bool) -> Fetched:
    """Download a file, and note how its host is. Raises FetchError."""
    host = host_of(url)
    try:
        fetched = vault.fetcher.fetch(url, into, stand_aside=aside(), is_urgent=is_urgent)
    except FetchError as error:
        vault.hosts.note_failure(host, error)
        raise
    vault.hosts.note_answer(host)
    return fetched


def outcome_of(item: MediaItem, failure: FetchError | None) -> MediaState:
    """Return what an attempt came to; a stored file may be tried once more in vain."""
    if failure is None:
        return MediaState.STORED
    return MediaState.PENDING if item.next_attempt_at else MediaState.LOST


def count(item: MediaItem, outcome: MediaState, failure: FetchError | None) -> None:
    """Count an attempt, by its outcome and why it failed."""
    reason = ""
    if isinstance(failure, NotReadyError):
        reason = "not ready"
    elif isinstance(failure, RefusedFetchError | PermanentFetchError):
        reason = "refused" if isinstance(failure, RefusedFetchError) else "impossible"
    elif failure:
        broken = failure.status is not None and failure.status < HTTPStatus.BAD_REQUEST
        reason = "broken off" if broken else str(failure.status or "no answer")
    COUNTED.add(ATTEMPT, outcome.value, reason)
    if item.size is not None and not failure:
        COUNTED.add(BYTES, by=item.size)


def take(
    vault: Vault, message: Message, item: MediaItem, fetched: Fetched, path: Path
) -> tuple[MediaItem, FetchError | None]:
    """Return the file as it stands after an answer came, and why that was not the file where it was not.

    What was stored before stays kept, whatever comes.
    """
    if item.state is MediaState.STORED and fetched.sha256 == item.sha256:
        return unchanged(item), None
    with path.open("rb") as file:
        beginning = file.read(sniffing.HEAD_BYTES)
    told = told_of(message, item, fetched)
    verdict = answers.judge(told, size=fetched.size, beginning=beginning, packed=fetched.packed)
    if not verdict.reason:
        page = fetched.size and not answers.is_page_by_name(told) and answers.looks_like_page(beginning)
        doubt = WEB_PAGE if page else ""
        return store(vault, message, item, fetched, path, doubt=doubt, forced=False), None
    failure = NotReadyError(verdict.reason, status=fetched.status)
    waiting = missed(message, item, failure, now=utc_now())
    if waiting.state is MediaState.LOST and verdict.may_be_it:
        return store(vault, message, item, fetched, path, doubt=verdict.doubt, forced=False), None
    kept = keep_evidence(vault, message, item, beginning, verdict.extension)
    return waiting.model_copy(update={"evidence": kept}), failure


def told_of(message: Message, item: MediaItem, fetched: Fetched) -> Told:
    """Return what is known of the file beforehand, and what this answer and earlier ones say of it."""
    before = (
        one.headers.get("content-type", "") for one in message.attempts if one.position == item.position
    )
    announced = (item.declared_type,) if item.state is not MediaState.STORED else ()
    return Told(
        url=item.url,
        types=(fetched.declared_type, *dict.fromkeys((*before, *announced))),
        disposition=fetched.headers.get("content-disposition", ""),
    )


def unchanged(item: MediaItem) -> MediaItem:
    """Return a stored file that came once more with the same bytes."""
    return item.model_copy(update={"attempts": item.attempts + 1, "next_attempt_at": None})


def keep_evidence(
    vault: Vault, message: Message, item: MediaItem, beginning: bytes, extension: str
) -> tuple[str, ...]:
    """Keep the beginning of an answer that is not the file; return the keys of all that is kept of them."""
    body = beginning[:MOST_EVIDENCE_BYTES]
    sha256 = hashlib.sha256(body).hexdigest()
    key = layout.evidence_key(message.prefix, item.position, sha256, extension)
    others = [one for one in item.evidence if layout.hash_in(one)]
    if not body or key in others or len(others) >= MOST_EVIDENCE:
        return item.evidence
    content_type = sniffing.OCTETS if extension == ".bin" else "text/plain"
    vault.bucket.put(key, body, content_type=content_type)
    return (*item.evidence, key)


def store(
    vault: Vault,
    message: Message,
    item: MediaItem,
    fetched: Fetched,
    path: Path,
    *,
    doubt: str = "",
    forced: bool = True,
) -> MediaItem:
    """Look into the downloaded file and keep it, untouched, with what is shown of it.

    Where another version of it is stored, both are kept.
    """
    with step("inspect"):
        facts = vault.sandbox.inspect(path, fetched.declared_type)
    if item.state is MediaState.STORED and fetched.sha256 != item.sha256:
        item = set_aside(vault, item)
    key = layout.original_key(
        message.prefix,
        item.position,
        sniffing.extension(facts.content_type),
        version=1 + len(item.earlier),
    )
    with step("store"), path.open("rb") as original:
        vault.bucket.put(key, original, size=fetched.size, content_type=facts.content_type, forced=forced)
    return item.model_copy(
        update={
            "state": MediaState.STORED,
            "content_type": facts.content_type,
            "declared_type": fetched.declared_type,
            "size": fetched.size,
            "sha256": fetched.sha256,
            "key": key,
            **keep_views(vault, message, item, facts, forced=forced),
            **{name: getattr(facts, name) for name in FACTS_KEPT},
            "preview_due_at": utc_now() + PREVIEW_GRACE if facts.preview_type else None,
            "attempts": item.attempts + 1,
            "next_attempt_at": None,
            "doubt": doubt,
        }
    )


def set_aside(vault: Vault, item: MediaItem) -> MediaItem:
    """Return a stored file, as an earlier version of the one that comes now; its views are made anew."""
    for key in (item.thumbnail_key, item.preview_key):
        if key:
            vault.bucket.remove(key)
    before = EarlierVersion(key=item.key, size=item.size or 0, sha256=item.sha256)
    return item.model_copy(
        update={
            "evidence": (*item.evidence, item.key),
            "earlier": (*item.earlier, before),
            "preview_key": "",
        }
    )


def keep_views(
    vault: Vault, message: Message, item: MediaItem, facts: Facts, *, forced: bool = True
) -> dict[str, Any]:
    """Keep what is shown in place of the file, and return what its fields say of it."""
    if not facts.thumbnail:
        return {"thumbnail_key": "", "thumbnail_sha256": "", "thumbnail_size": None}
    key = layout.thumbnail_key(message.prefix, item.position)
    vault.bucket.put(key, facts.thumbnail, content_type="image/webp", forced=forced)
    return {
        "thumbnail_key": key,
        "thumbnail_sha256": hashlib.sha256(facts.thumbnail).hexdigest(),
        "thumbnail_size": len(facts.thumbnail),
    }


@contextlib.contextmanager
def temporary_file(vault: Vault) -> Iterator[Any]:
    """Give a named file that is gone afterwards; one of a killed worker is removed by the sweep.

    Raises UnavailableError when the disk does not take it.
    """
    try:
        vault.settings.temporary_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=vault.settings.temporary_dir, prefix="download-") as file:
            yield file
    except OSError as error:
        raise UnavailableError(f"The disk did not take a download: {error}.") from error
