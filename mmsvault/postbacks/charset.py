"""The bytes of a body as text. What says which encoding they are in may be wrong; no message is lost for it.

A byte order mark decides, then the charset in the HTTP header, then the declaration of the XML, then
what fits the bytes. The XML parser is given text and decides nothing. Two rules stand over what is
declared: an encoding in which the body has no markup at all is not the one it was written in, and bytes
that are good UTF-8 are UTF-8, which text in other encodings hardly ever is by chance.
"""

import codecs
import re
from collections.abc import Mapping
from functools import lru_cache

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # begins with the mark of UTF-16
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_WIDE: Mapping[tuple[bool, ...], str] = {
    (False, True, False, True): "utf-16-le",
    (True, False, True, False): "utf-16-be",
    (False, True, True, True): "utf-32-le",
    (True, True, True, False): "utf-32-be",
}
"""By which of the first four bytes are NUL: encodings of which the mark was left out (XML 1.0, F.1)."""
_HTTP_CHARSET = re.compile(r"""charset\s*=\s*["']?([^\s"';,]+)""", re.IGNORECASE)
_DECLARATION = re.compile(rb"""\s*<\?xml[^>]{0,200}?encoding\s*=\s*["']([^"'>]{1,40})["']""")
_OTHER_NAMES = {
    "cesu-8": "utf-8",
    "utf8mb3": "utf-8",
    "utf8mb4": "utf-8",
    "unicode": "utf-16",
    "ucs-2": "utf-16",
    "iso-10646-ucs-2": "utf-16",
    "x-sjis": "cp932",
    "windows-31j": "cp932",
    "x-gbk": "gb18030",
    "x-x-big5": "big5hkscs",
    "x-euc-jp": "euc_jp",
    "iso-8859-8-i": "iso-8859-8",
}
_WIDER = {
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
    "iso8859-11": "cp874",
    "tis-620": "cp874",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "big5": "big5hkscs",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
}
"""What programs write that declare the first, and what browsers read instead; tried before it."""
_NOT_FOR_TEXT = frozenset({"idna", "punycode", "undefined", "unicode-escape", "raw-unicode-escape", "utf-7"})
_SWITCHING = ("iso2022", "hz")
"""Encodings that write everything in ASCII, between escapes."""
_FEWEST_UTF8_CHARACTERS = 4
"""Fewer in a row may be good UTF-8 by chance in an encoding of several bytes a character."""
_FEWEST_TELLING_BYTES = 6
"""Of fewer bytes that are not ASCII nobody can tell the encoding; most likely they are Western."""
_DETECTED_FROM_BYTES = 8192


def decode(body: bytes, content_type: str = "") -> tuple[str, bool]:
    """Return the text of a body, and whether its encoding was another than declared, or a guess.

    `content_type` is the HTTP header. Any bytes are text in the end, if need be with U+FFFD.
    """
    body, marked = _without_mark(body)
    if marked is not None:
        return marked, False
    claims = _claims(body, content_type)
    wide = _WIDE.get(tuple(byte == 0 for byte in body[:4])) if b"\0" in body[:4] else None
    if wide:
        text = body.decode(wide, "replace")
        claims = claims or _claims(text[:300].encode("latin-1", "replace"), "")
        return text, not any(claim.startswith(wide[:6]) for claim in map(_codec, claims))
    if body.isascii():
        codec = _codec(claims[0]) if claims else "ascii"
        if not codec.startswith(_SWITCHING):
            return body.decode("ascii"), not _holds_ascii(codec)
    return _decode_others(body, claims)


def join_surrogates(text: str) -> str:
    """Return text in which pairs of surrogates are the characters that they mean, and halves U+FFFD."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _without_mark(body: bytes) -> tuple[bytes, str | None]:
    for mark, codec in _MARKS:
        if body.startswith(mark):
            rest = body[len(mark) :]
            text = _decoded(rest, codec) if codec == "utf-8" else rest.decode(codec, "replace")
            return rest, text if text is not None and (not text or _has_markup(text)) else None
    return body, None


def _claims(body: bytes, content_type: str) -> list[str]:
    """Return the encodings that are declared, the one that counts most first."""
    of_http = _HTTP_CHARSET.search(content_type)
    of_xml = _DECLARATION.match(body)
    claims = [of_http[1]] if of_http else []
    return [*claims, of_xml[1].decode("latin-1")] if of_xml else claims


def _decode_others(body: bytes, claims: list[str]) -> tuple[str, bool]:
    as_utf8 = _decoded(body, "utf-8")
    for place, codec in enumerate(map(_codec, claims)):
        text = as_utf8 if codec == "utf-8" else _as_declared(body, codec)
        if text is None:
            continue
        if as_utf8 is not None and codec != "utf-8" and _is_surely_utf8(body, as_utf8, text):
            return as_utf8, True
        return text, place > 0
    if as_utf8 is not None:
        return as_utf8, bool(claims)
    return _what_fits(body), True


@lru_cache(maxsize=128)
def _codec(name: str) -> str:
    """Return Python's name of an encoding, empty for one that is unknown or none of text."""
    plain = name.strip().lower()
    try:
        codec = codecs.lookup(_OTHER_NAMES.get(plain, plain)).name
        "<".encode(codec)
    except (LookupError, ValueError, TypeError):
        return ""
    return "" if codec in _NOT_FOR_TEXT else codec


@lru_cache(maxsize=128)
def _holds_ascii(codec: str) -> bool:
    return bool(codec) and "<{".encode(codec) == b"<{"


def _as_declared(body: bytes, codec: str) -> str | None:
    if not codec:
        return None
    wider = _WIDER.get(codec)
    text = _decoded(body, wider) if wider else None
    text = _decoded(body, codec) if text is None else text
    return text if text is not None and _has_markup(text) else None


def _decoded(body: bytes, codec: str) -> str | None:
    try:
        return body.decode(codec)
    except (ValueError, LookupError, TypeError):
        return None


def _has_markup(text: str) -> bool:
    return "<" in text or "{" in text or "%" in text


def _is_surely_utf8(body: bytes, as_utf8: str, as_declared: str) -> bool:
    has_single_bytes = len(as_declared) == len(body)
    found = sum(letter > "\x7f" for letter in as_utf8)
    return has_single_bytes or found >= _FEWEST_UTF8_CHARACTERS


def _what_fits(body: bytes) -> str:
    # CESU-8, and the NUL of what Java calls UTF-8: characters beyond U+FFFF are two surrogates.
    try:
        return join_surrogates(body.replace(b"\xc0\x80", b"").decode("utf-8", "surrogatepass"))
    except UnicodeDecodeError as error:
        is_cut = error.end - error.start > 1  # a character of which the rest was cut off
    loose = body.decode("utf-8", "replace")
    bad = loose.count("\N{REPLACEMENT CHARACTER}")
    good = sum(letter > "\x7f" for letter in loose) - bad
    return loose if good >= bad or (is_cut and bad == 1) else _detected(body)


def _detected(body: bytes) -> str:
    told = b" ".join(re.findall(rb"[^<>{}\"]*+[\x80-\xff][^<>{}\"]*+", body))[:_DETECTED_FROM_BYTES]
    if sum(byte > 0x7F for byte in told) >= _FEWEST_TELLING_BYTES:  # noqa: PLR2004 - the end of ASCII
        from charset_normalizer import from_bytes  # noqa: PLC0415 - heavy, and hardly ever wanted

        best = from_bytes(told).best()
        text = _as_declared(body, _codec(best.encoding)) if best else None
        if text is not None:
            return text
    western = _decoded(body, "cp1252")
    return body.decode("latin-1") if western is None else western
