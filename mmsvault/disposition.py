"""What an operator decides of a message: to hold it, to delete it for good, to fetch its files again.

A deletion leaves a tombstone with the message's id, in the bucket and in the catalog: else a repeat
of the postback, an old copy of the catalog or `rebuild` would bring back what somebody asked to have
removed. It is written first, so that a deletion that was cut off is finished by the next one.
"""

from collections.abc import Iterator
from contextlib import suppress

import structlog
from redis.exceptions import RedisError

from mmsvault import leases
from mmsvault.catalog import filters, language, queries, upkeep
from mmsvault.catalog.language import Query
from mmsvault.errors import NotFoundError, RefusedError, RejectedInputError
from mmsvault.layout import tombstone_key
from mmsvault.message import Message, normal_number, pretty_json, utc_now
from mmsvault.queueing.connection import connect_to_answer, unavailable
from mmsvault.queueing.jobs import ARCHIVE_MESSAGE, enqueue, open_queue
from mmsvault.settling import refresh
from mmsvault.vault import Vault

log = structlog.get_logger(__name__)

MOST_IDS = 500
"""As many ids as one call may name; more are a query's work."""


def named_ids(vault: Vault, text: str) -> tuple[str, ...]:
    """Return the ids of messages that a text is made of, with spaces between; none where it is a query."""
    words = tuple(dict.fromkeys(text.split()))
    if not words or len(words) > MOST_IDS:
        return ()
    return words if len(upkeep.folders(vault.catalog, words)) == len(words) else ()


def query_of(vault: Vault, text: str) -> Query:
    """Return which messages a person means, by a query or by ids. Every command reads it by this.

    Raises SearchError.
    """
    if ids := named_ids(vault, text):
        return Query((filters.chosen(ids),))
    return language.parse(text, region=vault.settings.default_region)


def chosen(vault: Vault, text: str) -> Iterator[str]:
    """Give the ids of the messages that a query or ids name, newest first. Raises SearchError."""
    yield from queries.ids(vault.catalog, query_of(vault, text))


def one(vault: Vault, text: str) -> Message:
    """Return the one message that an id, or a query that finds just one, names.

    Raises NotFoundError where there is none, RejectedInputError where there are more.
    """
    if named_ids(vault, text) or len(text.split()) == 1:
        with suppress(NotFoundError):
            return queries.load(vault.catalog, text.strip())
    found = queries.search(vault.catalog, query_of(vault, text), limit=2).messages
    if not found:
        raise NotFoundError(f"No message has the id {text}, and no message matches it as a query.")
    if len(found) > 1:
        raise RejectedInputError(
            f"More than one message matches {text}. Run `mmsvault search` with it, and give the id of one."
        )
    return found[0]


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
        log.warning("left to the sweep", message=message_id, reason=str(unavailable(error)))
    return files


def delete(vault: Vault, message_id: str) -> set[str]:
    """Remove the message with everything in its folder, every version of it.

    Returns the numbers of its sender and recipients, for the trail: nobody knows them afterwards. Raises
    NotFoundError and RefusedError.
    """
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
    return {normal_number(number) for number in (message.sender, *message.to)}
