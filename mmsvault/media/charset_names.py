"""Names of charsets, as phones and providers write them, and the codecs that read them."""

import codecs
import re

_NUMBERS = {
    **{number: f"iso8859-{number - 3}" for number in range(4, 13)},
    13: "iso8859-10",
    109: "iso8859-13",
    110: "iso8859-14",
    111: "iso8859-15",
    112: "iso8859-16",
    17: "shift_jis",
    18: "euc_jp",
    36: "cp949",
    37: "iso2022_kr",
    38: "euc_kr",
    39: "iso2022_jp",
    104: "iso2022_kr",
    106: "utf-8",
    113: "gb18030",
    114: "gb18030",
    1000: "utf-16",
    1001: "utf-32",
    1012: "utf-7",
    1013: "utf-16-be",
    1014: "utf-16-le",
    1015: "utf-16",
    1017: "utf-32",
    1018: "utf-32-be",
    1019: "utf-32-le",
    2009: "cp850",
    2011: "cp437",
    2025: "gb18030",
    2026: "big5hkscs",
    2027: "mac-roman",
    2084: "koi8-r",
    2085: "hz",
    2086: "cp866",
    2088: "koi8-u",
    2101: "big5hkscs",
    2109: "cp874",
    **{number: f"cp{number - 1000}" for number in range(2250, 2259)},
    2259: "cp874",
}
"""By the number in the IANA's registry (MIBenum), which WAP and MMS write in place of the name."""

_MEANT = {
    "ascii": "",  # whoever declares this and sends other bytes tells nothing about them
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
"""What is meant by a name where the usual programs write more than it defines (WHATWG, Encoding)."""

_WIDE = {
    **dict.fromkeys(("iso-10646-ucs-2", "ucs-2", "ucs2", "csunicode", "unicode"), "utf-16"),
    **dict.fromkeys(("iso-10646-ucs-4", "ucs-4", "ucs4"), "utf-32"),
    "unicodefffe": "utf-16-be",
}
_NOT_OF_TEXT = re.compile(r"idna|punycode|.*unicode.escape|undefined|mbcs|oem", re.IGNORECASE)
"""Codecs of Python that are no charsets; some of them take time that grows with the square."""


def codec_of(name: str) -> str:
    """Return the codec for a charset's name or number; empty where it is unknown or says nothing."""
    plain = name.strip(" \t\"'").lower()
    if re.fullmatch(r"0x[0-9a-f]{1,8}|\d{1,8}", plain):
        plain = _NUMBERS.get(int(plain, 0) if plain.startswith("0x") else int(plain), "")
    plain = _WIDE.get(plain, plain)
    names = (plain, plain.removeprefix("x-"), re.sub(r"^(x-)?windows-", "cp", plain))
    return next((codec for one in names if (codec := _codec(one)) is not None), "")


def _codec(name: str) -> str | None:
    """Return the codec; None where there is none of this name."""
    if not name or not name.isascii() or _NOT_OF_TEXT.fullmatch(name):
        return None
    try:
        found = codecs.lookup(name)
    except (LookupError, ValueError):
        return None
    if not found._is_text_encoding:  # noqa: SLF001 - else `charset=zip` unpacks what a stranger packed
        return None
    return _MEANT.get(found.name, found.name)
