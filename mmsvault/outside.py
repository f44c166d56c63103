"""Records that come from outside: a message.json in an archive or a bucket, which anybody may have written.

`read` is what import and rebuild go by. What is wrong in a field that only describes (a perceptual hash, a
width) is left out, with a remark. What is wrong in a field that matters (an id, a key, a state) refuses the
record, and the error names the field. Sizes, hashes and types that a record does not properly tell are
empty afterwards: the bytes tell them.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BeforeValidator,
    Field,
    ModelWrapValidatorHandler,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)

from mmsvault import layout
from mmsvault.errors import RecordError
from mmsvault.message import (
    EARLIEST_BELIEVED_AT,
    FURTHEST_AHEAD,
    Attempt,
    EarlierVersion,
    MediaItem,
    MediaState,
    Message,
    RawPostback,
    believed_at,
    told_by,
)
from mmsvault.postbacks import PROVIDERS

LARGEST_RECORD_BYTES = 16 << 20
LARGEST_INTEGER = 2**31 - 1
LARGEST_SIZE = 2**62
"""Bytes or milliseconds."""
LONGEST_RETENTION = timedelta(days=36500)
LAST_YEAR = 9998
MOST_ERRORS = 5
_ID = re.compile(r"[a-z][a-z0-9_]*-[A-Za-z0-9_~-]{1,200}")
_FOLDER = re.compile(r"messages/\d{4}/\d\d/\d\d/")
_NAME = re.compile(r"([a-z]{1,20}/)?[A-Za-z0-9_-][A-Za-z0-9._-]{0,150}")
_CANNOT_BE_KEPT = re.compile("[\0\ud800-\udfff]")


@dataclass(frozen=True)
class Outside:
    """The message of a record, and in plain words what of the record was left out or replaced."""

    message: Message
    remarks: tuple[str, ...]


def _left_out(empty: Any) -> WrapValidator:
    """Take the `empty` value, with a remark, where a field is not what it must be."""

    def validate(value: Any, handler: ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:
        try:
            return handler(value)
        except ValidationError:
            _remark(info, f"{info.field_name} is nothing that it can be, and was left out")
            return empty

    return WrapValidator(validate)


def _cut(characters: int) -> BeforeValidator:
    def validate(value: Any, info: ValidationInfo) -> Any:
        if isinstance(value, str) and len(value) > characters:
            _remark(info, f"{info.field_name} was cut to {characters:,} characters")
            return value[:characters]
        return value

    return BeforeValidator(validate)


def _written_as_time(told: str) -> str:
    if told:
        datetime.fromisoformat(told)
    return told


def _remark(info: ValidationInfo, remark: str) -> None:
    _remarks(info).append(remark)


def _remarks(info: ValidationInfo) -> list[str]:
    """Return the list that `read` gave along as context."""
    remarks: list[str] = [] if info.context is None else info.context
    return remarks


Line = Annotated[str, _cut(1_000)]
Text = Annotated[str, _cut(100_000)]
Count = Annotated[int, Field(ge=0, le=LARGEST_INTEGER)]
Size = Annotated[int | None, Field(ge=0, le=LARGEST_SIZE), _left_out(None)]
Pixels = Annotated[int | None, Field(ge=1, le=LARGEST_INTEGER), _left_out(None)]
Sha256 = Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{64})?$"), _left_out("")]
Headers = Annotated[dict[Line, Line], Field(max_length=1000), _left_out({})]
Moment = Annotated[AwareDatetime | None, _left_out(None)]
Place = Annotated[int, Field(ge=0, le=9_999)]
"""Of a file in its message."""
Kind = Annotated[
    str,
    StringConstraints(max_length=100, pattern=r"^([a-z0-9][a-z0-9!#$&^_.+-]*/[a-z0-9][a-z0-9!#$&^_.+-]*)?$"),
    _left_out(""),
]


class OutsideVersion(EarlierVersion):
    """An earlier version of a file as a record from outside tells it; its key must be one of the evidence."""

    size: Annotated[int, Field(ge=0, le=LARGEST_SIZE)]
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class OutsideItem(MediaItem):
    """A file as a record from outside tells it."""

    position: Place
    url: Text
    content_type: Kind = ""
    declared_type: Line = ""
    size: Size = None
    sha256: Sha256 = ""
    width: Pixels = None
    height: Pixels = None
    duration_ms: Size = None
    text: Text = ""
    reason: Text = ""
    attempts: Annotated[Count, _left_out(0)] = 0
    next_attempt_at: Moment = None
    codecs: Annotated[tuple[Line, ...], Field(max_length=100), _left_out(())] = ()
    frame_count: Annotated[Count | None, _left_out(None)] = None
    captured: Annotated[str, AfterValidator(_written_as_time), _left_out("")] = ""
    has_location: Annotated[bool, _left_out(False)] = False
    perceptual_hash: Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{16})?$"), _left_out("")] = ""
    preview_due_at: Moment = None
    doubt: Text = ""
    evidence: Annotated[tuple[str, ...], Field(max_length=1000)] = ()
    earlier: Annotated[tuple[OutsideVersion, ...], Field(max_length=1000)] = ()
    thumbnail_sha256: Sha256 = ""
    thumbnail_size: Size = None
    preview_sha256: Sha256 = ""
    preview_size: Size = None

    @model_validator(mode="wrap")
    @classmethod
    def _say_which(
        cls, told: Any, handler: ModelWrapValidatorHandler["OutsideItem"], info: ValidationInfo
    ) -> "OutsideItem":
        remarks = _remarks(info)
        before = len(remarks)
        item = handler(told)
        remarks[before:] = [f"file {item.position}: {remark}" for remark in remarks[before:]]
        return item


class OutsidePostback(RawPostback):
    """A raw postback as a record from outside tells it."""

    name: Annotated[str, StringConstraints(max_length=100)]
    sha256: Sha256 = ""
    received_at: Moment = None  # type: ignore[assignment]  # `_with_times` fills it in
    source: Line = ""
    headers: Headers = Field(default_factory=dict)
    corrects: Line = ""
    corrected_by: Line = ""
    corrected_at: Moment = None


class OutsideAttempt(Attempt):
    """An attempt as a record from outside tells it."""

    position: Place
    at: Moment = None  # type: ignore[assignment]  # `_with_times` fills it in
    duration_ms: Annotated[Count, _left_out(0)] = 0
    outcome: Line = ""
    reason: Text = ""
    status: Annotated[int | None, Field(ge=100, le=999), _left_out(None)] = None
    headers: Headers = Field(default_factory=dict)


class OutsideMessage(Message):
    """A message as a record from outside tells it."""

    tracking_id: Line
    sender: Line
    to: Annotated[tuple[Line, ...], Field(max_length=1000)]
    keyword: Line = ""
    subject: Text = ""
    operator_id: Line = ""
    received_at: Moment = None  # type: ignore[assignment]  # `_with_times` fills them in
    deadline_at: Moment = None  # type: ignore[assignment]
    recorded_at: Moment = None  # type: ignore[assignment]
    media: Annotated[tuple[OutsideItem, ...], Field(max_length=1000)] = ()
    postbacks: Annotated[tuple[OutsidePostback, ...], Field(max_length=10_000)] = ()
    attempts: Annotated[tuple[OutsideAttempt, ...], Field(max_length=100_000)] = ()
    tags: Annotated[tuple[Line, ...], Field(max_length=1000)] = ()
    note: Text = ""
    repaired: Annotated[tuple[Line, ...], Field(max_length=1000), _left_out(())] = ()


def read(data: bytes, *, now: datetime, retention: timedelta) -> Outside:
    """Return the message of a message.json from outside. Raises RecordError, which names what is wrong.

    `retention` is how long the provider keeps files, for a deadline that cannot be.
    """
    if len(data) > LARGEST_RECORD_BYTES:
        raise RecordError("message.json is larger than such a file can be")
    remarks: list[str] = []
    try:
        told = _cleaned(told_by(data), remarks)
        found = OutsideMessage.model_validate(told, context=remarks)
    except ValidationError as error:
        raise RecordError(_in_words(error)) from error
    except RecursionError as error:
        raise RecordError("message.json cannot be read: it is nested too deeply") from error
    _check_place(found)
    timed = _with_times(found, remarks, now=now, retention=retention)
    return Outside(Message.model_validate(timed), tuple(dict.fromkeys(remarks)))


def json_of(data: bytes) -> dict[str, Any]:
    """Return a JSON object that a bucket keeps beside messages. Raises ValueError for anything else."""
    try:
        told = _cleaned(json.loads(data), [])
    except RecursionError as error:
        raise ValueError("It is nested too deeply.") from error
    if not isinstance(told, dict):
        raise ValueError("It is no object.")  # noqa: TRY004 - for who reads it, it is the same
    return told


def moment_of(told: object) -> datetime:
    """Return the moment of a text from outside, in UTC. Raises ValueError for none, or none that can be."""
    moment = datetime.fromisoformat(str(told))
    if moment.tzinfo is None or not EARLIEST_BELIEVED_AT.year <= moment.year <= LAST_YEAR:
        raise ValueError("It is no moment that can be.")
    return moment.astimezone(UTC)


def _cleaned(told: Any, remarks: list[str]) -> Any:
    """Return JSON whose texts both databases and UTF-8 can hold."""
    if isinstance(told, str) and _CANNOT_BE_KEPT.search(told):
        remarks.append("a text has NUL or half a character in it, which was replaced")
        return _CANNOT_BE_KEPT.sub("\ufffd", told)
    if isinstance(told, list):
        return [_cleaned(one, remarks) for one in told]
    if isinstance(told, dict):
        return {_cleaned(name, remarks): _cleaned(one, remarks) for name, one in told.items()}
    return told


def _in_words(error: ValidationError) -> str:
    found = error.errors(include_url=False, include_context=False, include_input=False)
    told = [f"{'.'.join(map(str, one['loc'])) or 'the record'}: {one['msg']}" for one in found[:MOST_ERRORS]]
    more = f" and {len(found) - MOST_ERRORS:,} more" if len(found) > MOST_ERRORS else ""
    return f"message.json cannot be taken: {'; '.join(told)}{more}"


def _check_place(found: OutsideMessage) -> None:
    """Raise RecordError for a message whose objects do not lie in a folder of its own, each once."""
    if found.provider not in PROVIDERS:
        raise RecordError(f"its provider {found.provider[:50]!r} is none that this version knows")
    day = _FOLDER.match(found.prefix)
    if not _ID.fullmatch(found.id) or not day or found.prefix != f"{day.group()}{found.id}/":
        raise RecordError("its record names no proper folder of a message")
    if len({item.position for item in found.media}) != len(found.media):
        raise RecordError("its record has several files at one position")
    keys = list(_keys(found))
    names = [key.removeprefix(found.prefix) for key in keys if key.startswith(found.prefix)]
    proper = [name for name in names if _NAME.fullmatch(name) and name != layout.RECORD_NAME]
    if len(proper) != len(keys):
        raise RecordError("its record names files outside of its folder")
    if len(set(proper)) != len(proper):
        raise RecordError("its record names a file of its folder twice")
    if not all(layout.is_postback_name(postback.name) for postback in found.postbacks):
        raise RecordError("its record names a raw postback that is called otherwise")


def _keys(found: OutsideMessage) -> Iterator[str]:
    for item in found.media:
        if item.state is MediaState.STORED and not item.key:
            raise RecordError(f"file {item.position} is said to be stored, and has no key")
        yield from filter(None, (item.key, item.thumbnail_key, item.preview_key, *item.evidence))
        if not {one.key for one in item.earlier} <= set(item.evidence):
            raise RecordError(f"file {item.position} names an earlier version that is not in its evidence")
    yield from (found.prefix + postback.name for postback in found.postbacks)


def _with_times(
    found: OutsideMessage, remarks: list[str], *, now: datetime, retention: timedelta
) -> dict[str, Any]:
    """Return the message's fields; in the place of a time that is not believed another one stands."""

    def believed(name: str, moment: datetime | None, *, by: datetime, otherwise: datetime) -> datetime:
        right = believed_at(moment, received_at=by)
        if right is None:
            remarks.append(f"{name} is not believed; another time that is known stands in")
        return right or otherwise

    first_at = min(
        filter(None, (believed_at(one.received_at, received_at=now) for one in found.postbacks)), default=now
    )
    recorded_at = believed("recorded_at", found.recorded_at, by=now, otherwise=first_at)
    deadline_at = found.deadline_at
    if not _is_between(deadline_at, EARLIEST_BELIEVED_AT, recorded_at + LONGEST_RETENTION):
        remarks.append("deadline_at is not believed; the end of the retention stands in")
        deadline_at = recorded_at + retention
    name = "the time of a postback"
    return {
        **found.model_dump(),
        "received_at": believed("received_at", found.received_at, by=recorded_at, otherwise=recorded_at),
        "recorded_at": recorded_at,
        "deadline_at": deadline_at,
        "postbacks": [
            {
                **one.model_dump(),
                "received_at": believed(name, one.received_at, by=now, otherwise=recorded_at),
            }
            for one in found.postbacks
        ],
        "attempts": [
            {**one.model_dump(), "at": believed("the time of an attempt", one.at, by=now, otherwise=now)}
            for one in found.attempts
        ],
        "media": [_due(item, remarks, now=now) for item in found.media],
    }


def _due(item: OutsideItem, remarks: list[str], *, now: datetime) -> dict[str, Any]:
    """Return a file's fields; what is still to be done for it is due at a time that comes."""
    fields = item.model_dump()
    is_pending = item.state is MediaState.PENDING
    furthest = now + LONGEST_RETENTION
    if is_pending and not _is_between(item.next_attempt_at, EARLIEST_BELIEVED_AT, furthest):
        remarks.append(f"file {item.position}: its next attempt is at no time that can be; it is due now")
        fields["next_attempt_at"] = now
    elif not is_pending and not _is_between(item.next_attempt_at, EARLIEST_BELIEVED_AT, furthest):
        fields["next_attempt_at"] = None
    due_at = item.preview_due_at
    if due_at is not None and not _is_between(due_at, EARLIEST_BELIEVED_AT, now + FURTHEST_AHEAD):
        fields["preview_due_at"] = now
    return fields


def _is_between(moment: datetime | None, first: datetime, last: datetime) -> bool:
    return moment is not None and first <= moment <= last
