"""The keys of the numbers in the audit log, as the bucket has them: sealed with its secret key.

Without them nobody can ask the log by number. So a key that was sealed with another secret is never thrown
away: whoever has that secret can bring it back.
"""

import hashlib
import itertools
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from mmsvault import layout, seals
from mmsvault.catalog import trail_numbers
from mmsvault.errors import NotFoundError
from mmsvault.message import pretty_json
from mmsvault.vault import Vault

_PURPOSE = b"mmsvault: key of the numbers in the trail"
MARK_DIGITS = 16
MOST_KEPT_KEYS = 100
KEYS_OF_OTHERS = (
    "the audit log was kept with another secret key of the bucket, so older entries are not found by number. "
    "Run `mmsvault rebuild --state-secret FILE` with a file that has the former secret key"
)


def keep(vault: Vault, *, former_secret: str = "") -> None:
    """Keep the keys of the numbers in the bucket as well, sealed, and take along those that it has.

    A key is opened with the bucket's secret key or with a former one, and sealed with the present one. What
    neither opens stays as it is, for whoever has the secret that it was sealed with.
    """
    secret = vault.settings.bucket_keys[1]
    kept = _kept_keys(vault)
    opened = {one: _opened(one, (secret, former_secret)) for one in kept}
    trail_numbers.add_keys(vault.catalog, [key for key, _ in filter(None, opened.values())])
    keys = trail_numbers.all_keys(vault.catalog)
    present = {key for key, opened_by in filter(None, opened.values()) if opened_by == secret}
    marks = {_mark(key) for key in keys}
    foreign = [one for one in kept if not opened[one] and one.mark not in marks]
    if set(keys) <= present and len(kept) == len(present) + len(foreign):
        return
    told = [(_mark(key), _sealed(secret, key)) for key in keys]
    told += [(one.mark, one.sealed) for one in foreign]
    body = {"schema": 1, "sealed": [sealed for _, sealed in told], "marks": [mark for mark, _ in told]}
    vault.bucket.put(layout.TRAIL_KEYS, pretty_json(body).encode(), content_type="application/json")


def unopened(vault: Vault) -> str:
    """Return what is wrong where the bucket has keys of numbers that were sealed with another secret."""
    marks = {_mark(key) for key in trail_numbers.all_keys(vault.catalog)}
    secrets = (vault.settings.bucket_keys[1],)
    if all(one.mark in marks or _opened(one, secrets) for one in _kept_keys(vault)):
        return ""
    return KEYS_OF_OTHERS


@dataclass(frozen=True)
class _KeptKey:
    """A key of numbers as the bucket has it; `mark` tells which it is without opening it."""

    sealed: str
    mark: str


def _kept_keys(vault: Vault) -> list[_KeptKey]:
    try:
        told = json.loads(vault.bucket.read(layout.TRAIL_KEYS))
        sealed, marks = told["sealed"], told.get("marks") or []
        pairs = list(itertools.zip_longest(sealed, marks[: len(sealed)], fillvalue=""))
    except (NotFoundError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return []
    kept = [_KeptKey(one, mark) for one, mark in pairs if isinstance(one, str) and isinstance(mark, str)]
    return kept[:MOST_KEPT_KEYS]


def _opened(kept: _KeptKey, secrets: Sequence[str]) -> tuple[str, str] | None:
    """Return the key and the secret that opens it; None where none of them does."""
    for secret in filter(None, secrets):
        with suppress(ValueError, TypeError):
            key = seals.unseal(secret, kept.sealed, purpose=_PURPOSE, identity=layout.TRAIL_KEYS)
            return key, secret
    return None


def _sealed(secret: str, key: str) -> str:
    return seals.seal(secret, key, purpose=_PURPOSE, identity=layout.TRAIL_KEYS)


def _mark(key: str) -> str:
    """Return what tells a key from others: it is random, so its hash tells nothing of it."""
    return hashlib.sha256(f"mark of {key}".encode()).hexdigest()[:MARK_DIGITS]
