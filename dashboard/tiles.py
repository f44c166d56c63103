"""Messages as the gallery's tiles: one for each file, newest first, each as the grid draws it.

A text file beside other files is their caption and has no tile of its own; a message without files
has one that shows its subject.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import TypedDict
from urllib.parse import quote_plus

from dashboard import showing, wording
from dashboard.callers import Names
from dashboard.showing import CARD_TYPES, THUMBNAIL_TYPE
from mmsvault.message import MediaItem, MediaState, Message, MessageState, normal_number

Sign = Callable[[str, str], str]
"""Makes a link of a key and a content type."""

TEXT_CHARACTERS = 280
SLIDES = "application/smil"
RATIOS = (0.62, 2.1)
"""Narrowest and widest tile, as width over height."""
SHAPES = {"audio": 1.6, "application/pdf": 0.77}
"""Width over height of thumbnails whose file has no size in pixels: a sound wave, a sheet of paper."""
_CARD_LINE = re.compile(r"^(?!Note)[A-Z][a-zA-Z-]{1,20}(?: \([a-z, -]+\))?: (.*\S)", re.MULTILINE)


class Tile(TypedDict):
    """One tile. `src` is empty where there is no thumbnail; then `text` stands on the tile.

    `sender` is the number, `name` the one that people gave to it, if they did. `show` says how the
    lightbox shows the file, and `full` is its link where it needs one. `alerts` are what the message is:
    waiting, partial, lost, held, tagged.
    """

    key: str
    message: str
    href: str
    kind: str
    src: str
    ratio: float
    title: str
    text: str
    part: str
    length: str
    moves: str
    caption: str
    sender: str
    name: str
    keyword: str
    at: str
    word: str
    show: str
    full: str
    alerts: list[str]


def tiles(messages: Iterable[Message], *, sign: Sign, names: Names | None = None) -> list[Tile]:
    """Return the tiles of `messages`, in their order; `names` are those that people gave to senders."""
    known = names or {}
    return [
        tile
        for message in messages
        for tile in _of_message(message, sign=sign, name=known.get(normal_number(message.sender), ""))
    ]


def _of_message(message: Message, *, sign: Sign, name: str) -> list[Tile]:
    texts = [item for item in message.media if _is_text(item)]
    shown = [item for item in message.media if not _is_text(item) and item.content_type != SLIDES] or texts
    caption = excerpt(message.subject or ("" if shown is texts else _first_text(texts)), 120)
    if not shown:
        return [_tile(message, None, part=(1, 1), caption=caption, sign=sign, name=name)]
    return [
        _tile(message, item, part=(place, len(shown)), caption=caption, sign=sign, name=name)
        for place, item in enumerate(shown, start=1)
    ]


def _tile(
    message: Message, item: MediaItem | None, *, part: tuple[int, int], caption: str, sign: Sign, name: str
) -> Tile:
    kind, word = wording.kind(item) if item else ("empty", "Message without files")
    way = showing.way_of(item) if item and item.state is MediaState.STORED else ""
    return Tile(
        key=f"{message.id}/{item.position if item else '-'}",
        message=message.id,
        href=f"message?id={quote_plus(message.id)}",
        kind=kind,
        src=sign(item.thumbnail_key, THUMBNAIL_TYPE) if item and item.thumbnail_key else "",
        ratio=_ratio(item),
        title=_title(item, word),
        text=_text(message, item),
        part=f"{part[0]}/{part[1]}" if part[1] > 1 else "",
        length=wording.length(item.duration_ms) if item and item.duration_ms else "",
        moves=wording.short_type(item.content_type) if item and item.is_animated else "",
        caption="" if item is None else caption,
        sender=wording.number(message.sender),
        name=name,
        keyword=message.keyword,
        at=message.received_at.isoformat(),
        word=word,
        show=way,
        full=sign(*showing.source(item, way)) if item and way in showing.SOURCES else "",
        alerts=_alerts(message),
    )


def excerpt(text: str, characters: int) -> str:
    """Return the beginning of a text, with three dots where something was left out."""
    short = text.strip()
    return short if len(short) <= characters else f"{short[: characters - 1].rstrip()}…"


def _is_text(item: MediaItem) -> bool:
    return item.state is MediaState.STORED and item.content_type == "text/plain"


def _first_text(texts: Sequence[MediaItem]) -> str:
    return next((" ".join(item.text.split()) for item in texts if item.text.strip()), "")


def _ratio(item: MediaItem | None) -> float:
    if not (item and item.thumbnail_key):
        return 1.0
    if not (item.width and item.height):
        return SHAPES.get(item.content_type) or SHAPES.get(item.content_type.partition("/")[0], 1.0)
    return round(min(max(item.width / item.height, RATIOS[0]), RATIOS[1]), 3)


def _title(item: MediaItem | None, word: str) -> str:
    if item is None:
        return "No files"
    if item.state is MediaState.PENDING:
        return "Waiting"
    if item.state is MediaState.LOST:
        return "Lost"
    return f"{word} · {wording.short_type(item.content_type)}" if word != "Text" else word


def _text(message: Message, item: MediaItem | None) -> str:
    if item is None:
        return excerpt(message.subject, TEXT_CHARACTERS)
    if item.state is MediaState.PENDING:
        return "not downloaded yet"
    if item.state is MediaState.LOST:
        return excerpt(item.reason or "no reason is recorded", TEXT_CHARACTERS)
    if item.content_type in CARD_TYPES:
        return excerpt("\n".join(_CARD_LINE.findall(item.text.partition("\n\n")[0])), TEXT_CHARACTERS)
    return excerpt(item.text, TEXT_CHARACTERS)


def _alerts(message: Message) -> list[str]:
    state = message.state
    names = {MessageState.PENDING: "waiting", MessageState.PARTIAL: "partial", MessageState.LOST: "lost"}
    return [
        *([names[state]] if state in names else []),
        *(["held"] if message.hold else []),
        *(["tagged"] if message.tags else []),
    ]
