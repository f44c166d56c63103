"""The search language, read into a Query: one for the command line, the dashboard and exports.

A query is terms side by side, all of which must hold. A term is a word, a number, a "phrase" or
`field:value`; `-` before it negates it, `OR` between two lets either hold. A word is found from its
beginning (`harb` finds harbor) in texts and keywords, in quotation marks as it is and in texts only.
"""

import dataclasses
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from mmsvault.catalog import corrections
from mmsvault.catalog.documents import LEAST_PART
from mmsvault.catalog.numbers import length_of_number, writings
from mmsvault.catalog.words import words_of
from mmsvault.errors import SearchError
from mmsvault.message import MessageState, dialled_number, part_of_number

FIELDS = (
    "from",
    "to",
    "number",
    "keyword",
    "type",
    "carrier",
    "after",
    "before",
    "state",
    "tag",
    "has",
    "is",
)
NUMBER_FIELDS = ("from", "to", "number")
TYPES = ("image", "video", "audio", "text", "contact", "calendar", "document", "other")
HAS = ("media", "subject", "hold")
IS = ("held",)
STATES = tuple(state.value for state in MessageState)
LEAST_ENDING = 4
"""Digits that a term without a field has at least to find the numbers that end so."""
LONGEST_QUERY = 1000

_TERM = re.compile(r"""(?P<minus>-?)(?:(?P<field>[A-Za-z]+):)?(?:"(?P<phrase>[^"]*)"|(?P<word>[^\s"]+))""")


@dataclass(frozen=True)
class Term:
    """One condition. `field` is empty for words, which `exact` takes whole and not as beginnings.

    `moment` is set for `after` and `before`; `numbers` are the forms that a whole number may have, which
    is a number and not somebody's name where `exact` is set. A term without a field that is a number has
    its digits as `ending`, where they are enough; one that is a word has the `keywords` that it finds.
    """

    field: str
    value: str
    negated: bool = False
    moment: datetime | None = None
    exact: bool = False
    numbers: tuple[str, ...] = dataclasses.field(default=(), compare=False)
    ending: str = dataclasses.field(default="", compare=False)
    keywords: tuple[str, ...] = dataclasses.field(default=(), compare=False)
    known: tuple[tuple[str, ...], ...] = dataclasses.field(default=(), compare=False)
    """Of all that the term may be found by, what the catalog has at all; empty where that was not asked."""


@dataclass(frozen=True)
class Hint:
    """What is odd about a query that can be answered, its place (from 0) and length, and a better query."""

    position: int
    length: int
    problem: str
    correction: str = ""


@dataclass(frozen=True)
class Query:
    """All of `groups` must hold; a group holds when one of its terms does."""

    groups: tuple[tuple[Term, ...], ...] = ()


EVERYTHING = Query()


@dataclass(frozen=True)
class _Piece:
    """A term as it is written, or an OR. `value_start` is where its value begins."""

    start: int
    end: int
    minus: bool
    field: str
    value: str
    value_start: int
    quoted: bool = False

    @property
    def is_or(self) -> bool:
        return self.value == "OR" and not (self.minus or self.field or self.quoted)


def parse(text: str, *, region: str = "US") -> Query:
    """Return what the query means. Raises SearchError that points at the mistake.

    `region` is the country of numbers that are written without a country code.
    """
    text = _readable(text)
    groups: list[tuple[Term, ...]] = []
    last_or: _Piece | None = None
    for piece in _pieces(text, region):
        if piece.is_or:
            if last_or or not groups:
                raise _mistake(text, piece, "OR stands between two terms.", "")
            last_or = piece
        elif last_or:
            groups[-1] += (_term(text, piece, region),)
            last_or = None
        else:
            groups.append((_term(text, piece, region),))
    if last_or:
        correction = corrections.replaced(text, last_or.start, last_or.end, "")
        raise SearchError(text, len(text), "A term is missing after OR.", correction=correction)
    return _without_bare_signs(text, groups)


def hints(text: str, *, region: str = "US") -> list[Hint]:
    """Return what is odd about a query that `parse` takes: it is answered, but hardly what was meant."""
    text = _readable(text)
    pieces = list(_pieces(text, region))
    return [*_operator_hints(text, pieces), *_time_hints(text, pieces)]


def last_piece(text: str, *, region: str = "US") -> str:
    """Return the term that somebody is writing at the end of a query, as it stands; empty after a blank."""
    text = text[:LONGEST_QUERY]
    if text.count('"') % 2:
        text += '"'
        last = list(_pieces(text, region))[-1]
        return text[last.start : -1]
    pieces = list(_pieces(text, region))
    return text[pieces[-1].start :] if pieces and pieces[-1].end == len(text) else ""


def _readable(text: str) -> str:
    text = text.encode("utf-8", "replace").decode().replace("\0", " ")
    if len(text) > LONGEST_QUERY:
        raise SearchError(
            text[:LONGEST_QUERY], LONGEST_QUERY, f"A search has at most {LONGEST_QUERY:,} characters."
        )
    return text


def _pieces(text: str, region: str) -> Iterator[_Piece]:
    """Give the terms as they are written. Raises SearchError for a quotation mark without a partner."""
    position = 0
    while position < len(text):
        if text[position].isspace():
            position += 1
            continue
        minus = text[position] == "-"
        start = position + minus
        if length := length_of_number(text[start:], region=region):
            piece = _Piece(position, start + length, minus, "", text[start : start + length], start)
        else:
            found = _TERM.match(text, position)
            if not found:
                raise SearchError(
                    text,
                    position,
                    'This quotation mark has no partner; write "words like this".',
                    correction=corrections.with_quotation_marks(text, position),
                )
            name = "word" if found["phrase"] is None else "phrase"
            piece = _Piece(
                position,
                found.end(),
                bool(found["minus"]),
                found["field"] or "",
                found[name],
                found.start(name),
                quoted=name == "phrase",
            )
        yield piece
        position = piece.end


def _mistake(text: str, piece: _Piece, problem: str, better: str, *, at_value: bool = False) -> SearchError:
    """Return the error for a term in whose place something better, or nothing, may stand."""
    position = piece.value_start if at_value else piece.start
    correction = corrections.replaced(text, piece.start, piece.end, better)
    return SearchError(text, position, problem, correction=correction, length=piece.end - position)


def _without_bare_signs(text: str, groups: list[tuple[Term, ...]]) -> Query:
    """Leave out terms that are signs only (`&`, `--`): nothing can be looked up by them."""
    left = [tuple(term for term in group if term.field or words_of(term.value)) for group in groups]
    asked = tuple(group for group in left if group)
    if groups and not asked:
        start = len(text) - len(text.lstrip())
        raise SearchError(text, start, "There is no letter or digit here to look for.")
    return Query(asked)


def _term(text: str, piece: _Piece, region: str) -> Term:
    name, value = piece.field.lower(), piece.value
    if not name:
        if not piece.quoted and value.endswith(":") and value[:-1].lower() in FIELDS:
            raise _without_value(text, piece, value[:-1])
        return _bare_term(Term("", value, piece.minus, exact=piece.quoted), region)
    if name not in FIELDS:
        raise _unknown_field(text, piece)
    if not value.strip():
        raise _without_value(text, piece, name)
    if name in ("after", "before"):
        return Term(name, value, piece.minus, _moment(text, piece))
    if name in NUMBER_FIELDS:
        return _number_term(text, piece, Term(name, value, piece.minus), region)
    choices = {"type": TYPES, "state": STATES, "has": HAS, "is": IS}.get(name)
    if choices and value.lower() not in choices:
        raise _unknown_choice(text, piece, choices)
    if name == "is":
        return Term("has", "hold", piece.minus)
    return Term(name, value.lower() if choices else value, piece.minus)


def _bare_term(term: Term, region: str) -> Term:
    """Add the numbers that a term without a field may mean; in quotation marks it means text only."""
    digits = "" if term.exact else dialled_number(term.value).lstrip("+")
    if len(digits) < LEAST_PART:
        return term
    ending = digits if len(digits) >= LEAST_ENDING else ""
    return replace(term, numbers=writings(term.value, region=region), ending=part_of_number(ending))


def _without_value(text: str, piece: _Piece, name: str) -> SearchError:
    follower = re.match(r"\s+(?!OR\b|-?[A-Za-z]+:|-)", text[piece.end :])
    end = piece.end + follower.end() if follower else piece.end
    has_more = bool(follower) and end < len(text)
    correction = (
        f"{text[: piece.end]}{text[end:]}" if has_more else corrections.without(text, piece.start, piece.end)
    )
    return SearchError(
        text,
        piece.end,
        f"A value is missing after {name.lower()}:",
        correction=correction if correction != text else "",
    )


def _unknown_field(text: str, piece: _Piece) -> SearchError:
    written = text[piece.start + piece.minus : piece.end]
    nearest = corrections.nearest(piece.field.lower(), FIELDS)
    value = written[len(piece.field) + 1 :]
    better = f"{nearest}:{value}" if nearest else f'"{written.replace(chr(34), "")}"'
    start = piece.start + piece.minus
    return SearchError(
        text,
        start,
        f"There is no field {piece.field}. Use {', '.join(FIELDS)}.",
        correction=corrections.replaced(text, start, piece.end, better),
        length=len(piece.field) if nearest else piece.end - start,
    )


def _unknown_choice(text: str, piece: _Piece, choices: tuple[str, ...]) -> SearchError:
    name, value = piece.field.lower(), piece.value.lower()
    minus = "-" if piece.minus else ""
    if name == "is" and value in corrections.NOT_HERE:
        problem = f"{corrections.NOT_HERE[value]}, so is:{value} finds nothing."
        better = ""
    elif name == "is" and value in STATES:
        problem, better = f"A state is written state:{value}.", f"{minus}state:{value}"
    else:
        problem = f"{name}: takes {', '.join(choices)}."
        nearest = corrections.nearest(value, choices)
        better = f"{minus}{name}:{nearest}" if nearest else ""
    return _mistake(text, piece, problem, better, at_value=True)


def _number_term(text: str, piece: _Piece, term: Term, region: str) -> Term:
    if "*" not in term.value:
        return replace(term, numbers=writings(term.value, region=region))
    inner = term.value.strip("*")
    if "*" in inner:
        star = piece.value_start + term.value.index("*", len(term.value) - len(term.value.lstrip("*")))
        raise SearchError(text, star, "* stands at the start or the end of a number.", length=1)
    if len(part_of_number(inner)) < LEAST_PART:
        raise SearchError(
            text,
            piece.value_start,
            f"Part of a number needs at least {LEAST_PART} digits.",
            length=piece.end - piece.value_start,
        )
    return term


def _moment(text: str, piece: _Piece) -> datetime:
    try:
        moment = datetime.fromisoformat(piece.value)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        start = "-" * piece.minus + piece.field
        raise _mistake(
            text,
            piece,
            f'"{piece.value[:40]}" is not a date. Write 2014-02-03 or 2014-02-03T16:19Z.',
            f"{start}:{corrections.date_like(piece.value)}",
            at_value=True,
        ) from None


def _operator_hints(text: str, pieces: list[_Piece]) -> Iterator[Hint]:
    words = [piece for piece in pieces if not (piece.field or piece.quoted)]
    operators = [piece for piece in words if piece.value in corrections.OPERATORS]
    opening = [piece for piece in words if piece.value.startswith("(") and ")" not in piece.value]
    closing = [piece for piece in words if piece.value.endswith(")") and "(" not in piece.value]
    alone = [piece for piece in words if piece.value and not piece.value.strip("()")]
    brackets = [*opening, *closing] if opening and closing else alone
    if not operators + brackets:
        return
    first = min(operators + brackets, key=lambda piece: piece.start)
    correction = corrections.without_operators([(text[one.start : one.end], one in words) for one in pieces])
    problem = (
        "AND and NOT are read as words. All terms side by side must hold; - before a term excludes it."
        if operators
        else "Brackets do not group terms. OR joins the two terms beside it."
    )
    yield Hint(first.start, first.end - first.start, problem, correction if correction != text else "")


def _time_hints(text: str, pieces: list[_Piece]) -> Iterator[Hint]:
    joined = any(piece.is_or for piece in pieces)
    times = {
        name: [piece for piece in pieces if piece.field.lower() == name and not piece.minus]
        for name in ("after", "before")
    }
    if joined or len(times["after"]) != 1 or len(times["before"]) != 1:
        return
    after, before = times["after"][0], times["before"][0]
    if _moment(text, after) < _moment(text, before):
        return
    values = corrections.in_order(after.value, before.value)
    correction = text
    for piece, value in sorted(zip((after, before), values, strict=True), key=lambda one: -one[0].start):
        correction = (
            correction[: piece.value_start] + value + correction[piece.value_start + len(piece.value) :]
        )
    yield Hint(
        before.start,
        before.end - before.start,
        "Nothing can fit: this time is not later than the one of after:.",
        correction,
    )
