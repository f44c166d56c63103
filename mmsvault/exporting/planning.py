"""Which messages an export holds and how they fall into volumes, settled before a byte is written.

Messages go in the order of a search, the newest first. A plan is small whatever the size of the
export, and survives in JSON: a volume is known by its first and its last message.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AwareDatetime
from sqlalchemy import Engine

from mmsvault.catalog import copying, filters, language, queries
from mmsvault.catalog.language import Query
from mmsvault.catalog.views import scope_of
from mmsvault.errors import RejectedInputError
from mmsvault.exporting.periods import Period
from mmsvault.message import Message, Value

PAGE = 200
POSTBACK_BYTES = 2_000
"""What a postback and a record take, about: an estimate, so that small files count as well."""
RECORD_BYTES = 4_000
THUMBNAIL_BYTES = 30_000
EVIDENCE_BYTES = 2_000
VOLUME_BYTES = 4 << 30
"""A volume's size where none is said: what a FAT file system and a DVD hold."""
FORMATS = ("eml", "pdf")
SHEET_ORDERS = ("oldest", "newest")
"""Which message of a contact sheet is first."""


_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?", re.IGNORECASE)
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


def size_in_bytes(text: str) -> int:
    """Return the bytes that a size like `500M` or `4G` means. Raises RejectedInputError."""
    found = _SIZE.fullmatch(text.strip())
    size = int(float(found[1]) * _UNITS[found[2].upper()]) if found else 0
    if size <= 0:
        raise RejectedInputError(f"A size is written like 500M or 4G, not {text!r}.")
    return size


def zone_of(name: str) -> tzinfo:
    """Return a time zone by its name, like `Europe/Zurich`; UTC for none. Raises RejectedInputError."""
    if name in ("", "UTC"):
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise RejectedInputError(
            f"There is no time zone {name!r}. Write it like Europe/Zurich or America/New_York."
        ) from error


class Choice(Value):
    """What to export and how. Sizes in bytes; `volume_bytes` 0 means one volume, however large.

    `region` is that of numbers in the query without a country code. `scope` is what whoever asked for
    it may see; nothing else is exported. `ids`, where there are any, are all that is exported. An
    export that is `encrypted` has a password, which stands elsewhere. One for a `period` holds what it
    took (`schedule.take`), and nothing else. `sheet_order` (one of SHEET_ORDERS, or empty) and `zone` (the
    name of a time zone, or empty for UTC) are for contact sheets.
    """

    query: str
    ids: tuple[str, ...] = ()
    region: str = ""
    scope: str = ""
    volume_bytes: int = 0
    thumbnails: bool = True
    formats: tuple[str, ...] = ()
    signed: bool = False
    encrypted: bool = False
    period: Period | None = None
    sheet_order: str = ""
    zone: str = ""

    def in_words(self) -> str:
        """Return which messages these are, for people."""
        many = len(self.ids)
        chosen = [f"{many:,} chosen message{'' if many == 1 else 's'}"] if many else []
        words = " of ".join([*([self.query] if self.query else []), *chosen]) or "(every message)"
        if self.period is None:
            return words
        until = f"recorded before {self.period.ended_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
        return f"{words}, {until}, complete, and in no earlier {self.period.schedule} export"


def query_of(choice: Choice) -> Query:
    """Return what is searched for. Raises SearchError."""
    scope = scope_of(choice.scope, region=choice.region) if choice.scope else language.EVERYTHING
    ids = (filters.chosen(choice.ids),) if choice.ids else ()
    if choice.period:  # the query was asked when it took them: what changed since leaves none out
        return Query((*scope.groups, filters.scheduled(choice.period.id)))
    return Query(scope.groups + language.parse(choice.query, region=choice.region).groups + ids)


class Volume(Value):
    """The messages of one volume: from `first_id` to `last_id`, found in the pages from `after` on.

    Their places in the catalog's order tell where the volume begins and ends when these two are deleted;
    plans of before have none.
    """

    after: str | None
    first_id: str
    first_at: AwareDatetime
    last_id: str
    last_at: AwareDatetime
    messages: int
    bytes: int
    first_place: int | None = None
    last_place: int | None = None


class Plan(Value):
    """The volumes in their order; `bytes` are an estimate."""

    volumes: tuple[Volume, ...] = ()

    @property
    def messages(self) -> int:
        """How many messages there are in all."""
        return sum(volume.messages for volume in self.volumes)

    @property
    def bytes(self) -> int:
        """About how many bytes they take."""
        return sum(volume.bytes for volume in self.volumes)


@dataclass
class _Draft:
    after: str | None
    first: Message
    last: Message
    messages: int = 0
    bytes: int = 0

    def done(self) -> Volume:
        return Volume(
            after=self.after,
            first_id=self.first.id,
            first_at=self.first.received_at,
            last_id=self.last.id,
            last_at=self.last.received_at,
            messages=self.messages,
            bytes=self.bytes,
        )


def plan(catalog: Engine, choice: Choice) -> Plan:
    """Return the volumes of an export as the catalog is now. Raises SearchError.

    A message is never split: one that is larger than a volume has one for itself.
    """
    query, volumes = query_of(choice), []
    draft: _Draft | None = None
    after: str | None = None
    while True:
        page = queries.search(catalog, query, limit=PAGE, after=after)
        for message in page.messages:
            size = estimate(message, choice)
            if draft and choice.volume_bytes and draft.bytes + size > choice.volume_bytes:
                volumes.append(draft.done())
                draft = None
            draft = draft or _Draft(after, message, message)
            draft.last = message
            draft.messages += 1
            draft.bytes += size
        if page.next is None:
            break
        after = page.next
    return Plan(volumes=_placed(catalog, (*volumes, draft.done()) if draft else ()))


def _placed(catalog: Engine, volumes: Sequence[Volume]) -> tuple[Volume, ...]:
    """Return the volumes with the places of their first and last messages."""
    ends = [identity for volume in volumes for identity in (volume.first_id, volume.last_id)]
    places: dict[str, int] = {}
    for start in range(0, len(ends), PAGE):
        places |= copying.places(catalog, ends[start : start + PAGE])
    return tuple(
        volume.model_copy(
            update={
                "first_place": places.get(volume.first_id),
                "last_place": places.get(volume.last_id),
            }
        )
        for volume in volumes
    )


def estimate(message: Message, choice: Choice) -> int:
    """Return about how many bytes a message takes in an archive."""
    originals = sum(item.size or 0 for item in message.media)
    pieces = len(message.postbacks) * POSTBACK_BYTES + RECORD_BYTES * (2 + len(message.media))
    thumbnails = sum(THUMBNAIL_BYTES for item in message.media if item.thumbnail_key and choice.thumbnails)
    letters = originals * 7 // 5 if "eml" in choice.formats else 0
    earlier = sum(one.size for item in message.media for one in item.earlier)
    answers = sum(EVIDENCE_BYTES * len(item.evidence) for item in message.media)
    return originals + pieces + thumbnails + letters + earlier + answers


def messages_of(catalog: Engine, choice: Choice, volume: Volume) -> Iterator[Message]:
    """Give the messages of a volume as they are now.

    Those that came in since the plan was made are left out, and so are those deleted since.
    """
    query, after, begun = query_of(choice), volume.after, False
    while True:
        page = queries.search(catalog, query, limit=PAGE, after=after)
        places = copying.places(catalog, [message.id for message in page.messages])
        for message in page.messages:
            place = places.get(message.id)
            begun = begun or message.id == volume.first_id or _is_behind_first(message, place, volume)
            if not begun:
                continue
            if _is_behind_last(message, place, volume):
                return
            yield message
            if message.id == volume.last_id:
                return
        if page.next is None:
            return
        after = page.next


def _is_behind_first(message: Message, place: int | None, volume: Volume) -> bool:
    if place is None or volume.first_place is None:
        return message.received_at < volume.first_at
    return place <= volume.first_place


def _is_behind_last(message: Message, place: int | None, volume: Volume) -> bool:
    if place is None or volume.last_place is None:
        return message.received_at < volume.last_at
    return place < volume.last_place
