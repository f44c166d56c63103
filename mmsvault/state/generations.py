"""The accounts in the bucket: each an object of its own, sealed, and named by its time and content.

Only who has the vault's secret (the secret key of its bucket) can write one that opens: a bucket in other
hands cannot let anybody in. An account opens under its own key only, so an old one cannot pass for a new one.
"""

import hmac
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from mmsvault import layout, seals
from mmsvault.errors import NotFoundError, RecordError, RefusedError
from mmsvault.outside import json_of
from mmsvault.state import record
from mmsvault.state.record import State
from mmsvault.vault import Vault

SCHEMA_VERSION = 1
KEPT = 10
"""Accounts that stay in the bucket."""
MOST_BYTES = 64 << 20
_PURPOSE = b"mmsvault: state"


@dataclass(frozen=True)
class Generation:
    """An account that opened; `secret` is the one that it was sealed with."""

    key: str
    state: State
    secret: str


def secret_of(vault: Vault) -> str:
    """Return the secret that this vault seals with: every program of it has it, and the catalog has not."""
    return vault.settings.bucket_keys[1]


def keys(vault: Vault) -> list[str]:
    """Return the keys of all accounts, the newest first."""
    found = (one.key for one in vault.bucket.list(layout.STATE))
    return sorted((key for key in found if layout.is_state_key(key)), reverse=True)


def digest(secret: str, state: State) -> str:
    """Return what differs for other content, and for another secret."""
    key = seals.derived_key(secret, _PURPOSE)
    return hmac.new(key, state.content().encode(), "sha256").hexdigest()


def sealed(vault: Vault, state: State, *, after: str) -> tuple[str, bytes]:
    """Return key and bytes of an account; it comes after the key `after` whatever the clock says."""
    secret = secret_of(vault)
    taken_at = max(state.taken_at, _time_of(after) + timedelta(microseconds=1)) if after else state.taken_at
    state = state.model_copy(update={"taken_at": taken_at})
    key = layout.state_key(taken_at, digest(secret, state))
    text = seals.seal(secret, state.as_json(), purpose=_PURPOSE, identity=key)
    told = {"schema": SCHEMA_VERSION, "people": len(state.people), "sealed": text}
    return key, json.dumps(told).encode()


def open_one(vault: Vault, key: str, *, secrets: tuple[str, ...]) -> Generation:
    """Return an account that one of the secrets opens.

    Raises RecordError for one that none does or that is damaged, and NotFoundError.
    """
    data = vault.bucket.beginning(key, most_bytes=MOST_BYTES)
    try:
        told = json_of(data)
        sealed = told["sealed"]
        if told["schema"] != SCHEMA_VERSION:
            raise RecordError("it was written by another version of MMS Vault; update this program")
        if not isinstance(sealed, str):
            raise RecordError("it is damaged")
    except (ValueError, LookupError) as error:
        raise RecordError("it is damaged") from error
    for secret in secrets:
        try:
            text = seals.unseal(secret, sealed, purpose=_PURPOSE, identity=key)
        except ValueError:
            continue
        return Generation(key, record.read(text), secret)
    raise RecordError("it was sealed with another secret, or not by this vault")


def newest(vault: Vault, *, secrets: tuple[str, ...], known: str = "") -> Generation | None:
    """Return the newest account that opens and is newer than the `known` one; None where there is none."""
    for key in keys(vault):
        if key <= known:
            return None
        try:
            return open_one(vault, key, secrets=secrets)
        except (RecordError, NotFoundError):
            continue
    return None


def remove_old(vault: Vault, *, newest_key: str, kept: int = KEPT) -> None:
    """Remove all accounts but the newest ones up to `newest_key`, with every version of them.

    What the bucket keeps under a lock stays.
    """
    older = [key for key in keys(vault) if key <= newest_key]
    for key in older[kept:]:
        try:
            vault.bucket.erase(key)
        except RefusedError:
            continue


def _time_of(key: str) -> datetime:
    told = key.removeprefix(layout.STATE).partition("Z-")[0]
    return datetime.strptime(told, "%Y%m%dT%H%M%S%f").replace(tzinfo=UTC)
