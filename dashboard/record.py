"""A message as the sheet draws it: facts as label and value, its files, and what was tried for them."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import PurePosixPath
from typing import NamedTuple, Protocol, TypedDict
from urllib.parse import unquote, urlsplit

from dashboard import callers, locally, showing, wording
from dashboard.anchors import gallery_address
from dashboard.callers import Names
from dashboard.media_route import file_name
from dashboard.showing import THUMBNAIL_TYPE, Line
from mmsvault.media import playing
from mmsvault.message import Attempt, MediaItem, MediaState, Message, normal_number

SLIDES = "application/smil"


class Sign(Protocol):
    """Makes a link of a key and a content type."""

    def __call__(self, key: str, content_type: str, *, download: bool = False) -> str:
        """Return the link."""


class Fact(NamedTuple):
    """Something known. `at` is set for times, so that browsers write them as their visitor does.

    `href` is where more of the same is.
    """

    label: str
    value: str
    at: str = ""
    href: str = ""


class Tried(TypedDict):
    """One attempt to download a file; `file` counts from 1."""

    file: int
    at: str
    outcome: str
    status: str
    reason: str


class Record(TypedDict):
    """A message whole, as the sheet draws it."""

    id: str
    title: str
    heading: list[Fact]
    details: list[Fact]
    parts: list["Part"]
    attempts: list[Tried]
    note: str


class Part(TypedDict):
    """One file. `show` says how, as `showing.way_of` does.

    `words` are those of a document. `cards` are lines of label and value.
    """

    key: str
    position: int
    kind: str
    title: str
    show: str
    src: str
    poster: str
    download: str
    file_name: str
    text: str
    words: str
    cards: list[list[Line]]
    note: str
    facts: list[Fact]


def record(message: Message, *, sign: Sign, now: datetime, names: Names) -> Record:
    """Return all that is shown of a message; `names` are those that people gave its numbers."""
    return Record(
        id=message.id,
        title=message.subject
        or f"Message from {callers.called(message.sender, names) or 'an unknown sender'}",
        heading=heading(message, names),
        details=details(message, now=now),
        parts=parts(message, sign=sign, now=now),
        attempts=[_tried(one) for one in message.attempts],
        note=message.note,
    )


def heading(message: Message, names: Names) -> list[Fact]:
    """Return what a person asks first; what the provider did not send is left out."""
    recipient, *others = message.to or ("",)
    known = (
        Fact("From", _numbers(message.sender, names), href=_asked("sender", normal_number(message.sender))),
        Fact("To", _numbers(recipient, names)),
        Fact("Copy to", "\n".join(_numbers(number, names) for number in others)),
        Fact("Keyword", message.keyword, href=_asked("keyword", message.keyword)),
        Fact("Subject", message.subject),
        _time("Received", message.received_at),
        Fact("State", wording.STATES[message.state]),
        Fact("Tags", ", ".join(message.tags)),
        Fact("Hold", "kept whatever happens" if message.hold else ""),
    )
    return _given(known)


def details(message: Message, *, now: datetime) -> list[Fact]:
    """Return what else is known of a message."""
    known = (
        Fact("Carrier", wording.carrier(message.operator_id)),
        _time("Recorded here", message.recorded_at),
        _time("Deadline", message.deadline_at),
        Fact("Time left", wording.until(message.deadline_at, now) if message.due_at else ""),
        Fact("Attempts", _attempts(message)),
        Fact("Repaired when read", ", ".join(message.repaired)),
        Fact("Tracking id", message.tracking_id),
        Fact("Message id", message.id),
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
    places = {item.position: _bare(_path_of(item.url)) for item in media}

    def place(item: MediaItem) -> tuple[int, int]:
        name = places[item.position]
        found = named.index(name) if name and name in named else len(named)
        return (len(named) + 1 if item is slides else found, item.position)

    return sorted(media, key=place)


def _path_of(url: str) -> str:
    """Return the path of an address; all of one that is none (`http://[`), as senders may write it."""
    try:
        return urlsplit(url).path
    except ValueError:
        return url


def _bare(name: str) -> str:
    """Return the last part of a path, without what phones and providers write differently."""
    return PurePosixPath(unquote(name).strip("<>").removeprefix("cid:")).name.casefold()


def _part(item: MediaItem, message: Message, *, sign: Sign, now: datetime) -> Part:
    kind, word = wording.kind(item)
    stored = item.state is MediaState.STORED
    show = showing.way_of(item) if stored else ""
    return Part(
        key=f"{message.id}/{item.position}/{item.state.value}/{item.sha256}",
        position=item.position,
        kind=kind,
        title=f"{item.position + 1}. {word}",
        show=show,
        src=sign(*showing.source(item, show)) if show in showing.SOURCES else "",
        poster=sign(item.thumbnail_key, THUMBNAIL_TYPE) if item.thumbnail_key else "",
        download=sign(item.key, item.content_type, download=True) if stored else "",
        file_name=file_name(item.key) if stored else "",
        text=item.text if show == "text" else "",
        words=item.text if item.content_type in playing.DOCUMENTS else "",
        cards=showing.card_lines(item.text) if show == "card" else [],
        note=_note(item, now, show=show),
        facts=_part_facts(item),
    )


def _part_facts(item: MediaItem) -> list[Fact]:
    known = (
        Fact("Type", item.content_type),
        Fact("Size", _size(item.size) if item.size is not None else ""),
        Fact("Picture", f"{item.width} x {item.height} pixels" if item.width and item.height else ""),
        Fact("Length", wording.length(item.duration_ms) if item.duration_ms else ""),
        Fact("Moves", locally.plural(item.frame_count or 0, "frame") if item.is_animated else ""),
        Fact("Codecs", ", ".join(item.codecs)),
        _taken(item.captured),
        Fact("Location", "the file says where it was taken" if item.has_location else ""),
        Fact("Declared as", item.declared_type if not _agrees(item) else ""),
        Fact("SHA-256", item.sha256),
        Fact("Attempts", str(item.attempts) if item.attempts else ""),
        _time("Next attempt", item.next_attempt_at),
        Fact("Address", item.url),
    )
    return _given(known)


def _size(count: int) -> str:
    short, whole = locally.size(count), locally.plural(count, "byte")
    return whole if short == whole else f"{short} ({whole})"


def _time(label: str, at: datetime | None) -> Fact:
    return Fact(label, wording.in_utc(at), at.isoformat()) if at else Fact(label, "")


def _taken(told: str) -> Fact:
    """Return when a file was taken; in the visitor's zone where it says its own."""
    said = wording.captured(told)
    at = datetime.fromisoformat(told) if said else None
    return Fact("Taken", said, at.isoformat() if at and at.tzinfo else "")


def _tried(attempt: Attempt) -> Tried:
    return Tried(
        file=attempt.position + 1,
        at=attempt.at.isoformat(),
        outcome=attempt.outcome,
        status=str(attempt.status or ""),
        reason=attempt.reason,
    )


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
    if item.doubt:
        return f"{item.doubt}{_fetched_again(item)}"
    return item.reason or _hint(item, show)


def _fetched_again(item: MediaItem) -> str:
    return " It is being fetched once more." if item.next_attempt_at else " You can have it fetched again."


def _hint(item: MediaItem, show: str) -> str:
    """Return what a person may wonder about a file that is kept whole but not shown whole."""
    if show not in ("", "still"):
        return ""
    if item.preview_due_at and item.content_type in playing.DOCUMENTS:
        return "This is its first page, small. Its pages are being made readable; download it to read it now."
    if item.preview_due_at:
        return "Browsers do not show this type of file. A preview that they do show is being made."
    if item.content_type == SLIDES:
        return "This file says in which order the sender's phone shows the others."
    if item.content_type in playing.DOCUMENTS and show:
        return "This is its first page. Download it to read the others."
    return "Browsers do not show this type of file. Download it to open it."


def _given(known: Iterable[Fact]) -> list[Fact]:
    return [fact for fact in known if fact.value]


def _numbers(text: str, names: Names) -> str:
    """Return a number under its name, as it is dialled, and as it was sent where that is another way."""
    name, shown = names.get(normal_number(text), ""), wording.number(text)
    return ", ".join(filter(None, (name, shown if shown == text else f"{shown} ({text})")))


def _asked(name: str, value: str) -> str:
    return gallery_address(**{name: value}) if value else ""


def _attempts(message: Message) -> str:
    if not message.attempts:
        return "none yet" if message.media else ""
    return f"{len(message.attempts)}, the latest: {message.attempts[-1].outcome}"
