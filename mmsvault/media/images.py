"""Pictures: what they are, a thumbnail and a perceptual hash from one decode, and a smaller preview."""

import io
import re
from dataclasses import dataclass
from pathlib import Path

import pillow_heif
from PIL import Image, ImageCms, ImageFile

from mmsvault.media.facts import Facts, NotShownError
from mmsvault.media.sniffing import WBMP, wbmp_size

FORMATS = {
    "image/jpeg": "JPEG",
    "image/png": "PNG",
    "image/gif": "GIF",
    "image/webp": "WEBP",
    "image/bmp": "BMP",
    "image/tiff": "TIFF",
    "image/avif": "AVIF",
    "image/heic": "HEIF",
    "image/heif": "HEIF",
}
CONTENT_TYPES = frozenset((*FORMATS, WBMP))
THUMBNAIL_PIXELS = 320
PREVIEW_PIXELS = 1600
DRAFT_FACTOR = 1.5
"""A JPEG is decoded at an eighth, a quarter or half of its size where that leaves this much to spare."""
CUT_OFF = "the file is cut off or damaged; the thumbnail shows what can be read of it"
GROUND = (236, 236, 238)
"""What is seen through transparent parts: light enough for dark drawings, not white for white ones."""

_MAY_MOVE = frozenset(("GIF", "WEBP", "PNG", "AVIF"))
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What sets the pixels upright, by EXIF orientation."""
_ORIENTATION, _EXIF, _GPS = 0x0112, 0x8769, 0x8825
_TAKEN, _TAKEN_OFFSET, _LATITUDE = 0x9003, 0x9011, 0x0002
_SRGB = ImageCms.createProfile("sRGB")
_UNREADABLE = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    MemoryError,
    TypeError,
    ArithmeticError,
    LookupError,
)

Image.MAX_IMAGE_PIXELS = None  # the limit below is ours, and is an error at once
pillow_heif.register_heif_opener(thumbnails=False)


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
    picture.save(kept, "WEBP", quality=80, method=2, exif=b"", icc_profile=b"", xmp=b"")
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
    try:
        return _decoded(path, content_type, max_pixels=max_pixels, edge=edge)
    except _UNREADABLE:  # perhaps it only ends too early
        pass
    ImageFile.LOAD_TRUNCATED_IMAGES = True
    try:
        drawn = _decoded(path, content_type, max_pixels=max_pixels, edge=edge, is_cut_off=True)
    except _UNREADABLE as error:
        raise NotShownError(f"thumbnail not made: the picture cannot be decoded ({_words(error)})") from error
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = False
    if all(band.getextrema()[0] == band.getextrema()[1] for band in drawn.picture.split()):
        raise NotShownError("thumbnail not made: the picture cannot be decoded (it ends before it begins)")
    return drawn


def _decoded(path: Path, content_type: str, *, max_pixels: int, edge: int, is_cut_off: bool = False) -> Drawn:
    with _opened(path, content_type, max_pixels) as picture:
        check_size(*picture.size, max_pixels=max_pixels)
        width, height = picture.size
        scale = min(1.0, edge / max(width, height)) * DRAFT_FACTOR
        picture.draft("RGB", (int(width * scale), int(height * scale)))
        small = _reduced(picture, edge)
        exif = _exif(picture)
        captured, has_location = _captured(exif), _has_location(exif)
        turned = exif.get(_ORIENTATION, 1)
        if turned in (5, 6, 7, 8):  # lying on its side
            width, height = height, width
        return Drawn(
            picture=_upright(small, turned),
            width=width,
            height=height,
            frame_count=_frame_count(picture),
            captured=captured,
            has_location=has_location,
            is_cut_off=is_cut_off,
        )


def check_size(width: int, height: int, *, max_pixels: int) -> None:
    """Raise NotShownError for a picture that is too large to decode."""
    if width * height > max_pixels:
        limit = f"{max_pixels // 1_000_000:,} million" if max_pixels % 1_000_000 == 0 else f"{max_pixels:,}"
        raise NotShownError(f"thumbnail not made: {width:,} x {height:,} pixels is over the limit of {limit}")


def _opened(path: Path, content_type: str, max_pixels: int) -> Image.Image:
    if content_type == WBMP:
        return _wbmp(path, max_pixels)
    return Image.open(path, formats=[FORMATS[content_type]])


def _wbmp(path: Path, max_pixels: int) -> Image.Image:
    with path.open("rb") as file:
        head = file.read(16)
        width, height, header = wbmp_size(head) or (0, 0, 0)
        check_size(width, height, max_pixels=max_pixels)
        file.seek(header)
        size = (width + 7) // 8 * height
        return Image.frombytes("1", (width, height), file.read(size).ljust(size, b"\0"))


def _frame_count(picture: Image.Image) -> int | None:
    """Return how many frames a picture that can move has; None where they cannot be counted."""
    try:
        return int(getattr(picture, "n_frames", 1)) if picture.format in _MAY_MOVE else None
    except _UNREADABLE:
        return None


def _reduced(picture: Image.Image, edge: int) -> Image.Image:
    picture.load()
    small = picture
    if picture.mode == "1":
        small = picture.convert("L")
    elif picture.mode[0] in "IF":  # 16 bits and more
        small = _eight_bits(picture)
    elif picture.mode in ("P", "PA", "LA", "La") or "transparency" in picture.info:
        small = picture.convert("RGBA")
    small.thumbnail((edge, edge), reducing_gap=2.0)
    small = _in_srgb(small, picture.info.get("icc_profile"))
    if small.mode in ("RGBA", "RGBa"):
        small = small.convert("RGBA")
        ground = Image.new("RGB", small.size, GROUND)
        ground.paste(small, mask=small.getchannel("A"))
        return ground
    return small if small.mode == "RGB" else small.convert("RGB")


def _eight_bits(picture: Image.Image) -> Image.Image:
    deep = picture.convert("F")
    low, high = deep.getextrema()
    span = float(high) - float(low)  # type: ignore[arg-type]  # one band, so two numbers
    return deep.point(lambda value: (value - float(low)) * (255 / span if span else 1)).convert("L")  # type: ignore[arg-type]


def _in_srgb(picture: Image.Image, profile: bytes | None) -> Image.Image:
    """Convert the colours where the picture has a profile of its own that can be used."""
    if not profile or b"sRGB" in profile[:1024]:
        return picture
    alpha = picture.getchannel("A") if picture.mode == "RGBA" else None
    try:
        converted = ImageCms.profileToProfile(
            picture.convert("RGB") if alpha else picture,
            ImageCms.ImageCmsProfile(io.BytesIO(profile)),
            _SRGB,
            outputMode="RGB",
        )
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return picture
    if converted is None:
        return picture
    if alpha:
        converted.putalpha(alpha)
    return converted


def _upright(picture: Image.Image, orientation: int) -> Image.Image:
    turn = _TURNS.get(orientation)
    return picture.transpose(turn) if turn is not None else picture


def _exif(picture: Image.Image) -> Image.Exif:
    try:
        return picture.getexif()
    except Exception:  # noqa: BLE001 - a broken EXIF raises anything, and the picture is fine without
        return Image.Exif()


def _captured(exif: Image.Exif) -> str:
    try:
        taken = exif.get_ifd(_EXIF)
        moment, offset = str(taken.get(_TAKEN, "")), str(taken.get(_TAKEN_OFFSET, ""))
    except Exception:  # noqa: BLE001 - as above
        return ""
    found = re.match(r"(\d{4})[:-](\d\d)[:-](\d\d)[ T](\d\d:\d\d:\d\d)", moment)
    if not found or found[1] == "0000":
        return ""
    zone = offset if re.fullmatch(r"[+-]\d\d:\d\d|Z", offset) else ""
    return f"{found[1]}-{found[2]}-{found[3]}T{found[4]}{zone}"


def _has_location(exif: Image.Exif) -> bool:
    try:
        return bool(exif.get_ifd(_GPS).get(_LATITUDE))
    except Exception:  # noqa: BLE001 - as above
        return False


def _words(error: BaseException) -> str:
    return (str(error).splitlines() or [""])[0][:200] or type(error).__name__
