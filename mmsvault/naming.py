"""Names for senders, kept in the bucket as well: there they outlive the catalog.

Each is an object of its own, `names/<SHA-256 of the number>.json`, written before the catalog: so
the bucket is always right, and what was cut off in between is done again by naming once more.
"""

from datetime import datetime

from mmsvault import layout
from mmsvault.catalog import names
from mmsvault.errors import RejectedInputError
from mmsvault.layout import name_key
from mmsvault.message import normal_number, pretty_json, utc_now
from mmsvault.outside import json_of, moment_of
from mmsvault.vault import Vault

SCHEMA_VERSION = 1
LONGEST_NAME = 100


def name(vault: Vault, sender: str, given: str) -> str:
    """Give a sender a name, which is returned as it is kept; the empty one takes an earlier one away.

    Raises RejectedInputError for what is no name.
    """
    number, clean = normal_number(sender), " ".join(_printable(given).split())
    if not number:
        raise RejectedInputError("A sender without a number cannot be told from others.")
    if len(clean) > LONGEST_NAME:
        raise RejectedInputError(f"A name has at most {LONGEST_NAME} characters.")
    if clean and not any(letter.isalpha() for letter in clean):
        raise RejectedInputError("A name has a letter in it, so that a search can tell it from a number.")
    now, key = utc_now(), name_key(number)
    if clean:
        kept = {"schema": SCHEMA_VERSION, "number": number, "name": clean, "named_at": now.isoformat()}
        vault.bucket.put(key, pretty_json(kept).encode(), content_type="application/json")
    else:
        vault.bucket.remove(key)
    names.give(vault.catalog, number, clean, named_at=now)
    return clean


def restore(vault: Vault) -> int:
    """Make the catalog's names those of the bucket, and return how many there are.

    A damaged one is left out; what is named meanwhile stays.
    """
    began_at = utc_now()
    named: dict[str, tuple[str, datetime]] = {}
    for found in vault.bucket.list(layout.NAMES):
        try:
            kept = json_of(vault.bucket.read(found.key))
            number, given = str(kept["number"]), " ".join(_printable(str(kept["name"])).split())
            named_at = moment_of(kept["named_at"])
        except (ValueError, LookupError, TypeError):
            continue
        if given and len(given) <= LONGEST_NAME and found.key == name_key(number):
            named[number] = (given, named_at)
    names.replace(vault.catalog, named, before=began_at)
    return len(named)


def _printable(text: str) -> str:
    clean = text.encode("utf-8", "replace").decode()
    return "".join(letter if letter.isprintable() else " " for letter in clean)
