"""One message's folder in the bucket against what the catalog says of the message."""

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any

from mmsvault.bucket import Bucket, Listed
from mmsvault.catalog.upkeep import Standing
from mmsvault.errors import NotFoundError, RecordError, UnavailableError
from mmsvault.folder import HALF_WRITTEN
from mmsvault.integrity import plausible
from mmsvault.layout import RECORD_NAME, hash_in
from mmsvault.message import VIEWS, MediaItem, MediaState, Message, utc_now

DAMAGED = "damaged/"
"""Where a wrong original is set aside, in its message's folder, once a good copy has come."""

HALF_WRITTEN_KEPT = timedelta(hours=1)


class Kind(StrEnum):
    """What is wrong, as far as mending it differs."""

    ORIGINAL = "original"
    VIEW = "view"
    BARE_VIEW = "view without a hash"
    POSTBACK = "postback"
    EVIDENCE = "evidence"
    RECORD = "record"
    NOTHING_THERE = "nothing there"
    NO_ROW = "no row"
    DELETED = "deleted"
    COUNTS = "counts"
    HOLD = "hold"
    TRAIL = "trail"
    STATE = "state"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Problem:
    """What is wrong with the object at `key`; `position` is its file's where it belongs to one."""

    key: str
    problem: str
    kind: Kind
    position: int | None = None


@dataclass(frozen=True)
class Checked:
    """How many objects were looked at, and what is wrong with them.

    `bare` are views without a hash: nothing is wrong with them as far as can be told.
    """

    objects: int
    problems: tuple[Problem, ...] = ()
    bare: tuple[Problem, ...] = ()


@dataclass(frozen=True)
class Expected:
    """An object that a message must have. `size` is given where it is known, `sha256` as far as it is."""

    key: str
    name: str
    kind: Kind
    position: int | None = None
    size: int | None = None
    sha256: str = ""


def check(bucket: Bucket, standing: Standing, *, read: bool) -> Checked:
    """Compare the message's folder with the message; `read` says whether to read the bytes.

    Of a message that a worker has in hand only what is stored for good is looked at.
    """
    message = standing.message
    there = {found.key: found for found in bucket.list(message.prefix)}
    wanted = [one for one in expected(message) if not standing.unfinished or one.position is not None]
    if not there and not standing.unfinished:
        nothing = "the catalog has this message, and the bucket has nothing of it"
        return Checked(len(wanted), (Problem(message.prefix, nothing, Kind.NOTHING_THERE),))
    problems = list(_wrong(bucket, wanted, there, read=read))
    if not standing.unfinished:
        if f"{message.prefix}{RECORD_NAME}" in there:
            problems += _wrong_record(bucket, message)
        problems += _not_held(bucket, message, [one for one in wanted if one.key in there])
        problems += _unknown(message, {one.key for one in wanted}, there.values())
    return Checked(len(wanted), tuple(problems), tuple(_bare(wanted, problems)))


def check_in_detail(bucket: Bucket, standing: Standing) -> list[Problem]:
    """Return what is wrong with each object, also where the whole folder is missing."""
    message = standing.message
    there = {found.key: found for found in bucket.list(message.prefix)}
    problems = list(_wrong(bucket, expected(message), there, read=True))
    if f"{message.prefix}{RECORD_NAME}" in there:
        problems += _wrong_record(bucket, message)
    return problems


def expected(message: Message) -> list[Expected]:
    """Return the objects that the message must have."""
    objects: list[Expected] = []
    for item in message.media:
        objects += _evidence(item)
        if item.state is MediaState.STORED:
            at = item.position
            objects.append(Expected(item.key, "original", Kind.ORIGINAL, at, item.size, item.sha256))
            for view in VIEWS:
                if key := getattr(item, f"{view}_key"):
                    size, sha256 = getattr(item, f"{view}_size"), getattr(item, f"{view}_sha256")
                    objects.append(Expected(key, view, Kind.VIEW, at, size, sha256))
    objects += [
        Expected(f"{message.prefix}{entry.name}", "raw postback", Kind.POSTBACK, sha256=entry.sha256)
        for entry in message.postbacks
    ]
    return [*objects, Expected(f"{message.prefix}{RECORD_NAME}", "message.json", Kind.RECORD)]


def _evidence(item: MediaItem) -> Iterator[Expected]:
    """Give what else is kept of a file: answers that were not it, and earlier versions of it."""
    versions = {one.key: one for one in item.earlier}
    for key in item.evidence:
        size, sha256 = (versions[key].size, versions[key].sha256) if key in versions else (None, hash_in(key))
        name = "earlier version" if key in versions else "provider's answer"
        yield Expected(key, name, Kind.EVIDENCE, item.position, size, sha256)


def digest(bucket: Bucket, key: str) -> str:
    """Return the SHA-256 of an object as it is kept, in hex."""
    hashed = hashlib.sha256()
    for chunk in bucket.chunks(key):
        hashed.update(chunk)
    return hashed.hexdigest()


def stray(found: Listed) -> Iterator[Problem]:
    """Give the problem of an object that belongs to nothing, unless it is just being written."""
    if not found.key.rpartition("/")[2].startswith(HALF_WRITTEN):
        yield Problem(found.key, "this object belongs to nothing", Kind.UNKNOWN)
    elif utc_now() - found.modified_at > HALF_WRITTEN_KEPT:
        yield Problem(found.key, "this is half of an object that was never finished", Kind.UNKNOWN)


def _wrong(
    bucket: Bucket, wanted: Iterable[Expected], there: dict[str, Listed], *, read: bool
) -> Iterator[Problem]:
    for one in wanted:
        problem = _problem(bucket, one, there.get(one.key), read=read)
        if problem:
            yield Problem(one.key, problem, one.kind, one.position)


def _problem(bucket: Bucket, one: Expected, found: Listed | None, *, read: bool) -> str:
    if found is None:
        return f"the {one.name} is missing"
    if one.size is not None and found.size != one.size:
        return f"the {one.name} has {found.size:,} bytes instead of {one.size:,}"
    if found.size == 0 and one.size is None and one.kind is not Kind.POSTBACK:
        return f"the {one.name} is empty"
    if one.kind is Kind.ORIGINAL and not one.sha256:
        return f"of the {one.name} no SHA-256 is recorded, so nothing tells whether it is what was archived"
    return _problem_of_bytes(bucket, one) if read else ""


def _problem_of_bytes(bucket: Bucket, one: Expected) -> str:
    try:
        if one.sha256 and not digest(bucket, one.key).startswith(one.sha256):
            return f"the {one.name} has other bytes than its SHA-256 says"
        if one.kind is Kind.VIEW and not one.sha256 and (problem := plausible.problem_of(bucket, one.key)):
            return f"the {one.name} {problem}"
    except (NotFoundError, UnavailableError) as error:
        return f"the {one.name} cannot be read: {error}"
    return ""


def _bare(wanted: Iterable[Expected], problems: Iterable[Problem]) -> Iterator[Problem]:
    wrong = {problem.key for problem in problems}
    for one in wanted:
        if one.kind is Kind.VIEW and not one.sha256 and one.key not in wrong:
            yield Problem(one.key, f"no SHA-256 of the {one.name} is recorded", Kind.BARE_VIEW, one.position)


def _wrong_record(bucket: Bucket, message: Message) -> list[Problem]:
    key = f"{message.prefix}{RECORD_NAME}"
    try:
        data = bucket.read(key)
        if data == message.as_record() or _told(Message.from_record(data)) == _told(message):
            return []
        problem = "message.json says something else than the catalog"
    except NotFoundError:
        problem = "the message.json is missing"
    except RecordError as error:
        problem = str(error)
    return [Problem(key, problem, Kind.RECORD)]


def _not_held(bucket: Bucket, message: Message, there: Iterable[Expected]) -> list[Problem]:
    """Return what never changes of a held message, and what the bucket itself would let go of."""
    if not message.hold or not bucket.can_lock:
        return []
    text = "the message is held, and in the bucket this object is not"
    return [
        Problem(one.key, text, Kind.HOLD)
        for one in there
        if one.kind in (Kind.ORIGINAL, Kind.POSTBACK, Kind.EVIDENCE) and not bucket.is_held(one.key)
    ]


def _told(message: Message) -> dict[str, Any]:
    """Return what a record must say; when the sweep looks again is the catalog's alone."""
    scheduled = {name for name in MediaItem.model_fields if name.endswith("_due_at")}
    return message.model_dump(exclude={"media": {"__all__": scheduled}})


def _unknown(message: Message, wanted: set[str], there: Iterable[Listed]) -> list[Problem]:
    pending = {item.position for item in message.media if item.next_attempt_at}
    problems: list[Problem] = []
    for found in there:
        name = found.key.removeprefix(message.prefix)
        if found.key in wanted or name.startswith(DAMAGED):
            continue
        numbered = re.match(r"(?:thumbs/|previews/|evidence/)?(\d+)[.-]", name)
        if numbered and int(numbered[1]) in pending:  # of an attempt that was cut off; the next one writes it
            continue
        problems += stray(found)
    return problems
