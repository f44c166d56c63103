"""The catalog as one person may see it: what lies outside of their scope is not there for them.

A scope is one group of terms (`keyword:`, `number:`, `from:`, `to:`) of which a message must fulfil
one; it is added to whatever is asked, so totals, lists and counts know nothing of the rest.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from itertools import islice
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    FromClause,
    Select,
    String,
    Table,
    cast,
    false,
    func,
    literal,
    select,
)

from mmsvault.catalog import counting, filters, flow, names, queries, rhythm, totals
from mmsvault.catalog.connection import reading
from mmsvault.catalog.counting import Order, Tally
from mmsvault.catalog.flow import Hour
from mmsvault.catalog.language import EVERYTHING, Query, parse
from mmsvault.catalog.queries import Page
from mmsvault.catalog.rhythm import Picture
from mmsvault.catalog.tables import media, messages, receipts
from mmsvault.catalog.tallies import KEYWORDS, SENDERS, Tallied
from mmsvault.catalog.totals import Counts, Figures, Total
from mmsvault.errors import NotFoundError, RejectedInputError
from mmsvault.message import MediaState, Message, MessageState, fold

_PERCEPTUAL_HASH = re.compile("[0-9a-f]{16}")
SCOPE_FIELDS = ("keyword", "number", "from", "to")


def scope_of(text: str, *, region: str) -> Query:
    """Return the query that a scope is. Raises SearchError, and RejectedInputError for other terms.

    Of several terms, one must hold: a team has several keywords and numbers. Names that people give to
    senders change nothing of it.
    """
    terms = [term for group in parse(text, region=region).groups for term in group]
    if any(term.field not in SCOPE_FIELDS or term.negated or "*" in term.value for term in terms):
        raise RejectedInputError("A scope is made of keyword:, number:, from: and to:, each with one value.")
    return Query((tuple(replace(term, exact=True) for term in terms),)) if terms else EVERYTHING


@dataclass(frozen=True)
class View:
    """What a person with this scope can ask."""

    engine: Engine
    scope: Query = EVERYTHING

    def search(
        self,
        query: Query,
        *,
        limit: int = 50,
        after: str | None = None,
        parts: Collection[str] = queries.WHOLE,
    ) -> Page:
        """Return a page of the messages that the query finds within the scope, with these of their parts."""
        return queries.search(self.engine, self.narrowed(query), limit=limit, after=after, parts=parts)

    def total(self, query: Query) -> Total:
        """Return how many messages the query finds within the scope."""
        return totals.total(self.engine, self.narrowed(query))

    def kept_total(self, query: Query) -> Total | None:
        """Return the same where a count is kept, else None."""
        return totals.kept_total(self.engine, self.narrowed(query))

    def figures(self, query: Query) -> Figures:
        """Return how many messages, files and bytes the query finds within the scope."""
        return totals.figures(self.engine, self.narrowed(query))

    def ids(self, query: Query, *, limit: int) -> list[str]:
        """Return the ids of the messages that the query finds within the scope, the newest ones first."""
        return list(islice(queries.ids(self.engine, self.narrowed(query)), limit))

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

    def any(self) -> bool:
        """Return whether there is any message in the scope."""
        with reading(self.engine) as connection:
            found = filters.places(self.scope, connection.dialect.name).limit(1)
            return connection.scalar(found) is not None

    def newer(self, query: Query, *, than: str, limit: int = 100) -> int:
        """Return how many messages of the query are newer than the message `than`, counted up to `limit`.

        Where there is no such message (any more) in the scope, all of them are.
        """
        known = messages.c.id == than if self.holds(than) else false()
        with reading(self.engine) as connection:
            place = connection.scalar(select(messages.c.place).where(known))
            asked = queries.narrowed(connection, self.narrowed(query))
            found = filters.places(asked, connection.dialect.name).limit(limit)
            places = list(connection.scalars(found))
        return sum(place is None or one > place for one in places)

    def tags(self, *, among: int = 20_000) -> list[str]:
        """Return the tags that the newest messages carry, each as it was last written."""
        with reading(self.engine) as connection:
            newest = filters.places(self.scope, connection.dialect.name).limit(among).subquery()
            rows = connection.scalars(
                select(messages.c.tags)
                .where(messages.c.place.in_(select(newest.c[0])), cast(messages.c.tags, String) != "[]")
                .order_by(messages.c.place)
            )
            found = {fold(tag): tag for tags in rows for tag in tags}
        return [found[key] for key in sorted(found)]

    def similar(
        self, message: Message, *, bits: int = 10, among: int = 100_000, limit: int = 24
    ) -> list[str]:
        """Return the ids of messages with a picture like one of this message's, the most alike first.

        Two pictures are alike when their perceptual hashes differ in at most so many bits of 64. Looked
        at are the newest `among` messages.
        """
        own = [value for item in message.media if (value := _telling(item.perceptual_hash)) is not None]
        if not own:
            return []
        with reading(self.engine) as connection:
            newest = filters.places(self.scope, connection.dialect.name).limit(among).subquery()
            hashes = connection.execute(
                select(media.c.message_id, media.c.perceptual_hash)
                .join(messages, messages.c.id == media.c.message_id)
                .where(media.c.perceptual_hash != "", messages.c.place.in_(select(newest.c[0])))
                .where(messages.c.id != message.id)
            ).all()
        nearest: dict[str, int] = {}
        for identity, text in hashes:
            value = _telling(text)
            if value is None:
                continue
            distance = min((value ^ mine).bit_count() for mine in own)
            if distance <= min(bits, nearest.get(identity, bits)):
                nearest[identity] = distance
        return sorted(nearest, key=lambda identity: (nearest[identity], identity))[:limit]

    def load_all(self, ids: Sequence[str]) -> list[Message]:
        """Return those of the messages that are in the scope, in the order of `ids`."""
        with reading(self.engine) as connection:
            found = queries.load_all_in(connection, ids)
        return [message for message in found if self.holds(message.id)]

    def senders(self, *, limit: int = 1000) -> list[Tally]:
        """Return who sent messages, the latest first."""
        return self.tallies(SENDERS, limit=limit)

    def keywords(self, *, limit: int = 1000) -> list[Tally]:
        """Return the keywords that messages came with, the latest first."""
        return self.tallies(KEYWORDS, limit=limit)

    def names(self, numbers: Collection[str]) -> dict[str, str]:
        """Return the names of those of the senders that have one, and a message in the scope."""
        if not numbers:
            return {}
        with reading(self.engine) as connection:
            known = names.of_in(connection, numbers)
            if known and self.scope != EVERYTHING:
                sent = select(messages.c.sender_number).where(messages.c.sender_number.in_(known))
                inside = sent.where(self._inside(connection))
                known = {number: known[number] for number in connection.scalars(inside.distinct())}
        return known

    def tallies(
        self,
        tallied: Tallied,
        *,
        order: Order = "last_at",
        limit: int = 1000,
        after: Tally | None = None,
        find: str = "",
        region: str = "US",
    ) -> list[Tally]:
        """Return senders or keywords in an order, or those after one of them, that `find` is found by.

        Without a scope the kept counts answer; within one its messages are counted.
        """
        with reading(self.engine) as connection:
            counted: FromClause | None = None
            if self.scope != EVERYTHING:
                counted = counting.counted(tallied).where(self._inside(connection)).subquery()

            def found(key: ColumnElement[str]) -> ColumnElement[bool]:
                return counting.beginning(connection, tallied, key, find.strip(), region=region)

            return counting.listed(
                connection,
                tallied,
                order=order,
                limit=limit,
                after=after,
                counted=counted,
                find=found if find.strip() else None,
            )

    def by_day(
        self, tallied: Tallied, keys: Collection[str], *, days: int, today: date
    ) -> dict[str, list[int]]:
        """Return for each key how many messages came in on each of the last days, the oldest first."""
        with reading(self.engine) as connection:
            inside = self._within(connection)
            return rhythm.by_day(connection, tallied, keys, days=days, today=today, inside=inside)

    def latest_pictures(
        self, tallied: Tallied, keys: Collection[str], *, each: int
    ) -> dict[str, list[Picture]]:
        """Return the latest pictures of each key, the newest first."""
        with reading(self.engine) as connection:
            inside = self._within(connection)
            return rhythm.latest_pictures(connection, tallied, keys, each=each, inside=inside)

    def by_hour(self, *, hours: int, now: datetime) -> list[Hour]:
        """Return what came in during the last hours and what became of it, the oldest first."""
        with reading(self.engine) as connection:
            return flow.by_hour(connection, hours=hours, now=now, inside=self._within(connection))

    def waiting(self, *, limit: int) -> list[Message]:
        """Return the messages with files still to come, the nearest deadline first."""
        with reading(self.engine) as connection:
            return flow.waiting(connection, limit=limit, inside=self._within(connection))

    def at_risk(self, *, before: datetime) -> int:
        """Return how many files are still to come whose deadline is before that."""
        with reading(self.engine) as connection:
            return flow.at_risk(connection, before=before, inside=self._within(connection))

    def counts(self, *, at_risk_before: datetime) -> Counts:
        """Return the numbers of `totals.counts`; of postbacks, those of messages in the scope."""
        if self.scope == EVERYTHING:
            return totals.counts(self.engine, at_risk_before=at_risk_before)
        with reading(self.engine) as connection:
            return _counts(connection, self._inside(connection), at_risk_before)

    def _inside(self, connection: Connection) -> ColumnElement[bool]:
        return filters.within(self.scope, connection.dialect.name)

    def _within(self, connection: Connection) -> ColumnElement[bool] | None:
        return None if self.scope == EVERYTHING else self._inside(connection)


def _telling(perceptual_hash: str) -> int | None:
    """Return the bits of a hash that says something; those of plain surfaces are all alike."""
    if not _PERCEPTUAL_HASH.fullmatch(perceptual_hash):
        return None
    value = int(perceptual_hash, 16)
    return value if 3 < value.bit_count() < 61 else None  # noqa: PLR2004 - of 64


def _counts(connection: Connection, inside: ColumnElement[bool], at_risk_before: datetime) -> Counts:
    pending = messages.c.state == MessageState.PENDING.value
    states = select(messages.c.state, func.count()).where(inside).group_by(messages.c.state)
    counted = {name: int(number) for name, number in connection.execute(states)}
    files = connection.execute(_by_of_each(connection, media, "state", inside)).all()
    of_files = {name: int(number) for name, number, _ in files}
    came = {
        name: int(number)
        for name, number, _ in connection.execute(_by_of_each(connection, receipts, "outcome", inside))
    }
    at_risk = (
        select(func.count())
        .select_from(media.join(messages))
        .where(media.c.state == "pending", pending, inside, messages.c.deadline_at < at_risk_before)
    )
    return Counts(
        messages={state.value: counted.get(state.value, 0) for state in MessageState},
        media={state.value: of_files.get(state.value, 0) for state in MediaState},
        receipts={
            "total": sum(came.values()),
            "duplicates": came.get("duplicate", 0),
            "other": 0,
            "quarantined": 0,
        },
        at_risk=connection.scalar(at_risk) or 0,
        oldest_pending_at=connection.scalar(select(func.min(messages.c.recorded_at)).where(pending, inside)),
        bytes=sum(int(size) for _, _, size in files),
    )


def _by_of_each(
    connection: Connection, table: Table, column: str, inside: ColumnElement[bool]
) -> Select[Any]:
    """Return the statement for how many rows of messages inside have each value, and their bytes.

    It goes from each message to its rows. PostgreSQL would rather read the table as a whole, whose cost grows
    with all that others have; an OFFSET keeps it from that.
    """
    its: FromClause = table
    if connection.dialect.name == "postgresql":
        rows = select(table).where(table.c.message_id == messages.c.id).correlate(messages)
        its = rows.offset(0).lateral()
    size = func.coalesce(func.sum(its.c.size), 0) if "size" in its.c else literal(0)
    found = select(its.c[column], func.count(), size).select_from(
        messages.join(its, its.c.message_id == messages.c.id)
    )
    return found.where(inside).group_by(its.c[column])
