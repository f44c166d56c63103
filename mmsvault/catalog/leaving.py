"""Which messages are to leave: by when they came in, or by a number."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, literal, select, tuple_, union

from mmsvault.catalog import filters
from mmsvault.catalog.connection import reading, retried
from mmsvault.catalog.tables import UtcDateTime, count_changes, keywords, messages
from mmsvault.catalog.tallies import Kind

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


def aged(engine: Engine, *, before: datetime, keyword: str, held: bool) -> Iterator[Aged]:
    """Give the messages with a folded keyword that came in before then, held ones or the others."""
    wanted = (
        messages.c.keyword_folded == keyword,
        messages.c.hold.is_(held),
        messages.c.recorded_at < before,
    )
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


@retried
def aged_keywords(engine: Engine, *, before: datetime, but_for: Collection[str], held: bool) -> list[str]:
    """Return the folded keywords, but for some, of which a message came in before then.

    It costs one look into an index for each keyword that there is.
    """
    kept = select(keywords.c.key)
    changed = select(count_changes.c.key).where(count_changes.c.kind == Kind.KEYWORD.value)
    known = union(kept, changed).subquery()
    its = messages.c.keyword_folded == known.c.key, messages.c.hold.is_(held)
    # In the index's order: else a database may look for an old message among all of a keyword that has none.
    order = (messages.c.keyword_folded, messages.c.hold, messages.c.recorded_at)
    first = select(messages.c.recorded_at).where(*its).order_by(*order).limit(1)
    query = select(known.c.key).where(first.correlate(known).scalar_subquery() < before)
    with reading(engine) as connection:
        return [key for key in connection.scalars(query.order_by(known.c.key)) if key not in but_for]


def of_number(engine: Engine, forms: Sequence[str]) -> list[Aged]:
    """Return the messages from or to a number, in any of the forms in which it may be written."""
    wanted = messages.c.id.in_(filters.ids_of_numbers(forms))
    with reading(engine) as connection:
        found = connection.execute(select(*_AGED).where(wanted).order_by(messages.c.place))
        return [Aged(**row) for row in found.mappings()]
