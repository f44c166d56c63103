"""What a picture's EXIF tells: which side is up, when it was taken, and that it tells where."""

import re
import struct

from PIL import Image

_ORIENTATION, _EXIF, _GPS = 0x0112, 0x8769, 0x8825
_TAKEN, _TAKEN_OFFSET, _LATITUDE = 0x9003, 0x9011, 0x0002
_SHORT = 3
_TURNED_BY_EXIF = frozenset(("JPEG", "MPO", "PNG", "AVIF"))
"""Formats that browsers turn by EXIF; Pillow puts what an AVIF says of its own (`irot`, `imir`) there.

TIFF and HEIF come upright from their decoders, and browsers pass over the EXIF of a WebP.
"""


def orientation(picture: Image.Image) -> int:
    """Return how the pixels lie, from 1 to 8 as EXIF counts, as Chromium reads it.

    It takes the first directory's entry where that is one short integer, and nothing from XMP, which
    Pillow would fall back on.
    """
    block = picture.info.get("exif")
    if picture.format not in _TURNED_BY_EXIF or not isinstance(block, bytes):
        return 1
    try:
        found = _entry(block.removeprefix(b"Exif\0\0"))
    except struct.error:
        return 1
    return found if found in range(1, 9) else 1


def _entry(tiff: bytes) -> int:
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4])
    if order is None:
        return 1
    (start,) = struct.unpack_from(f"{order}I", tiff, 4)
    (count,) = struct.unpack_from(f"{order}H", tiff, start)
    for number in range(count):
        tag, form, length, value = struct.unpack_from(f"{order}HHIH", tiff, start + 2 + 12 * number)
        if tag == _ORIENTATION:
            return int(value) if (form, length) == (_SHORT, 1) else 1
    return 1


def read(picture: Image.Image) -> Image.Exif:
    """Return the EXIF of a picture, empty where it has none or a broken one."""
    try:
        return picture.getexif()
    except Exception:  # noqa: BLE001 - a broken EXIF raises anything, and the picture is fine without
        return Image.Exif()


def captured(exif: Image.Exif) -> str:
    """Return when the picture was taken, in ISO 8601, without an offset where the file tells none."""
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


def has_location(exif: Image.Exif) -> bool:
    """Return whether the file tells where the picture was taken."""
    try:
        return bool(exif.get_ifd(_GPS).get(_LATITUDE))
    except Exception:  # noqa: BLE001 - as above
        return False
