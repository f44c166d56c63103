"""Where else a number stands that is erased, beside its own messages.

What only the vault made of it is cleared: saved searches, requests for exports, counts, parts of names. What
is somebody's work, or would mean something else without the number, is reported, for a person to see to it.
"""

import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from pydantic import ValidationError
from redis.exceptions import RedisError
from rq.exceptions import NoSuchJobError

from mmsvault import layout, naming
from mmsvault.catalog import key_values, number_mentions
from mmsvault.catalog.number_text import NumberText
from mmsvault.errors import NotFoundError, RefusedError
from mmsvault.exporting import register, working
from mmsvault.exporting.register import State
from mmsvault.message import Receipt
from mmsvault.queueing.connection import connect_to_answer
from mmsvault.queueing.jobs import open_queue
from mmsvault.queueing.leftovers import MOST_LOOKED_THROUGH
from mmsvault.queueing.leftovers import PREFIX as JOB_PREFIX
from mmsvault.settings.secrets import is_secret
from mmsvault.state import rows
from mmsvault.vault import Vault


def clear(vault: Vault, forms: tuple[str, ...], number: NumberText) -> dict[str, Any]:
    """Clear what can be cleared; return `searches` and `export_requests` for the receipt."""
    requests = list(_hide_in_exports(vault, number))
    searches = rows.forget_searches(vault.catalog, number)
    for named in number_mentions.senders_named_by(vault.catalog, number):
        with suppress(RefusedError):  # an older version of it that the bucket locks
            vault.bucket.erase(layout.name_key(named.number))
        naming.name(vault, named.number, number.without(named.name))
    number_mentions.forget_counts(vault.catalog, forms, number)
    return {"searches": searches, "export_requests": requests}


def _hide_in_exports(vault: Vault, number: NumberText) -> Iterator[dict[str, str]]:
    """Take the number out of the register; end what is not finished, since its files would name it."""
    for found in register.naming(vault.catalog, number):
        if found.state in (State.WAITING, State.RUNNING):
            working.cancel(vault, found.id)
        register.hide(vault.catalog, found.id, number)
        state = register.find(vault.catalog, found.id).state
        yield {"key": found.prefix, "state": State.CANCELLED if state is State.ENDING else state}


def reported(vault: Vault, number: NumberText, *, kept: set[str]) -> dict[str, Any]:
    """Return what names the number and stays, for the receipt. `kept` are ids that it names already."""
    finished_at = key_values.backup_finished_at(vault.catalog)
    return {
        "scopes": number_mentions.scopes_naming(vault.catalog, number),
        "mentions": [
            one for one in number_mentions.messages_naming(vault.catalog, number) if one not in kept
        ],
        "quarantine": list(in_quarantine(vault, number)),
        "settings": list(_settings(vault, number)),
        "audit_entries": number_mentions.audit_entries_naming(vault.catalog, number),
        "waiting_receipts": _waiting(vault, number),
        "backup_finished_at": finished_at.isoformat(timespec="seconds") if finished_at else None,
    }


def in_quarantine(vault: Vault, number: NumberText) -> Iterator[str]:
    """Give the folders of postbacks that were not understood and have the number somewhere in them."""
    named = ""
    for found in vault.bucket.list(layout.QUARANTINE):
        folder = found.key.rpartition("/")[0] + "/"
        if folder == named:
            continue
        with suppress(NotFoundError):  # it has left quarantine since
            if number.is_in_bytes(vault.bucket.read(found.key)):
                named = folder
                yield folder


def _settings(vault: Vault, number: NumberText) -> Iterator[str]:
    """Give the settings that name the number, as they are set."""
    for name in type(vault.settings).model_fields:
        value = getattr(vault.settings, name)
        if isinstance(value, str | tuple | dict) and not is_secret(name) and number.is_in(str(value)):
            yield f"MMSVAULT_{name.upper()}"


def _waiting(vault: Vault, number: NumberText) -> int | None:
    """Return how many receipts that are not worked on yet name the number; None where that is not known."""
    count = sum(number.is_in_bytes(_body(data)) for data in _spooled(vault))
    try:
        with connect_to_answer(vault.settings.effective_redis_url) as connection:
            queue = open_queue(connection)
            if queue.count > MOST_LOOKED_THROUGH:
                return None
            for key in connection.scan_iter(f"{JOB_PREFIX}*", count=1000):
                with suppress(NoSuchJobError):
                    job = queue.fetch_job(key.decode().removeprefix(JOB_PREFIX))
                    argument = job.args[0] if job and job.args else None
                    count += isinstance(argument, dict) and number.is_in_bytes(_body(argument))
    except RedisError:
        return None
    return count


def _spooled(vault: Vault) -> Iterator[Any]:
    for path in vault.settings.spool_dir.glob("*.json"):
        with suppress(OSError, ValueError):
            yield json.loads(path.read_bytes())


def _body(receipt: Any) -> bytes:
    """Return the body of a receipt that waits, with a corrected one; of what is none, all that it says."""
    try:
        read = Receipt.model_validate(receipt)
    except ValidationError:
        return json.dumps(receipt).encode()
    return read.body + (read.correction.body if read.correction else b"")
