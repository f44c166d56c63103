"""A message as the message view draws it: facts as label and value, and its files."""

from collections.abc import Iterable
from datetime import datetime
from typing import Protocol, TypedDict

from dashboard import wording
from dashboard.media_route import file_name
from dashboard.tiles import THUMBNAIL_TYPE
from mmsvault.message import MediaItem, MediaState, Message

PLAYABLE = {
    **dict.fromkeys(("image/jpeg", "image/png", "image/gif", "image/webp"), "image"),
    "video/mp4": "video",
    **dict.fromkeys(
        ("audio/mpeg", "audio/mp4", "audio/aac", "audio/wav", "audio/x-wav", "audio/ogg"), "audio"
    ),
}
"""What browsers show, by content type; the rest is for downloading."""


class Sign(Protocol):
    """Makes a link of a key and a content type."""

    def __call__(self, key: str, content_type: str, *, download: bool = False) -> str:
        """Return the link."""


Fact = tuple[str, str]


class Part(TypedDict):
    """One file. `show` says how: image, video, audio, text, or empty for a download only."""

    key: str
    kind: str
    title: str
    show: str
    src: str
    poster: str
    download: str
    file_name: str
    text: str
    note: str
    facts: list[Fact]


def heading(message: Message) -> list[Fact]:
    """Return what a person asks first; what the provider did not send is left out."""
    known = (
        ("From", _numbers(message.sender)),
        ("To", ", ".join(_numbers(number) for number in message.to)),
        ("Keyword", message.keyword),
        ("Subject", message.subject),
        ("Received", wording.moment(message.received_at)),
        ("State", wording.STATES[message.state]),
    )
    return _given(known)


def details(message: Message, *, now: datetime) -> list[Fact]:
    """Return what else is known of a message."""
    deadline = f"{wording.moment(message.deadline_at)} ({wording.until(message.deadline_at, now)})"
    known = (
        ("Carrier", wording.carrier(message.operator_id)),
        ("Recorded here", wording.moment(message.recorded_at)),
        ("Deadline", deadline),
        ("Attempts", _attempts(message)),
        ("Tags", ", ".join(message.tags)),
        ("Hold", "kept whatever happens" if message.hold else ""),
        ("Tracking id", message.tracking_id),
        ("Message id", message.id),
    )
    return _given(known)


def parts(message: Message, *, sign: Sign, now: datetime) -> list[Part]:
    """Return the files of a message in their order."""
    return [_part(item, message, sign=sign, now=now) for item in message.media]


def _part(item: MediaItem, message: Message, *, sign: Sign, now: datetime) -> Part:
    kind, word = wording.kind(item)
    stored = item.state is MediaState.STORED
    show = "text" if item.text else PLAYABLE.get(item.content_type, "")
    # A preview was made because a browser could not show the original.
    source = (item.preview_key, "video/mp4") if item.preview_key else (item.key, item.content_type)
    return Part(
        key=f"{message.id}/{item.position}/{item.state.value}/{item.sha256}",
        kind=kind,
        title=f"{item.position + 1}. {word}",
        show=show if stored else "",
        src=sign(*source) if stored and show in ("image", "video", "audio") else "",
        poster=sign(item.thumbnail_key, THUMBNAIL_TYPE) if item.thumbnail_key else "",
        download=sign(item.key, item.content_type, download=True) if stored else "",
        file_name=file_name(item.key) if stored else "",
        text=item.text,
        note=_note(item, now, plays=bool(show)),
        facts=_part_facts(item),
    )


def _part_facts(item: MediaItem) -> list[Fact]:
    known = (
        ("Type", item.content_type),
        ("Size", f"{wording.size(item.size)} ({item.size:,} bytes)" if item.size is not None else ""),
        ("Picture", f"{item.width} x {item.height} pixels" if item.width and item.height else ""),
        ("Length", wording.length(item.duration_ms) if item.duration_ms else ""),
        ("SHA-256", item.sha256),
        ("Attempts", str(item.attempts) if item.attempts else ""),
        ("Next attempt", wording.moment(item.next_attempt_at) if item.next_attempt_at else ""),
        ("Address", item.url),
    )
    return _given(known)


def _note(item: MediaItem, now: datetime, *, plays: bool) -> str:
    reason = f" The last attempt said: {item.reason}" if item.reason else ""
    if item.state is MediaState.PENDING:
        due = item.next_attempt_at
        again = f" The next attempt is {wording.until(due, now)}." if due and due > now else ""
        return f"This file is not downloaded yet.{again}{reason}"
    if item.state is MediaState.LOST:
        return f"This file is lost: {item.reason or 'no reason is recorded'}"
    if not plays:
        return item.reason or "Browsers do not show this type of file. Download it to open it."
    return item.reason


def _given(known: Iterable[Fact]) -> list[Fact]:
    return [(label, value) for label, value in known if value]


def _numbers(text: str) -> str:
    shown = wording.number(text)
    return text if shown == text else f"{shown} ({text})"


def _attempts(message: Message) -> str:
    if not message.attempts:
        return "none yet" if message.media else ""
    latest = message.attempts[-1]
    return f"{len(message.attempts)}, the latest on {wording.moment(latest.at)}: {latest.outcome}"
