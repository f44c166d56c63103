"""What a search box offers while somebody types: fields, and senders, keywords and tags they may see."""

import time
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice
from typing import TypedDict

from dashboard import wording
from dashboard.visiting import Visit
from mmsvault.catalog.filters import CARRIERS
from mmsvault.catalog.language import FIELDS, HAS, TYPES
from mmsvault.catalog.views import View
from mmsvault.message import MessageState, fold

MOST = 8
KEPT_SECONDS = 10
MEANINGS = {
    "from": "a sender's number, or a part of it with *",
    "to": "the number it was sent to",
    "number": "sender or recipient",
    "keyword": "the keyword it came with",
    "type": "kind of file",
    "carrier": "the sender's carrier",
    "after": "a day or time, 2014-02-01",
    "before": "a day or time, 2014-02-01",
    "state": "where it stands",
    "tag": "a tag that somebody gave it",
    "has": "media, subject or hold",
}
_CHOICES = {
    "type": TYPES,
    "state": tuple(state.value for state in MessageState),
    "has": HAS,
    "carrier": tuple(name for name in CARRIERS if name.isalnum()),
}


class Suggestion(TypedDict):
    """What may stand for the last word of a search: `text` is written, `label` and `about` are shown."""

    text: str
    label: str
    about: str


def suggestions(visit: Visit, text: str) -> list[Suggestion]:
    """Return what the last word of `text` may become."""
    minus = "-" if text.startswith("-") else ""
    field, colon, value = text.removeprefix("-").rpartition(":")
    if colon and field.lower() in FIELDS:
        found = _of_field(visit.view, field.lower(), value.strip('"'))
    else:
        found = _of_any(visit.view, text.removeprefix("-").strip('"'))
    return [Suggestion(**{**one, "text": minus + one["text"]}) for one in islice(found, MOST)]


def _of_any(view: View, begun: str) -> Iterator[Suggestion]:
    for name in FIELDS:
        if name.startswith(begun.lower()):
            yield Suggestion(text=f"{name}:", label=f"{name}:", about=MEANINGS[name])
    if begun:
        for field in ("keyword", "tag", "from"):
            yield from islice(_of_field(view, field, begun), 3)


def _of_field(view: View, field: str, begun: str) -> Iterator[Suggestion]:
    senders, keywords, tags = _known(view, int(time.monotonic() / KEPT_SECONDS))
    wanted = fold(begun)
    if field in ("from", "number"):
        digits = "".join(letter for letter in begun if letter.isdigit()) or wanted
        for key, count in senders:
            if key and digits in key:
                yield Suggestion(text=f"{field}:{_quoted(key)}", label=wording.number(key), about=count)
    elif field in ("keyword", "tag"):
        for name, about in keywords if field == "keyword" else tags:
            if wanted in fold(name):
                yield Suggestion(text=f"{field}:{_quoted(name or 'none')}", label=name or "none", about=about)
    else:
        for choice in _CHOICES.get(field, ()):
            if choice.startswith(wanted):
                yield Suggestion(text=f"{field}:{choice}", label=choice, about=MEANINGS[field])


Known = tuple[tuple[str, str], ...]


@lru_cache(maxsize=256)
def _known(view: View, _moment: int) -> tuple[Known, Known, Known]:
    """Return senders, keywords and tags that a view holds, each with how many messages it has."""
    senders = tuple((one.key, f"sender, {wording.plural(one.messages, 'message')}") for one in view.senders())
    keywords = tuple(
        (one.name, f"keyword, {wording.plural(one.messages, 'message')}") for one in view.keywords()
    )
    return senders, keywords, tuple((tag, "tag") for tag in view.tags())


def _quoted(value: str) -> str:
    plain = value.replace('"', " ")
    return plain if plain and all(letter.isalnum() or letter in "+-._@" for letter in plain) else f'"{plain}"'
