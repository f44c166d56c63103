"""A Query as an SQL condition over `messages`; every value is a bound parameter."""

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, not_, or_, select, true

from mmsvault.catalog.language import Query, Term
from mmsvault.catalog.tables import media, messages, recipients
from mmsvault.message import fold, normal_number

CARRIERS: Mapping[str, str] = {
    "att": "31002",
    "at&t": "31002",
    "verizon": "31003",
    "t-mobile": "31004",
    "tmobile": "31004",
    "sprint": "31005",
    "metropcs": "31062",
}
"""Sinch's operator ids of carriers, from its MM7 service's list of operator ids."""

_TYPES: Mapping[str, tuple[str, ...]] = {
    "contact": ("text/vcard", "text/x-vcard"),
    "calendar": ("text/calendar",),
    "document": ("application/pdf",),
}


def condition(query: Query) -> ColumnElement[bool]:
    """Return the condition that a message of the query fulfils."""
    groups = (or_(*(_of_term(term) for term in group)) for group in query.groups)
    return and_(true(), *groups)


def _of_term(term: Term) -> ColumnElement[bool]:
    held = _FIELDS[term.field](term)
    return not_(held) if term.negated else held


def _words(term: Term) -> ColumnElement[bool]:
    return or_(
        messages.c.subject.icontains(term.value, autoescape=True),
        _in_media(media.c.text.icontains(term.value, autoescape=True)),
    )


def _sender(term: Term) -> ColumnElement[bool]:
    return _number(messages.c.sender_number, term.value)


def _recipient(term: Term) -> ColumnElement[bool]:
    return exists(
        select(1).where(
            recipients.c.message_id == messages.c.id, _number(recipients.c.recipient_number, term.value)
        )
    )


def _number(column: Any, value: str) -> ColumnElement[bool]:
    number = normal_number(value.strip("*"))
    if value.startswith("*") and value.endswith("*"):
        return column.contains(number, autoescape=True)  # type: ignore[no-any-return]  # SQLAlchemy's Any
    if value.startswith("*"):
        return column.endswith(number, autoescape=True)  # type: ignore[no-any-return]  # SQLAlchemy's Any
    if value.endswith("*"):
        # A range, not LIKE, so that the index over the column serves it.
        return and_(column >= number, column < number[:-1] + chr(ord(number[-1]) + 1))
    return column == number  # type: ignore[no-any-return]  # SQLAlchemy's Any


def _keyword(term: Term) -> ColumnElement[bool]:
    wanted = fold(term.value)
    return messages.c.keyword_folded == ("" if wanted == "none" else wanted)


def _type(term: Term) -> ColumnElement[bool]:
    kind = media.c.content_type
    listed = [name for names in _TYPES.values() for name in names]
    if term.value in _TYPES:
        return _in_media(kind.in_(_TYPES[term.value]))
    main = or_(*(kind.startswith(f"{name}/") for name in ("image", "video", "audio", "text")))
    if term.value == "other":
        return _in_media(and_(kind != "", not_(main), kind.not_in(listed)))
    return _in_media(and_(kind.startswith(f"{term.value}/"), kind.not_in(listed)))


def _carrier(term: Term) -> ColumnElement[bool]:
    return messages.c.operator_id == CARRIERS.get(term.value.lower(), term.value)


def _has(term: Term) -> ColumnElement[bool]:
    return messages.c.subject != "" if term.value == "subject" else _in_media(true())


def _in_media(held: ColumnElement[bool]) -> ColumnElement[bool]:
    return exists(select(1).where(media.c.message_id == messages.c.id, held))


_FIELDS: Mapping[str, Callable[[Term], ColumnElement[bool]]] = {
    "": _words,
    "from": _sender,
    "to": _recipient,
    "number": lambda term: or_(_sender(term), _recipient(term)),
    "keyword": _keyword,
    "type": _type,
    "carrier": _carrier,
    "after": lambda term: messages.c.received_at >= term.moment,
    "before": lambda term: messages.c.received_at < term.moment,
    "state": lambda term: messages.c.state == term.value,
    "has": _has,
}
