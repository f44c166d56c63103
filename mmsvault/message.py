"""What is handed from part to part: a Receipt becomes a Message with MediaItems.

`Message` is also the canonical record of the archive: its JSON is `message.json` in the bucket
and is enough to make the catalog again. Text that the provider did not send is the empty string.
"""

import json
import random
import re
import unicodedata
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any
from urllib.parse import unquote

from pydantic import AwareDatetime, Base64Bytes, BaseModel, ConfigDict, Field

from mmsvault.errors import NewerRecordError, RecordError, RejectedInputError

SCHEMA_VERSION = 1
"""Version of message.json. A reader takes any version up to its own. A field with a default needs no
new version; one that is renamed or means something else does, with a step in UPGRADES."""

UPGRADES: Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]] = {}
"""By the version it starts from: what turns a record into one of the next version."""

GRACE = timedelta(days=1)
"""Attempts go on for at least this long after the receipt, even past the deadline: a postback may
come late, be replayed, or carry a wrong clock, and asking costs nothing."""

LONGEST_TAG = 100
LONGEST_NOTE = 10_000
"""Characters of a tag and of a note, whoever writes them."""

EARLIEST_BELIEVED_AT = datetime(2000, 1, 1, tzinfo=UTC)
FURTHEST_AHEAD = timedelta(days=2)
"""A moment before the one, or this much after it was told here, comes of a wrong clock."""

LONGEST_NUMBER = 254
"""Characters of a number or address that are compared; an e-mail address has no more."""


def utc_now() -> datetime:
    """Return the present time, aware and in UTC."""
    return datetime.now(UTC)


def believed_at(moment: datetime | None, *, received_at: datetime) -> datetime | None:
    """Return an aware moment in UTC; None for one that cannot be, judged by when it was received here."""
    if moment is None or not EARLIEST_BELIEVED_AT <= moment <= received_at + FURTHEST_AHEAD:
        return None
    return moment.astimezone(UTC)


def normal_number(text: str) -> str:
    """Return a phone number or short code as digits only; anything else (an e-mail address) folded.

    `+1 (408) 225-7140`, `0014082257140`, `tel:+1-408-225-7140;ext=5`, `"Ann" <sip:+14082257140@ims.example>`
    and `+14082257140/TYPE=PLMN`, as MMS centres write it (OMA MMS encapsulation, 8), are one number.
    """
    if text.isascii() and text.isdigit() and not text.startswith("0"):
        return text[:LONGEST_NUMBER]  # as nearly all are
    plain = _bare_address(text)
    dialled = _dialled(plain)
    if dialled:
        return re.sub(r"^\+?(?:00)*(?=\d)", "", dialled)[:LONGEST_NUMBER]
    return (plain or _visible(text)).casefold()[:LONGEST_NUMBER]


def dialled_number(text: str) -> str:
    """Return a phone number as it is dialled: digits, after `+` where one is written; empty for others."""
    return _dialled(_bare_address(text))


def part_of_number(text: str) -> str:
    """Return a part of a number or address as it is compared: of a number the digits, else folded."""
    plain = _visible(text)
    return (_digits(plain).removeprefix("+") or plain.casefold())[:LONGEST_NUMBER]


_BETWEEN_DIGITS = re.compile(r"[\s().\-/\u00b7\u2010-\u2015\u2022\u2212]+")
_NOT_SEEN = re.compile(r"[\ufe00-\ufe0f\u20e3]")
_SCHEME = re.compile(
    r"(?:(?:tel|sips?|sms(?:to)?|mms(?:to)?|mailto|callto|xmpp|im|pres):(?://)?)+", re.IGNORECASE
)
_IN_BRACKETS = re.compile(r"<([^<>]*)>\s*(?:;[^<>]*)?$")
_KIND_OF_ADDRESS = re.compile(r"(?:/type=[\w\-]*)+$", re.IGNORECASE)
_EXTENSION = re.compile(r"[\s,;]*(?:\b(?:ext(?:ension|n)?|int)|x|#)[.:=\s]*\d{1,9}$", re.IGNORECASE)
_LONGEST_WRITTEN = 1000
"""Characters of a number or address as it was sent, with all that stands around it."""
_MOST_LAYERS = 4
"""A name around an address around a scheme around `%2B`."""


def _visible(text: str) -> str:
    """Return text in its usual characters, without those that are not seen."""
    shown = unicodedata.normalize("NFKC", text[:_LONGEST_WRITTEN])
    if not shown.isascii():
        shown = "".join(letter for letter in shown if unicodedata.category(letter) not in ("Cf", "Cc"))
        shown = _NOT_SEEN.sub("", shown)
    return shown.strip()


def _bare_address(text: str) -> str:
    """Return the number or address itself, without a name, a scheme, parameters and a type around it."""
    plain = _visible(text)
    for _ in range(_MOST_LAYERS):
        before = plain
        if re.search(r"%[0-9a-fA-F]{2}", plain):
            plain = _visible(unquote(plain, errors="replace"))
        if named := _IN_BRACKETS.search(plain):
            plain = named[1].strip()
        plain = _KIND_OF_ADDRESS.sub("", plain).strip()
        scheme = _SCHEME.match(plain)
        if scheme:
            plain = re.split(r"[?;]", plain[scheme.end() :], maxsplit=1)[0].strip()
        is_of_phone = scheme and scheme[0].lower().startswith("sip")
        if is_of_phone:
            plain = re.sub(r":\d{1,5}$", "", plain)
        user = re.split("[;:]", plain.partition("@")[0], maxsplit=1)[0]
        if "@" in plain and (is_of_phone or ";user=phone" in plain.lower()) and _dialled(user):
            plain = user
        if plain == before:
            break
    return plain


def _dialled(text: str) -> str:
    digits = _digits(text)
    if not digits and ";" in text:  # parameters of a telephone number (RFC 3966)
        digits = _digits(text.partition(";")[0])
    return digits or _digits(_EXTENSION.sub("", text))


def _digits(text: str) -> str:
    bare = _BETWEEN_DIGITS.sub("", text)
    digits = bare.lstrip("+")
    if not digits.isdecimal():
        return ""
    if not digits.isascii():
        digits = "".join(str(unicodedata.decimal(letter)) for letter in digits)
    return f"+{digits}" if bare.startswith("+") else digits


def fold(text: str) -> str:
    """Return text as it is compared: without case, accents and invisible characters.

    What is no accent stays: the voicing marks of kana, the vowels and tones of Thai, viramas.
    """
    plain = unicodedata.normalize("NFKD", text.strip().casefold())
    kept = "".join(letter for letter in plain if not (letter > "\x7f" and _is_accent(letter)))
    return unicodedata.normalize("NFC", kept.casefold()).strip()


def tag_of(text: str) -> str:
    """Return a tag as it is kept: on one line, without what no database holds.

    Raises RejectedInputError for an empty one and for one of more than LONGEST_TAG characters.
    """
    tag = " ".join(_storable(text).split())
    if not tag or len(tag) > LONGEST_TAG:
        raise RejectedInputError(f"A tag has 1 to {LONGEST_TAG} characters.")
    return tag


def note_of(text: str) -> str:
    """Return a note as it is kept. Raises RejectedInputError for more than LONGEST_NOTE characters."""
    note = _storable(text).strip()
    if len(note) > LONGEST_NOTE:
        raise RejectedInputError(f"A note has at most {LONGEST_NOTE:,} characters.")
    return note


def _storable(text: str) -> str:
    """Return text that every database holds: without NULs and half pairs of surrogates."""
    return text.encode("utf-8", "replace").decode().replace("\0", "")


def _is_accent(letter: str) -> bool:
    # Canonical combining classes (Unicode, UAX 44): 1 overlays, 10 to 36 the points of Hebrew and
    # Arabic, 200 and more what stands above or below. Selectors and joiners are not seen at all.
    rank = unicodedata.combining(letter)
    return (
        rank == 1
        or 10 <= rank <= 36  # noqa: PLR2004 - see above
        or rank >= 200  # noqa: PLR2004 - see above
        or "\ufe00" <= letter <= "\ufe0f"
        or unicodedata.category(letter) == "Cf"
    )


class MediaState(StrEnum):
    """Where a file stands."""

    PENDING = "pending"
    STORED = "stored"
    LOST = "lost"


class MessageState(StrEnum):
    """Where a message stands, as its files add up to it."""

    PENDING = "pending"
    ARCHIVED = "archived"
    PARTIAL = "partial"
    LOST = "lost"


class Value(BaseModel):
    """A value that is never changed in place: `model_copy(update=...)` makes the next one."""

    model_config = ConfigDict(frozen=True, ser_json_bytes="base64", val_json_bytes="base64")


class Correction(Value):
    """A body that a person wrote in place of one that was not understood; `by` is their name."""

    body: Base64Bytes
    by: str
    at: AwareDatetime

    @classmethod
    def of(cls, body: bytes, *, by: str) -> "Correction":
        """Wrap the `body` that this person gives now."""
        return cls.model_construct(body=body, by=by, at=utc_now())

    @property
    def headers(self) -> dict[str, str]:
        """What a request with this body says of it; nothing where its encoding is not known."""
        try:
            self.body.decode()
        except UnicodeDecodeError:
            return {}
        return {"content-type": "text/plain; charset=utf-8"}


class Receipt(Value):
    """One postback exactly as it came in; what the receiver queues.

    `source` is the address of the peer, `headers` are the request's, without its credentials.
    `quarantined_as` is set on one that is tried again: its folder in quarantine, which it may leave.
    `correction` is the body to read in place of the one that came.
    """

    id: str = Field(default_factory=lambda: uuid.uuid4().hex)
    provider: str
    body: Base64Bytes
    headers: dict[str, str] = {}
    source: str = ""
    received_at: AwareDatetime = Field(default_factory=utc_now)
    quarantined_as: str = ""
    correction: Correction | None = None

    @property
    def to_read(self) -> "Receipt":
        """The receipt as it is to be understood: with the corrected body where there is one."""
        if self.correction is None:
            return self
        return self.model_copy(update={"body": self.correction.body, "headers": self.correction.headers})

    @classmethod
    def of(
        cls, body: bytes, *, provider: str, headers: dict[str, str] | None = None, source: str = ""
    ) -> "Receipt":
        """Wrap the raw `body` as it was received just now."""
        return cls.model_construct(
            id=f"{random.getrandbits(128):032x}",  # to tell it from others; the kernel's dice cost more
            provider=provider,
            body=body,
            headers=headers or {},
            source=source,
            received_at=utc_now(),
        )


class TracedReceipt(Receipt):
    """A receipt that carries the trace which began with it, as W3C Trace Context writes it."""

    trace: dict[str, str] = {}


class Attempt(Value):
    """One try to download one file. `headers` are the response's."""

    position: int
    at: AwareDatetime
    duration_ms: int
    outcome: str
    reason: str = ""
    status: int | None = None
    headers: dict[str, str] = {}


class RawPostback(Value):
    """Where the raw bytes of a postback of this message are kept.

    `corrects` is set on a body that a person wrote: the name of the raw postback in whose place it was
    read. `corrected_by` and `corrected_at` say who wrote it and when; both may be unknown.
    """

    name: str
    sha256: str
    received_at: AwareDatetime
    source: str
    headers: dict[str, str]
    corrects: str = ""
    corrected_by: str = ""
    corrected_at: AwareDatetime | None = None


class EarlierVersion(Value):
    """An original that another one has taken the place of, and that is kept as it was."""

    key: str
    size: int
    sha256: str


class MediaItem(Value):
    """One file of a message. Sizes in bytes; `width` and `height` in pixels, as shown upright.

    `declared_type` is what the provider's answer said, `content_type` what the bytes are.
    `reason` says in plain words why the file, its thumbnail or its preview is missing. `captured` is
    when it was taken, in ISO 8601, as the file says: without an offset where it tells none.
    `preview_due_at` is set while a preview that a browser needs is still to be made. `doubt` says why a
    stored file may not be what was sent. `evidence` are the keys of what else the provider answered:
    bodies that were not the file, and earlier versions of it, which `earlier` has with their hashes.
    A stored file with `next_attempt_at` is to be fetched once more. Views that were made before their
    size and SHA-256 were recorded have none.
    """

    position: int
    url: str
    state: MediaState = MediaState.PENDING
    content_type: str = ""
    declared_type: str = ""
    size: int | None = None
    sha256: str = ""
    key: str = ""
    thumbnail_key: str = ""
    preview_key: str = ""
    width: int | None = None
    height: int | None = None
    duration_ms: int | None = None
    text: str = ""
    reason: str = ""
    attempts: int = 0
    next_attempt_at: AwareDatetime | None = None
    codecs: tuple[str, ...] = ()
    frame_count: int | None = None
    captured: str = ""
    has_location: bool = False
    perceptual_hash: str = ""
    preview_due_at: AwareDatetime | None = None
    doubt: str = ""
    evidence: tuple[str, ...] = ()
    earlier: tuple[EarlierVersion, ...] = ()
    thumbnail_sha256: str = ""
    thumbnail_size: int | None = None
    preview_sha256: str = ""
    preview_size: int | None = None

    @property
    def is_animated(self) -> bool:
        """Whether it is a picture that moves."""
        return self.content_type.startswith("image/") and (self.frame_count or 1) > 1


VIEWS = ("thumbnail", "preview")
"""What is shown in place of a file; each has `_key`, `_sha256` and `_size` in its MediaItem."""

SHOWN_OF_MEDIA = (
    *("position", "url", "state", "content_type", "size", "sha256", "key", "thumbnail_key", "preview_key"),
    *("width", "height", "duration_ms", "text", "reason", "next_attempt_at", "doubt"),
)
"""The fields of a file that scripts may rely on; message.json has all of them."""


class Message(Value):
    """A received MMS (an MO), from the first postback to the last file.

    `received_at` is when the provider received it, `deadline_at` when the provider may delete its
    files, `recorded_at` when its first postback came in here. `to` names the recipient first,
    then the others of a group message. `prefix` is its folder in the bucket. `repaired` names what had to
    be repaired in its first postback to read it.
    """

    id: str
    provider: str
    tracking_id: str
    sender: str
    to: tuple[str, ...]
    keyword: str = ""
    subject: str = ""
    operator_id: str = ""
    received_at: AwareDatetime
    deadline_at: AwareDatetime
    recorded_at: AwareDatetime
    prefix: str
    media: tuple[MediaItem, ...] = ()
    postbacks: tuple[RawPostback, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    tags: tuple[str, ...] = ()
    note: str = ""
    hold: bool = False
    repaired: tuple[str, ...] = ()

    @property
    def state(self) -> MessageState:
        """What the states of the files add up to; a message without files is archived at once."""
        states = {item.state for item in self.media}
        if MediaState.PENDING in states:
            return MessageState.PENDING
        if MediaState.LOST not in states:
            return MessageState.ARCHIVED
        return MessageState.PARTIAL if MediaState.STORED in states else MessageState.LOST

    @property
    def give_up_at(self) -> datetime:
        """When a file that is still missing counts as lost."""
        return max(self.deadline_at, self.recorded_at + GRACE)

    @property
    def due_at(self) -> datetime | None:
        """When the next attempt at any of its files is due; None when nothing is pending."""
        times = [item.next_attempt_at for item in self.media if item.next_attempt_at]
        return min(times) if times else None

    def within_limits(self) -> "Message":
        """Return the message with tags and a note that are too long cut; itself where none is."""
        cut = (" ".join(_storable(tag).split())[:LONGEST_TAG].strip() for tag in self.tags)
        tags = tuple(dict.fromkeys(filter(None, cut)))
        note = _storable(self.note)[:LONGEST_NOTE]
        if (tags, note) == (self.tags, self.note):
            return self
        return self.model_copy(update={"tags": tags, "note": note})

    def as_json(self) -> dict[str, Any]:
        """Return the message in the shape that scripts rely on (`show ID --json`)."""
        record = self.model_dump(mode="json")
        return {
            **{name: record[name] for name in ("id", "provider", "tracking_id")},
            "from": self.sender,
            **{
                name: record[name]
                for name in ("to", "keyword", "subject", "operator_id", "received_at", "deadline_at")
            },
            "state": self.state.value,
            "attempts": len(self.attempts),
            **{name: record[name] for name in ("tags", "hold", "repaired")},
            "media": [{name: item[name] for name in SHOWN_OF_MEDIA} for item in record["media"]],
        }

    def as_record(self) -> bytes:
        """Return the bytes of message.json."""
        record = {"schema": SCHEMA_VERSION, "state": self.state.value, **self.model_dump(mode="json")}
        return (pretty_json(record)).encode()

    @classmethod
    def from_record(cls, data: bytes) -> "Message":
        """Return the message of a message.json, written by this version or an older one.

        Raises RecordError.
        """
        try:
            return cls.model_validate(told_by(data))
        except ValueError as error:
            raise RecordError("message.json cannot be read: a field of it is missing or wrong") from error


def told_by(data: bytes) -> dict[str, Any]:
    """Return what a message.json tells, in the form of this version. Raises RecordError."""
    try:
        record: dict[str, Any] = json.loads(data)
        version = int(record["schema"])
        if version > SCHEMA_VERSION:
            raise NewerRecordError(
                f"message.json is of a newer MMS Vault (its form is {version}, this one reads up to "
                f"{SCHEMA_VERSION}); update this program"
            )
        for step in range(version, SCHEMA_VERSION):
            record = UPGRADES[step](record)
    except (ValueError, TypeError, LookupError, OverflowError, RecursionError) as error:
        raise RecordError("message.json cannot be read: it is no JSON of its form") from error
    return record


def pretty_json(value: Any) -> str:
    """Return JSON for people and scripts alike: two spaces, real characters, one line end."""
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"
