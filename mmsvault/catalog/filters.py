"""A Query as an SQL statement that gives the places of its messages; every value is bound.

A query becomes one expression over the tokens of `documents`, which the database's full-text index
answers newest first, between two places where times were asked for. One sender or one keyword alone
is answered by the index over its column. So no query reads what it does not need: a phrase or a
rare combination costs as much as its commonest words do.
"""

from collections.abc import Callable, Collection, Mapping, Sequence

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Select,
    and_,
    cast,
    exists,
    func,
    literal,
    literal_column,
    not_,
    or_,
    select,
    union,
    union_all,
)

from mmsvault.catalog import documents, tallies
from mmsvault.catalog.documents import EVERY
from mmsvault.catalog.language import Query, Term
from mmsvault.catalog.places import first_place
from mmsvault.catalog.tables import message_words, messages, recipients, scheduled_messages
from mmsvault.catalog.words import words_of
from mmsvault.message import fold, normal_number, part_of_number

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

CHOSEN = "chosen"
"""The field of terms that name a message by its id; nobody writes them."""
SCHEDULED = "scheduled"
"""The field of a term that names the scheduled export that a message is in; nobody writes it, either."""

_NAMED = (CHOSEN, SCHEDULED)

Phrase = tuple[str, ...]
Group = tuple[Term, ...]


def phrases(term: Term) -> tuple[Phrase, ...]:
    """Return what a document has one of where the term holds (but for the negation)."""
    return term.known or _FIELDS[term.field](term)


def known_phrases(term: Term) -> Select[int]:
    """Return the statement for the places in `phrases` of those that some document has, in PostgreSQL.

    Its planner takes each token that it knows nothing of for one that some messages have; of several that
    few or none have it thinks so much that it looks for them among the newest messages one by one.
    """
    sides = [
        select(literal(at)).where(
            exists(select(message_words.c.place).where(_holds_lexemes(_any_lexemes((phrase,)))))
        )
        for at, phrase in enumerate(phrases(term))
    ]
    return select(union_all(*sides).subquery().c[0])


def places(query: Query, dialect: str, *, below: int | None = None) -> Select[int]:
    """Return the statement for the places of the query's messages, the newest (below one) first."""
    bounds = [group[0] for group in query.groups if _is_bound(group)]
    chosen = [group for group in query.groups if group[0].field in _NAMED]
    groups = [group for group in query.groups if not _is_bound(group) and group not in chosen]
    column = _of_column(groups[0]) if len(groups) == 1 else None
    place: ColumnElement[int] = messages.c.place
    if not groups:
        found = select(place)
    elif column is not None:
        found = select(place).where(column)
    elif dialect == "postgresql":
        place = message_words.c.place
        found = _in_postgresql(groups)
    else:
        place = message_words.c.rowid
        found = select(place.label("place")).where(_in_sqlite(groups))
    limits = [_bound(place, term) for term in bounds]
    limits += [place.in_(_places_of(group)) for group in chosen]
    if below is not None:
        limits.append(place < below)
    return found.where(*limits).order_by(place.desc())


def chosen(ids: Sequence[str]) -> Group:
    """Return the group of terms that holds for these messages and no other."""
    return tuple(Term(CHOSEN, identity) for identity in ids)


def scheduled(export_id: str) -> Group:
    """Return the term that holds for the messages of a scheduled export and no other."""
    return (Term(SCHEDULED, export_id),)


def _places_of(group: Group) -> Select[int]:
    if group[0].field == SCHEDULED:
        its = select(scheduled_messages.c.message_id).where(scheduled_messages.c.export_id == group[0].value)
        return select(messages.c.place).where(messages.c.id.in_(its)).correlate(None)
    return select(messages.c.place).where(messages.c.id.in_([term.value for term in group])).correlate(None)


def within(scope: Query, dialect: str) -> ColumnElement[bool]:
    """Return the condition on `messages` that a message is in a scope.

    Terms that each name a whole keyword or number are answered by the columns and their indexes. So
    PostgreSQL, which knows of columns how common each value is, goes by the scope where that is small.
    """
    terms = [term for group in scope.groups for term in group]
    if len(scope.groups) != 1 or not all(_is_whole(term) for term in terms):
        return messages.c.place.in_(places(scope, dialect).order_by(None))
    keywords = [_keyword(term) for term in terms if term.field == "keyword"]
    senders = [form for term in terms if term.field in ("from", "number") for form in numbers(term)]
    to = [form for term in terms if term.field in ("to", "number") for form in numbers(term)]
    own = [messages.c.keyword_folded.in_(keywords)] if keywords else []
    own += [messages.c.sender_number.in_(senders)] if senders else []
    if not to:
        return or_(*own)
    received = select(recipients.c.message_id).where(recipients.c.recipient_number.in_(to))
    # Each side by its index: PostgreSQL reads every message where a column or another table must fit.
    return messages.c.id.in_(union(*(select(messages.c.id).where(one) for one in own), received))


def ids_of_numbers(numbers: Collection[str]) -> CompoundSelect[str]:
    """Return the statement for the ids of the messages from or to one of these numbers.

    Each side by its index: PostgreSQL reads every message where one or the other must hold.
    """
    sent = select(messages.c.id).where(messages.c.sender_number.in_(numbers))
    received = select(recipients.c.message_id).where(recipients.c.recipient_number.in_(numbers))
    return sent.union(received)


def _is_whole(term: Term) -> bool:
    is_named = term.field in ("keyword", "from", "to", "number")
    return is_named and term.exact and not term.negated and "*" not in term.value


def tally_of(query: Query) -> Select[int] | None:
    """Return the statement for the kept count of a query for one sender or keyword; None for others."""
    if len(query.groups) != 1 or _of_column(query.groups[0]) is None:
        return None
    term = query.groups[0][0]
    if term.field == "from":
        return tallies.messages_of(tallies.SENDERS, numbers(term)[0])
    return tallies.messages_of(tallies.KEYWORDS, _keyword(term))


def tokens(query: Query) -> int:
    """Return of how many tokens a query wants any one, if it asks for nothing else; 0 for any other one."""
    if len(query.groups) != 1:
        return 0
    terms = query.groups[0]
    if any(term.moment or term.negated or term.field in _NAMED for term in terms):
        return 0
    found = [phrase for term in terms for phrase in phrases(term)]
    return len(found) if all(len(phrase) == 1 for phrase in found) else 0


def _is_bound(group: Group) -> bool:
    return len(group) == 1 and group[0].moment is not None


def _bound(place: ColumnElement[int], term: Term) -> ColumnElement[bool]:
    assert term.moment  # noqa: S101 - what makes it a bound
    limit = first_place(term.moment)
    return place >= limit if (term.field == "after") != term.negated else place < limit


def _of_column(group: Group) -> ColumnElement[bool] | None:
    """Return the condition on a column of its own that a group is, if it is one."""
    term = group[0]
    if len(group) > 1 or term.negated:
        return None
    if term.field == "keyword":
        return messages.c.keyword_folded == _keyword(term)
    if term.field == "from" and "*" not in term.value:
        forms = numbers(term)
        return messages.c.sender_number == forms[0] if len(forms) == 1 else None
    return None


def _in_sqlite(groups: Sequence[Group]) -> ColumnElement[bool]:
    """Return the condition on the FTS5 table. Times beside other terms are looked at row by row."""
    timed = [group for group in groups if any(term.moment for term in group)]
    expression = _fts5([group for group in groups if group not in timed])
    return and_(_match(expression), *(or_(*(_alone(term) for term in group)) for group in timed))


def _alone(term: Term) -> ColumnElement[bool]:
    place = message_words.c.rowid
    if term.moment:
        return _bound(place, term)
    found = place.in_(select(place).where(_match(_any_of(term))).correlate(None))
    return not_(found) if term.negated else found


def _match(expression: str) -> ColumnElement[bool]:
    return literal_column("message_words").op("MATCH", is_comparison=True)(expression)


def _fts5(groups: Sequence[Group]) -> str:
    """Return an FTS5 expression; its NOT has two sides, so that what is only negated starts from all."""
    asked, barred = [], []
    for group in groups:
        if len(group) == 1 and group[0].negated:
            barred.append(_any_of(group[0]))
            continue
        terms = [f'("{EVERY}" NOT {_any_of(term)})' if term.negated else _any_of(term) for term in group]
        asked.append(f"({' OR '.join(terms)})")
    expression = " AND ".join(asked) or f'"{EVERY}"'
    return f"({expression}) NOT ({' OR '.join(barred)})" if barred else expression


def _any_of(term: Term) -> str:
    # Tokens hold no quotation marks.
    return "(" + " OR ".join(f'"{" ".join(phrase)}"' for phrase in phrases(term)) + ")"


def _in_postgresql(groups: Sequence[Group]) -> Select[int]:
    """Return the statement over the tsvectors; phrases are looked up in their text as well."""
    columns = [condition for group in groups if (condition := _of_column(group)) is not None]
    others = [group for group in groups if _of_column(group) is None]
    found = select(message_words.c.place).where(*columns)
    if columns:
        found = found.join(messages, messages.c.place == message_words.c.place)
    lexemes = [
        " | ".join(("!" if term.negated else "") + _lexemes(term) for term in group)
        for group in others
        if _fits_lexemes(group)
    ]
    if lexemes:
        found = found.where(_holds_lexemes(" & ".join(f"({group})" for group in lexemes)))
    exact = [group for group in others if not _is_lexemes(group)]
    return found.where(*(or_(*(_exactly(term) for term in group)) for group in exact))


def _fits_lexemes(group: Group) -> bool:
    """Return whether a tsquery finds at least all that the group does."""
    return _is_lexemes(group) or not any(term.moment or term.negated for term in group)


def _is_lexemes(group: Group) -> bool:
    """Return whether a tsquery finds just what the group does."""
    return all(not term.moment and all(len(phrase) == 1 for phrase in phrases(term)) for term in group)


def _exactly(term: Term) -> ColumnElement[bool]:
    if term.moment:
        return _bound(message_words.c.place, term)
    tokens = tuple(phrase for phrase in phrases(term) if len(phrase) == 1)
    longer = tuple(phrase for phrase in phrases(term) if len(phrase) > 1)
    either = [_holds_lexemes(_any_lexemes(tokens))] if tokens else []
    if longer:
        sides = [func.strpos(message_words.c.sequence, f" {' '.join(phrase)} ") > 0 for phrase in longer]
        either.append(and_(_holds_lexemes(_any_lexemes(longer)), or_(*sides)))
    return not_(or_(*either)) if term.negated else or_(*either)


def _holds_lexemes(expression: str) -> ColumnElement[bool]:
    from sqlalchemy.dialects.postgresql import TSQUERY  # noqa: PLC0415 - large, and of no use elsewhere

    return message_words.c.words.op("@@", is_comparison=True)(cast(expression, TSQUERY))


def _lexemes(term: Term) -> str:
    return _any_lexemes(phrases(term))


def _any_lexemes(options: Sequence[Phrase]) -> str:
    # Tokens hold neither apostrophes nor backslashes.
    sides = ("(" + " & ".join(f"'{token}'" for token in phrase) + ")" for phrase in options)
    return "(" + " | ".join(sides) + ")"


def _bare(term: Term) -> tuple[Phrase, ...]:
    """Return what a term without a field finds: words, keywords with them, whole numbers and their ends."""
    words = tuple(words_of(term.value))
    if term.exact:
        return (words,)
    found = [documents.fact("k", keyword) for keyword in term.keywords]
    for side in ("f", "t"):
        found += [documents.ending(side, term.ending)] if term.ending else []
        others = [number for number in term.numbers if not (term.ending and number.endswith(term.ending))]
        found += [documents.fact(side, number) for number in others]
    own = (documents.beginning(words[0]),) if len(words) == 1 else words
    return (own, *((token,) for token in found))


def _number(side: str, term: Term) -> tuple[Phrase, ...]:
    inner = part_of_number(term.value.strip("*"))
    at_start, at_end = not term.value.startswith("*"), not term.value.endswith("*")
    if at_start and at_end:
        return tuple((documents.fact(side, number),) for number in numbers(term))
    if at_start:
        return ((documents.starting(side, inner),),)
    return ((documents.ending(side, inner),),) if at_end else (documents.threes(side, inner),)


def numbers(term: Term) -> tuple[str, ...]:
    """Return the forms that the whole number of a term may have."""
    return term.numbers or (normal_number(term.value),)


def _keyword(term: Term) -> str:
    wanted = fold(term.value)
    return "" if wanted == "none" else wanted


def _carrier(term: Term) -> str:
    name = term.value.casefold()
    return CARRIERS.get(name, name)


_FIELDS: Mapping[str, Callable[[Term], tuple[Phrase, ...]]] = {
    "": _bare,
    "from": lambda term: _number("f", term),
    "to": lambda term: _number("t", term),
    "number": lambda term: _number("f", term) + _number("t", term),
    "keyword": lambda term: ((documents.fact("k", _keyword(term)),),),
    "type": lambda term: ((documents.fact("m", term.value),),),
    "carrier": lambda term: ((documents.fact("c", _carrier(term)),),),
    "state": lambda term: ((documents.fact("s", term.value),),),
    "tag": lambda term: ((documents.fact("g", fold(term.value)),),),
    "has": lambda term: ((documents.fact("h", term.value),),),
}
