"""How many receipts came in, kept in the bucket for every day.

A repeat with the same bytes and a notice of another kind leave no object of their own, only a row
in the catalog. So that these counts outlive it, the sweep writes those of the last days to
`receipts/2026/11/24.json`, where they have changed. They are counted as receipts come in: what a
sweep does for them follows from what is new.
"""

from collections import Counter
from collections.abc import Mapping
from datetime import date, timedelta

from mmsvault.catalog import tallies, upkeep
from mmsvault.catalog.upkeep import Day
from mmsvault.errors import NotFoundError
from mmsvault.layout import RECEIPTS, tally_key
from mmsvault.message import EARLIEST_BELIEVED_AT, pretty_json, utc_now
from mmsvault.outside import LAST_YEAR, json_of
from mmsvault.vault import Vault

SCHEMA_VERSION = 1
MOST_OF_A_DAY, LONGEST_CODE = 10_000_000, 100
"""What a tally can say; anybody may have written one that says more."""
SECONDS_FOR_FOLDING = 5.0
"""What is left then is folded by the next sweep."""
DAYS_LOOKED_AT = 3
"""Today and those before it: a receipt may have waited in the spool or the queue over midnight."""


def keep_tallies(vault: Vault) -> int:
    """Fold the catalog's counts and write the tallies of days that have changed; return how many."""
    tallies.fold(vault.catalog, seconds=SECONDS_FOR_FOLDING)
    today = utc_now().date()
    written = 0
    for back in range(DAYS_LOOKED_AT):
        day = today - timedelta(days=back)
        counted = upkeep.tally(vault.catalog, day)
        if counted and counted != _kept(vault, day):
            vault.bucket.put(tally_key(day), _as_json(day, counted), content_type="application/json")
            written += 1
    return written


def kept_tallies(vault: Vault) -> Counter[Day]:
    """Return the tallies of all days."""
    counted: Counter[Day] = Counter()
    for found in vault.bucket.list(RECEIPTS):
        counted.update(_read(vault.bucket.read(found.key)))
    return counted


def _kept(vault: Vault, day: date) -> dict[Day, int]:
    try:
        return _read(vault.bucket.read(tally_key(day)))
    except NotFoundError:
        return {}


def _as_json(day: date, counted: Mapping[Day, int]) -> bytes:
    receipts = [
        {"outcome": outcome, "code": code, "count": count}
        for (_, outcome, code), count in sorted(counted.items())
    ]
    return pretty_json({"schema": SCHEMA_VERSION, "day": day.isoformat(), "receipts": receipts}).encode()


def _read(data: bytes) -> dict[Day, int]:
    """Return what a tally says; a damaged one says nothing, and is written again."""
    try:
        kept = json_of(data)
        day = date.fromisoformat(kept["day"])
        counted = {
            (day, str(one["outcome"]), str(one["code"])): int(one["count"]) for one in kept["receipts"]
        }
    except (ValueError, LookupError, TypeError, OverflowError):
        return {}
    is_believed = all(
        0 <= count <= MOST_OF_A_DAY and max(len(outcome), len(code)) <= LONGEST_CODE
        for (_, outcome, code), count in counted.items()
    )
    return counted if is_believed and EARLIEST_BELIEVED_AT.year <= day.year <= LAST_YEAR else {}
