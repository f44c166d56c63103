"""PDF: the first page as a thumbnail, the words of the first pages for searching, and pages to read."""

import contextlib
from pathlib import Path

import pypdfium2
from PIL import Image

from mmsvault.errors import plain_reason
from mmsvault.media import images
from mmsvault.media.facts import Facts, NotShownError

PAGES_READ = 10
LARGEST_PAGE = 20_000
"""Points; PDF itself stops at 14,400."""
PAGE_PIXELS = 1600
"""The long edge of a page to read: small print of a letter can be read then."""
GAP_PIXELS = 16


def describe(path: Path, *, most_text: int) -> Facts:
    """Return the facts of a PDF. Raises NotShownError."""
    try:
        with contextlib.closing(pypdfium2.PdfDocument(path)) as document:
            drawn = _drawn(document[0], images.THUMBNAIL_PIXELS * 2)
            drawn.thumbnail((images.THUMBNAIL_PIXELS, images.THUMBNAIL_PIXELS), Image.Resampling.LANCZOS)
            return Facts(
                "application/pdf",
                text=_text(document, most_text),
                thumbnail=images.as_webp(drawn.convert("RGB")),
            )
    except (pypdfium2.PdfiumError, ValueError, LookupError) as error:
        raise NotShownError(f"thumbnail not made: the document cannot be opened ({_why(error)})") from error


def pages(path: Path) -> tuple[bytes, str]:
    """Return the first pages below each other as one WebP, and what a person should know of it.

    Ten pages of 1,600 px are just within what a WebP can be high (16,383 px). Raises NotShownError.
    """
    drawn: list[Image.Image] = []
    try:
        with contextlib.closing(pypdfium2.PdfDocument(path)) as document:
            count = len(document)
            numbers = range(min(count, PAGES_READ))
            drawn.extend(_drawn(document[number], PAGE_PIXELS).convert("RGB") for number in numbers)
    except (NotShownError, pypdfium2.PdfiumError, ValueError, LookupError) as error:
        if not drawn:
            raise NotShownError(f"the document cannot be opened ({_why(error)})") from error
    height = sum(one.height for one in drawn) + GAP_PIXELS * (len(drawn) - 1)
    whole = Image.new("RGB", (max(one.width for one in drawn), height), images.GROUND)
    top = 0
    for one in drawn:
        whole.paste(one, ((whole.width - one.width) // 2, top))
        top += one.height + GAP_PIXELS
    shown = "page" if len(drawn) == 1 else f"{len(drawn)} pages"
    return images.as_webp(whole), f"the preview shows the first {shown} of {count:,}" if len(
        drawn
    ) < count else ""


def _why(error: BaseException) -> str:
    return plain_reason(error, otherwise="it is damaged")


def _drawn(page: pypdfium2.PdfPage, edge: int) -> Image.Image:
    """Return a page with its long edge so long. Raises NotShownError."""
    width, height = page.get_size()
    if not 0 < max(width, height) <= LARGEST_PAGE:
        raise NotShownError(f"thumbnail not made: a page of {width:,.0f} x {height:,.0f} points")
    drawn: Image.Image = page.render(scale=edge / max(width, height)).to_pil()
    drawn.thumbnail((edge, edge))  # where rounding made it a pixel longer
    return drawn


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
