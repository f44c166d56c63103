"""When an account of what people made is written into the bucket, and when it comes back.

A catalog remembers the newest account that it knows. It writes another one where what it has differs,
and only where the bucket has no newer account of this vault: an older catalog, or a new one, never takes
the place of what was known later. There `rebuild` brings the account back first.
"""

from dataclasses import dataclass, field
from typing import Any

import structlog

from mmsvault import auditing, layout
from mmsvault.catalog import key_values, second_factors
from mmsvault.catalog.people import Role
from mmsvault.errors import RecordError
from mmsvault.message import utc_now
from mmsvault.state import generations, rows
from mmsvault.state.generations import secret_of
from mmsvault.vault import Vault

log = structlog.get_logger(__name__)

KNOWN = "state.generation"
"""Under which name the catalog keeps the key of the newest account that it knows."""
HOW_TO_GO_ON = (
    "the bucket tells of people who may log in, and what it tells was sealed with another secret key of the "
    "bucket. Run `mmsvault rebuild --state-secret FILE` with a file that has the former secret key, or let "
    "people in anew by `mmsvault user add NAME --role admin`"
)


@dataclass(frozen=True)
class Restored:
    """What came back: people with their roles, who was removed, counts of the rest, and what is wrong."""

    people: tuple[tuple[str, Role], ...] = ()
    removed: tuple[str, ...] = ()
    searches: int = 0
    exports: int = 0
    problems: list[tuple[str, str]] = field(default_factory=list)


class StateKeeper:
    """Writes an account whenever something of it has changed; it remembers what it saw."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._seen: tuple[Any, ...] | None = None
        self._has_warned = False

    def keep(self) -> None:
        """Write an account if anything was changed since the last call. Raises UnavailableError."""
        seen = rows.version(self._vault.catalog)
        if seen == self._seen:
            return
        if keep(self._vault):
            self._seen, self._has_warned = seen, False
        elif not self._has_warned:
            log.warning("people not kept: the bucket knows more of them; run `mmsvault rebuild`")
            self._has_warned = True


def keep(vault: Vault) -> bool:
    """Have the bucket's newest account say what the catalog does; return whether it does now.

    Not where the bucket knows more, or somebody else writes an account just now. Raises UnavailableError.
    """
    known = key_values.get(vault.catalog, KNOWN)
    secret = secret_of(vault)
    if generations.newest(vault, secrets=(secret,), known=known):
        return False
    state = rows.take(vault.catalog, taken_at=utc_now())
    if not known and not (state.people or state.searches or state.exports):
        return True
    is_said = f"-{generations.digest(secret, state)[: layout.STATE_DIGITS]}." in known
    if is_said and known in generations.keys(vault):
        return True
    key, data = generations.sealed(vault, state, after=known)
    # First the catalog: what is cut off in between is written once more, and nobody takes it for foreign.
    if not key_values.replace(vault.catalog, KNOWN, key, old=known):
        return False
    vault.bucket.put(key, data, content_type="application/json")
    generations.remove_old(vault, newest_key=key)
    return True


def renew(vault: Vault) -> None:
    """Write an account, and remove all others: nothing of before is kept. Raises UnavailableError."""
    keep(vault)
    if known := key_values.get(vault.catalog, KNOWN):
        generations.remove_old(vault, newest_key=known, kept=1)


def replace(vault: Vault) -> None:
    """Have the account of the catalog count, whatever the bucket has: the catalog was copied whole.

    Raises UnavailableError.
    """
    if found := generations.keys(vault):
        key_values.put(vault.catalog, KNOWN, found[0])
    renew(vault)


def restore(vault: Vault, *, former_secret: str = "") -> Restored:
    """Bring back what the bucket knows and this catalog does not; the trail tells who came back.

    An account opens with the secret key that the bucket has, or with a former one. Raises UnavailableError.
    """
    secret = secret_of(vault)
    known = key_values.get(vault.catalog, KNOWN)
    secrets = (secret, former_secret) if former_secret else (secret,)
    found = generations.newest(vault, secrets=secrets, known=known)
    if found is None:
        return Restored(problems=_unopened(vault, known))
    merged = rows.merge(vault.catalog, found.state)
    if found.secret != secret:
        second_factors.seal_anew(vault.catalog, old_key=found.secret, new_key=secret)
    key_values.put(vault.catalog, KNOWN, found.key)
    for name, role in merged.people:
        auditing.by_command(vault, "brought back a person", subject=name, details=f"{role}, from {found.key}")
    for name in merged.removed:
        auditing.by_command(vault, "removed a person", subject=name, details=f"as {found.key} says")
    keep(vault)
    problems = []
    if left_out := found.state.left_out:
        problems.append((found.key, f"{left_out:,} entries are not as they must be, and were left out"))
    return Restored(merged.people, merged.removed, merged.searches, merged.exports, problems)


def unopened(vault: Vault) -> str:
    """Return how to go on where nobody may log in, and the bucket tells of people only in a sealed account.

    Empty where that is not so. Raises UnavailableError.
    """
    if rows.has_people(vault.catalog):
        return ""
    return next((problem for _, problem in _unopened(vault, key_values.get(vault.catalog, KNOWN))), "")


def check(vault: Vault) -> list[tuple[str, str]]:
    """Return what is wrong with the accounts in the bucket, by key. Raises UnavailableError."""
    known = key_values.get(vault.catalog, KNOWN)
    secrets = (secret_of(vault),)
    problems = []
    for key in generations.keys(vault):
        try:
            generations.open_one(vault, key, secrets=secrets)
        except RecordError as error:
            problems.append((key, f"this account of people cannot be used: {error}"))
            continue
        if key != known and not known:
            problems.append((key, "the catalog does not have what this account tells of people; rebuild it"))
        elif key > known:
            problems.append((key, "the bucket knows more of people than the catalog; run `mmsvault rebuild`"))
        break  # older ones may have been sealed with a former secret
    return problems


def _unopened(vault: Vault, known: str) -> list[tuple[str, str]]:
    found = generations.keys(vault)
    return [] if known or not found else [(found[0], HOW_TO_GO_ON)]
