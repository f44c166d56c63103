"""How a message ends up after a worker had it in hand: rows of the attempts, message.json, how it stands.

What is decided of a message at other times (tags, notes, holds, previews) reaches message.json by here, too.
"""

import contextlib
from dataclasses import dataclass

import structlog

from mmsvault import layout, leases
from mmsvault.catalog import queries, writes
from mmsvault.errors import OvertakenError
from mmsvault.leases import Lease
from mmsvault.message import Attempt, MediaItem, Message, utc_now
from mmsvault.steps import step
from mmsvault.vault import Vault

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Tried:
    """What came of one attempt at one file."""

    item: MediaItem
    attempt: Attempt


@step("finish")
def finish(vault: Vault, message: Message, lease: Lease, tried: list[Tried]) -> Message:
    """Write what came of the attempts: the catalog's rows, message.json, and last how it stands.

    Returns the message with that. Raises OvertakenError where another worker took it over.

    Cut off before the last step, the message is still due, and the next worker ends here too. What
    changes in the meantime is written as well: once settled, message.json says what the catalog says.
    """
    done = writes.save_attempts(
        vault.catalog,
        message.id,
        items=[one.item for one in tried],
        tried=[one.attempt for one in tried],
        token=lease.token,
        now=utc_now(),
    )
    if done is None:
        raise OvertakenError("Another worker took the message over; what it writes counts.")
    settle(vault, done, lease)
    for one in tried:
        if one.attempt.reason:
            log.warning("file not here yet", position=one.item.position, reason=one.attempt.reason)
    log.info("message", state=done.state.value, files=[item.content_type for item in done.media])
    return done


def settle(vault: Vault, message: Message, lease: Lease) -> None:
    """Write message.json as often as the message changes meanwhile, and let go of the message."""
    unwritten: Message | None = message
    is_held = False
    while unwritten:
        lease.check()
        keep_record(vault, unwritten)
        if unwritten.hold or is_held:  # what was stored just now is held, too
            is_held = unwritten.hold
            vault.bucket.hold(unwritten.prefix, held=is_held)
        lease.stop_renewing()  # or it might be taken again just after it was ended
        unwritten = writes.settle(vault.catalog, unwritten, token=lease.token)
    lease.is_over = True


def keep_record(vault: Vault, message: Message) -> None:
    """Write message.json, which is enough to make the catalog again."""
    vault.bucket.put(
        f"{message.prefix}{layout.RECORD_NAME}", message.as_record(), content_type="application/json"
    )


def refresh(vault: Vault, message_id: str) -> None:
    """Write message.json as the catalog has the message now; a worker that has it in hand will do so."""
    with contextlib.suppress(OvertakenError), leases.hold(vault.catalog, message_id) as lease:
        if lease:
            finish(vault, queries.load(vault.catalog, message_id), lease, [])
