"""Everything of one number removed, because somebody asked to be forgotten; and the receipt of it.

The receipt says what was erased, by id, who did it and when, and what stayed and why. It has nothing
of the messages, and of the number only its SHA-256: whoever knows the number can tell that it is this one.
"""

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Any

from mmsvault import disposition, layout, naming
from mmsvault.catalog import leaving, scrubbing, trail
from mmsvault.catalog.number_text import NumberText
from mmsvault.catalog.numbers import writings
from mmsvault.errors import NotFoundError, RefusedError, RejectedInputError
from mmsvault.exporting.holding import held
from mmsvault.lifecycle import mentions
from mmsvault.message import normal_number, pretty_json, utc_now
from mmsvault.state import keeper as state
from mmsvault.vault import Vault

SCHEMA_VERSION = 1


def forms_of(vault: Vault, number: str) -> tuple[str, ...]:
    """Return the forms in which the archive may hold a whole number. Raises RejectedInputError."""
    if not number.strip() or "*" in number:
        raise RejectedInputError("Give one whole number or address, without *.")
    return writings(number, region=vault.settings.default_region)


def messages_of(vault: Vault, number: str) -> list[str]:
    """Return the ids of all messages from the number or to it. Raises RejectedInputError."""
    return [message.id for message in leaving.of_number(vault.catalog, forms_of(vault, number))]


def erase(vault: Vault, number: str, *, who: str) -> dict[str, Any]:
    """Erase every message from the number or to it, and return the receipt, which the bucket keeps too.

    What is held, locked by the bucket or in a worker's hands stays, with the reason. Raises
    RejectedInputError.
    """
    forms, began_at = forms_of(vault, number), utc_now()
    digest, text = digest_of(forms), NumberText(forms)
    note = partial(trail.append, vault.catalog, who=who)
    note("began to erase", subject=digest, numbers=forms)
    erased, kept = [], []
    for message_id in messages_of(vault, number):
        try:
            numbers = disposition.delete(vault, message_id)
            erased.append({"id": message_id, "at": _moment(utc_now())})
            told = {"subject": message_id, "details": "erased on request"}
            note("deleted", **told, messages=(message_id,), numbers=numbers)
        except RefusedError as error:
            kept.append({"id": message_id, "reason": str(error)})
        except NotFoundError:  # somebody else was quicker
            continue
    for form in forms:
        forget_name(vault, form)
    cleared = mentions.clear(vault, forms, text)
    state.renew(vault)
    scrubbing.scrub(vault.catalog)
    receipt = {
        "schema": SCHEMA_VERSION,
        "number_sha256": digest,
        "who": who,
        "began_at": _moment(began_at),
        "erased": erased,
        "kept": kept,
        "exports": [_without(text, one.as_json()) for one in held(vault, [one["id"] for one in erased])],
        **cleared,
        **mentions.reported(vault, text, kept={one["id"] for one in kept}),
        "catalog_file": scrubbing.rewrite(vault.catalog),
        "ended_at": _moment(utc_now()),
    }
    key = layout.erasure_key(began_at, digest)
    vault.bucket.put(key, pretty_json(receipt).encode(), content_type="application/json")
    details = f"{len(erased):,} messages erased, {len(kept):,} kept; receipt {key}"
    note("erased", subject=digest, details=details, numbers=forms)
    return {**receipt, "key": key}


def forget_name(vault: Vault, number: str) -> None:
    """Take away the name that people gave a number, with every version of it."""
    naming.name(vault, number, "")
    with suppress(RefusedError):
        vault.bucket.erase(layout.name_key(normal_number(number)))


def digest_of(forms: Sequence[str]) -> str:
    """Return the SHA-256 of a number: of its digits with the country code, where it has one."""
    return hashlib.sha256(max(forms, key=len).encode()).hexdigest()


def _without(number: NumberText, told: dict[str, Any]) -> dict[str, Any]:
    """Return what is told of a volume; one whose file is called after the number is told by its folder."""
    key = str(told["key"])
    return {**told, "key": f"{key.rpartition('/')[0]}/"} if number.is_in(key) else told


def _moment(at: datetime) -> str:
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")
