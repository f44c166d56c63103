"""One phone number or address, found in any text, in the usual ways to write it."""

import html
import re
import unicodedata
from collections.abc import Iterable
from urllib.parse import unquote

LEAST_LETTERS = 5
"""Shorter numbers stand in too many texts to be looked for."""
ERASED = "erased-number"
"""What takes the place of a number in a text. A search for it finds nothing."""
_LONGEST_SHORT_CODE = 6
_BETWEEN = r"[^0-9A-Za-z@]{0,4}"
_DIALLED_BEFORE = rf"(?:\+{_BETWEEN}|(?:00|011|0){_BETWEEN})?"


class NumberText:
    """What finds a number in texts.

    `forms` are those of `numbers.writings`; those that are too short are not found.
    """

    def __init__(self, forms: Iterable[str]) -> None:
        long = sorted({form for form in forms if len(form) >= LEAST_LETTERS}, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(_pattern_of, long)) or "(?!)", re.IGNORECASE)

    def is_in(self, *texts: str) -> bool:
        """Return whether one of the texts names the number."""
        return any(
            self._pattern.search(written)
            for text in texts
            if text
            for written in (_plain(text), _decoded(text))
        )

    def is_in_bytes(self, data: bytes) -> bool:
        """Return whether a body names the number, whatever its encoding; XML references count."""
        text = data.replace(b"\0", b"").decode("utf-8", "replace")  # UTF-16 without its zeros is ASCII
        return self.is_in(text) or ("&#" in text and self.is_in(html.unescape(text)))

    def without(self, text: str) -> str:
        """Return the text with ERASED in place of the number; a text that does not name it as it is."""
        if not self.is_in(text):
            return text
        for written in (_plain(text), _decoded(text)):
            hidden = self._pattern.sub(ERASED, written)
            if not self.is_in(hidden):
                return hidden
        return ERASED


def _pattern_of(form: str) -> str:
    if not form.isdecimal():
        return rf"(?<![\w.+-]){re.escape(form)}(?![\w@-])"
    if len(form) <= _LONGEST_SHORT_CODE:
        return rf"(?<!\d){form}(?!\d)"
    return rf"(?<!\d){_DIALLED_BEFORE}{_BETWEEN.join(form)}(?!\d)"


def _plain(text: str) -> str:
    """Return text in its usual characters: digits of any script as ASCII, nothing that is not seen."""
    if text.isascii():
        return text
    shown = unicodedata.normalize("NFKC", text)
    return "".join(
        str(unicodedata.decimal(letter)) if letter.isdecimal() else letter
        for letter in shown
        if unicodedata.category(letter) != "Cf"
    )


def _decoded(text: str) -> str:
    return _plain(unquote(text, errors="replace")) if "%" in text else _plain(text)
