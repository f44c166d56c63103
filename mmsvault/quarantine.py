"""Quarantine: postbacks that were not understood, and why.

There a person finds them, or a better parser, with which they leave it again. A person may give a
corrected body: it never takes the place of the raw one. The catalog has an index of what waits.
"""

import contextlib
import hashlib
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import structlog

from mmsvault import layout
from mmsvault.bucket import Listed
from mmsvault.catalog import quarantine as index
from mmsvault.catalog import upkeep, writes
from mmsvault.catalog.quarantine import Quarantined
from mmsvault.errors import NotFoundError, RefusedError
from mmsvault.media import sniffing
from mmsvault.message import Correction, Message, Receipt, pretty_json, utc_now
from mmsvault.outside import json_of, moment_of
from mmsvault.postbacks import OtherNotice
from mmsvault.vault import Vault

log = structlog.get_logger(__name__)

MOST_REPEATS = 1000
"""Receipts with the same body on one day that are listed; more of them count as duplicates."""
SET_ASIDE = "set aside"
UNREADABLE = "Its reason.json cannot be read."


def keep(vault: Vault, receipt: Receipt, reason: str) -> None:
    """Keep what was not understood, with the correction that was not either, and count it."""
    digest = hashlib.sha256(receipt.body).hexdigest()
    folder = receipt.quarantined_as or layout.quarantine_prefix(receipt.received_at, digest)
    about = describe(vault, folder)
    if not (about and receipt.quarantined_as):
        vault.bucket.put(f"{folder}{layout.BODY_NAME}", receipt.body, content_type=sniffing.OCTETS)
    about = about or _about(receipt, digest)
    about.pop("understood_as", None)
    counts_as = "quarantined"
    if receipt.id != about.get("id"):
        counts_as = _repeated(about, receipt)
    if receipt.correction:
        _keep_correction(vault, folder, about, receipt.correction, reason)
    about["reason"] = reason
    _keep_reason(vault, folder, about)
    writes.count_receipt(vault.catalog, receipt, counts_as)
    index.enter(vault.catalog, _entry(folder, about, otherwise_at=utc_now()))
    log.warning("postback not understood", reason=reason, key=folder)


def leave(vault: Vault, receipt: Receipt, announced: Message | OtherNotice) -> None:
    """Take out of quarantine what is understood now.

    The bytes of a message are in its own folder by now; those of another notice stay, marked.
    """
    folder = receipt.quarantined_as
    about = describe(vault, folder) or _about(receipt, hashlib.sha256(receipt.body).hexdigest())
    repeats = [one["id"] for one in about.get("repeats", ())]
    if isinstance(announced, Message):
        upkeep.recount(vault.catalog, repeats, outcome="duplicate", message_id=announced.id)
        _remove(vault, folder)
        index.leave(vault.catalog, [folder])
        return
    upkeep.recount(vault.catalog, repeats, outcome="other", code=announced.code)
    if receipt.correction:
        _keep_correction(vault, folder, about, receipt.correction, "")
    about["understood_as"] = announced.code
    _keep_reason(vault, folder, about)
    index.enter(vault.catalog, _entry(folder, about, otherwise_at=receipt.received_at))


def set_aside(vault: Vault, folder: str, *, by: str) -> None:
    """Keep a postback that will never be a message without telling of it any more.

    It counts as another notice from then on; replayed, it waits again. Raises NotFoundError.
    """
    about = describe(vault, folder)
    if not about:
        raise NotFoundError(f"{folder} is not in quarantine.")
    about |= {"understood_as": SET_ASIDE, "set_aside_by": by, "set_aside_at": utc_now().isoformat()}
    _keep_reason(vault, folder, about)
    ids = [receipt_id for receipt_id, _ in receipts(about)]
    upkeep.recount(vault.catalog, ids, outcome="other", code=SET_ASIDE)
    index.enter(vault.catalog, _entry(folder, about, otherwise_at=utc_now()))


def describe(vault: Vault, folder: str) -> dict[str, Any]:
    """Return what the reason.json of a folder in quarantine says; nothing where it is missing or damaged.

    `reason`, `received_at`, `source` and `headers` are always there in what is returned.
    """
    return _read(vault, folder) or {}


def is_unreadable(vault: Vault, folder: str) -> bool:
    """Return whether a folder in quarantine has a reason.json that is damaged."""
    return _read(vault, folder) == {}


def restore(vault: Vault) -> None:
    """Make the catalog's index of what is in quarantine as the bucket has it. Raises UnavailableError."""
    known = index.known(vault.catalog)  # first: what is entered from here on is in the bucket by then
    there = {found.key.removesuffix(layout.REASON_NAME): found for found in folders(vault)}
    index.leave(vault.catalog, known - there.keys())
    for folder in there.keys() - known:
        about = describe(vault, folder)
        if about or is_unreadable(vault, folder):
            at = there[folder].modified_at
            index.enter(vault.catalog, _entry(folder, about, otherwise_at=at))


def folders(vault: Vault) -> Iterator[Listed]:
    """Give the reason.json of everything in quarantine."""
    for found in vault.bucket.list(layout.QUARANTINE):
        if found.key.endswith(f"/{layout.REASON_NAME}"):
            yield found


def receipts(about: Mapping[str, Any]) -> Iterator[tuple[str, datetime]]:
    """Give id and time of the receipts that a reason.json tells of."""
    for one in (about, *about.get("repeats", ())):
        with contextlib.suppress(ValueError, LookupError, TypeError):
            yield str(one["id"]), moment_of(one["received_at"])


def _repeated(about: dict[str, Any], receipt: Receipt) -> str:
    """Note that the same body came again, and return what its receipt counts as."""
    repeats = list(about.get("repeats", ()))
    if receipt.id not in {one["id"] for one in repeats}:
        if len(repeats) >= MOST_REPEATS:
            return "duplicate"
        repeats.append(receipt.model_dump(mode="json", include={"id", "received_at", "source"}))
    about["repeats"] = repeats
    return "quarantined"


def _keep_correction(
    vault: Vault, folder: str, about: dict[str, Any], given: Correction, reason: str
) -> None:
    """Keep a corrected body beside the raw one. `reason` is why it is not understood either, if so."""
    digest = hashlib.sha256(given.body).hexdigest()
    key = layout.corrected_key(folder, digest)
    vault.bucket.put(key, given.body, content_type=sniffing.OCTETS)
    told = {**given.model_dump(mode="json", exclude={"body"}), "sha256": digest, "reason": reason}
    others = [one for one in about.get("corrections", ()) if one.get("sha256") != digest]
    about["corrections"] = [*others, told]


def _keep_reason(vault: Vault, folder: str, about: Mapping[str, Any]) -> None:
    """Write why a postback is in quarantine, and what else is known of its receipt."""
    vault.bucket.put(
        f"{folder}{layout.REASON_NAME}", pretty_json(about).encode(), content_type="application/json"
    )


def _remove(vault: Vault, folder: str) -> None:
    vault.bucket.remove(f"{folder}{layout.REASON_NAME}")
    for found in list(vault.bucket.list(folder)):
        vault.bucket.remove(found.key)
    with contextlib.suppress(RefusedError):  # a version that stayed here would outlive the message
        vault.bucket.erase(folder)


def _read(vault: Vault, folder: str) -> dict[str, Any] | None:
    """Return what a reason.json says, None where there is none, nothing where it is damaged."""
    try:
        told = json_of(vault.bucket.read(f"{folder}{layout.REASON_NAME}"))
        moment_of(told["received_at"])
        _ = {str(one["id"]): one for one in told.get("repeats", ())}
    except NotFoundError:
        return None
    except (ValueError, LookupError, TypeError):
        return {}
    return {"reason": "", "source": "", "headers": {}, **told}


def _about(receipt: Receipt, digest: str) -> dict[str, Any]:
    """Return what is known of a receipt that comes into quarantine now."""
    told = receipt.model_dump(mode="json", exclude={"body", "quarantined_as", "correction"})
    return {"reason": "", **told, "sha256": digest, "kept_at": utc_now().isoformat()}


def _entry(folder: str, about: Mapping[str, Any], *, otherwise_at: datetime) -> Quarantined:
    """Return a folder's row of the index; `otherwise_at` is for what its reason.json does not tell."""
    if not about:
        return Quarantined(folder, UNREADABLE, "", otherwise_at, otherwise_at)
    try:
        kept_at = moment_of(about["kept_at"])
    except (ValueError, LookupError, TypeError):
        kept_at = otherwise_at
    return Quarantined(
        folder=folder,
        reason=str(about["reason"]),
        source=str(about["source"]),
        received_at=moment_of(about["received_at"]),
        kept_at=kept_at,
        times=1 + len(about.get("repeats", ())),
        understood_as=str(about.get("understood_as") or ""),
    )
