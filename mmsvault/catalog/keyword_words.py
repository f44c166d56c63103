"""Keywords by the words in them, so that a word in a search finds them as it finds texts.

A message's document has its keyword as a whole. Which keywords have a word is asked of the table that
counts them, which is small: their number is that of the keywords, not that of the messages. Those of the
latest messages stand among the changes that are not counted in it yet.
"""

from sqlalchemy import ColumnElement, Connection, and_, select

from mmsvault.catalog.tables import count_changes, keywords
from mmsvault.catalog.tallies import Kind
from mmsvault.catalog.words import words_of

AMONG = 10_000
"""The latest keywords, that are looked through for a word anywhere in them."""
MOST = 2_000
"""Keywords that one word in a search stands for."""


def find_in(connection: Connection, text: str) -> tuple[str, ...]:
    """Return the keywords, as they are compared, that a word or some in a row are found in.

    One word is found from its beginning. A keyword's own beginning is found among all, a word further
    on among the latest `AMONG`.
    """
    wanted = words_of(text)
    if not wanted:
        return ()
    latest = select(keywords.c.key).order_by(keywords.c.last_at.desc(), keywords.c.key.desc()).limit(AMONG)
    newest = latest.subquery()
    inside = select(newest.c.key).where(newest.c.key.contains(wanted[0], autoescape=True))
    beginning = select(keywords.c.key).where(_begins(connection, wanted[0])).limit(MOST)
    of_changes = (
        select(count_changes.c.key)
        .where(count_changes.c.kind == Kind.KEYWORD.value)
        .where(count_changes.c.key.contains(wanted[0], autoescape=True))
        .distinct()
        .limit(MOST)
    )
    asked = (inside, beginning, of_changes)
    found = dict.fromkeys(key for one in asked for key in connection.scalars(one))
    return tuple(key for key in found if _has(words_of(key), wanted))[:MOST]


def _has(words: list[str], wanted: list[str]) -> bool:
    if len(wanted) == 1:
        return any(word.startswith(wanted[0]) for word in words)
    return any(words[at : at + len(wanted)] == wanted for at in range(len(words)))


def _begins(connection: Connection, start: str) -> ColumnElement[bool]:
    if connection.dialect.name == "sqlite":  # so that its index is used
        return and_(keywords.c.key >= start, keywords.c.key < start + "\U0010ffff")
    return keywords.c.key.startswith(start, autoescape=True)
