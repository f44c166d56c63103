"""Postbacks once more, from files or from quarantine, by the same way as those of a provider.

A file is a new receipt; the vault knows by the message's id whether it has it already. A postback in
quarantine keeps the time and the headers that it came with, and leaves when it is understood, by itself
or by the body that a person gives in its place.
"""

import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from mmsvault import layout
from mmsvault.catalog import upkeep
from mmsvault.errors import NotFoundError, RejectedInputError, plain_reason
from mmsvault.message import Correction, Message, Receipt
from mmsvault.postbacks import OtherNotice, understand
from mmsvault.queueing.durable import DurableQueue
from mmsvault.vault import Vault

LOOKED_AT_EVERY_SECONDS = 0.2


@dataclass(frozen=True)
class Skipped:
    """What was no postback, and why."""

    path: str
    problem: str


def body(vault: Vault, folder: str, *, most_bytes: int) -> bytes:
    """Return the beginning of a body in quarantine. Raises NotFoundError."""
    return vault.bucket.beginning(f"{folder}{layout.BODY_NAME}", most_bytes=most_bytes)


def corrected_body(vault: Vault, folder: str, corrections: Sequence[Mapping[str, Any]]) -> bytes | None:
    """Return the newest of the corrections that a reason.json lists; None where there is none."""
    for given in reversed(corrections):
        with suppress(NotFoundError, LookupError):
            return vault.bucket.read(layout.corrected_key(folder, str(given["sha256"])))
    return None


def receipts(vault: Vault, paths: Sequence[str], *, provider: str) -> Iterator[Receipt | Skipped]:
    """Give a receipt for every postback at `paths`: files, folders, or keys in quarantine."""
    for path in paths:
        if Path(path).exists():
            yield from _from_files(Path(path), provider, max_bytes=vault.settings.max_postback_bytes)
        elif path.startswith(layout.QUARANTINE.rstrip("/")):
            yield from _from_quarantine(vault, path)
        else:
            yield Skipped(path, "there is no such file, nor is it a key in quarantine")


def correct(receipt: Receipt, body: bytes, *, by: str) -> Receipt:
    """Return the receipt of a postback in quarantine with the body that a person gives for it.

    Raises RejectedInputError for an empty body, and for one that changes nothing.
    """
    if not body.strip():
        raise RejectedInputError("The corrected body is empty.")
    if body == receipt.body:
        raise RejectedInputError("The corrected body is the same as the raw one. Replay it as it is instead.")
    return receipt.model_copy(update={"correction": Correction.of(body, by=by)})


def check(vault: Vault, receipt: Receipt) -> Message | OtherNotice:
    """Return what would come of a receipt; nothing is kept. Raises NotUnderstoodError with the reason."""
    return understand(receipt.to_read, retention=timedelta(days=vault.settings.retention_days))


def replay(vault: Vault, queue: DurableQueue, receipt: Receipt) -> None:
    """Put a receipt into the queue. Raises UnavailableError."""
    if receipt.quarantined_as:  # it was counted when it came in; once more it counts as what it is now
        upkeep.forget_receipts(vault.catalog, [receipt.id])
    queue.keep([receipt.model_dump(mode="json")])


def outcomes(vault: Vault, ids: Sequence[str], *, wait_seconds: float) -> Counter[str]:
    """Return what came of the receipts, once all are worked on or the time is over (`waiting`)."""
    give_up = time.monotonic() + wait_seconds
    counted: Counter[str] = Counter()
    waiting = list(ids)
    while True:
        for batch in list(upkeep.batches(waiting)):
            came_of = upkeep.outcomes(vault.catalog, batch)
            counted.update(came_of.values())
            waiting = [one for one in waiting if one not in came_of]
        if not waiting or time.monotonic() > give_up:
            counted["waiting"] = len(waiting)
            return counted
        time.sleep(LOOKED_AT_EVERY_SECONDS)


def _from_files(path: Path, provider: str, *, max_bytes: int) -> Iterator[Receipt | Skipped]:
    files = sorted(found for found in path.rglob("*") if found.is_file()) if path.is_dir() else [path]
    for file in files:
        try:
            if file.stat().st_size > max_bytes:
                yield Skipped(str(file), f"it is larger than MMSVAULT_MAX_POSTBACK_BYTES ({max_bytes:,})")
            else:
                yield Receipt.of(file.read_bytes(), provider=provider, source=f"replay of {file.name}")
        except OSError as error:
            yield Skipped(str(file), f"it cannot be read: {error.strerror}")


def _from_quarantine(vault: Vault, path: str) -> Iterator[Receipt | Skipped]:
    name = path.rpartition("/")[2]
    within = path.removesuffix(name) if name in (layout.BODY_NAME, layout.REASON_NAME) else path
    folders = {
        found.key.removesuffix(layout.REASON_NAME)
        for found in vault.bucket.list(f"{within.rstrip('/')}/")
        if found.key.endswith(f"/{layout.REASON_NAME}")
    }
    if not folders:
        yield Skipped(path, "there is nothing in quarantine under this key")
    for folder in sorted(folders):
        try:
            about = json.loads(vault.bucket.read(f"{folder}{layout.REASON_NAME}"))
            told = Receipt.model_validate({**about, "body": b""})
            body = vault.bucket.read(f"{folder}{layout.BODY_NAME}")
        except (NotFoundError, ValueError, TypeError) as error:
            yield Skipped(folder, plain_reason(error, otherwise="it cannot be read"))
        else:
            yield told.model_copy(update={"body": body, "quarantined_as": folder})
