"""Pictures: what they are, a thumbnail and a perceptual hash from one decode, and a smaller preview."""

import contextlib
import io
import struct
import zlib
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image, ImageFile, Jpeg2KImagePlugin, UnidentifiedImageError

from mmsvault.errors import plain_reason
from mmsvault.media import decoders, exif, pixels
from mmsvault.media.decoders import CONTENT_TYPES, check_size
from mmsvault.media.facts import Facts, NotShownError
from mmsvault.media.pixels import GROUND

__all__ = ["CONTENT_TYPES", "CUT_OFF", "GROUND", "check_size"]

THUMBNAIL_PIXELS = 320
PREVIEW_PIXELS = 1600
DRAFT_FACTOR = 1.5
"""A JPEG is decoded at an eighth, a quarter or half of its size where that leaves this much to spare."""
CUT_OFF = "the file is cut off or damaged; the thumbnail shows what can be read of it"
BLOCK_PIXELS = 8
"""The width of what a JPEG is made of."""
FRAMES_TRIED = 50
"""How many frames of a moving picture may be passed over to find one with something to see."""
LARGEST_KEPT_WHOLE = 64 * 64
"""Pixels of a small picture, whose thumbnail loses nothing: a lossy one blurs all that it has."""

_MAY_MOVE = frozenset(("GIF", "WEBP", "PNG", "AVIF"))
_UNREADABLE = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    MemoryError,
    TypeError,
    ArithmeticError,
    LookupError,
    RuntimeError,
    struct.error,
    zlib.error,
)


@dataclass(frozen=True)
class Drawn:
    """A picture made smaller, upright and RGB; `width` and `height` are the whole one's, upright too."""

    picture: Image.Image
    width: int
    height: int
    frame_count: int | None
    captured: str
    has_location: bool
    is_cut_off: bool


def describe(path: Path, content_type: str, *, max_pixels: int) -> Facts:
    """Return the facts of a picture, with its thumbnail. Raises NotShownError."""
    drawn = _drawn(path, content_type, max_pixels=max_pixels, edge=THUMBNAIL_PIXELS)
    return Facts(
        content_type,
        width=drawn.width,
        height=drawn.height,
        frame_count=drawn.frame_count,
        captured=drawn.captured,
        has_location=drawn.has_location,
        perceptual_hash=perceptual_hash(drawn.picture),
        thumbnail=as_webp(drawn.picture),
        reason=CUT_OFF if drawn.is_cut_off else "",
    )


def preview(path: Path, content_type: str, *, max_pixels: int) -> bytes:
    """Return the picture as WebP, 1,600 px on its long edge at most. Raises NotShownError."""
    return as_webp(_drawn(path, content_type, max_pixels=max_pixels, edge=PREVIEW_PIXELS).picture)


def as_webp(picture: Image.Image) -> bytes:
    """Return the pixels, and nothing else of the picture, as WebP."""
    kept = io.BytesIO()
    whole = picture.width * picture.height <= LARGEST_KEPT_WHOLE
    picture.save(kept, "WEBP", quality=80, method=2, lossless=whole, exif=b"", icc_profile=b"", xmp=b"")
    return kept.getvalue()


def perceptual_hash(picture: Image.Image) -> str:
    """Return 64 bits in hex that are nearly the same for pictures that look the same.

    Each bit says whether a picture of 9 x 8 points gets lighter to the right (a difference hash).
    """
    points = picture.convert("L").resize((9, 8), Image.Resampling.BOX, reducing_gap=2.0).tobytes()
    bits = 0
    for row in range(8):
        for column in range(8):
            at = row * 9 + column
            bits = bits << 1 | (points[at + 1] > points[at])
    return f"{bits:016x}"


def _drawn(path: Path, content_type: str, *, max_pixels: int, edge: int) -> Drawn:
    with (
        contextlib.suppress(*_UNREADABLE),
        decoders.opened(path, content_type, max_pixels=max_pixels) as picture,
    ):
        return _made_small(picture, max_pixels=max_pixels, edge=edge)
    with contextlib.suppress(*_UNREADABLE):  # perhaps only what stands beside the pixels is damaged
        mended = decoders.mended(path, content_type, max_pixels=max_pixels)
        if mended is not None:
            return _made_small(mended, max_pixels=max_pixels, edge=edge)
    try:
        return _what_is_left(path, content_type, max_pixels=max_pixels, edge=edge)
    except _UNREADABLE as error:
        decoded = decoders.decoded_by_ffmpeg(path, content_type, max_pixels=max_pixels)
        if decoded is not None:
            return _made_small(decoded, max_pixels=max_pixels, edge=edge)
        raise NotShownError(
            f"thumbnail not made: the picture cannot be decoded ({_why(error, path, content_type)})"
        ) from error


def _what_is_left(path: Path, content_type: str, *, max_pixels: int, edge: int) -> Drawn:
    """Return what can be seen of a file that ends too early. Raises as its decoder does."""
    ImageFile.LOAD_TRUNCATED_IMAGES = True
    try:
        with decoders.as_far_as_it_goes(path, content_type, max_pixels=max_pixels) as picture:
            drawn = _made_small(picture, max_pixels=max_pixels, edge=edge)
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = False
    if all(low == high for low, high in (band.getextrema() for band in drawn.picture.split())):
        raise ValueError("it ends before it begins")
    return replace(drawn, is_cut_off=True)


def _why(error: BaseException, path: Path, content_type: str) -> str:
    codec = decoders.rare_codec(path, content_type)
    if codec:
        return f"it is coded in {codec}"
    if isinstance(error, UnidentifiedImageError):  # its text is the path
        return "it begins as its decoder does not know it"
    return plain_reason(error, otherwise="it is damaged")


def _made_small(picture: Image.Image, *, max_pixels: int, edge: int) -> Drawn:
    check_size(*picture.size, max_pixels=max_pixels)
    width, height = picture.size
    _decode_smaller(picture, edge)
    frame_count = _frame_count(picture)
    small = _first_to_see(picture, frame_count or 1, max_pixels=max_pixels, edge=edge)
    told = exif.read(picture)
    turned = exif.orientation(picture)
    if turned in (5, 6, 7, 8):  # lying on its side
        width, height = height, width
    return Drawn(
        picture=pixels.upright(small, turned),
        width=width,
        height=height,
        frame_count=frame_count,
        captured=exif.captured(told),
        has_location=exif.has_location(told),
        is_cut_off=False,
    )


def _decode_smaller(picture: Image.Image, edge: int) -> None:
    """Have a decoder that can do so leave out detail that is not shown."""
    width, height = picture.size
    scale = min(1.0, edge / max(width, height)) * DRAFT_FACTOR
    if isinstance(picture, Jpeg2KImagePlugin.Jpeg2KImageFile):
        picture.reduce = max(0, int(1 / scale).bit_length() - 1)
    elif (
        min(width, height) * scale > BLOCK_PIXELS
    ):  # a narrower one is small, and its edge would count double
        picture.draft("RGB", (int(width * scale), int(height * scale)))


def _frame_count(picture: Image.Image) -> int | None:
    """Return how many frames a picture that can move has; None where they cannot be counted."""
    try:
        return int(getattr(picture, "n_frames", 1)) if picture.format in _MAY_MOVE else None
    except _UNREADABLE:
        return None


def _first_to_see(picture: Image.Image, frames: int, *, max_pixels: int, edge: int) -> Image.Image:
    """Return the first frame that is not of one colour all over, small; the first of all if none is."""
    if frames == 1:
        return pixels.as_seen(picture, edge)
    first = pixels.as_seen(picture, edge, is_needed_again=True)
    affordable = max_pixels // max(1, picture.width * picture.height)
    with contextlib.suppress(*_UNREADABLE):
        if pixels.is_plain(first):
            for number in range(1, min(frames, FRAMES_TRIED, affordable)):
                picture.seek(number)
                frame = pixels.as_seen(picture, edge, is_needed_again=True)
                if not pixels.is_plain(frame):
                    return frame
    return first
