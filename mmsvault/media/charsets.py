"""Bytes as text. Charsets are the one thing that bytes alone do not tell for sure.

A byte order mark decides, then UTF-8 (other charsets hardly ever make valid UTF-8 by chance), then
the charset that the provider or the file itself declares, then what the bytes look like most. A byte
that does not fit costs one character, which is U+FFFD then; it does not make all others wrong.
"""

import codecs
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator

from mmsvault.media.charset_names import codec_of

_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # begins with the mark of UTF-16
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_SWITCHING = re.compile(r"iso2022_.*|utf-7|hz")
"""Charsets that write everything in ASCII and switch with escapes: their bytes are valid UTF-8."""
_JAPANESE_ESCAPE = re.compile(rb"\x1b(?:\$[@B]|\([JI])")
_SINGLE_BYTE = re.compile(r"iso8859|cp(?:125\d|874|437|8[56]\d)|koi8|mac|tis")
_CONTROL = re.compile(r"[\x01-\x08\x0e-\x1a\x1c-\x1f]")
_NOT_SHOWN = re.compile(r"[\x01-\x08\x0e-\x1a\x1c-\x1f\uf8f0-\uf8f3]")
"""Control characters, and what Python's cp932 makes of bytes that Shift JIS does not define."""
_CONTROL_OR_NUL = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_PAIR_OF_SURROGATES = re.compile(rb"\xed[\xa0-\xaf][\x80-\xbf]\xed[\xb0-\xbf][\x80-\xbf]")
_LONE_SURROGATE = re.compile(rb"\xed[\xa0-\xbf][\x80-\xbf]")
_DECLARED = re.compile(
    r";\s*+charset(?:\*0?\*?)?\s*+=\s*+[\"']?(?:[\w-]{1,20}'[\w-]{0,20}')?([^\s;,\"']{1,40})", re.IGNORECASE
)
"""The parameter of a content type, also as RFC 2231 writes it (`charset*=us-ascii'en'utf-8`)."""
_DECLARED_INSIDE = re.compile(
    rb"\s*(?:<\?xml\s[^>]{0,100}?encoding\s*=\s*|<[^>]{0,40}>.{0,900}?<meta\s[^>]{0,100}?charset\s*=\s*"
    rb"|BEGIN:V.{0,4000}?;CHARSET=)[\"']?([\w.:-]{2,40})",
    re.IGNORECASE | re.DOTALL,
)
_DETECTED_FROM_BYTES = 8192
_FEWEST_TELLING_BYTES = 6
"""Of fewer letters that are not ASCII nobody can tell what they are; most likely they are Western."""
_FEWEST_WITHOUT_ASCII = 16
"""Where nothing says that it is text, and most of it is not ASCII."""
_MOST_ROWS = 4
"""Of 256 characters: a script, ASCII, punctuation and a stray one."""
_TEXT_TYPES = ("text/", "application/smil", "application/xml", "application/ics")
_UNTOLD_TYPES = ("", "application/octet-stream", "binary/octet-stream", "application/unknown")
_REPLACED = "\ufffd"


def as_text(data: bytes, declared: str) -> str | None:
    """Return the text that `data` is, or None where it is no text; `declared` is a content type.

    Half a character at the end, where `data` was cut off, is left out, and so are NULs there. NULs
    within are line ends; other control characters and bytes that do not fit are U+FFFD.
    """
    kind = declared.partition(";")[0].strip().lower()
    is_declared = kind.startswith(_TEXT_TYPES)
    if not data.strip(b"\0"):
        return None
    for text in _readings(
        data, _charset(data, declared), is_declared=is_declared, may_be=kind in _UNTOLD_TYPES
    ):
        whole = (text or "").removeprefix("\ufeff").rstrip("\0\x1a")
        if _is_text(whole, is_declared=is_declared):
            return _NOT_SHOWN.sub(_REPLACED, re.sub("\0+", "\n", whole))
    return None


def as_text_in(data: bytes, charset: str) -> str:
    """Return text of a known charset, such as a value of a card; what does not fit is U+FFFD."""
    return as_text(data, f"text/plain; charset={charset}" if charset else "text/plain") or ""


def _readings(data: bytes, codec: str, *, is_declared: bool, may_be: bool) -> Iterator[str | None]:
    """Give what the bytes say in the charsets that may be theirs, the likeliest first."""
    for mark, wide in _MARKS:
        if data.startswith(mark):
            yield _wide(data[len(mark) :], wide)
    if codec.startswith(("utf-16", "utf-32")) and not _is_clearly_utf8(data):
        yield _wide(data, _byte_order(data, codec))
    if wide := _looks_wide(data):
        yield _wide(data, wide)
    if _SWITCHING.fullmatch(codec) or (data.isascii() and _JAPANESE_ESCAPE.search(data)):
        text = _decoded(data, codec if _SWITCHING.fullmatch(codec) else "iso2022_jp_ext")
        yield _joined(text) if text else None
    yield _utf8(data, codec)
    if codec:
        yield _decoded(data, codec) or _mostly(data, codec)
    if is_declared or may_be:
        yield _in_few_rows(data)
        yield _detected(data, is_declared=is_declared)


def _utf8(data: bytes, codec: str) -> str | None:
    """Return UTF-8, with what does not fit replaced, where most of it fits; None where it is another.

    Surrogates in pairs (CESU-8, as Java and some SMS centres write it) are the character that they mean.
    """
    mended = data
    if b"\xed" in data:
        mended = _LONE_SURROGATE.sub(
            b"\xef\xbf\xbd",
            _PAIR_OF_SURROGATES.sub(
                lambda pair: _joined(pair[0].decode("utf-8", "surrogatepass")).encode(), data
            ),
        )
    text = codecs.getincrementaldecoder("utf-8")("replace").decode(mended)
    bad = text.count(_REPLACED) - data.count(b"\xef\xbf\xbd")
    if not bad and len(text.encode()) == len(mended):
        return text
    good = sum(letter > "\x7f" for letter in text) - text.count(_REPLACED)
    # Single-byte charsets fit everything, so that a declared one needs more to be taken for wrong.
    weight = 2 if _SINGLE_BYTE.match(codec) else 1
    if codec and not _SINGLE_BYTE.match(codec) and codec != "utf-8" and _decoded(data, codec) is not None:
        return None
    return text if good > bad * weight else None


def _joined(text: str) -> str:
    """Join surrogates in pairs to the characters that they mean; half a pair is U+FFFD."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _decoded(data: bytes, codec: str) -> str | None:
    """Return the text, where all bytes fit; half a character at the end is left out."""
    try:
        return codecs.getincrementaldecoder(codec)().decode(data)
    except (ValueError, LookupError):
        return None


def _mostly(data: bytes, codec: str) -> str | None:
    """Return the text in a charset that most of the bytes fit."""
    try:
        text = codecs.getincrementaldecoder(codec)("replace").decode(data)
    except (ValueError, LookupError):
        return None
    beyond_ascii = sum(letter > "\x7f" for letter in text)
    return text if text.count(_REPLACED) * 4 < beyond_ascii else None


def _wide(data: bytes, codec: str) -> str | None:
    """Return text of two or four bytes a character, where most of it is characters."""
    size = 4 if "32" in codec else 2
    whole = data[: len(data) // size * size]
    text = whole.decode(codec, "replace").removeprefix("\ufeff")
    return text if text and _oddities(text.rstrip("\0")) * 10 <= len(text) else None


def _byte_order(data: bytes, codec: str) -> str:
    """Return the codec with the byte order in which the text is likelier one; big-endian if in doubt."""
    told = codec if codec.endswith("e") else f"{codec}-be"
    other = told[:-2] + ("le" if told.endswith("be") else "be")
    sample = data[:_DETECTED_FROM_BYTES]

    def unlikely(name: str) -> int:
        size = 4 if "32" in name else 2
        whole = sample[: len(sample) // size * size]
        rows = set(whole[0 if name.endswith("be") else size - 1 :: size])
        return _oddities(whole.decode(name, "replace").rstrip("\0")) * 4 + len(rows)

    return min(told, other, key=unlikely)


def _looks_wide(data: bytes) -> str:
    """Return the codec of text of two or four bytes a character, whose zeros tell it; empty elsewhere."""
    sample = data[: _DETECTED_FROM_BYTES // 4 * 4]
    if len(sample) >= 8 and len(data) % 4 == 0:  # noqa: PLR2004 - two characters
        rows = [sample[at::4] for at in range(4)]
        for name, (plane, row) in (("utf-32-be", rows[:2]), ("utf-32-le", (rows[3], rows[2]))):
            if not any(plane) and max(row) <= 0x10 and row.count(0) * 2 >= len(row):  # noqa: PLR2004 - the last plane of Unicode
                return name if not _oddities(sample.decode(name, "replace").rstrip("\0")) else ""
    for name, row, rest in (
        ("utf-16-be", sample[::2], sample[1::2]),
        ("utf-16-le", sample[1::2], sample[::2]),
    ):
        zeros = row.count(0) * 2 >= len(row) > 1 and rest.count(0) * 10 <= len(rest)
        even = sample[: len(sample) // 2 * 2]
        if zeros and not _oddities(even.decode(name, "replace").rstrip("\0")):
            return name
    return ""


def _in_few_rows(data: bytes) -> str | None:
    """Return UTF-16 in a script that is not Latin: few of its characters have a zero, all of them a row."""
    if len(data) < 8 or not _CONTROL_OR_NUL.search(data.decode("latin-1")):  # noqa: PLR2004 - four characters
        return None
    sample = data[: _DETECTED_FROM_BYTES // 2 * 2]
    for name, row in (("utf-16-be", sample[::2]), ("utf-16-le", sample[1::2])):
        rows = Counter(row)
        is_one_script = len(rows) <= _MOST_ROWS and rows.most_common(1)[0][1] * 2 >= len(row)
        even = sample[: len(sample) // 2 * 2]
        if is_one_script and not _oddities(even.decode(name, "replace").rstrip("\0")):
            return _wide(data, name)
    return None


def _is_clearly_utf8(data: bytes) -> bool:
    """Return whether bytes that are declared as UTF-16 are none: words in ASCII or UTF-8."""
    text = _decoded(data, "utf-8")
    if not text or _CONTROL_OR_NUL.search(text.rstrip("\0")):
        return False
    return (
        not text.isascii() or sum(letter.isalnum() or letter == " " for letter in text) * 4 >= len(text) * 3
    )


def _detected(data: bytes, *, is_declared: bool) -> str | None:
    bare = data.rstrip(b"\0")
    sample = bare[:_DETECTED_FROM_BYTES]
    beyond_ascii = sum(byte > 0x7F for byte in sample)  # noqa: PLR2004 - ASCII
    is_likely = is_declared or beyond_ascii * 2 <= len(sample)
    if not _is_text(bare.decode("latin-1"), is_declared=is_declared):
        return None
    if beyond_ascii < (_FEWEST_TELLING_BYTES if is_likely else _FEWEST_WITHOUT_ASCII):
        return _western(bare) if is_likely else None
    from charset_normalizer import from_bytes  # noqa: PLC0415 - heavy, and wanted in the sandbox only

    best = from_bytes(sample).best()
    text = _decoded(bare, codec_of(best.encoding) or "cp1252") if best else None
    return _western(bare) if text is None and is_likely else text


def _western(data: bytes) -> str:
    return data.decode("cp1252", "replace")


def _is_text(text: str, *, is_declared: bool) -> bool:
    """Return whether it is text for the most part: where it is declared as such, a slip is forgiven."""
    controls = len(_CONTROL.findall(text))
    if not is_declared:
        return bool(text) and not controls and "\0" not in text
    pauses = len(re.findall("\0+", text))
    return controls <= max(1, len(text) // 20) and controls * 2 < len(text) and pauses * 4 <= len(text)


def _oddities(text: str) -> int:
    """Count what hardly stands in text: control characters, unassigned ones, half pairs."""
    return sum(
        count
        for letter, count in Counter(text).items()
        if letter == _REPLACED
        or (unicodedata.category(letter) in ("Cn", "Co", "Cs") and letter < "\U000f0000")
        or _CONTROL_OR_NUL.match(letter)
    )


def _charset(data: bytes, declared: str) -> str:
    """Return the codec of the charset that the content type names, else that the file itself names."""
    told = _DECLARED.search(declared)
    name = told[1] if told else ""
    inside = _DECLARED_INSIDE.match(data[:8192])
    return codec_of(name) or (codec_of(inside[1].decode("ascii", "replace")) if inside else "")
