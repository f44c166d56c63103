r"""Text that others wrote, made harmless for terminals.

Control characters, direction marks and other characters that nobody sees can move the cursor, change a
window's title, hide lines or turn the order of what is read. They are shown as they are written in
source code: `\x1b`, `\u202e`. Joiners within words and emoji stay, and so do flags.
"""

import re

_SEEN_WRONG = (
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200e\u200f"
    r"\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb\ud800-\udfff"
    r"\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
"""Controls (C0, C1), format characters and what else is defined to show nothing (Unicode, UAX 44)."""
_FLAG = "\U0001f3f4[\U000e0020-\U000e007e]{1,30}\U000e007f"
_LOOSE_JOINER = r"(?<![^\s\x00-\x7f\u200c\u200d])[\u200c\u200d]"
"""A joiner that joins nothing: at the beginning, after a space, ASCII or another joiner."""
_HARMFUL = re.compile(f"(?P<flag>{_FLAG})|{_SEEN_WRONG}|{_LOOSE_JOINER}")
_NUMBER = re.compile(r"(?<![\w\-./+])(\+?\d{3,11})\d{4}(?![\w\-/]|\.\d)")
"""A phone number as it may stand in a sentence; ids, hashes, times and paths are none."""
_COLOUR = re.compile(r"(\x1b\[[0-9;]{0,20}m)")


def masked(text: str) -> str:
    """Return a text in which phone numbers have lost their last four digits."""
    return _NUMBER.sub(r"\1****", text)


def visible(text: str) -> str:
    """Return a text with what is harmful on a terminal escaped; line ends and tabs stay."""
    return text if text.isascii() and text.isprintable() else _HARMFUL.sub(_escaped, text)


def visible_line(text: str) -> str:
    """Do the same, with line ends and tabs escaped as well: nobody writes a line of their own."""
    return visible(text).replace("\n", "\\n").replace("\t", "\\t")


def visible_json(text: str) -> str:
    """Return JSON with what is harmful escaped as JSON does it: the same values, safe to look at."""
    return _HARMFUL.sub(_escaped_in_json, text)


def ascii_json(text: str) -> str:
    """Return JSON with every character beyond ASCII escaped as JSON does it: the same values."""
    return re.sub(r"[^\x00-\x7f]", lambda found: _in_json(found[0]), text)


def visible_with_colours(line: str) -> str:
    """Do the same as `visible_line` to what a program of ours printed, whose colours stay."""
    parts = _COLOUR.split(line)
    return "".join(part if at % 2 else visible_line(part) for at, part in enumerate(parts))


def _escaped(found: re.Match[str]) -> str:
    if found["flag"]:
        return found[0]
    code = ord(found[0])
    if code <= 0xFF:  # noqa: PLR2004 - two digits
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"  # noqa: PLR2004 - four digits


def _escaped_in_json(found: re.Match[str]) -> str:
    if found["flag"]:
        return found[0]
    return _in_json(found[0])


def _in_json(text: str) -> str:
    units = text.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at] << 8 | units[at + 1]:04x}" for at in range(0, len(units), 2))
