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

from pydantic import AwareDatetime, Base64Bytes, BaseModel, ConfigDict, Field

from mmsvault.errors import NewerRecordError, RecordError

SCHEMA_VERSION = 1
"""Version of message.json. A reader takes any version up to its own. A field with a default needs no
new version; one that is renamed or means something else does, with a step in UPGRADES."""

UPGRADES: Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]] = {}
"""By the version it starts from: what turns a record into one of the next version."""

GRACE = timedelta(hours=1)
"""Attempts go on for at least this long after the receipt, even past the deadline: a postback may
come late, be replayed, or carry a wrong clock, and asking costs nothing."""

LONGEST_NUMBER = 254
"""Characters of a number or address that are compared; an e-mail address has no more."""


def utc_now() -> datetime:
    """Return the present time, aware and in UTC."""
    return datetime.now(UTC)


def normal_number(text: str) -> str:
    """Return a phone number or short code as digits only; anything else (an e-mail address) folded.

    `+1 (408) 225-7140`, `0014082257140` and `14082257140` are one number, and so is
    `+14082257140/TYPE=PLMN`, as MMS centres write it (OMA MMS encapsulation, 8).
    """
    plain = unicodedata.normalize("NFKC", text).strip()
    bare = re.sub(r"[\s().\-/\u2010-\u2015]", "", re.sub(r"(?i)/type=plmn$", "", plain))
    digits = bare.removeprefix("+")
    if digits.isascii() and digits.isdigit():
        return digits.removeprefix("00")[:LONGEST_NUMBER]
    return plain.casefold()[:LONGEST_NUMBER]


def fold(text: str) -> str:
    """Return text as it is compared: without case, accents and invisible characters.

    What is no accent stays: the voicing marks of kana, the vowels and tones of Thai, viramas.
    """
    plain = unicodedata.normalize("NFKD", text.strip().casefold())
    kept = "".join(letter for letter in plain if not (letter > "\x7f" and _is_accent(letter)))
    return unicodedata.normalize("NFC", kept.casefold()).strip()


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


class Receipt(Value):
    """One postback exactly as it came in; what the receiver queues.

    `source` is the address of the peer, `headers` are the request's, without its credentials.
    `quarantined_as` is set on one that is tried again: its folder in quarantine, which it may leave.
    """

    id: str = Field(default_factory=lambda: uuid.uuid4().hex)
    provider: str
    body: Base64Bytes
    headers: dict[str, str] = {}
    source: str = ""
    received_at: AwareDatetime = Field(default_factory=utc_now)
    quarantined_as: str = ""

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
    """Where the raw bytes of a postback of this message are kept."""

    name: str
    sha256: str
    received_at: AwareDatetime
    source: str
    headers: dict[str, str]


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
    A stored file with `next_attempt_at` is to be fetched once more.
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

    @property
    def is_animated(self) -> bool:
        """Whether it is a picture that moves."""
        return self.content_type.startswith("image/") and (self.frame_count or 1) > 1


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
            record = json.loads(data)
            version = int(record["schema"])
            if version > SCHEMA_VERSION:
                raise NewerRecordError(
                    f"message.json is of a newer MMS Vault (its form is {version}, this one reads up to "
                    f"{SCHEMA_VERSION}); update this program"
                )
            for step in range(version, SCHEMA_VERSION):
                record = UPGRADES[step](record)
            return cls.model_validate(record)
        except (ValueError, TypeError, LookupError) as error:
            raise RecordError(f"message.json cannot be read ({type(error).__name__})") from error


def pretty_json(value: Any) -> str:
    """Return JSON for people and scripts alike: two spaces, real characters, one line end."""
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"
