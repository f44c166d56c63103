"""The true type of a file, from its bytes; neither its name nor the provider's header decides.

Read in the worker too, where nothing may hang on a stranger's bytes: the patterns never look back.
"""

import mimetypes
import re

import puremagic

from mmsvault.media.charsets import as_text

HEAD_BYTES = 1 << 16
OCTETS = "application/octet-stream"
WBMP = "image/vnd.wap.wbmp"

EXTENSIONS = {
    "image/jpeg": ".jpg",
    "image/png": ".png",
    "image/gif": ".gif",
    "image/webp": ".webp",
    "image/bmp": ".bmp",
    "image/tiff": ".tif",
    "image/heic": ".heic",
    "image/heif": ".heif",
    "image/avif": ".avif",
    WBMP: ".wbmp",
    "image/svg+xml": ".svg",
    "video/3gpp": ".3gp",
    "video/3gpp2": ".3g2",
    "video/mp4": ".mp4",
    "video/quicktime": ".mov",
    "video/mpeg": ".mpg",
    "video/mp2t": ".ts",
    "video/x-msvideo": ".avi",
    "video/x-ms-wmv": ".wmv",
    "video/webm": ".webm",
    "video/x-matroska": ".mkv",
    "video/ogg": ".ogv",
    "video/x-flv": ".flv",
    "audio/3gpp": ".3ga",
    "audio/3gpp2": ".3g2",
    "audio/amr": ".amr",
    "audio/amr-wb": ".awb",
    "audio/aac": ".aac",
    "audio/mpeg": ".mp3",
    "audio/mp4": ".m4a",
    "audio/wav": ".wav",
    "audio/ogg": ".ogg",
    "audio/flac": ".flac",
    "audio/webm": ".weba",
    "audio/x-ms-wma": ".wma",
    "audio/x-matroska": ".mka",
    "audio/qcelp": ".qcp",
    "audio/midi": ".mid",
    "text/plain": ".txt",
    "text/vcard": ".vcf",
    "text/calendar": ".ics",
    "text/html": ".html",
    "application/pdf": ".pdf",
    "application/smil": ".smil",
    "application/zip": ".zip",
    "application/vnd.apple.pkpass": ".pkpass",
    OCTETS: ".bin",
}

# What files of these kinds begin with, where a table by prefix is surer than a guess by score.
_PREFIXES = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"II*\0", "image/tiff"),
    (b"MM\0*", "image/tiff"),
    (b"%PDF-", "application/pdf"),
    (b"#!AMR-WB\n", "audio/amr-wb"),
    (b"#!AMR\n", "audio/amr"),
    (b"ID3", "audio/mpeg"),
    (b"MThd", "audio/midi"),
    (b"OggS", "audio/ogg"),
    (b"fLaC", "audio/flac"),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "video/x-ms-wmv"),
    (b"\0\0\x01\xba", "video/mpeg"),
    (b"\0\0\x01\xb3", "video/mpeg"),
    (b"FLV\x01", "video/x-flv"),
)
_RIFFS = {
    b"WEBP": "image/webp",
    b"AVI ": "video/x-msvideo",
    b"WAVE": "audio/wav",
    b"QLCM": "audio/qcelp",
    b"RMID": "audio/midi",
}
_BRANDS = (
    (b"3g2", "video/3gpp2"),
    (b"3g", "video/3gpp"),
    (b"qt", "video/quicktime"),
    (b"M4A", "audio/mp4"),
    (b"M4B", "audio/mp4"),
    (b"avif", "image/avif"),
    (b"avis", "image/avif"),
    (b"hei", "image/heic"),
    (b"hev", "image/heic"),
    (b"mif1", "image/heif"),
    (b"msf1", "image/heif"),
)
# What may stand before the first tag: atomic groups, so that a row of comments is read once.
_BEFORE = r"(?>\s+|<\?.*?\?>|<!--.*?-->|<!DOCTYPE(?! html)[^>]*>)*+"
_TEXTS = tuple(
    (re.compile(pattern, re.IGNORECASE | re.DOTALL), kind)
    for pattern, kind in (
        (r"BEGIN:VCARD\b", "text/vcard"),
        (r"BEGIN:VCALENDAR\b", "text/calendar"),
        (_BEFORE + r"<svg\b", "image/svg+xml"),
        (_BEFORE + r"<smil\b", "application/smil"),
        (_BEFORE + r"<(?:!DOCTYPE html|html|head|body|script)\b", "text/html"),
    )
)


def true_type(data: bytes, declared: str) -> str:
    """Return the content type of a file that begins with `data` (up to HEAD_BYTES of it)."""
    if not data:
        told = declared.partition(";")[0].strip().lower()
        return told if told in EXTENSIONS and told.startswith("text/") else OCTETS
    known = _by_first_bytes(data) or _by_structure(data, declared)
    if known:
        return known
    text = as_text(data, declared)
    if text is not None:
        start = text.lstrip("\ufeff \t\r\n")
        return next((kind for pattern, kind in _TEXTS if pattern.match(start)), "text/plain")
    try:
        guess: str = puremagic.from_string(data, mime=True)
    except (puremagic.PureError, ValueError):
        return OCTETS
    # What puremagic takes for text or a script is not: it did not read as text above.
    return guess if "/" in guess and not guess.startswith("text/") else OCTETS


def extension(content_type: str) -> str:
    """Return the file extension, with its dot, that goes with a type."""
    guess = EXTENSIONS.get(content_type) or mimetypes.guess_extension(content_type) or ".bin"
    return guess if re.fullmatch(r"\.[a-z0-9]{1,8}", guess) else ".bin"


def wbmp_size(data: bytes) -> tuple[int, int, int] | None:
    """Return width, height and length of the header of a WBMP; None where `data` is none.

    The format has no magic number (WAP-237, 4.5.1): type 0, one byte of fixed header, two numbers.
    """
    if data[:2] != b"\0\0":
        return None
    numbers, at = [], 2
    for _ in range(2):
        number = 0
        for _ in range(4):
            byte = data[at] if at < len(data) else 0
            number, at = number << 7 | byte & 0x7F, at + 1
            if not byte & 0x80:
                break
        numbers.append(number)
    width, height = numbers
    return (width, height, at) if width and height else None


def _by_first_bytes(data: bytes) -> str:
    for prefix, kind in _PREFIXES:
        if data.startswith(prefix):
            return kind
    if data[:4] == b"RIFF":
        return _RIFFS.get(data[8:12], "")
    if data[4:8] == b"ftyp":
        return next((kind for brand, kind in _BRANDS if data[8:].startswith(brand)), "video/mp4")
    if data[:4] == b"\x1a\x45\xdf\xa3":
        return "video/webm" if b"webm" in data[:64] else "video/x-matroska"
    if data[:4] == b"PK\x03\x04":
        return "application/vnd.apple.pkpass" if b"pass.json" in data else "application/zip"
    return ""


def _by_structure(data: bytes, declared: str) -> str:
    """Tell the kinds whose first bytes alone are too short to tell them."""
    if data[:2] == b"BM" and data[6:10] == b"\0\0\0\0" and len(data) > 26:  # noqa: PLR2004 - a BMP's header
        return "image/bmp"
    if data[:1] == b"\x47" and data[188:189] == b"\x47" and data[376:377] == b"\x47":
        return "video/mp2t"
    if len(data) > 4 and data[0] == 0xFF and data[1] & 0xE0 == 0xE0:  # noqa: PLR2004 - a frame's sync
        if data[1] & 0xF6 == 0xF0:  # noqa: PLR2004 - ADTS: layer 0
            return "audio/aac"
        if data[1] & 0x06 in (0x02, 0x04) and data[2] & 0xF0 != 0xF0 and data[2] & 0x0C != 0x0C:  # noqa: PLR2004
            return "audio/mpeg"
    measured = wbmp_size(data)
    if measured and len(data) <= HEAD_BYTES:
        width, height, header = measured
        exact = len(data) == header + (width + 7) // 8 * height
        if exact or "wbmp" in declared.lower():
            return WBMP
    return ""
