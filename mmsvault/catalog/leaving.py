"""Which messages are to leave: by when they came in, or by a number."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, literal, or_, select, tuple_

from mmsvault.catalog.connection import reading
from mmsvault.catalog.tables import UtcDateTime, messages, recipients

PAGE = 200


@dataclass(frozen=True)
class Aged:
    """A message as its age and number are looked at."""

    id: str
    keyword: str
    received_at: datetime
    recorded_at: datetime
    hold: bool


_AGED = tuple(messages.c[name] for name in ("id", "keyword", "received_at", "recorded_at", "hold"))


def aged(
    engine: Engine, *, before: datetime, keywords: Sequence[str] = (), but_for: Sequence[str] = ()
) -> Iterator[Aged]:
    """Give the messages that came in before then, with one of the keywords or none of the others.

    Keywords are folded; no keywords means any.
    """
    wanted = [messages.c.recorded_at < before]
    if keywords:
        wanted.append(messages.c.keyword_folded.in_(keywords))
    if but_for:
        wanted.append(messages.c.keyword_folded.not_in(but_for))
    order = tuple_(messages.c.recorded_at, messages.c.id)
    query = select(*_AGED).where(*wanted).order_by(messages.c.recorded_at, messages.c.id).limit(PAGE)
    found = query
    while True:
        with reading(engine) as connection:
            page = [Aged(**row) for row in connection.execute(found).mappings()]
        yield from page
        if len(page) < PAGE:
            return
        past = tuple_(literal(page[-1].recorded_at, UtcDateTime()), literal(page[-1].id))
        found = query.where(order > past)


def of_number(engine: Engine, forms: Sequence[str]) -> list[Aged]:
    """Return the messages from or to a number, in any of the forms in which it may be written."""
    to = select(recipients.c.message_id).where(recipients.c.recipient_number.in_(forms))
    wanted = or_(messages.c.sender_number.in_(forms), messages.c.id.in_(to))
    with reading(engine) as connection:
        found = connection.execute(select(*_AGED).where(wanted).order_by(messages.c.place))
        return [Aged(**row) for row in found.mappings()]
