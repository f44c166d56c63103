"""The catalog made again from the bucket alone, into one that is empty, damaged or older.

Safe while the vault runs: every message is entered by itself, what is there already and the same is
left alone, and of two accounts of a message the later one counts. Nothing is removed from the
catalog; rows that the bucket knows nothing of are for `verify` to name.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, timedelta
from functools import partial

from mmsvault import auditing, layout, naming, outside, quarantine
from mmsvault.bucket import Bucket, Listed
from mmsvault.catalog import tallies, upkeep
from mmsvault.catalog.upkeep import Day, Entered
from mmsvault.errors import NotFoundError, RecordError, RejectedInputError
from mmsvault.integrity.checking import Kind, Problem, digest, stray
from mmsvault.integrity.verifying import (
    READS_AT_ONCE,
    Progress,
    bucket_problems,
    tombstone,
    trail_problems,
    walk,
)
from mmsvault.media import sniffing
from mmsvault.message import Correction, MediaItem, MediaState, Message, RawPostback, Receipt, utc_now
from mmsvault.postbacks import PROVIDERS, OtherNotice, understand
from mmsvault.state import keeper
from mmsvault.state.keeper import Restored
from mmsvault.tallying import kept_tallies
from mmsvault.vault import Vault


@dataclass
class Rebuilt:
    """How many messages the bucket has, what came of them, and what could not be read.

    `state` tells which people, saved searches and exports came back.
    """

    messages: int = 0
    entered: Counter[Entered] = field(default_factory=Counter)
    problems: list[Problem] = field(default_factory=list)
    state: Restored = field(default_factory=Restored)


@dataclass(frozen=True)
class Account:
    """What a folder tells of its message; without a record it is what the raw postbacks say.

    `problems` are what of the record was left out or put right.
    """

    message: Message
    has_record: bool
    problems: tuple[Problem, ...] = ()


def rebuild(vault: Vault, *, progress: Progress = lambda _: None, former_secret: str = "") -> Rebuilt:
    """Enter everything that the bucket has. Raises UnavailableError.

    `former_secret` is a secret key that the bucket had before, for what was sealed with it.
    """
    bury(vault)
    undelete(vault)
    auditing.mend(vault, former_secret=former_secret)
    naming.restore(vault)
    rebuilt, received = Rebuilt(), Counter[Day]()
    rebuilt.state = keeper.restore(vault, former_secret=former_secret)
    rebuilt.problems += [Problem(key, text, Kind.STATE) for key, text in rebuilt.state.problems]
    rebuilt.problems += [*bucket_problems(vault), *trail_problems(vault)]
    with ThreadPoolExecutor(READS_AT_ONCE, thread_name_prefix="rebuild") as side_by_side:
        for batch in upkeep.batches(walk(vault)):
            for found in batch:
                if not found.is_folder:
                    rebuilt.problems += stray(found)
            folders = [found.key for found in batch if found.is_folder]
            read = list(side_by_side.map(partial(_read, vault), folders))
            rebuilt.problems += [one for one in read if isinstance(one, Problem)]
            accounts = [one for one in read if isinstance(one, Account)]
            rebuilt.problems += [problem for account in accounts for problem in account.problems]
            _enter(vault, accounts, rebuilt)
            for account in accounts:
                received.update(_receipts(account.message))
            progress(len(batch))
    _restore_quarantine(vault)
    tallies.fold(vault.catalog)
    _fill_up(vault, received | _tallies(vault))
    return rebuilt


def enter_folder(vault: Vault, prefix: str) -> str:
    """Enter the message of one folder; return why not, or nothing."""
    read = _read(vault, prefix)
    if isinstance(read, Problem):
        return read.problem
    _enter(vault, [read] if read else [], Rebuilt())
    return ""


def enter_folders(vault: Vault, prefixes: Sequence[str]) -> Counter[Entered]:
    """Enter the messages of these folders, and return what came of them.

    What cannot be read is left for `verify` to name. Raises UnavailableError.
    """
    rebuilt = Rebuilt()
    if not prefixes:
        return rebuilt.entered
    with ThreadPoolExecutor(READS_AT_ONCE, thread_name_prefix="enter") as side_by_side:
        for batch in upkeep.batches(iter(prefixes)):
            read = side_by_side.map(partial(_read, vault), batch)
            _enter(vault, [one for one in read if isinstance(one, Account)], rebuilt)
    return rebuilt.entered


def bury(vault: Vault) -> None:
    """Enter the tombstones of deleted messages."""
    for batch in upkeep.batches(vault.bucket.list(layout.DELETED)):
        ids = [found.key.rpartition("/")[2].removesuffix(".json") for found in batch]
        deleted_at = {one: tombstone(vault, one) for one in ids}
        upkeep.bury(vault.catalog, {one: at for one, at in deleted_at.items() if at})


def undelete(vault: Vault) -> None:
    """Bring back objects of messages that somebody else than the vault deleted, where versions are kept.

    The vault's own deletions leave a tombstone.
    """
    keys = list(vault.bucket.deleted(layout.MESSAGES))
    for batch in upkeep.batches(keys):
        ids = {key: layout.message_id_in(key) for key in batch}
        buried = upkeep.buried(vault.catalog, set(ids.values()))
        for key in batch:
            if ids[key] and ids[key] not in buried:
                vault.bucket.undelete(key)


def _enter(vault: Vault, accounts: list[Account], rebuilt: Rebuilt) -> None:
    now = utc_now()
    bare = [account.message.id for account in accounts if not account.has_record]
    known = upkeep.folders(vault.catalog, bare)  # those rows know more than the raw postbacks do
    new = [account.message for account in accounts if account.message.id not in known]
    came_of = {
        **dict.fromkeys(known, Entered.KEPT),
        **upkeep.enter(vault.catalog, new, now=now),
    }
    for message_id in bare:
        if came_of[message_id] is Entered.NEW:
            upkeep.make_due(vault.catalog, message_id, now=now)  # so that its record is written
    rebuilt.entered.update(came_of.values())
    rebuilt.messages += sum(one is not Entered.BURIED for one in came_of.values())


def _read(vault: Vault, prefix: str) -> Account | Problem | None:
    """Return what a folder tells; None for an empty one."""
    key = f"{prefix}{layout.RECORD_NAME}"
    try:
        data = vault.bucket.beginning(key, most_bytes=outside.LARGEST_RECORD_BYTES + 1)
    except NotFoundError:
        return _read_postbacks(vault, prefix)
    retention = timedelta(days=vault.settings.retention_days)
    try:
        found = outside.read(data, now=utc_now(), retention=retention)
        if found.message.prefix != prefix:
            text = f"this is the record of another folder, {found.message.prefix}"
            return Problem(key, text, Kind.RECORD)
        message, more = _by_bytes(vault.bucket, found.message)
    except RecordError as error:
        return Problem(key, str(error), Kind.RECORD)
    problems = (Problem(key, remark, Kind.RECORD) for remark in (*found.remarks, *more))
    return Account(message, has_record=True, problems=tuple(problems))


def _by_bytes(bucket: Bucket, told: Message) -> tuple[Message, list[str]]:
    """Return the message with the hashes, sizes and types that its record lacks, and what these are of.

    Raises RecordError where the bytes are not there either.
    """
    remarks: list[str] = []

    def sha256_of(key: str) -> str:
        remarks.append(f"{key}: its record has no SHA-256; it was taken from the bytes")
        return digest(bucket, key)

    def measured(item: MediaItem) -> MediaItem:
        if item.state is not MediaState.STORED or (
            item.sha256 and item.size is not None and item.content_type
        ):
            return item
        head = bucket.beginning(item.key, most_bytes=sniffing.HEAD_BYTES)
        return item.model_copy(
            update={
                "sha256": item.sha256 or sha256_of(item.key),
                "size": bucket.look_up(item.key)[0] if item.size is None else item.size,
                "content_type": item.content_type or sniffing.true_type(head, item.declared_type),
            }
        )

    try:
        media = tuple(measured(item) for item in told.media)
        postbacks = tuple(
            one if one.sha256 else one.model_copy(update={"sha256": sha256_of(told.prefix + one.name)})
            for one in told.postbacks
        )
    except NotFoundError as error:
        raise RecordError(f"its record lacks the SHA-256, the size or the type of a file. {error}") from error
    return told.model_copy(update={"media": media, "postbacks": postbacks}), remarks


def _read_postbacks(vault: Vault, prefix: str) -> Account | Problem | None:
    """Return what the raw postbacks announce, for a message whose first attempt was cut off."""
    there = list(vault.bucket.list(prefix))
    raw = [found for found in there if layout.is_postback_name(found.key.removeprefix(prefix))]
    if not raw:
        return (
            Problem(prefix, "there is neither message.json nor a raw postback", Kind.UNKNOWN)
            if there
            else None
        )
    message: Message | None = None
    entries: list[RawPostback] = []
    ordered = sorted(raw, key=lambda found: _number(found.key))
    for place, found in enumerate(ordered):
        name, body = found.key.removeprefix(prefix), vault.bucket.read(found.key)
        entries.append(_entry(name, body, found, entries))
        try:
            announced = _understand(vault, entries[-1], body, prefix)
        except RejectedInputError as error:
            if any(layout.is_corrected_name(one.key.removeprefix(prefix)) for one in ordered[place + 1 :]):
                continue  # a person wrote what is to be read in its place
            return Problem(found.key, str(error), Kind.POSTBACK)
        message = announced if message is None else _joined(message, announced)
    if message is None:
        return None
    return Account(message.model_copy(update={"postbacks": tuple(entries)}), has_record=False)


def _entry(name: str, body: bytes, found: Listed, before: Sequence[RawPostback]) -> RawPostback:
    entry = RawPostback(
        name=name,
        sha256=hashlib.sha256(body).hexdigest(),
        received_at=found.modified_at,
        source="",
        headers={},
    )
    if not (layout.is_corrected_name(name) and before):
        return entry
    # Who wrote it stands in the message's record alone, and in the trail.
    corrects = before[-1].corrects or before[-1].name
    headers = Correction.of(body, by="").headers
    return entry.model_copy(
        update={"corrects": corrects, "corrected_at": found.modified_at, "headers": headers}
    )


def _understand(vault: Vault, entry: RawPostback, body: bytes, prefix: str) -> Message:
    identity = prefix.rstrip("/").rpartition("/")[2]
    provider = next((name for name in PROVIDERS if identity.startswith(f"{name}-")), None)
    if provider is None:
        raise RejectedInputError("its folder names no provider that this version knows")
    told = {"received_at": entry.received_at}
    receipt = Receipt.of(body, provider=provider, headers=entry.headers).model_copy(update=told)
    announced = understand(receipt, retention=timedelta(days=vault.settings.retention_days))
    if isinstance(announced, OtherNotice) or announced.id != identity:
        raise RejectedInputError("the raw postback announces something else than its folder's message")
    return announced.model_copy(update={"prefix": prefix})


def _joined(first: Message, repeat: Message) -> Message:
    have = {item.url for item in first.media}
    new = [item for item in repeat.media if item.url not in have]
    placed = [item.model_copy(update={"position": place}) for place, item in enumerate(new, len(first.media))]
    return first.model_copy(update={"media": (*first.media, *placed)})


def _number(key: str) -> int:
    found = re.search(r"postback-(\d+)[-.]", key)
    return int(found[1]) if found else 1


def _receipts(message: Message) -> Counter[Day]:
    """Return the receipts that a message came of, as far as its record tells."""
    came = [entry for entry in message.postbacks if not entry.corrects]
    outcomes = ("message" if number == 0 else "duplicate" for number in range(len(came)))
    days = (entry.received_at.astimezone(UTC).date() for entry in came)
    return Counter((day, outcome, "") for day, outcome in zip(days, outcomes, strict=True))


def _restore_quarantine(vault: Vault) -> None:
    """Enter what is in quarantine, and its receipts by their own ids: they leave it by those."""
    quarantine.restore(vault)
    for found in quarantine.folders(vault):
        about = quarantine.describe(vault, found.key.removesuffix(layout.REASON_NAME))
        code = about.get("understood_as")
        outcome = "quarantined" if code is None else "other"
        received_at = dict(quarantine.receipts(about))
        upkeep.enter_receipts(vault.catalog, received_at, outcome=outcome, code=code or "")


def _tallies(vault: Vault) -> Counter[Day]:
    """Return the kept tallies, but for what was in quarantine then: quarantine itself tells of it now."""
    kept = kept_tallies(vault).items()
    return Counter({key: count for key, count in kept if key[1] != "quarantined"})


def _fill_up(vault: Vault, received: Counter[Day]) -> None:
    """Enter the receipts that the bucket knows of and the catalog does not."""
    for day in sorted({day for day, _, _ in received}):
        known = upkeep.tally(vault.catalog, day)
        for key, wanted in received.items():
            if key[0] == day and wanted > known.get(key, 0):
                upkeep.fill_up(vault.catalog, key, wanted, known=known.get(key, 0))
