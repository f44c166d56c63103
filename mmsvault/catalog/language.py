"""The search language, read into a Query: one for the command line, the dashboard and exports.

A query is terms side by side, all of which must hold. A term is a word, a "phrase" or
`field:value`; `-` before it negates it, `OR` between two lets either hold. An empty query finds
everything.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from mmsvault.errors import SearchError
from mmsvault.message import MessageState

FIELDS = ("from", "to", "number", "keyword", "type", "carrier", "after", "before", "state", "has")
TYPES = ("image", "video", "audio", "text", "contact", "calendar", "document", "other")
HAS = ("media", "subject")
LEAST_DIGITS = 3

_TERM = re.compile(r"""(?P<minus>-?)(?:(?P<field>[A-Za-z]+):)?(?:"(?P<phrase>[^"]*)"|(?P<word>[^\s"]+))""")


@dataclass(frozen=True)
class Term:
    """One condition. `field` is empty for words; `moment` is set for `after` and `before`."""

    field: str
    value: str
    negated: bool = False
    moment: datetime | None = None


@dataclass(frozen=True)
class Query:
    """All of `groups` must hold; a group holds when one of its terms does."""

    groups: tuple[tuple[Term, ...], ...] = ()


EVERYTHING = Query()


def parse(text: str) -> Query:
    """Return what the query means. Raises SearchError that points at the mistake."""
    groups: list[tuple[Term, ...]] = []
    joining = False
    position = 0
    while position < len(text):
        if text[position].isspace():
            position += 1
            continue
        found = _TERM.match(text, position)
        if not found:
            raise SearchError(text, position, 'This quotation mark has no partner; write "words like this".')
        if found.group() == "OR":
            if joining or not groups:
                raise SearchError(text, position, "OR stands between two terms.")
            joining = True
        elif joining:
            groups[-1] += (_term(text, found),)
            joining = False
        else:
            groups.append((_term(text, found),))
        position = found.end()
    if joining:
        raise SearchError(text, len(text), "A term is missing after OR.")
    return Query(tuple(groups))


def _term(text: str, found: "re.Match[str]") -> Term:
    phrase = found["phrase"]
    value = (found["word"] if phrase is None else phrase).replace("\0", "")
    field = (found["field"] or "").lower()
    negated = bool(found["minus"])
    start = found.start("word" if phrase is None else "phrase")
    if not field:
        if value.endswith(":") and value[:-1].lower() in FIELDS:
            raise SearchError(text, found.end(), f"A value is missing after {value}")
        return Term("", value, negated)
    if field not in FIELDS:
        raise SearchError(
            text, found.start("field"), f"There is no field {field}; there are {', '.join(FIELDS)}."
        )
    if not value:
        raise SearchError(text, found.end(), f"A value is missing after {field}:")
    if field in ("after", "before"):
        return Term(field, value, negated, _moment(text, start, value))
    choices = {"type": TYPES, "state": tuple(state.value for state in MessageState), "has": HAS}.get(field)
    if choices and value.lower() not in choices:
        raise SearchError(text, start, f"{field}: takes {', '.join(choices)}.")
    if field in ("from", "to", "number"):
        _check_number(text, start, value)
    return Term(field, value.lower() if choices else value, negated)


def _check_number(text: str, start: int, value: str) -> None:
    if "*" in value.strip("*"):
        raise SearchError(
            text, start + value.strip("*").index("*"), "* stands at the start or the end of a number."
        )
    if "*" in value and len(re.sub(r"\D", "", value)) < LEAST_DIGITS:
        raise SearchError(text, start, f"Part of a number needs at least {LEAST_DIGITS} digits.")


def _moment(text: str, start: int, value: str) -> datetime:
    try:
        moment = datetime.fromisoformat(value)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise SearchError(text, start, "A date or time is written 2014-02-03 or 2014-02-03T16:19Z.") from None
