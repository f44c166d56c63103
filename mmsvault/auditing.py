"""The trail in the bucket: batches of entries, added by the sweep, that nobody writes over.

So a trail that was changed in the catalog, cut short there or made anew shows: `problems` compares.
"""

import getpass
import hashlib
import hmac
import json
import os
from collections.abc import Iterator
from typing import Any

from mmsvault import layout
from mmsvault.catalog import trail
from mmsvault.catalog.trail import Entry
from mmsvault.vault import Vault

ACTIONS = (
    "logged in",
    "login refused",
    "code refused",
    "used a recovery code",
    "logged out",
    "searched",
    "looked at",
    "downloaded",
    "exported",
    "cancelled an export",
    "saved a search",
    "removed a search",
    "exported the trail",
    "exported a list",
    "tagged",
    "wrote a note",
    "named a sender",
    "held",
    "released",
    "began to delete",
    "deleted",
    "retired",
    "began to erase",
    "erased",
    "fetched again",
    "replayed",
    "verified a sample",
    "added a person",
    "changed a person",
    "removed a person",
    "set a password",
    "reset a password",
    "set up a second factor",
    "turned off a second factor",
    "reset a second factor",
    "made recovery codes",
    "ended a session",
    "logged out a person",
    "sent a test",
    "changed settings",
)
_SECRET = ("key", "token", "secret", "password", "url", "webhook")


def by_command(vault: Vault, action: str, *, subject: str, details: str = "") -> None:
    """Enter what somebody does by a command, under their name on this machine."""
    trail.append(vault.catalog, action, who=this_person(), subject=subject, details=details)


def note_settings(vault: Vault) -> None:
    """Enter the settings that differ from their defaults, if they are others than at the last start.

    Of a secret, only a mark by which a change of it shows.
    """
    settings = vault.settings
    said = []
    for name, field in type(settings).model_fields.items():
        value = getattr(settings, name)
        if value == field.get_default(call_default_factory=True):
            continue
        text = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
        if any(part in name for part in _SECRET):
            mark = hmac.new(settings.generated.link_secret.encode(), text.encode(), hashlib.sha256)
            text = f"(secret {mark.hexdigest()[:8]})"
        said.append(f"{name.upper()}={text}")
    details = ", ".join(said)[: trail.LONGEST_TEXT]
    known = trail.latest(vault.catalog, action="changed settings", limit=1)
    if not known or known[0].details != details:
        trail.append(vault.catalog, "changed settings", who=this_person(), details=details)


def this_person() -> str:
    """Return who runs this process."""
    try:
        return f"command:{getpass.getuser()}"
    except (KeyError, OSError):
        return f"command:{os.getuid()}"


def keep(vault: Vault) -> int:
    """Write the entries that the bucket does not have into it; return how many.

    Cut off in between, the same entries are written once more, in another batch: no harm.
    """
    count = 0
    while batch := trail.not_kept(vault.catalog):
        lines = "".join(json.dumps(entry.as_json(), ensure_ascii=False) + "\n" for entry in batch)
        key = layout.trail_key(batch[0].at.date(), batch[0].number, batch[-1].number)
        vault.bucket.put(key, lines.encode(), content_type="application/x-ndjson")
        trail.mark_kept(vault.catalog, [entry.number for entry in batch])
        count += len(batch)
    return count


def restore(vault: Vault) -> int:
    """Fill a catalog without a trail from the bucket; return how many entries that were."""
    kept: dict[int, Entry] = {}
    for _, told in _kept(vault):
        try:
            entry = Entry.from_json(told)
        except (ValueError, LookupError, TypeError):
            continue  # `problems` says so
        kept[entry.number] = entry
    return trail.restore(vault.catalog, (kept[number] for number in sorted(kept)))


def problems(vault: Vault) -> Iterator[tuple[str, str]]:
    """Give what is wrong with the trail, as key (or `catalog`) and problem in plain words."""
    expected, previous, hashes = 1, trail.FIRST, {}
    for entry in trail.entries(vault.catalog):
        if entry.number != expected:
            yield "catalog", f"entries {expected} to {entry.number - 1} of the trail are missing"
        elif entry.previous != previous:
            yield "catalog", f"entry {entry.number} of the trail does not follow the one before"
        if entry.true_hash() != entry.hash:
            yield "catalog", f"entry {entry.number} of the trail was changed"
        expected, previous = entry.number + 1, entry.hash
        hashes[entry.number] = entry.hash
    for key, told in _kept(vault):
        try:
            entry = Entry.from_json(told)
        except (ValueError, LookupError, TypeError):
            yield key, "this cannot be read"
            continue
        if entry.true_hash() != entry.hash:
            yield key, f"entry {entry.number} was changed here"
        elif entry.number not in hashes:
            yield "catalog", f"entry {entry.number} of the trail is missing; the bucket has it"
        elif hashes[entry.number] != entry.hash:
            yield "catalog", f"entry {entry.number} of the trail is another one than in the bucket"


def _kept(vault: Vault) -> Iterator[tuple[str, Any]]:
    for found in vault.bucket.list(layout.TRAIL):
        for line in vault.bucket.read(found.key).splitlines():
            try:
                yield found.key, json.loads(line)
            except ValueError:
                yield found.key, {}
