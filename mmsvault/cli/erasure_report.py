"""What a person must see to after a number was erased: a line for each thing that still names it."""

from collections.abc import Iterator
from typing import Any

from mmsvault.exporting.register import State

MOST_ENTRIES = 10
"""Entries of the audit log that are told by their numbers."""
OF_EACH = {
    "scopes": (
        "{}: the name of this person, or what they see (their scope), names the number. Change it with "
        "`mmsvault user role`, or remove the person, and erase the number again."
    ),
    "mentions": (
        "{}: this message of others names the number in its text, note or tags. Change the note or the tags, "
        "or delete the message."
    ),
    "quarantine": "{}: a postback that was not understood names the number; look at it.",
    "settings": "{}: this setting names the number. Change it, and start the vault again.",
}
"""By the name in the receipt: what is said of each thing that stays."""


def left_to_do(receipt: dict[str, Any]) -> Iterator[str]:
    """Give the lines for a receipt of `erasing.erase`."""
    yield from filter(None, map(_export, receipt["export_requests"]))
    for name, text in OF_EACH.items():
        yield from (text.format(one) for one in receipt[name])
    if entries := receipt["audit_entries"]:
        numbers = ", ".join(map(str, entries[:MOST_ENTRIES])) + (", ..." if entries[MOST_ENTRIES:] else "")
        yield (
            f"audit log: {len(entries):,} entries have the number in plain text ({numbers}). The log is "
            "never changed: tell whoever asked to be forgotten."
        )
    yield from _queue(receipt["waiting_receipts"])
    if reason := receipt["catalog_file"]:
        yield (
            f"catalog: its file was not written anew ({reason}), so parts of what was erased may still be in "
            "it. Erase the number again while nothing else runs."
        )
    if at := receipt["backup_finished_at"]:
        yield (
            f"backups: those made until now (the last one ended at {at}) have what was erased. Make another "
            "one with `mmsvault backup DEST --keep 1`, which removes the older ones."
        )


def _export(told: dict[str, str]) -> str:
    """Return what is said of an export whose request named the number; nothing where nothing is left."""
    if told["state"] == State.CANCELLED:
        return f"{told['key']}: this export was asked for with the number, and is cancelled."
    if told["state"] == State.DONE:
        return (
            f"{told['key']}: this export was asked for with the number, and its files say so. Delete the "
            "export as well, on the page Exports, if the number must be gone from there."
        )
    return ""


def _queue(waiting: int | None) -> Iterator[str]:
    if waiting is None:
        yield "queue: it could not be looked through for the number. Erase the number again once it is empty."
    elif waiting:
        yield (
            f"queue: {waiting:,} postbacks that wait name the number. Erase the number again once they are "
            "worked on."
        )
