"""The true type of a file, from its bytes; neither its name nor the provider's header decides.

Charsets are the one thing that bytes alone do not tell, so a declared one is tried before guessing.
"""

import mimetypes
import re
from email.message import Message as Headers

import puremagic

HEAD_BYTES = 1 << 16
OCTETS = "application/octet-stream"

EXTENSIONS = {
    "image/jpeg": ".jpg",
    "image/png": ".png",
    "image/gif": ".gif",
    "image/webp": ".webp",
    "video/3gpp": ".3gp",
    "video/3gpp2": ".3g2",
    "video/mp4": ".mp4",
    "video/quicktime": ".mov",
    "audio/amr": ".amr",
    "audio/amr-wb": ".awb",
    "audio/mpeg": ".mp3",
    "audio/mp4": ".m4a",
    "text/plain": ".txt",
    "text/vcard": ".vcf",
    "text/calendar": ".ics",
    "text/html": ".html",
    "application/pdf": ".pdf",
    "application/smil": ".smil",
    "image/svg+xml": ".svg",
    OCTETS: ".bin",
}

# What files of these kinds begin with, where a table by prefix is surer than a guess by score.
_PREFIXES = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"%PDF-", "application/pdf"),
    (b"#!AMR-WB\n", "audio/amr-wb"),
    (b"#!AMR\n", "audio/amr"),
    (b"ID3", "audio/mpeg"),
)
_BRANDS = (
    (b"3g2", "video/3gpp2"),
    (b"3g", "video/3gpp"),
    (b"qt", "video/quicktime"),
    (b"M4A", "audio/mp4"),
    (b"M4B", "audio/mp4"),
    (b"avif", "image/avif"),
    (b"hei", "image/heic"),
    (b"hev", "image/heic"),
    (b"mif1", "image/heif"),
)
_TEXTS = (
    (re.compile(r"BEGIN:VCARD\b", re.IGNORECASE), "text/vcard"),
    (re.compile(r"BEGIN:VCALENDAR\b", re.IGNORECASE), "text/calendar"),
    (
        re.compile(
            r"(<\?xml[^>]*>\s*)?(<!--.*?-->\s*|<!DOCTYPE svg[^>]*>\s*)*<svg\b", re.IGNORECASE | re.DOTALL
        ),
        "image/svg+xml",
    ),
    (re.compile(r"(<\?xml[^>]*>\s*)?(<!DOCTYPE smil[^>]*>\s*)?<smil\b", re.IGNORECASE), "application/smil"),
    (
        re.compile(r"(<!--.*?-->\s*)*<(!DOCTYPE html|html|head|body|script)\b", re.IGNORECASE | re.DOTALL),
        "text/html",
    ),
)
_NOT_IN_TEXT = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f]")


def true_type(data: bytes, declared: str) -> str:
    """Return the content type of a file that begins with `data` (up to HEAD_BYTES of it)."""
    for prefix, kind in _PREFIXES:
        if data.startswith(prefix):
            return kind
    if data[4:8] == b"ftyp":
        return next((kind for brand, kind in _BRANDS if data[8:].startswith(brand)), "video/mp4")
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


def as_text(data: bytes, declared: str) -> str | None:
    """Return the text that `data` is, or None where it is no text.

    A byte order mark decides, then UTF-8, then the declared charset. A character that was cut off
    at the end of `data` is left out.
    """
    if not data:
        return None
    for mark, charset in ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if data.startswith(mark):
            return _decoded(data, charset)
    text = _decoded(data, "utf-8")
    if text is None and declared.lower().startswith(("text/", "application/smil", "application/xml")):
        text = _decoded(data, _charset(declared) or "cp1252")
    return text


def _decoded(data: bytes, charset: str) -> str | None:
    for cut in range(4):
        try:
            text = data[: len(data) - cut].decode(charset)
        except (UnicodeDecodeError, LookupError):
            continue
        return None if _NOT_IN_TEXT.search(text) else text
    return None


def _charset(declared: str) -> str | None:
    headers = Headers()
    headers["content-type"] = declared
    return headers.get_content_charset()
