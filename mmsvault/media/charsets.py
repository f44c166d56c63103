"""Bytes as text. Charsets are the one thing that bytes alone do not tell for sure.

A byte order mark decides, then UTF-8 (other charsets hardly ever make valid UTF-8 by chance), then
the charset that the provider declared, then what the bytes look like most.
"""

import codecs
import re
from email.message import Message as Headers

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # begins with the mark of UTF-16
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SWITCHING = re.compile(r"iso-2022-.*|utf-7|hz(-gb-2312)?", re.IGNORECASE)
"""Charsets that write everything in ASCII and switch with escapes: their bytes are valid UTF-8."""
_NOT_IN_TEXT = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_NOT_IN_BYTES = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_DETECTED_FROM_BYTES = 8192
_FEWEST_TELLING_BYTES = 6
"""Of fewer letters that are not ASCII nobody can tell what they are; most likely they are Western."""
_TEXT_TYPES = ("text/", "application/smil", "application/xml", "application/ics")


def as_text(data: bytes, declared: str) -> str | None:
    """Return the text that `data` is, or None where it is no text; `declared` is a content type.

    Half a character at the end, where `data` was cut off, is left out.
    """
    if not data:
        return None
    for mark, charset in _MARKS:
        if data.startswith(mark):
            return _decoded(data, charset, is_whole=False)
    charset = _charset(declared)
    if _SWITCHING.fullmatch(charset):
        return _decoded(data, charset)
    text = _decoded(data, "utf-8")
    if text is None and charset:
        text = _decoded(data, charset, is_whole=False)
    if text is None:
        begun = _decoded(data, "utf-8", is_whole=False)
        text = begun if begun and not begun.isascii() else None
    if text is None and declared.lower().startswith(_TEXT_TYPES):
        text = _detected(data)
    return text


def _decoded(data: bytes, charset: str, *, is_whole: bool = True) -> str | None:
    try:
        text = codecs.getincrementaldecoder(charset)().decode(data, final=is_whole)
    except (ValueError, LookupError, TypeError):
        return None
    return None if not isinstance(text, str) or _NOT_IN_TEXT.search(text) else text


def _detected(data: bytes) -> str | None:
    if _NOT_IN_BYTES.search(data):
        return None
    if sum(byte > 0x7F for byte in data[:_DETECTED_FROM_BYTES]) < _FEWEST_TELLING_BYTES:  # noqa: PLR2004 - ASCII
        return _decoded(data, "cp1252")
    from charset_normalizer import from_bytes  # noqa: PLC0415 - heavy, and wanted in the sandbox only

    best = from_bytes(data[:_DETECTED_FROM_BYTES]).best()
    text = _decoded(data, best.encoding) if best else None
    return _decoded(data, "cp1252") if text is None else text


def _charset(declared: str) -> str:
    headers = Headers()
    headers["content-type"] = declared.replace("\r", " ").replace("\n", " ")
    try:
        return headers.get_content_charset() or ""
    except (LookupError, UnicodeError):
        return ""
