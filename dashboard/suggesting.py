"""What a search box offers while somebody types: fields, numbers, names, keywords, tags, saved searches.

All of it is what the visitor may see. Nothing is offered for a term that is whole.
"""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import TypedDict

from dashboard import wording
from dashboard.visiting import Visit
from mmsvault.catalog import searches
from mmsvault.catalog.filters import CARRIERS
from mmsvault.catalog.language import (
    FIELDS,
    HAS,
    IS,
    LEAST_ENDING,
    STATES,
    TYPES,
    Query,
    Term,
    last_piece,
)
from mmsvault.catalog.queries import FILES
from mmsvault.catalog.views import View
from mmsvault.catalog.words import words_of
from mmsvault.message import fold, normal_number, part_of_number

MOST = 8
OF_ONE_KIND = 3
KEPT_SECONDS = 10
NEWEST = 50
"""Messages that are looked at for senders whose number ends so and who are not among the latest."""
MEANINGS = {
    "keyword": "the keyword it came with",
    "from": "a sender: number, name, or part of a number with *",
    "number": "sender or recipient",
    "to": "the number it was sent to",
    "tag": "a tag that somebody gave it",
    "type": "kind of file",
    "after": "a day or time, 2014-02-01",
    "before": "a day or time, 2014-02-01",
    "state": "where it stands",
    "is": "held",
    "has": "media, subject or hold",
    "carrier": "the sender's carrier",
}
"""The fields in the order in which they are offered."""
_CHOICES = {
    "type": TYPES,
    "state": STATES,
    "has": HAS,
    "is": IS,
    "carrier": tuple(name for name in CARRIERS if name.isalnum()),
}


class Suggestion(TypedDict):
    """What may stand for the last term of a search: `text` is written, `label` and `about` are shown."""

    text: str
    label: str
    about: str


@dataclass(frozen=True)
class Suggestions:
    """What may stand for `term`, with which the search ends."""

    term: str
    found: list[Suggestion]


def suggestions(visit: Visit, text: str) -> Suggestions:
    """Return what the last term of `text` may become."""
    term = last_piece(text, region=visit.room.settings.default_region)
    if not term and text.strip():  # a blank ends a term
        return Suggestions("", [])
    minus = "-" if term.startswith("-") else ""
    bare = term.removeprefix("-")
    field, colon, value = bare.partition(":")
    if colon and field.lower() in FIELDS:
        found = _while_open(_of_field(visit, field.lower(), value.strip('"')), bare)
    elif bare.startswith('"'):  # text is meant
        found = []
    else:
        found = list(islice(_of_any(visit, bare, with_searches=not minus), MOST))
    return Suggestions(term, [Suggestion(**{**one, "text": minus + one["text"]}) for one in found])


def of_field(visit: Visit, field: str, begun: str) -> list[Suggestion]:
    """Return values of one field that begin so, or have this in them."""
    return list(islice(_of_field(visit, field, begun), MOST)) if field in FIELDS else []


def _while_open(found: Iterable[Suggestion], written: str) -> list[Suggestion]:
    """Return the first suggestions, or none where one of them is what is written already."""
    some = list(islice(found, MOST))
    plain = fold(written).replace('"', "")
    return [] if any(fold(one["text"]).replace('"', "") == plain for one in some) else some


def _of_any(visit: Visit, begun: str, *, with_searches: bool) -> Iterator[Suggestion]:
    for name, about in MEANINGS.items():
        if name.startswith(begun.lower()):
            yield Suggestion(text=f"{name}:", label=f"{name}:", about=about)
    if begun:
        for field in ("keyword", "from", "tag"):
            yield from islice(_of_field(visit, field, begun), OF_ONE_KIND)
        for name in IS:
            if name.startswith(fold(begun)):
                yield Suggestion(text=f"is:{name}", label=f"is:{name}", about=MEANINGS["is"])
    if begun and with_searches:
        yield from islice(_of_searches(visit, begun), OF_ONE_KIND)


def _of_field(visit: Visit, field: str, begun: str) -> Iterator[Suggestion]:
    if field in ("from", "number"):
        yield from _of_senders(visit, field, begun)
    elif field in ("keyword", "tag"):
        known = _known(visit.view, _moment())
        for name, about in known.keywords if field == "keyword" else known.tags:
            if _has_words(name or "none", begun):
                yield Suggestion(text=f"{field}:{_quoted(name or 'none')}", label=name or "none", about=about)
    else:
        for choice in _CHOICES.get(field, ()):
            if choice.startswith(fold(begun)):
                yield Suggestion(text=f"{field}:{choice}", label=choice, about=MEANINGS[field])


def _of_senders(visit: Visit, field: str, begun: str) -> Iterator[Suggestion]:
    part = part_of_number(begun)
    digits = part if part.isdigit() else ""
    own = normal_number(begun) if digits else ""
    offered = set()
    for one in _known(visit.view, _moment()).senders:
        in_number = (digits in one.number or own in one.number) if digits else fold(begun) in one.number
        if one.number and (in_number or _has_words(one.name, begun)):
            offered.add(one.number)
            yield _sender(field, one.number, one.name, one.about)
    if len(digits) >= LEAST_ENDING:
        for number, name in _earlier_senders(visit.view, digits):
            if number not in offered:
                yield _sender(field, number, name, "sender")


def _sender(field: str, number: str, name: str, about: str) -> Suggestion:
    label = f"{name} ({wording.number(number)})" if name else wording.number(number)
    return Suggestion(text=f"{field}:{_quoted(number)}", label=label, about=about)


def _earlier_senders(view: View, digits: str) -> list[tuple[str, str]]:
    """Return senders whose number ends so, with their names, by the newest messages that have one."""
    found = view.search(Query(((Term("from", f"*{digits}"),),)), limit=NEWEST, parts=FILES).messages
    numbers = list(dict.fromkeys(normal_number(one.sender) for one in found))
    names = view.names(numbers)
    return [(number, names.get(number, "")) for number in numbers]


def _of_searches(visit: Visit, begun: str) -> Iterator[Suggestion]:
    for one in searches.list_all(visit.room.catalog, scope=visit.person.scope):
        if one.query and _has_words(one.name, begun):
            yield Suggestion(text=one.query, label=one.name, about=f"saved search: {one.query}")


def _has_words(text: str, begun: str) -> bool:
    """Return whether one of the words of a text begins so, or some in a row do."""
    wanted, words = words_of(begun), words_of(text)
    if not wanted:
        return not begun.strip()
    return any(
        words[at : at + len(wanted) - 1] == wanted[:-1]
        and at + len(wanted) <= len(words)
        and words[at + len(wanted) - 1].startswith(wanted[-1])
        for at in range(len(words))
    )


@dataclass(frozen=True)
class _Sender:
    number: str
    name: str
    about: str


@dataclass(frozen=True)
class _Known:
    """Senders, keywords and tags that a view holds, each with how many messages it has."""

    senders: tuple[_Sender, ...]
    keywords: tuple[tuple[str, str], ...]
    tags: tuple[tuple[str, str], ...]


@lru_cache(maxsize=256)
def _known(view: View, _moment: int) -> _Known:
    return _Known(
        senders=tuple(
            _Sender(one.key, one.known_as, f"sender, {wording.plural(one.messages, 'message')}")
            for one in view.senders()
        ),
        keywords=tuple(
            (one.name, f"keyword, {wording.plural(one.messages, 'message')}") for one in view.keywords()
        ),
        tags=tuple((tag, "tag") for tag in view.tags()),
    )


def _moment() -> int:
    return int(time.monotonic() / KEPT_SECONDS)


def _quoted(value: str) -> str:
    plain = value.replace('"', " ")
    return plain if plain and all(letter.isalnum() or letter in "+-._@" for letter in plain) else f'"{plain}"'
