"""Which settings are secret, and how a text is shown without them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote, unquote, urlsplit

if TYPE_CHECKING:
    from mmsvault.settings import Settings

SECRET_WORDS = frozenset(("key", "token", "tokens", "secret", "password", "webhook"))
"""A setting with one of these words in its name is secret whole."""
ADDRESSES = ("_url", "_issuer", "_endpoint")
"""How the names of settings end that hold an address."""
MIN_SECRET_CHARACTERS = 6
"""Shorter values would be found in words that are no secret."""
HIDDEN = "(secret)"


def is_secret(name: str) -> bool:
    """Return whether the value of a setting is secret whole; of an address only its password is."""
    return not SECRET_WORDS.isdisjoint(name.split("_"))


def may_hold_secret(name: str) -> bool:
    """Return whether the value of a setting is a secret, or an address, which may have one in it."""
    return is_secret(name) or name.endswith(ADDRESSES)


def secret_values(settings: Settings) -> Iterator[str]:
    """Give every secret of this vault as it may stand in a text: of settings, and of the first start."""
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if name == "alert_webhook":
            yield from _parts_of_webhook(value)
        elif is_secret(name):
            yield from value if isinstance(value, tuple) else (value,)
        elif isinstance(value, str) and "://" in value:
            yield from _in_address(value)
    made = settings.generated
    yield from (getattr(made, name) for name in type(made).model_fields if is_secret(name))
    yield settings.effective_metrics_token


def secret_pattern(settings: Settings) -> re.Pattern[str]:
    """Return what finds any of the secrets in a text, the longest first."""
    found = {value for value in secret_values(settings) if len(value) >= MIN_SECRET_CHARACTERS}
    return re.compile("|".join(re.escape(value) for value in sorted(found, key=len, reverse=True)) or "(?!)")


def _in_address(url: str) -> Iterator[str]:
    parts = urlsplit(url)
    yield from (parts.password or "", unquote(parts.password or ""))
    for name, value in parse_qsl(parts.query):  # a database takes its password there as well
        if is_secret(name.lower().replace("-", "_")):
            yield from (value, quote(value, safe=""))


def _parts_of_webhook(url: str) -> Iterator[str]:
    # Chat services put the secret into the path or the query: an error may quote the address or a part.
    if not url:
        return
    parts = urlsplit(url)
    yield url
    yield from (parts.path.rstrip("/"), parts.query, parts.password or "")
