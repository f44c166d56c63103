"""A message as the tokens that it is found by, and where each database keeps them.

All that can be asked of a message but its time is a token of its document: its words, the
beginnings of its words, its numbers and their parts, its keyword, kinds, state and so on. So any
query is tokens joined by and, or and not, which a full-text index answers, and both databases
answer alike because both hold the same tokens:

    harbor        a word; words in a row are a phrase
    harb*         a beginning of a word, up to the whole
    =f14085550123 a fact: from this number; likewise t(o), k(eyword), c(arrier), m(edia), s(tate),
                  h(as), g for a tag; the single = is in every document
    <f1408 >f0123 a beginning and an end of a number
    ~f140 ~f408   a number in threes, so that any part of it is a phrase
    |             stands between texts, that no phrase reaches across

SQLite keeps them as the text of an FTS5 table, PostgreSQL as a tsvector, with the phrases' text.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, text

from mmsvault.catalog.words import stands_alone, words_of
from mmsvault.message import Message, fold, normal_number

EVERY = "="
BREAK = "|"
LEAST_PART = 3
"""Characters of a number that a part of it has at least."""
MOST_BYTES = 300_000
"""Of words and their beginnings in one document, and as much again of numbers and their parts; a tsvector
holds a megabyte. The rest of a longer text is not found, nor are more numbers: first their parts are left
out, then they themselves."""
_LONGEST_FACT = 100
_ESCAPED = {code: f"_{code:02x}" for code in range(128) if not chr(code).isalnum()}
"""How ASCII stands in a token that is neither letter nor digit."""

_KINDS = {
    "text/vcard": "contact",
    "text/x-vcard": "contact",
    "text/calendar": "calendar",
    "application/pdf": "document",
}
_MAIN_KINDS = ("image", "video", "audio", "text")


@dataclass(frozen=True)
class Document:
    """The tokens of a message: those whose order counts, and the others."""

    sequence: tuple[str, ...]
    marks: frozenset[str]


def document(message: Message) -> Document:
    """Return the tokens of a message."""
    sequence: list[str] = []
    marks = {EVERY, *_facts(message)}
    _add_words(message, sequence, marks)
    _add_numbers(message, sequence, marks)
    return Document(tuple(sequence), frozenset(marks))


def fact(name: str, value: str) -> str:
    """Return the token of a fact."""
    return f"={name}{_safe(value)}"


def beginning(word: str) -> str:
    """Return the token of a word's beginning; a character that is a word has none but itself."""
    return word if stands_alone(word[0]) else f"{word}*"


def starting(side: str, part: str) -> str:
    """Return the token of a number's beginning."""
    return f"<{side}{_safe(part)}"


def ending(side: str, part: str) -> str:
    """Return the token of a number's end."""
    return f">{side}{_safe(part)}"


def threes(side: str, part: str) -> tuple[str, ...]:
    """Return the tokens of a number, or part of one, in threes."""
    starts = range(len(part) - LEAST_PART + 1)
    return tuple(f"~{side}{_safe(part[start : start + LEAST_PART])}" for start in starts)


def kind_of(content_type: str) -> str:
    """Return what `type:` calls a file of this content type."""
    main = content_type.partition("/")[0]
    return _KINDS.get(content_type) or (main if main in _MAIN_KINDS else "other")


def keep(connection: Connection, message: Message) -> None:
    """Write the document of a message that is in the catalog, in place of an older one."""
    tokens = document(message)
    if connection.dialect.name == "postgresql":
        connection.execute(_KEEP_IN_POSTGRESQL, {"id": message.id, **postgresql_row(tokens)})
        return
    place, kept = connection.execute(_FIND_IN_SQLITE, {"id": message.id}).one()
    row = {"place": place, "words": sqlite_words(tokens)}
    if kept is None:
        connection.execute(_ADD_TO_SQLITE, row)
    elif kept != row["words"]:
        connection.execute(_CHANGE_IN_SQLITE, row)


def sqlite_words(tokens: Document) -> str:
    """Return the text that FTS5 takes apart again."""
    return " ".join((*tokens.sequence, *sorted(tokens.marks)))


def postgresql_row(tokens: Document) -> dict[str, object]:
    """Return the tokens for a tsvector, and the text that phrases are looked up in."""
    return {
        "tokens": sorted(tokens.marks.union(tokens.sequence)),
        "sequence": f" {' '.join(tokens.sequence)} ",
    }


_FIND_IN_SQLITE = text(
    "SELECT place, words FROM messages LEFT JOIN message_words ON message_words.rowid = place WHERE id = :id"
)
_ADD_TO_SQLITE = text("INSERT INTO message_words (rowid, words) VALUES (:place, :words)")
_CHANGE_IN_SQLITE = text("UPDATE message_words SET words = :words WHERE rowid = :place")
_KEEP_IN_POSTGRESQL = text("""
    INSERT INTO message_words (place, words, sequence)
    SELECT place, array_to_tsvector(:tokens), :sequence FROM messages WHERE id = :id
    ON CONFLICT (place) DO UPDATE SET words = excluded.words, sequence = excluded.sequence
    WHERE message_words.words <> excluded.words OR message_words.sequence <> excluded.sequence
""")


def _facts(message: Message) -> Iterator[str]:
    yield fact("k", fold(message.keyword))
    yield fact("c", message.operator_id.casefold())
    yield fact("s", message.state.value)
    yield from (fact("g", fold(tag)) for tag in message.tags)
    yield from (fact("m", kind_of(item.content_type)) for item in message.media if item.content_type)
    held = {"media": message.media, "subject": message.subject, "hold": message.hold}
    yield from (fact("h", name) for name, given in held.items() if given)


def _add_words(message: Message, sequence: list[str], marks: set[str]) -> None:
    seen: set[str] = set()
    room = MOST_BYTES
    for part in _texts(message):
        sequence.append(BREAK)
        for word in words_of(part):
            if word not in seen:
                beginnings = {beginning(word[:end]) for end in range(1, len(word) + 1)} - marks
                room -= sum(len(token.encode()) for token in (word, *beginnings))
                if room < 0:
                    return
                seen.add(word)
                marks |= beginnings
            sequence.append(word)


def _add_numbers(message: Message, sequence: list[str], marks: set[str]) -> None:
    given = (("f", message.sender), *(("t", number) for number in message.to))
    numbers = [(side, normal_number(number)) for side, number in given]
    room = MOST_BYTES
    for side, number in numbers:
        whole = fact(side, number)
        room -= len(whole.encode())
        if room < 0:
            return
        marks.add(whole)
    for side, number in numbers:
        in_threes = threes(side, number)
        parts = {starting(side, number[:end]) for end in range(LEAST_PART, len(number) + 1)}
        parts |= {ending(side, number[start:]) for start in range(len(number) - LEAST_PART + 1)}
        room -= sum(len(token.encode()) for token in (*in_threes, *parts))
        if room < 0:
            return
        marks |= parts
        sequence.extend((BREAK, *in_threes))


def _texts(message: Message) -> Iterable[str]:
    return (message.subject, *(item.text for item in message.media))


def _safe(value: str) -> str:
    """Return a value as one token: letters and digits stand for themselves."""
    if value.isalnum() and value.isascii():
        return value if len(value) <= _LONGEST_FACT else _digest(value)
    safe = value.translate(_ESCAPED)
    return safe if len(safe) <= _LONGEST_FACT else _digest(value)


def _digest(value: str) -> str:
    return "__" + hashlib.blake2b(value.encode("utf-8", "replace"), digest_size=20).hexdigest()
