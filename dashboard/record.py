"""A message as the message view draws it: facts as label and value, and its files."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import PurePosixPath
from typing import Protocol, TypedDict
from urllib.parse import unquote, urlsplit

from dashboard import wording
from dashboard.media_route import file_name
from dashboard.tiles import THUMBNAIL_TYPE
from mmsvault.media import playing
from mmsvault.message import MediaItem, MediaState, Message

CARDS = ("text/vcard", "text/calendar")
SLIDES = "application/smil"


class Sign(Protocol):
    """Makes a link of a key and a content type."""

    def __call__(self, key: str, content_type: str, *, download: bool = False) -> str:
        """Return the link."""


Fact = tuple[str, str]


class Part(TypedDict):
    """One file. `show` says how: image, video, audio, text, card, still, or empty for a download only.

    A still is the thumbnail of what a browser cannot show. `cards` are lines of label and value.
    """

    key: str
    kind: str
    title: str
    show: str
    src: str
    poster: str
    download: str
    file_name: str
    text: str
    cards: list[list[Fact]]
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
    """Return the files of a message in the order that the sender's phone gave them."""
    return [_part(item, message, sign=sign, now=now) for item in in_order(message.media)]


def in_order(media: Sequence[MediaItem]) -> list[MediaItem]:
    """Return the files as the message's SMIL has them, those that it does not name last.

    SMIL names parts as they were called on the way; the provider's addresses end in those names.
    """
    slides = next((item for item in media if item.content_type == SLIDES), None)
    named = [_bare(name) for name in slides.text.splitlines()] if slides else []
    places = {item.position: _bare(urlsplit(item.url).path) for item in media}

    def place(item: MediaItem) -> tuple[int, int]:
        name = places[item.position]
        found = named.index(name) if name and name in named else len(named)
        return (len(named) + 1 if item is slides else found, item.position)

    return sorted(media, key=place)


def _bare(name: str) -> str:
    """Return the last part of a path, without what phones and providers write differently."""
    return PurePosixPath(unquote(name).strip("<>").removeprefix("cid:")).name.casefold()


def _part(item: MediaItem, message: Message, *, sign: Sign, now: datetime) -> Part:
    kind, word = wording.kind(item)
    stored = item.state is MediaState.STORED
    show = _show(item) if stored else ""
    return Part(
        key=f"{message.id}/{item.position}/{item.state.value}/{item.sha256}",
        kind=kind,
        title=f"{item.position + 1}. {word}",
        show=show,
        src=sign(*_source(item, show)) if show in ("image", "video", "audio", "still") else "",
        poster=sign(item.thumbnail_key, THUMBNAIL_TYPE) if item.thumbnail_key else "",
        download=sign(item.key, item.content_type, download=True) if stored else "",
        file_name=file_name(item.key) if stored else "",
        text=item.text if show == "text" else "",
        cards=card_lines(item.text) if show == "card" else [],
        note=_note(item, now, show=show),
        facts=_part_facts(item),
    )


def _show(item: MediaItem) -> str:
    """Return how a stored file is shown."""
    if item.preview_key:
        return playing.type_of_preview(item.preview_key).partition("/")[0]
    if item.content_type in CARDS and item.text:
        return "card" if any(card_lines(item.text)) else "text"
    if item.text and item.content_type.startswith("text/"):
        return "text"
    shown = playing.shown_as(item.content_type, item.codecs)
    return shown or ("still" if item.thumbnail_key else "")


def _source(item: MediaItem, show: str) -> tuple[str, str]:
    """Return key and content type of what is shown: the preview where the original would not play."""
    if show == "still":
        return item.thumbnail_key, THUMBNAIL_TYPE
    if item.preview_key:
        return item.preview_key, playing.type_of_preview(item.preview_key)
    return item.key, item.content_type


def card_lines(text: str) -> list[list[Fact]]:
    """Return the cards of a contact or appointment as the worker wrote them: `Label: value` lines."""
    if text.startswith("BEGIN:"):  # it could not be read as a card
        return []
    cards = [[line.partition(": ") for line in card.splitlines()] for card in text.split("\n\n")]
    return [[(label, value) for label, colon, value in card if colon] for card in cards]


def _part_facts(item: MediaItem) -> list[Fact]:
    known = (
        ("Type", item.content_type),
        ("Size", f"{wording.size(item.size)} ({item.size:,} bytes)" if item.size is not None else ""),
        ("Picture", f"{item.width} x {item.height} pixels" if item.width and item.height else ""),
        ("Length", wording.length(item.duration_ms) if item.duration_ms else ""),
        ("Moves", wording.plural(item.frame_count or 0, "frame") if item.is_animated else ""),
        ("Codecs", ", ".join(item.codecs)),
        ("Taken", wording.captured(item.captured)),
        ("Location", "the file says where it was taken" if item.has_location else ""),
        ("Declared as", item.declared_type if not _agrees(item) else ""),
        ("SHA-256", item.sha256),
        ("Attempts", str(item.attempts) if item.attempts else ""),
        ("Next attempt", wording.moment(item.next_attempt_at) if item.next_attempt_at else ""),
        ("Address", item.url),
    )
    return _given(known)


def _agrees(item: MediaItem) -> bool:
    """Return whether the provider called the file what its bytes are."""
    return item.declared_type.partition(";")[0].strip().lower() in ("", item.content_type)


def _note(item: MediaItem, now: datetime, *, show: str) -> str:
    reason = f" The last attempt said: {item.reason}" if item.reason else ""
    if item.state is MediaState.PENDING:
        due = item.next_attempt_at
        again = f" The next attempt is {wording.until(due, now)}." if due and due > now else ""
        return f"This file is not downloaded yet.{again}{reason}"
    if item.state is MediaState.LOST:
        return f"This file is lost: {item.reason or 'no reason is recorded'}"
    return item.reason or _hint(item, show)


def _hint(item: MediaItem, show: str) -> str:
    """Return what a person may wonder about a file that is kept whole but not shown whole."""
    if show not in ("", "still"):
        return ""
    if item.preview_due_at:
        return "Browsers do not show this type of file. A preview that they do show is being made."
    if item.content_type == SLIDES:
        return "This file says in which order the sender's phone shows the others."
    if item.content_type == "application/pdf" and show:
        return "This is its first page. Download it to read the others."
    return "Browsers do not show this type of file. Download it to open it."


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
