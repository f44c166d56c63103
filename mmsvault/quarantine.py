"""Quarantine: postbacks that were not understood, and why.

There a person finds them, or a better parser, with which they leave it again.
"""

import contextlib
import hashlib
import json
from collections.abc import Mapping
from typing import Any

import structlog

from mmsvault import layout
from mmsvault.catalog import writes
from mmsvault.errors import RefusedError
from mmsvault.media import sniffing
from mmsvault.message import Message, Receipt, pretty_json
from mmsvault.postbacks import OtherNotice
from mmsvault.vault import Vault

log = structlog.get_logger(__name__)


def keep(vault: Vault, receipt: Receipt, reason: str) -> None:
    """Keep what was not understood, and count it."""
    digest = hashlib.sha256(receipt.body).hexdigest()
    folder = layout.quarantine_prefix(receipt.received_at, digest)
    kept = receipt.model_dump(mode="json", exclude={"body", "quarantined_as"})
    vault.bucket.put(f"{folder}{layout.BODY_NAME}", receipt.body, content_type=sniffing.OCTETS)
    _keep_reason(vault, folder, {"reason": reason, **kept, "sha256": digest})
    writes.count_receipt(vault.catalog, receipt, "quarantined")
    log.warning("postback not understood", reason=reason, key=folder)


def leave(vault: Vault, receipt: Receipt, announced: Message | OtherNotice) -> None:
    """Take out of quarantine what is understood now.

    The bytes of a message are in its own folder by now; those of another notice stay, marked.
    """
    folder = receipt.quarantined_as
    if isinstance(announced, Message):
        for name in (layout.REASON_NAME, layout.BODY_NAME):
            vault.bucket.remove(f"{folder}{name}")
        with contextlib.suppress(RefusedError):  # a version that stayed here would outlive the message
            vault.bucket.erase(folder)
    else:
        about = json.loads(vault.bucket.read(f"{folder}{layout.REASON_NAME}"))
        _keep_reason(vault, folder, {**about, "understood_as": announced.code})


def _keep_reason(vault: Vault, folder: str, about: Mapping[str, Any]) -> None:
    """Write why a postback is in quarantine, and what else is known of its receipt."""
    vault.bucket.put(
        f"{folder}{layout.REASON_NAME}", pretty_json(about).encode(), content_type="application/json"
    )
