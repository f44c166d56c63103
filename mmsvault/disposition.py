"""What an operator decides of a message: to hold it, to delete it for good, to fetch its files again.

A deletion leaves a tombstone with the message's id, in the bucket and in the catalog: else a repeat
of the postback, an old copy of the catalog or `rebuild` would bring back what somebody asked to have
removed. It is written first, so that a deletion that was cut off is finished by the next one.
"""

from collections.abc import Iterator

import structlog
from redis.exceptions import RedisError

from mmsvault import leases
from mmsvault.catalog import language, queries, upkeep
from mmsvault.errors import RefusedError
from mmsvault.layout import tombstone_key
from mmsvault.message import pretty_json, utc_now
from mmsvault.queueing.connection import connect_to_answer
from mmsvault.queueing.jobs import ARCHIVE_MESSAGE, enqueue, open_queue
from mmsvault.settling import refresh
from mmsvault.vault import Vault

log = structlog.get_logger(__name__)


def chosen(vault: Vault, text: str) -> Iterator[str]:
    """Give the ids of the messages that a query finds, newest first; a message's id finds that one.

    Raises SearchError.
    """
    if upkeep.folders(vault.catalog, [text]):
        yield text
        return
    query, after = language.parse(text, region=vault.settings.default_region), None
    while True:
        page = queries.search(vault.catalog, query, limit=upkeep.PAGE, after=after)
        yield from (message.id for message in page.messages)
        if page.next is None:
            return
        after = page.next


def hold(vault: Vault, message_id: str, *, held: bool) -> bool:
    """Hold the message or release it, in the catalog and in its record; return whether that is news.

    Where the bucket has Object Lock its objects are held there, too. Done again after it was cut off,
    it does the rest.
    """
    changed = upkeep.hold(vault.catalog, message_id, held=held, now=utc_now())
    if changed:
        refresh(vault, message_id)
    vault.bucket.hold(queries.load(vault.catalog, message_id).prefix, held=held)
    return changed


def hold_objects(vault: Vault) -> None:
    """Put the holds of all messages on their objects, where the bucket can: for one that was just filled."""
    if not vault.bucket.can_lock:
        return
    for ids in upkeep.pages(vault.catalog):
        for standing in upkeep.standings(vault.catalog, ids, now=utc_now()).values():
            if standing.message.hold:
                vault.bucket.hold(standing.message.prefix, held=True)


def retry(vault: Vault, message_id: str, *, stored: bool = False) -> int:
    """Have the files that are missing or in doubt fetched again, at the next sweep; return how many.

    With `stored`, all of them. Where another version comes, both are kept.
    """
    return upkeep.retry(vault.catalog, message_id, now=utc_now(), stored=stored)


def retry_now(vault: Vault, message_id: str) -> int:
    """Have them fetched before all others; while the queue is away, by the next sweep."""
    files = retry(vault, message_id)
    try:
        with connect_to_answer(vault.settings.effective_redis_url) as connection:
            enqueue(open_queue(connection), ARCHIVE_MESSAGE, message_id, at_front=True)
    except RedisError as error:
        log.warning("left to the sweep", message=message_id, reason=str(error))
    return files


def delete(vault: Vault, message_id: str) -> None:
    """Remove the message with everything in its folder, every version of it. Raises RefusedError."""
    with leases.hold(vault.catalog, message_id) as lease:
        if lease is None:
            raise RefusedError("a worker has it in hand; delete it again in a minute")
        message = queries.load(vault.catalog, message_id)
        if message.hold:
            raise RefusedError("it is held")
        if lock := vault.bucket.lock(message.prefix):
            raise RefusedError(lock)
        now = utc_now()
        left = {"schema": 1, "id": message_id, "deleted_at": now.isoformat()}
        vault.bucket.put(
            tombstone_key(message_id), pretty_json(left).encode(), content_type="application/json"
        )
        try:
            upkeep.remove(vault.catalog, message_id, token=lease.token, now=now)
        except RefusedError:
            vault.bucket.remove(tombstone_key(message_id))
            raise
    vault.bucket.erase(message.prefix)
