"""PDF: the first page as a thumbnail, and the words of the first pages for searching."""

import contextlib
from pathlib import Path

import pypdfium2
from PIL import Image

from mmsvault.media import images
from mmsvault.media.facts import Facts, NotShownError

PAGES_READ = 10
LARGEST_PAGE = 20_000
"""Points; PDF itself stops at 14,400."""


def describe(path: Path, *, most_text: int) -> Facts:
    """Return the facts of a PDF. Raises NotShownError."""
    try:
        with contextlib.closing(pypdfium2.PdfDocument(path)) as document:
            page = document[0]
            width, height = page.get_size()
            if not 0 < max(width, height) <= LARGEST_PAGE:
                raise NotShownError(f"thumbnail not made: a page of {width:,.0f} x {height:,.0f} points")
            drawn = page.render(scale=images.THUMBNAIL_PIXELS * 2 / max(width, height)).to_pil()
            drawn.thumbnail((images.THUMBNAIL_PIXELS, images.THUMBNAIL_PIXELS), Image.Resampling.LANCZOS)
            return Facts(
                "application/pdf",
                text=_text(document, most_text),
                thumbnail=images.as_webp(drawn.convert("RGB")),
            )
    except (pypdfium2.PdfiumError, ValueError, LookupError) as error:
        raise NotShownError(f"thumbnail not made: the document cannot be opened ({error})") from error


def _text(document: pypdfium2.PdfDocument, most_text: int) -> str:
    parts: list[str] = []
    for number in range(min(len(document), PAGES_READ)):
        try:
            parts.append(document[number].get_textpage().get_text_bounded())
        except pypdfium2.PdfiumError:
            continue
        if sum(map(len, parts)) > most_text:
            break
    return "\n".join(parts).replace("\r\n", "\n")[:most_text]
