"""From the pixels of a decoder to those that a person sees: small, eight bits, sRGB, on a ground."""

import io
from typing import Any

import numpy as np
from PIL import GifImagePlugin, Image, ImageCms

GROUND = (236, 236, 238)
"""What is seen through transparent parts: light enough for dark drawings, not white for white ones."""

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
_SRGB = ImageCms.createProfile("sRGB")
_USUAL_GAMMA = 1 / 2.2
_BITS_PER_SAMPLE, _PHOTOMETRIC, _WHITE_IS_ZERO = 258, 262, 0


def as_seen(picture: Image.Image, edge: int, *, is_needed_again: bool = False) -> Image.Image:
    """Return a picture with its long edge so long at most, as RGB; it is made smaller itself if it may be."""
    covered = _covered_part(picture)
    picture.load()
    small = picture
    if picture.mode == "1" and "transparency" not in picture.info:
        small = picture.convert("L")
    elif picture.mode[0] in "IF":  # 16 bits and more
        small = _eight_bits(picture)
    elif picture.mode in ("P", "PA", "LA", "La") or "transparency" in picture.info:
        small = picture.convert("RGBA")
    if covered:
        small = _only(small, covered)
    if is_needed_again and small is picture:
        small = picture.copy()
    small.thumbnail((edge, edge), reducing_gap=2.0)
    small = _in_srgb(small, picture.info)
    if small.mode in ("RGBA", "RGBa"):
        small = small.convert("RGBA")
        ground = Image.new("RGB", small.size, GROUND)
        ground.paste(small, mask=small.getchannel("A"))
        return ground
    return small if small.mode == "RGB" else small.convert("RGB")


def upright(picture: Image.Image, orientation: int) -> Image.Image:
    """Return the picture turned as EXIF's orientation says."""
    turn = _TURNS.get(orientation)
    return picture.transpose(turn) if turn is not None else picture


def is_plain(picture: Image.Image) -> bool:
    """Return whether all of a picture has one colour, but for what a lossy codec adds."""
    return all(high - low <= 4 for low, high in (band.getextrema() for band in picture.split()))  # type: ignore[operator]  # noqa: PLR2004 - of 255


def _covered_part(picture: Image.Image) -> tuple[int, int, int, int] | None:
    """Return the part of a GIF that its first frame covers; browsers leave the rest transparent."""
    if not isinstance(picture, GifImagePlugin.GifImageFile) or picture.tell() or not picture.tile:
        return None
    extents = picture.tile[0].extents
    return extents if extents and extents != (0, 0, *picture.size) else None


def _only(picture: Image.Image, part: tuple[int, int, int, int]) -> Image.Image:
    kept = Image.new("RGBA", picture.size)
    kept.paste(picture.crop(part), part[:2])
    return kept


def _eight_bits(picture: Image.Image) -> Image.Image:
    """Return grey of 16 or 32 bits or of real numbers as grey of 8, over the range that it is made for."""
    values = np.asarray(picture)
    if picture.mode.startswith("I;16"):
        small = np.clip(values >> (_bits(picture) - 8), 0, 255).astype(np.uint8)
    else:
        small = _from_unknown_range(values)
    grey = Image.fromarray(small if not _is_negative(picture) else 255 - small)
    clear = picture.info.get("transparency")
    if isinstance(clear, int):
        grey.putalpha(Image.fromarray(np.where(values == clear, 0, 255).astype(np.uint8)))
        return grey.convert("RGBA")
    return grey


def _from_unknown_range(values: Any) -> Any:
    """Return numbers as 8 bits; their range is the first usual one that holds them, else their own."""
    numbers = np.nan_to_num(values.astype(np.float32), posinf=0, neginf=0)
    low, high = float(numbers.min()), float(numbers.max())
    usual = (255, 65535) if values.dtype.kind in "iu" else (1, 255, 65535)
    limit = next((limit for limit in usual if high <= limit), 0) if low >= 0 else 0
    if limit:
        low, high = 0.0, float(limit)
    return ((numbers - low) * (255 / (high - low) if high > low else 1)).clip(0, 255).astype(np.uint8)


def _bits(picture: Image.Image) -> int:
    tags = getattr(picture, "tag_v2", {})
    bits = tags.get(_BITS_PER_SAMPLE, (16,))[0]
    return bits if bits in range(8, 17) else 16


def _is_negative(picture: Image.Image) -> bool:
    return bool(getattr(picture, "tag_v2", {}).get(_PHOTOMETRIC, 1) == _WHITE_IS_ZERO)


def _in_srgb(picture: Image.Image, info: dict[str | tuple[int, int], Any]) -> Image.Image:
    """Convert the colours where the picture says that they are others than sRGB, and how."""
    profile = info.get("icc_profile")
    if not profile:
        return _with_usual_gamma(picture, info)
    if b"sRGB" in profile[:1024]:
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


def _with_usual_gamma(picture: Image.Image, info: dict[str | tuple[int, int], Any]) -> Image.Image:
    """Apply the gamma of a PNG, which counts where neither a profile nor `sRGB` says more."""
    gamma = info.get("gamma")
    if not gamma or "srgb" in info or abs(gamma - _USUAL_GAMMA) < 0.02:  # noqa: PLR2004 - not seen
        return picture
    power = _USUAL_GAMMA / gamma
    curve = [round(255 * (level / 255) ** power) for level in range(256)]
    same = list(range(256))
    if picture.mode not in ("L", "RGB", "RGBA"):
        return picture
    return picture.point(curve * len(picture.mode) if picture.mode != "RGBA" else curve * 3 + same)
