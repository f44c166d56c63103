"""The trail in the bucket: batches of entries, added by the sweep, that nobody writes over.

So a trail that was changed, cut short or made anew on one side shows (`audit_chain`), and `mend` writes
what one side lacks from the other.
"""

import getpass
import hashlib
import hmac
import itertools
import json
import os
from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime, timedelta

from mmsvault import audit_keys, layout
from mmsvault.audit_chain import JOINED, Link, compare, entries_of
from mmsvault.catalog import trail, trail_numbers
from mmsvault.catalog.numbers import writings
from mmsvault.catalog.trail import Asked, Entry
from mmsvault.errors import RejectedInputError
from mmsvault.message import Receipt
from mmsvault.settings import Settings
from mmsvault.settings.secrets import may_hold_secret
from mmsvault.vault import Vault

MENDED = "mended the trail"
MOST_LOST = 1_000_000
"""Entries in a row that may be missing on both sides; whoever writes a larger number made it up."""
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
    "corrected a postback",
    "set aside a postback",
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
    "brought back a person",
    "ended a session",
    "logged out a person",
    "sent a test",
    "changed settings",
    "backed up",
    "restored",
    "checked the trail",
    MENDED,
    JOINED,
)


def by_command(
    vault: Vault,
    action: str,
    *,
    subject: str,
    details: str = "",
    messages: Sequence[str] = (),
    numbers: Collection[str] = (),
) -> None:
    """Enter what somebody does by a command, under their name on this machine.

    `messages` are the ids of those that it is about, `numbers` more numbers than theirs.
    """
    trail.append(
        vault.catalog,
        action,
        who=this_person(),
        subject=subject,
        details=details,
        messages=messages,
        numbers=numbers,
    )


def moment_of(text: str, *, is_end: bool = False) -> datetime | None:
    """Return the moment that a day like 2014-02-03 or a time like 2014-02-03T09:30 means, in UTC.

    None for no text; of a day that ends a period, its end. Raises RejectedInputError.
    """
    if not text.strip():
        return None
    try:
        found = datetime.fromisoformat(text.strip())
        at = found if found.tzinfo else found.replace(tzinfo=UTC)
        is_day = len(text.strip()) == len("2014-02-03")
        return at.astimezone(UTC) + timedelta(days=is_end and is_day)
    except (ValueError, OverflowError) as error:
        raise RejectedInputError(
            f"{text!r} is no date. Write a day like 2014-02-03, or a time (UTC) like 2014-02-03T09:30."
        ) from error


def asked(
    settings: Settings,
    *,
    who: str = "",
    action: str = "",
    words: str = "",
    message: str = "",
    number: str = "",
    since: datetime | None = None,
    until: datetime | None = None,
) -> Asked:
    """Return which entries are asked for, by a number in any usual writing. Raises RejectedInputError."""
    if "*" in number:
        raise RejectedInputError(
            "Give one whole number or address, without *: the log has only their hashes."
        )
    forms = writings(number, region=settings.default_region) if number.strip() else ()
    return Asked(
        who=who, action=action, words=words, message=message, numbers=forms, since=since, until=until
    )


def note_correction(vault: Vault, receipt: Receipt, *, who: str, source: str = "") -> None:
    """Enter that somebody gave a corrected body for a postback in quarantine, and replays it."""
    if receipt.correction is None:
        return
    raw, corrected = (hashlib.sha256(body).hexdigest() for body in (receipt.body, receipt.correction.body))
    details = f"raw body SHA-256 {raw}, corrected body SHA-256 {corrected}"
    subject = receipt.quarantined_as
    trail.append(
        vault.catalog, "corrected a postback", who=who, source=source, subject=subject, details=details
    )


def note_settings(vault: Vault) -> None:
    """Enter the settings that differ from their defaults, if they are others than at the last start.

    Of a secret, only a mark by which a change of it shows.
    """
    settings = vault.settings
    said: list[str] = []
    numbers: list[str] = []
    for name, field in type(settings).model_fields.items():
        value = getattr(settings, name)
        if value == field.get_default(call_default_factory=True):
            continue
        text = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
        if may_hold_secret(name):
            mark = hmac.new(settings.generated.link_secret.encode(), text.encode(), hashlib.sha256)
            text = f"(secret {mark.hexdigest()[:8]})"
        elif name == "export_query":
            text, found = trail_numbers.without_numbers(text)
            numbers += found
        said.append(f"{name.upper()}={text}")
    details = ", ".join(said)[: trail.LONGEST_TEXT]
    known = trail.latest(vault.catalog, action="changed settings", limit=1)
    if not known or known[0].details != details:
        trail.append(vault.catalog, "changed settings", who=this_person(), details=details, numbers=numbers)


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
        if not count:
            audit_keys.keep(vault)
        _put(vault, batch)
        trail.mark_kept(vault.catalog, [entry.hash for entry in batch])
        count += len(batch)
    return count


def _put(vault: Vault, batch: Sequence[Entry]) -> None:
    """Write a batch under a key of its own. What is there under that key is this batch, or was changed."""
    lines = "".join(json.dumps(entry.as_json(), ensure_ascii=False) + "\n" for entry in batch).encode()
    digest = hashlib.sha256(lines).hexdigest()
    for number in itertools.count():
        mark = digest if not number else hashlib.sha256(f"{digest} {number}".encode()).hexdigest()
        key = layout.trail_key(batch[0].at.date(), batch[0].number, batch[-1].number, mark)
        if vault.bucket.put_new(key, lines, content_type="application/x-ndjson"):
            return
        if vault.bucket.read(key) == lines:
            return


def mend(vault: Vault, *, former_secret: str = "") -> list[str]:
    """Write what one side of the trail lacks from the other; return what was done, in plain words.

    All branches of a fork are kept, and an entry that names their ends is added: the fork is known then.
    """
    audit_keys.keep(vault, former_secret=former_secret)
    found = compare(vault)
    done = []
    if found.not_indexed and (indexed := trail.index_again(vault.catalog)):
        done.append(f"{_counted(indexed)} can be found by message and number again")
    if found.missing_there:
        trail.mark_kept(vault.catalog, [link.hash for link in found.missing_there], kept=False)
        keep(vault)
        done.append(f"{_counted(len(found.missing_there))} written into the bucket again")
    if brought := _bring_back(vault, found.missing_here):
        done.append(f"{_counted(brought)} entered into the catalog again")
    if done:
        by_command(vault, MENDED, subject="trail", details=", ".join(done))
        found = compare(vault)
    for end in found.open_forks:
        by_command(vault, JOINED, subject=end.hash, details=f"another branch ends with entry {end.number}")
        done.append(f"the branch that ends with entry {end.number} is kept beside the other one")
    return done


def _bring_back(vault: Vault, missing: Sequence[Link]) -> int:
    """Enter what the bucket has of these entries into the catalog; return how many."""
    wanted = {link.hash for link in _believed(vault, missing)}
    added = 0
    for key in sorted(found.key for found in vault.bucket.list(layout.TRAIL)):
        read = [entry for entry in entries_of(vault, key) if entry and entry.hash in wanted]
        true = {entry.hash: entry for entry in read if entry.true_hash() == entry.hash}
        added += trail.add(vault.catalog, list(true.values()))
    return added


def _believed(vault: Vault, missing: Sequence[Link]) -> Iterator[Link]:
    """Give those whose number may be: the trail goes on from the largest number that the catalog has."""
    newest = trail.latest(vault.catalog, limit=1)
    largest = newest[0].number if newest else 0
    for link in sorted(missing, key=lambda link: link.number):
        if link.number > largest + MOST_LOST:
            return
        largest = max(largest, link.number)
        yield link


def _counted(count: int) -> str:
    return f"{count:,} {'entry' if count == 1 else 'entries'} of the trail"
