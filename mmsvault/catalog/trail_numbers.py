"""Phone numbers in the trail: kept as keyed hashes, so that it can be asked by number and tells none.

The keys are random, stand in the catalog, and are kept in the bucket sealed (`mmsvault.auditing`). New
entries are written with the last one; a question is asked with all of them.
"""

import hmac
import re
import secrets
from collections.abc import Collection, Iterable, Sequence

from sqlalchemy import Connection, Engine, select

from mmsvault.catalog import key_values
from mmsvault.catalog.connection import reading, writing
from mmsvault.catalog.tables import messages, recipients
from mmsvault.message import normal_number

KEYS = "trail.number_keys"
"""The name of the keys among the values of the catalog: hexadecimal, a space between them."""
KEY_BYTES = 32
HASH_DIGITS = 32
MOST_KEYS = 20
SHOWN_DIGITS = 2
"""What stays of a number in a search, for whoever reads it."""

_FIELDED = re.compile(r'(?P<field>\b(?:from|to|number):)(?P<value>"[^"]*"|[^\s"]+)', re.IGNORECASE)
_WRITTEN = re.compile(r"(?<![\w@./*-])\+?\(?\d(?:[\s().\-/\u2010-\u2015]{0,3}\d){6,}(?![\w@])")
_ADDRESS = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")


def without_numbers(text: str) -> tuple[str, tuple[str, ...]]:
    """Return a search with its numbers and addresses hidden, and those as they are compared."""
    found: list[str] = []

    def hidden(written: str) -> str:
        found.append(normal_number(written))
        return f"\u2026{found[-1][-SHOWN_DIGITS:]}"

    def fielded(match: re.Match[str]) -> str:
        value = match["value"].strip('"')
        is_name = not any(letter.isdigit() for letter in value) and "@" not in value
        return match[0] if is_name else match["field"] + hidden(value)

    def bare(match: re.Match[str]) -> str:
        return match[0] if _DAY.fullmatch(match[0]) else hidden(match[0])

    shown = _WRITTEN.sub(bare, _FIELDED.sub(fielded, text))
    shown = _ADDRESS.sub(lambda match: hidden(match[0]), shown)
    return shown, tuple(dict.fromkeys(filter(None, found)))


def hashes(keys: Iterable[str], numbers: Iterable[str]) -> list[str]:
    """Return the hash of each number with each key."""
    wanted = list(numbers)
    return [_hash(key, number) for key in keys for number in wanted]


def _hash(key: str, number: str) -> str:
    made = hmac.digest(bytes.fromhex(key), number.encode("utf-8", "replace"), "sha256")
    return made.hex()[:HASH_DIGITS]


def of_messages(connection: Connection, ids: Sequence[str]) -> set[str]:
    """Return the numbers of senders and recipients of those messages that are in the catalog."""
    senders = select(messages.c.sender_number).where(messages.c.id.in_(ids))
    to = select(recipients.c.recipient_number).where(recipients.c.message_id.in_(ids))
    return {*connection.scalars(senders), *connection.scalars(to)} - {""}


def writing_key(connection: Connection) -> str:
    """Return the key that new entries are written with, which is made where there is none."""
    known = _keys(connection)
    if known:
        return known[-1]
    made = secrets.token_hex(KEY_BYTES)
    _put(connection, [made])
    return made


def all_keys(engine: Engine) -> list[str]:
    """Return all keys. Raises UnavailableError."""
    with reading(engine) as connection:
        return _keys(connection)


def add_keys(engine: Engine, more: Collection[str]) -> None:
    """Take keys of another catalog along, to ask with. What is no key is left out."""
    good = [key for key in more if re.fullmatch(rf"[0-9a-f]{{{2 * KEY_BYTES}}}", key)]
    with writing(engine) as connection:
        known = _keys(connection)
        new = [key for key in good if key not in known]
        if new:
            _put(connection, [*new, *known][-MOST_KEYS:])


def _keys(connection: Connection) -> list[str]:
    return key_values.get_in(connection, KEYS).split()


def _put(connection: Connection, keys: Sequence[str]) -> None:
    key_values.put_in(connection, KEYS, " ".join(keys))
