"""How a stored file is shown in a browser, and from which object: its own, its preview or its thumbnail."""

from mmsvault.media import playing
from mmsvault.message import MediaItem

THUMBNAIL_TYPE = "image/webp"
CARD_TYPES = ("text/vcard", "text/calendar")
SOURCES = ("image", "pages", "video", "audio", "still")
"""The ways of showing that need an object of the bucket; the others are text."""

Line = tuple[str, str]


def way_of(item: MediaItem) -> str:
    """Return how a stored file is shown: image, pages, video, audio, text, card, still; empty for not at all.

    Pages are those of a document, below each other in one picture; a still is the thumbnail of what a
    browser cannot show.
    """
    if item.preview_key and item.content_type in playing.DOCUMENTS:
        return "pages"
    if item.preview_key:
        return playing.type_of_preview(item.preview_key).partition("/")[0]
    if item.content_type in CARD_TYPES and item.text:
        return "card" if any(card_lines(item.text)) else "text"
    if item.text and item.content_type.startswith("text/"):
        return "text"
    shown = playing.shown_as(item.content_type, item.codecs)
    return shown or ("still" if item.thumbnail_key else "")


def source(item: MediaItem, way: str) -> tuple[str, str]:
    """Return key and content type of what is shown: the preview where the original would not play."""
    if way == "still":
        return item.thumbnail_key, THUMBNAIL_TYPE
    if item.preview_key:
        return item.preview_key, playing.type_of_preview(item.preview_key)
    return item.key, item.content_type


def card_lines(text: str) -> list[list[Line]]:
    """Return the cards of a contact or appointment as the worker wrote them: `Label: value` lines."""
    if text.startswith("BEGIN:"):  # it could not be read as a card
        return []
    cards = [[line.partition(": ") for line in card.splitlines()] for card in text.split("\n\n")]
    return [[(label, value) for label, colon, value in card if colon] for card in cards]
