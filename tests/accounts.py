"""An exact account of messages that were sent: what came of each, in the catalog and in the bucket."""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence, Sized
from dataclasses import dataclass, field
from time import monotonic, sleep

from redis.exceptions import RedisError
from sqlalchemy import func, select

from mmsvault.catalog import queries
from mmsvault.catalog.connection import reading
from mmsvault.catalog.tables import messages
from mmsvault.errors import NotFoundError, UnavailableError
from mmsvault.folder import HALF_WRITTEN
from mmsvault.message import MediaItem, Message, MessageState
from mmsvault.sample.media import SampleFile
from mmsvault.vault import Vault
from tests.servers import patience, quiet_seconds

OK = 200
FOLDER_PARTS = 5
"""messages/YYYY/MM/DD/ID"""


@dataclass(frozen=True)
class Sent:
    """One message as it was sent, and the last answer to its postback, 0 for none."""

    id: str
    files: tuple[SampleFile, ...]
    status: int


@dataclass(frozen=True)
class Row:
    """What became of the messages that met one fault. `problems` name each message that is not right."""

    fault: str
    sent: int
    answered: int
    archived: int
    lost: int
    doubled: int
    compared: int
    problems: tuple[str, ...] = ()

    def is_right(self) -> bool:
        whole = self.sent > 0 and self.archived >= self.answered and self.compared >= self.archived
        return whole and not (self.lost or self.doubled or self.problems)


@dataclass
class Kept:
    """What the archive has of one message."""

    is_whole: bool = False
    compared: int = 0
    doubled: int = 0
    problems: list[str] = field(default_factory=list)


def account(vault: Vault, sent: Mapping[str, Sequence[Sent]], *, known: Collection[str] = ()) -> list[Row]:
    """Count what became of all messages of a vault, by the fault that they met; compare every byte.

    What the vault has beyond them, and beyond the messages `known` otherwise, is doubled.
    """
    objects = _objects(vault)
    ids = {one.id for batch in sent.values() for one in batch}
    with reading(vault.catalog) as connection:
        rows = set(connection.scalars(select(messages.c.id)))
    strays = sorted((rows | set(objects)) - ids - set(known))
    made = []
    for fault, batch in sent.items():
        mine = [name for name in strays if any(name.startswith(one.id) for one in batch)]
        if fault == next(reversed(sent)):  # whoever else it may be from
            mine = strays
        strays = [name for name in strays if name not in mine]
        made.append(_row(fault, [(one, _kept(vault, one, objects[one.id])) for one in batch], mine))
    return made


def uncounted(fault: str, sent: Sequence[Sent], reason: str) -> Row:
    """Return the account of messages that cannot be looked at: none is archived."""
    answered = sum(one.status == OK for one in sent)
    return Row(fault, len(sent), answered, 0, answered, 0, 0, (f"not one could be looked at: {reason}",))


def _row(fault: str, kept: Sequence[tuple[Sent, Kept]], strays: Sequence[str]) -> Row:
    problems = [f"{one.id}: {problem}" for one, found in kept for problem in found.problems]
    problems += [f"{name}: nobody sent it, so it is doubled" for name in strays]
    return Row(
        fault=fault,
        sent=len(kept),
        answered=sum(one.status == OK for one, _ in kept),
        archived=sum(found.is_whole for _, found in kept),
        lost=sum(one.status == OK and not found.is_whole for one, found in kept),
        doubled=sum(found.doubled for _, found in kept) + len(strays),
        compared=sum(found.compared for _, found in kept),
        problems=tuple(problems),
    )


def _objects(vault: Vault) -> dict[str, set[str]]:
    """Return the keys of all messages in the bucket, by the id of the message."""
    found = defaultdict[str, set[str]](set)
    for listed in vault.bucket.list("messages/"):
        if HALF_WRITTEN not in listed.key:
            found[listed.key.split("/")[FOLDER_PARTS - 1]].add(listed.key)
    return found


def _kept(vault: Vault, sent: Sent, objects: set[str]) -> Kept:
    """Look at one message."""
    try:
        message = queries.load(vault.catalog, sent.id)
    except NotFoundError:
        missing = ["answered with 200, and not in the catalog"] if sent.status == OK else []
        return Kept(problems=missing)
    found = Kept()
    if message.state is not MessageState.ARCHIVED:
        found.problems += [f"answered with 200, and {message.state.value}"] if sent.status == OK else []
        return found
    if len(message.media) < len(sent.files):
        found.problems.append(f"has {len(message.media)} of {len(sent.files)} files")
    for item, file in zip(message.media, sent.files, strict=False):
        if problem := _difference(vault, item, file):
            found.problems.append(f"file {item.position + 1} ({file.name}) {problem}")
        else:
            found.compared += 1
    found.is_whole = not found.problems
    if len(message.postbacks) > 1:
        found.problems.append(f"has {len(message.postbacks)} different postbacks, and one was sent")
    surplus = sorted(objects - _expected(message)) + [item.key for item in message.media[len(sent.files) :]]
    found.doubled = len(surplus)
    found.problems += [f"doubled: {key}" for key in surplus]
    return found


def _difference(vault: Vault, item: MediaItem, file: SampleFile) -> str:
    try:
        stored = vault.bucket.read(item.key)
    except NotFoundError:
        return "is not in the bucket"
    if stored != file.data:
        return "has other bytes than the provider served"
    same = item.sha256 == hashlib.sha256(file.data).hexdigest()
    return "" if same else "has another SHA-256 in the catalog"


def _expected(message: Message) -> set[str]:
    """Return the keys that a message's folder may have; each body of its postbacks is told in its record."""
    keys = {f"{message.prefix}message.json", *(message.prefix + one.name for one in message.postbacks)}
    for item in message.media:
        keys |= {item.key, item.thumbnail_key, item.preview_key, *item.evidence}
    return keys


def wait_until_nothing_moves(
    is_complete: Callable[[], bool], *, vault: Vault, spools: Iterable[Sized] = (), seconds: float = 90
) -> None:
    """Return once all is there, or nothing has moved for so many seconds; whoever calls counts then.

    Where nothing is left to do, neither in the queue nor in a spool nor in the catalog, a shorter time is
    enough: longer than the sweep is away, which may find something yet.
    """
    spools = list(spools)
    seen, since = _movement(vault, spools), monotonic()
    while not is_complete():
        sleep(0.2)
        now = _movement(vault, spools)
        if now != seen:
            seen, since = now, monotonic()
        has_nothing_to_do = now is not None and not any(now[1:])
        if monotonic() - since > (quiet_seconds() if has_nothing_to_do else seconds * patience()):
            return


def _movement(vault: Vault, spools: Sequence[Sized]) -> tuple[int, ...] | None:
    """Return how many messages are recorded, and how many of them, jobs and spooled receipts wait."""
    counted = select(messages.c.state, func.count()).group_by(messages.c.state)
    try:
        with reading(vault.catalog) as connection:
            states = dict(connection.execute(counted).all())
        jobs = vault.queue.count or _unfinished_jobs(vault)
    except (UnavailableError, RedisError):
        return None
    return sum(states.values()), states.get(MessageState.PENDING.value, 0), jobs, sum(map(len, spools))


def _unfinished_jobs(vault: Vault) -> int:
    """Return how many jobs are in hand, failed or in no list at all."""
    keys = list(vault.redis.scan_iter("rq:job:*", count=1000, _type="hash"))
    return sum(vault.redis.hget(key, "status") not in (b"finished", None) for key in keys)
