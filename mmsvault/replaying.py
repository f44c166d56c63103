"""Postbacks once more, from files or from quarantine, by the same way as those of a provider.

A file is a new receipt; the vault knows by the message's id whether it has it already. A postback in
quarantine keeps the time and the headers that it came with, and leaves when it is understood.
"""

import json
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path

from mmsvault import layout
from mmsvault.catalog import upkeep
from mmsvault.errors import NotFoundError
from mmsvault.message import Receipt
from mmsvault.queueing.durable import DurableQueue
from mmsvault.vault import Vault

LOOKED_AT_EVERY_SECONDS = 0.2


@dataclass(frozen=True)
class Skipped:
    """What was no postback, and why."""

    path: str
    problem: str


@dataclass(frozen=True)
class Quarantined:
    """A postback in quarantine: its folder, why it is there, when and from where it came.

    `understood_as` is the code of one that was understood since, as another notice.
    """

    folder: str
    reason: str
    received_at: datetime | None
    source: str
    understood_as: str


def quarantined(vault: Vault, *, limit: int) -> list[Quarantined]:
    """Return what is in quarantine, the newest days first. Raises UnavailableError."""
    return list(islice(_folders(vault, layout.QUARANTINE, depth=4), limit))


def body(vault: Vault, folder: str, *, most_bytes: int) -> bytes:
    """Return the beginning of a body in quarantine. Raises NotFoundError."""
    return vault.bucket.beginning(f"{folder}{layout.BODY_NAME}", most_bytes=most_bytes)


def receipts(vault: Vault, paths: Sequence[str], *, provider: str) -> Iterator[Receipt | Skipped]:
    """Give a receipt for every postback at `paths`: files, folders, or keys in quarantine."""
    for path in paths:
        if Path(path).exists():
            yield from _from_files(Path(path), provider, max_bytes=vault.settings.max_postback_bytes)
        elif path.startswith(layout.QUARANTINE.rstrip("/")):
            yield from _from_quarantine(vault, path)
        else:
            yield Skipped(path, "there is no such file, nor is it a key in quarantine")


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


def _folders(vault: Vault, prefix: str, *, depth: int) -> Iterator[Quarantined]:
    """Give what lies so many folders deep, the last names first: years, months, days, then bodies."""
    if depth == 0:
        yield _told(vault, prefix)
        return
    inside = [found.key for found in vault.bucket.list(prefix, recursive=False) if found.is_folder]
    for folder in sorted(inside, reverse=True):
        if depth > 1 or any(True for _ in vault.bucket.list(folder)):  # else it has left quarantine
            yield from _folders(vault, folder, depth=depth - 1)


def _told(vault: Vault, folder: str) -> Quarantined:
    try:
        about = json.loads(vault.bucket.read(f"{folder}{layout.REASON_NAME}"))
        at = datetime.fromisoformat(about["received_at"])
        told = (str(about.get(name) or "") for name in ("reason", "source", "understood_as"))
        reason, source, code = told
    except (NotFoundError, ValueError, LookupError, TypeError, AttributeError):
        return Quarantined(folder, "Its reason.json cannot be read.", None, "", "")
    return Quarantined(folder, reason, at, source, code)


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
            yield Skipped(folder, f"it cannot be read: {error}")
        else:
            yield told.model_copy(update={"body": body, "quarantined_as": folder})
