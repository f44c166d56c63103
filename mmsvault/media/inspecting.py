"""What happens in the sandbox's child: the facts of one file, found out from its bytes.

A person is told in plain words what a decoder said. All of it goes to the child's error output, which is
the worker's, since a child has no log of its own.
"""

import logging
from dataclasses import replace
from pathlib import Path

from mmsvault.errors import plain_reason
from mmsvault.media import cards, documents, images, playing, previews, recordings, slides, sniffing, tracks
from mmsvault.media.answers import WEB_PAGE
from mmsvault.media.charsets import as_text
from mmsvault.media.facts import Facts, NotShownError

log = logging.getLogger(__name__)

BROKEN = "its decoder failed"
MOST_TEXT = 20_000
"""Characters of text that go into the record; a slide of an MMS holds up to 5,000."""
MOST_TEXT_BYTES = 2_000_000


def inspect(path: str, declared_type: str, max_pixels: int) -> Facts:
    """Return the facts of the file at `path`; a file that cannot be read is described as far as it goes."""
    file = Path(path)
    content_type = sniffing.true_type_of(file, declared_type)
    try:
        facts = _facts(file, content_type, declared_type, max_pixels)
    except NotShownError as error:
        if error.__cause__ is not None:
            log.warning("%s: %r", error, error.__cause__)
        facts = Facts(content_type, reason=str(error))
    except Exception as error:  # decoders raise anything, and it is a fact about the file
        log.exception("no thumbnail of a file of type %s", content_type)
        facts = Facts(content_type, reason=f"thumbnail not made: {plain_reason(error, otherwise=BROKEN)}")
    needed = playing.preview_type(
        facts.content_type,
        facts.codecs,
        size=file.stat().st_size,
        animated=(facts.frame_count or 1) > 1,
    )
    return replace(facts, preview_type=needed if facts.thumbnail else "", text=facts.text.replace("\0", ""))


def make_preview(path: str, content_type: str, into: str, preview_type: str, max_pixels: int) -> str:
    """Write the preview to `into`; return what a person should know of it. Raises NotShownError."""
    try:
        return previews.make(
            Path(path), content_type, into=Path(into), preview_type=preview_type, max_pixels=max_pixels
        )
    except NotShownError as error:
        if error.__cause__ is not None:
            log.warning("preview: %s: %r", error, error.__cause__)
        reason = str(error).removeprefix("thumbnail not made: ")
        raise NotShownError(f"preview not made: {reason}") from error
    except Exception as error:
        log.exception("no preview of a file of type %s", content_type)
        raise NotShownError(f"preview not made: {plain_reason(error, otherwise=BROKEN)}") from error


def _facts(file: Path, content_type: str, declared_type: str, max_pixels: int) -> Facts:
    if content_type in images.CONTENT_TYPES:
        return images.describe(file, content_type, max_pixels=max_pixels)
    if content_type in tracks.DEMUXERS:
        return recordings.describe(file, content_type, max_pixels=max_pixels)
    if content_type == "application/pdf":
        return documents.describe(file, most_text=MOST_TEXT)
    if content_type.startswith("text/") or content_type == "application/smil":
        text = as_text(_beginning(file, MOST_TEXT_BYTES), declared_type) or ""
        reason = WEB_PAGE if content_type == "text/html" else ""
        return Facts(content_type, text=_readable(content_type, text)[:MOST_TEXT], reason=reason)
    return Facts(content_type)


def _readable(content_type: str, text: str) -> str:
    """Return the text that a person reads; a card that cannot be parsed is shown as it is written."""
    match content_type:
        case "text/vcard":
            return cards.contact(text) or text
        case "text/calendar":
            return cards.appointment(text) or text
        case "application/smil":
            return "\n".join(slides.order(text))
        case _:
            return text


def _beginning(file: Path, count: int) -> bytes:
    with file.open("rb") as opened:
        return opened.read(count)
