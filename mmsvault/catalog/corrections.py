"""What somebody probably meant by a search with a mistake in it, as a search without that mistake."""

import calendar
import re
from collections.abc import Collection, Sequence
from datetime import date, timedelta
from difflib import get_close_matches

from mmsvault.message import utc_now

OPERATORS = ("AND", "NOT", "&&")
"""What other searches understand."""
NOT_HERE = {
    "starred": "There are no stars in this version yet",
    "hidden": "Messages cannot be hidden in this version yet",
    "trashed": "There is no trash in this version yet",
    "deleted": "Deleted messages are gone for good",
    "assigned": "Messages cannot be assigned in this version yet",
    "done": "Messages cannot be marked as done in this version yet",
}
"""Words after `is:` whose feature is not there, and how that is said."""
_OTHER_WORDS = {
    "sender": "from",
    "recipient": "to",
    "phone": "number",
    "since": "after",
    "until": "before",
    "status": "state",
    "label": "tag",
    "kind": "type",
    "film": "video",
    "movie": "video",
    "picture": "image",
    "photo": "image",
    "sound": "audio",
    "pdf": "document",
    "waiting": "pending",
    "hold": "held",
    "held": "hold",
    "files": "media",
}
_DATE = re.compile(r"(\d{1,4})[-/.](\d{1,2})[-/.](\d{1,4})")
_YEAR_DIGITS = 4
_MONTHS = 12


def replaced(text: str, start: int, end: int, better: str) -> str:
    """Return a search with other words from `start` to `end`, one blank on each side of them."""
    parts = (text[:start].rstrip(), better, text[end:].lstrip())
    if start and not text[start - 1].isspace():  # behind a minus
        parts = ("", text[:start] + better, text[end:].lstrip())
    return " ".join(part for part in parts if part)


def without(text: str, start: int, end: int) -> str:
    """Return a search without a term, and without the OR that joined it to another one."""
    before = re.sub(r"(^|\s)OR\s*$", "", text[:start])
    after = text[end:] if before != text[:start] else re.sub(r"^\s*OR(?=\s|$)", "", text[end:])
    return replaced(before + after, len(before), len(before), "")


def with_quotation_marks(text: str, position: int) -> str:
    """Return a search whose last quotation mark has a partner, or is gone where nothing follows it."""
    mark = text.index('"', position)
    behind = text[mark + 1 :].strip()
    is_inside_a_word = mark > 0 and (text[mark - 1].isalnum())
    if not behind or is_inside_a_word:
        return (text[:mark] + text[mark + 1 :]).strip()
    return f'{text.rstrip()}"'


def nearest(word: str, known: Collection[str]) -> str:
    """Return the known word that is most like this one, or means the same; empty where none is."""
    if _OTHER_WORDS.get(word.removesuffix("s")) in known:
        return _OTHER_WORDS[word.removesuffix("s")]
    return next(iter(get_close_matches(word, known, 1, 0.6)), "")


def date_like(text: str) -> str:
    """Return the date that is most like what was written; today where nothing is."""
    today = utc_now().date()
    near = {"yesterday": 1, "tomorrow": -1}
    found = _DATE.match(text)
    if not found:
        return (today - timedelta(days=near.get(text.casefold(), 0))).isoformat()
    first, second, third = (int(number) for number in found.groups())
    if len(found[1]) == _YEAR_DIGITS:
        year, month, day = first, second, third
    else:  # the month first with slashes, the day first with dots, as it is usual
        month, day = (second, first) if "." in text else (first, second)
        year = third if len(found[3]) == _YEAR_DIGITS else 2000 + third % 100
    if month > _MONTHS >= day:
        month, day = day, month
    year, month = min(max(year, 1), date.max.year), min(max(month, 1), _MONTHS)
    return date(year, month, min(max(day, 1), calendar.monthrange(year, month)[1])).isoformat()


def in_order(after: str, before: str) -> tuple[str, str]:
    """Return both times the other way round, or of one and the same day its whole."""
    if after != before:
        return before, after
    try:
        return after, (date.fromisoformat(after) + timedelta(days=1)).isoformat()
    except (ValueError, OverflowError):
        return after, before


def without_operators(pieces: Sequence[tuple[str, bool]]) -> str:
    """Return terms without AND, NOT and brackets. Each comes with whether it is a word outside of quotes."""
    kept: list[str] = []
    negated = False
    for written, is_word in pieces:
        if is_word and written in OPERATORS and written != "NOT":
            continue
        if is_word and written == "NOT":
            negated = True
            continue
        plain = _without_brackets(written) if is_word else written
        if not plain:
            continue
        kept.append(f"-{plain}" if negated and not plain.startswith("-") and plain != "OR" else plain)
        negated = False
    while kept and kept[-1] == "OR":
        kept.pop()
    while kept and kept[0] == "OR":
        kept.pop(0)
    return " ".join(kept)


def _without_brackets(written: str) -> str:
    minus = "-" if written.startswith("-") else ""
    plain = written.removeprefix("-")
    if any(letter.isdigit() for letter in plain):  # a number with its area code
        return written
    bare = plain.strip("()")
    return f"{minus}{bare}" if bare else ""
