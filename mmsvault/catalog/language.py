"""The search language, read into a Query: one for the command line, the dashboard and exports.

A query is terms side by side, all of which must hold. A term is a word, a "phrase" or
`field:value`; `-` before it negates it, `OR` between two lets either hold. A word is found from its
beginning (`harb` finds harbor), in quotation marks as it is. An empty query finds everything.
"""

import dataclasses
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from mmsvault.catalog.documents import LEAST_PART
from mmsvault.catalog.numbers import writings
from mmsvault.catalog.words import words_of
from mmsvault.errors import SearchError
from mmsvault.message import MessageState, part_of_number

FIELDS = ("from", "to", "number", "keyword", "type", "carrier", "after", "before", "state", "tag", "has")
NUMBER_FIELDS = ("from", "to", "number")
TYPES = ("image", "video", "audio", "text", "contact", "calendar", "document", "other")
HAS = ("media", "subject", "hold")
LONGEST_QUERY = 1000

_TERM = re.compile(r"""(?P<minus>-?)(?:(?P<field>[A-Za-z]+):)?(?:"(?P<phrase>[^"]*)"|(?P<word>[^\s"]+))""")


@dataclass(frozen=True)
class Term:
    """One condition. `field` is empty for words, which `exact` takes whole and not as beginnings.

    `moment` is set for `after` and `before`; `numbers` are the forms that a whole number may have, which
    is a number and not somebody's name where `exact` is set.
    """

    field: str
    value: str
    negated: bool = False
    moment: datetime | None = None
    exact: bool = False
    numbers: tuple[str, ...] = dataclasses.field(default=(), compare=False)


@dataclass(frozen=True)
class Query:
    """All of `groups` must hold; a group holds when one of its terms does."""

    groups: tuple[tuple[Term, ...], ...] = ()


EVERYTHING = Query()


def parse(text: str, *, region: str = "US") -> Query:
    """Return what the query means. Raises SearchError that points at the mistake.

    `region` is the country of numbers that are written without a country code.
    """
    text = text.encode("utf-8", "replace").decode().replace("\0", " ")
    if len(text) > LONGEST_QUERY:
        raise SearchError(
            text[:LONGEST_QUERY], LONGEST_QUERY, f"A search has at most {LONGEST_QUERY:,} characters."
        )
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
            groups[-1] += (_term(text, found, region),)
            joining = False
        else:
            groups.append((_term(text, found, region),))
        position = found.end()
    if joining:
        raise SearchError(text, len(text), "A term is missing after OR.")
    return _without_bare_signs(text, groups)


def _without_bare_signs(text: str, groups: list[tuple[Term, ...]]) -> Query:
    """Leave out terms that are signs only (`&`, `--`): nothing can be looked up by them."""
    left = [tuple(term for term in group if term.field or words_of(term.value)) for group in groups]
    asked = tuple(group for group in left if group)
    if groups and not asked:
        start = len(text) - len(text.lstrip())
        raise SearchError(text, start, "There is no letter or digit here to look for.")
    return Query(asked)


def _term(text: str, found: "re.Match[str]", region: str) -> Term:
    phrase = found["phrase"]
    value: str = found["word"] if phrase is None else phrase
    name = (found["field"] or "").lower()
    negated = bool(found["minus"])
    start = found.start("word" if phrase is None else "phrase")
    if not name:
        if value.endswith(":") and value[:-1].lower() in FIELDS:
            raise SearchError(text, found.end(), f"A value is missing after {value}")
        return Term("", value, negated, exact=phrase is not None)
    if name not in FIELDS:
        raise SearchError(
            text, found.start("field"), f"There is no field {name}; there are {', '.join(FIELDS)}."
        )
    if not value.strip():
        raise SearchError(text, found.end(), f"A value is missing after {name}:")
    if name in ("after", "before"):
        return Term(name, value, negated, _moment(text, start, value))
    if name in NUMBER_FIELDS:
        return _number_term(text, start, Term(name, value, negated), region)
    choices = {"type": TYPES, "state": tuple(state.value for state in MessageState), "has": HAS}.get(name)
    if choices and value.lower() not in choices:
        raise SearchError(text, start, f"{name}: takes {', '.join(choices)}.")
    return Term(name, value.lower() if choices else value, negated)


def _number_term(text: str, start: int, term: Term, region: str) -> Term:
    if "*" not in term.value:
        return replace(term, numbers=writings(term.value, region=region))
    inner = term.value.strip("*")
    if "*" in inner:
        star = start + term.value.index("*", len(term.value) - len(term.value.lstrip("*")))
        raise SearchError(text, star, "* stands at the start or the end of a number.")
    if len(part_of_number(inner)) < LEAST_PART:
        raise SearchError(text, start, f"Part of a number needs at least {LEAST_PART} digits.")
    return term


def _moment(text: str, start: int, value: str) -> datetime:
    try:
        moment = datetime.fromisoformat(value)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise SearchError(text, start, "A date or time is written 2014-02-03 or 2014-02-03T16:19Z.") from None
