"""The whole archive checked, both ways: every message against its folder, every folder against the rows.

Nothing is gathered: messages come from the catalog page by page, folders from the bucket as they are
listed. What looks wrong is looked at a second time before it counts, for the vault may be running.
"""

import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import partial
from itertools import chain

from mmsvault import audit_chain, audit_keys, bucket, layout, quarantine
from mmsvault.bucket import Listed
from mmsvault.catalog import counting, upkeep
from mmsvault.errors import ConfigurationError, NotFoundError
from mmsvault.integrity.checking import Checked, Kind, Problem, check, digest, stray
from mmsvault.integrity.sampling import Sample, everything
from mmsvault.message import utc_now
from mmsvault.outside import json_of, moment_of
from mmsvault.state import keeper
from mmsvault.vault import Vault

READS_AT_ONCE = 8
SECOND_LOOK_AFTER_SECONDS = 0.2
DELETION_TAKES = timedelta(minutes=5)
_PARTS = (
    *(layout.MESSAGES, layout.QUARANTINE, layout.EXPORTS, layout.DELETED, layout.ERASURES),
    *(layout.RECEIPTS, layout.TRAIL, layout.NAMES, layout.STATE),
)
_LEVELS = (r"\d{4}/", r"\d\d/", r"\d\d/", r"[^/]+/")
"""Year, month, day, message."""

Progress = Callable[[int], None]
"""Is told that so many more messages are done."""


@dataclass
class Report:
    """What a run found. `repaired` are (key, what was done) of what was mended."""

    checked: int = 0
    problems: list[Problem] = field(default_factory=list)
    repaired: list[tuple[str, str]] = field(default_factory=list)


Findings = Iterator[tuple[str, Checked]]
"""The message concerned, empty for none, and what a look at it came to."""


def verify(
    vault: Vault,
    *,
    sample: Sample = everything,
    since: date | None = None,
    progress: Progress = lambda _: None,
) -> Findings:
    """Check everything, or the messages received on the day `since` (UTC) or later.

    Raises UnavailableError when the bucket or the catalog is away.
    """
    yield from _messages(vault, sample=sample, since=since, progress=progress)
    yield from _folders(vault, since=since)
    if since is None:
        yield from _other_parts(vault)


def verify_some(vault: Vault, ids: Sequence[str]) -> Findings:
    """Check these messages, every byte of them. Raises UnavailableError."""
    for message_id, standing in upkeep.standings(vault.catalog, ids, now=utc_now()).items():
        yield message_id, _look(vault, standing, sample=everything)


def _messages(vault: Vault, *, sample: Sample, since: date | None, progress: Progress) -> Findings:
    begins = datetime.fromisoformat(f"{since.isoformat()}T00:00:00+00:00") if since else None
    with ThreadPoolExecutor(READS_AT_ONCE, thread_name_prefix="verify") as side_by_side:
        for ids in upkeep.pages(vault.catalog, since=begins):
            standings = upkeep.standings(vault.catalog, ids, now=utc_now())
            looks = side_by_side.map(partial(_look, vault, sample=sample), standings.values())
            yield from zip(standings, looks, strict=True)
            progress(len(ids))


def _look(vault: Vault, standing: upkeep.Standing, *, sample: Sample) -> Checked:
    """Look at a message, and once more as it stands then where something seems wrong."""
    read = sample(standing.message.id)
    found = check(vault.bucket, standing, read=read)
    if not found.problems:
        return found
    time.sleep(SECOND_LOOK_AFTER_SECONDS)
    stands = upkeep.standings(vault.catalog, [standing.message.id], now=utc_now())
    again = stands.get(standing.message.id)
    return check(vault.bucket, again, read=read) if again else Checked(0)


def _folders(vault: Vault, *, since: date | None) -> Findings:
    """Give the folders of messages that the catalog does not have, and what belongs to none."""
    for batch in upkeep.batches(walk(vault, since=since)):
        for found in batch:
            if not found.is_folder:
                yield "", Checked(1, tuple(stray(found)))
        prefixes = [(_id(found.key), found.key) for found in batch if found.is_folder]
        known = upkeep.folders(vault.catalog, [message_id for message_id, _ in prefixes])
        for message_id, prefix in prefixes:
            if known.get(message_id) != prefix:
                problems = _of_folder(vault, message_id, prefix, elsewhere=message_id in known)
                yield message_id, Checked(0, tuple(problems))


def _of_folder(vault: Vault, message_id: str, prefix: str, *, elsewhere: bool) -> list[Problem]:
    there = list(vault.bucket.list(prefix))
    if not there:
        return []
    deleted_at = tombstone(vault, message_id)
    if deleted_at:
        if utc_now() - deleted_at < DELETION_TAKES:
            return []
        text = "the message was deleted, and this was left behind"
        return [Problem(found.key, text, Kind.DELETED) for found in there]
    if not elsewhere and upkeep.folders(vault.catalog, [message_id]):
        return []  # it has come in since
    names = {found.key.removeprefix(prefix) for found in there}
    if not elsewhere and (layout.RECORD_NAME in names or any(map(layout.is_postback_name, names))):
        return [Problem(prefix, "the catalog does not have this message", Kind.NO_ROW)]
    return list(chain.from_iterable(stray(found) for found in there))


def tombstone(vault: Vault, message_id: str) -> datetime | None:
    """Return when the message was deleted, None where it was not; a damaged tombstone is one as well."""
    try:
        return moment_of(json_of(vault.bucket.read(layout.tombstone_key(message_id)))["deleted_at"])
    except NotFoundError:
        return None
    except (ValueError, LookupError, TypeError):
        return datetime.min.replace(tzinfo=UTC)


def walk(vault: Vault, *, since: date | None = None) -> Iterator[Listed]:
    """Give the folder of every message in the bucket, and every object that stands beside them."""
    yield from _walk(vault, layout.MESSAGES, _LEVELS, since=since)


def _walk(vault: Vault, prefix: str, levels: Sequence[str], *, since: date | None) -> Iterator[Listed]:
    for found in vault.bucket.list(prefix, recursive=False):
        own_name = found.key.removeprefix(prefix)
        if found.is_folder and not re.fullmatch(levels[0], own_name):
            yield from vault.bucket.list(found.key)
        elif found.is_folder and len(levels) > 1:
            if not since or not _is_before(found.key.removeprefix(layout.MESSAGES), since):
                yield from _walk(vault, found.key, levels[1:], since=since)
        else:
            yield found


def _is_before(folder: str, since: date) -> bool:
    """Return whether all of a year, month or day, as `2014/02/`, is before that day."""
    return folder.rstrip("/") < f"{since:%Y/%m/%d}"[: len(folder) - 1]


def _id(prefix: str) -> str:
    return prefix.rstrip("/").rpartition("/")[2]


def _other_parts(vault: Vault) -> Findings:
    yield from (("", Checked(0, (problem,))) for problem in bucket_problems(vault))
    for found in vault.bucket.list("", recursive=False):
        if found.key == bucket.PROBE_KEY:  # a worker is about to remove it, or the next one that waits
            continue
        if not found.is_folder or found.key not in _PARTS:
            inside: Iterable[Listed] = vault.bucket.list(found.key) if found.is_folder else (found,)
            for one in inside:
                yield "", Checked(1, tuple(stray(one)))
    yield from _quarantine(vault)
    yield from _state(vault)
    for problem in counting.check(vault.catalog):
        yield "", Checked(0, (Problem("catalog", problem, Kind.COUNTS),))
    if problems := trail_problems(vault):
        yield "", Checked(0, tuple(problems))
    for batch in upkeep.batches(vault.bucket.list(layout.DELETED)):
        keys = {_id(found.key).removesuffix(".json"): found for found in batch}
        for message_id in upkeep.folders(vault.catalog, list(keys)):
            found = keys[message_id]
            if utc_now() - found.modified_at > DELETION_TAKES:
                text = "this deletion was cut off; delete the message again"
                yield "", Checked(0, (Problem(found.key, text, Kind.UNKNOWN),))


def bucket_problems(vault: Vault) -> Iterator[Problem]:
    """Give what programs refuse to start for: a bucket that is not as the settings ask for."""
    try:
        vault.bucket.check_as_set()
    except ConfigurationError as error:
        yield Problem(error.setting, error.problem, Kind.UNKNOWN)


def _state(vault: Vault) -> Findings:
    for found in vault.bucket.list(layout.STATE):
        is_of_others = found.key.startswith((layout.SCHEDULED_EXPORTS, layout.TRAIL_KEYS))
        is_known = layout.is_state_key(found.key) or is_of_others
        problems = () if is_known else tuple(stray(found))
        yield "", Checked(1, problems)
    if problems := tuple(Problem(key, text, Kind.STATE) for key, text in keeper.check(vault)):
        yield "", Checked(0, problems)


def trail_problems(vault: Vault) -> list[Problem]:
    """Return what is wrong with the trail, in the catalog or in the bucket."""
    found = [Problem(one.key, one.problem, Kind.TRAIL) for one in audit_chain.compare(vault).problems]
    if problem := audit_keys.unopened(vault):
        found.append(Problem(layout.TRAIL_KEYS, problem, Kind.STATE))
    return found


def _quarantine(vault: Vault) -> Findings:
    for found in vault.bucket.list(layout.QUARANTINE):
        folder, _, name = found.key.rpartition("/")
        if right := layout.quarantined_digest(found.key):
            text = "the postback has other bytes than its SHA-256 says"
            with suppress(NotFoundError):  # it has left quarantine since
                is_right = digest(vault.bucket, found.key) == right
                yield "", Checked(1, () if is_right else (Problem(found.key, text, Kind.POSTBACK),))
        elif name != layout.REASON_NAME:
            yield "", Checked(1, tuple(stray(found)))
        else:
            is_wrong = quarantine.is_unreadable(vault, f"{folder}/")
            text = "this cannot be read"
            yield "", Checked(1, (Problem(found.key, text, Kind.UNKNOWN),) if is_wrong else ())
