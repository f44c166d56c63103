"""The catalog as one person may see it: what lies outside of their scope is not there for them.

A scope is one group of terms (`keyword:`, `number:`, `from:`, `to:`) of which a message must fulfil
one; it is added to whatever is asked, so totals, lists and counts know nothing of the rest.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, Select, Table, func, select

from mmsvault.catalog import counting, filters, queries
from mmsvault.catalog.connection import reading
from mmsvault.catalog.counting import Tally
from mmsvault.catalog.language import EVERYTHING, Query, parse
from mmsvault.catalog.queries import Counts, Page
from mmsvault.catalog.tables import media, messages, receipts
from mmsvault.errors import NotFoundError, RejectedInputError
from mmsvault.message import MediaState, Message, MessageState

SCOPE_FIELDS = ("keyword", "number", "from", "to")


def scope_of(text: str, *, region: str) -> Query:
    """Return the query that a scope is. Raises SearchError, and RejectedInputError for other terms.

    Of several terms, one must hold: a team has several keywords and numbers.
    """
    terms = [term for group in parse(text, region=region).groups for term in group]
    if any(term.field not in SCOPE_FIELDS or term.negated or "*" in term.value for term in terms):
        raise RejectedInputError("A scope is made of keyword:, number:, from: and to:, each with one value.")
    return Query((tuple(terms),)) if terms else EVERYTHING


@dataclass(frozen=True)
class View:
    """What a person with this scope can ask."""

    engine: Engine
    scope: Query = EVERYTHING

    def search(self, query: Query, *, limit: int = 50, after: str | None = None) -> Page:
        """Return a page of the messages that the query finds within the scope."""
        return queries.search(self.engine, self.narrowed(query), limit=limit, after=after)

    def narrowed(self, query: Query) -> Query:
        """Return the query within the scope."""
        return Query(self.scope.groups + query.groups)

    def load(self, message_id: str) -> Message:
        """Return a message. Raises NotFoundError for one outside of the scope as for none."""
        if not self.holds(message_id):
            raise NotFoundError(f"There is no message {message_id}.")
        return queries.load(self.engine, message_id)

    def holds(self, message_id: str) -> bool:
        """Return whether the scope, if there is one, has this message in it."""
        if self.scope == EVERYTHING:
            return True
        with reading(self.engine) as connection:
            place = connection.scalar(select(messages.c.place).where(messages.c.id == message_id))
            if place is None:
                return False
            inside = filters.places(self.scope, connection.dialect.name, below=place + 1)
            return bool(connection.scalar(inside.limit(1)) == place)

    def senders(self, *, limit: int = 1000) -> list[Tally]:
        """Return who sent messages, the latest first."""
        if self.scope == EVERYTHING:
            return counting.list_senders(self.engine, limit=limit)
        return self._tallies("sender_number", "sender", limit)

    def keywords(self, *, limit: int = 1000) -> list[Tally]:
        """Return the keywords that messages came with, the latest first."""
        if self.scope == EVERYTHING:
            return counting.list_keywords(self.engine, limit=limit)
        return self._tallies("keyword_folded", "keyword", limit)

    def counts(self, *, at_risk_before: datetime) -> Counts:
        """Return the numbers of `queries.counts`; of postbacks, those of messages in the scope."""
        if self.scope == EVERYTHING:
            return queries.counts(self.engine, at_risk_before=at_risk_before)
        with reading(self.engine) as connection:
            return _counts(connection, self._places(connection), at_risk_before)

    def _places(self, connection: Connection) -> Select[int]:
        return filters.places(self.scope, connection.dialect.name).order_by(None)

    def _tallies(self, key: str, name: str, limit: int) -> list[Tally]:
        last_at = func.max(messages.c.received_at)
        with reading(self.engine) as connection:
            found = (
                select(
                    messages.c[key].label("key"),
                    func.max(messages.c[name]).label("name"),
                    func.count().label("messages"),
                    func.min(messages.c.received_at).label("first_at"),
                    last_at.label("last_at"),
                )
                .where(messages.c.place.in_(self._places(connection)))
                .group_by(messages.c[key])
                .order_by(last_at.desc())
                .limit(limit)
            )
            return [Tally(**row) for row in connection.execute(found).mappings()]


def _counts(connection: Connection, places: Select[int], at_risk_before: datetime) -> Counts:
    inside = messages.c.place.in_(places)
    pending = messages.c.state == MessageState.PENDING.value
    of_messages = select(messages.c.id).where(inside)
    counted = _by(connection, messages, inside, "state")
    files = _by(connection, media, media.c.message_id.in_(of_messages), "state")
    came = _by(connection, receipts, receipts.c.message_id.in_(of_messages), "outcome")
    at_risk = (
        select(func.count())
        .select_from(media.join(messages))
        .where(media.c.state == "pending", pending, inside, messages.c.deadline_at < at_risk_before)
    )
    size = select(func.coalesce(func.sum(media.c.size), 0)).where(media.c.message_id.in_(of_messages))
    return Counts(
        messages={state.value: counted.get(state.value, 0) for state in MessageState},
        media={state.value: files.get(state.value, 0) for state in MediaState},
        receipts={
            "total": sum(came.values()),
            "duplicates": came.get("duplicate", 0),
            "other": 0,
            "quarantined": 0,
        },
        at_risk=connection.scalar(at_risk) or 0,
        oldest_pending_at=connection.scalar(select(func.min(messages.c.recorded_at)).where(pending, inside)),
        bytes=int(connection.scalar(size) or 0),
    )


def _by(connection: Connection, table: Table, condition: Any, column: str) -> dict[str, int]:
    found = select(table.c[column], func.count()).where(condition).group_by(table.c[column])
    return {name: int(number) for name, number in connection.execute(found)}
