"""Pictures: their size as shown upright, and a thumbnail, from one decode."""

import io
from pathlib import Path

from PIL import Image, ImageOps, UnidentifiedImageError

FORMATS = {"image/jpeg": "JPEG", "image/png": "PNG", "image/gif": "GIF"}
THUMBNAIL_PIXELS = 320
GROUND = (236, 236, 238)
"""What is seen through transparent parts: light enough for dark drawings, not white for white ones."""


class NotAPictureError(Exception):
    """No thumbnail can be made; the text says why, for a person."""


def thumbnail(path: Path, content_type: str, *, max_pixels: int) -> tuple[int, int, bytes]:
    """Return width and height as shown, and the thumbnail as WebP, 320 px on its long edge.

    Raises NotAPictureError. The limit is checked before anything is decoded.
    """
    Image.MAX_IMAGE_PIXELS = None  # the limit below is ours, and is an error at once
    try:
        with Image.open(path, formats=[FORMATS[content_type]]) as picture:
            width, height = picture.size
            if width * height > max_pixels:
                raise NotAPictureError(
                    f"thumbnail not made: {width:,} x {height:,} pixels is over the limit of {max_pixels:,}"
                )
            picture.draft("RGB", (THUMBNAIL_PIXELS * 2, THUMBNAIL_PIXELS * 2))
            small = _reduced(picture)
            if picture.getexif().get(0x0112, 1) in (5, 6, 7, 8):  # lying on its side
                width, height = height, width
    except (OSError, UnidentifiedImageError, SyntaxError, ValueError, EOFError, MemoryError) as error:
        raise NotAPictureError(f"thumbnail not made: the picture cannot be decoded ({error})") from error
    kept = io.BytesIO()
    small.save(kept, "WEBP", quality=80, method=2)
    return width, height, kept.getvalue()


def _reduced(picture: Image.Image) -> Image.Image:
    if picture.mode in ("P", "PA", "LA") or "transparency" in picture.info:
        picture = picture.convert("RGBA")
    small = picture.copy() if picture.mode == "RGBA" else picture
    small.thumbnail((THUMBNAIL_PIXELS, THUMBNAIL_PIXELS), reducing_gap=2.0)
    small = ImageOps.exif_transpose(small)
    if small.mode == "RGBA":
        ground = Image.new("RGB", small.size, GROUND)
        ground.paste(small, mask=small.getchannel("A"))
        return ground
    return small.convert("RGB")
