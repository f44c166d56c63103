"""The gallery's filters as its address has them: what they ask of the catalog, and the same in words."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Self

from dashboard.locally import zone_of
from mmsvault.catalog.language import Query, Term, hints, parse
from mmsvault.errors import RejectedInputError

NO_KEYWORD = "(none)"
"""Stands in an address for messages without a keyword."""
LONGEST = 1000


@dataclass(frozen=True)
class Filters:
    """What a visitor chose. `since` and `until` are days of their time zone, both included."""

    q: str = ""
    sender: str = ""
    keyword: str = ""
    type: str = ""
    carrier: str = ""
    state: str = ""
    since: str = ""
    until: str = ""
    zone: str = ""

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Self:
        """Take the filters out of the parts of an address."""
        names = (field.name for field in fields(cls))
        return cls(**{name: str(given.get(name, ""))[: LONGEST + 1].strip() for name in names})

    def query(self, *, region: str) -> Query:
        """Return what is asked. Raises SearchError and RejectedInputError."""
        groups = list(parse(self.q, region=region).groups)
        if self.sender:  # as it is in the catalog, so there is nothing to read in it
            groups.append((Term("from", self.sender),))
        if self.keyword:
            groups.append((Term("keyword", self._plain_keyword),))
        rest = " ".join(self._choices())
        return Query((*groups, *parse(rest, region=region).groups))

    def hint(self, *, region: str) -> dict[str, Any] | None:
        """Return what is odd about filters that `query` takes, if anything is.

        It is in the form of a mistake: `problem`, `query`, `position` and `length` in it, and as
        `correction` the filters that were probably meant.
        """
        if self.since and self.until and date.fromisoformat(self.since) > date.fromisoformat(self.until):
            problem = "Nothing can fit: the first day is later than the last one."
            return {"problem": problem, "correction": {"since": self.until, "until": self.since}}
        for one in hints(self.q, region=region):
            correction = {"q": one.correction} if one.correction else None
            place = {"query": self.q, "position": one.position, "length": one.length}
            return {"problem": one.problem, **place, "correction": correction}
        return None

    def on_day(self, day: str, *, region: str) -> Query:
        """Return what is asked, of one day of the same zone. Raises SearchError and RejectedInputError."""
        of_day = type(self)(since=day, until=day, zone=self.zone)
        return Query(self.query(region=region).groups + of_day.query(region=region).groups)

    def words(self) -> str:
        """Return the same as one search, for an export or the trail."""
        named = [("from", self.sender), ("keyword", self._plain_keyword)]
        terms = [self.q, *(_term(field, value) for field, value in named if value), *self._choices()]
        return " ".join(term for term in terms if term)

    def as_params(self) -> dict[str, str]:
        """Return the parts of an address that these filters are."""
        return {name: value for name, value in asdict(self).items() if value}

    @property
    def _plain_keyword(self) -> str:
        return "none" if self.keyword == NO_KEYWORD else self.keyword

    def _choices(self) -> list[str]:
        given = (("type", self.type), ("carrier", self.carrier), ("state", self.state))
        terms = [_term(field, value) for field, value in given if value]
        if self.since:
            terms.append(f"after:{self._midnight(self.since):%Y-%m-%dT%H:%MZ}")
        if self.until:
            terms.append(f"before:{self._midnight(self.until, days=1):%Y-%m-%dT%H:%MZ}")
        return terms

    def _midnight(self, text: str, *, days: int = 0) -> datetime:
        try:
            day = date.fromisoformat(text) + timedelta(days=days)
            return datetime.combine(day, time(), zone_of(self.zone)).astimezone(UTC)
        except (ValueError, OverflowError):
            raise RejectedInputError(f"{text[:40]!r} is no day; one is written 2014-02-03.") from None


def _term(field: str, value: str) -> str:
    return f'{field}:"{value.replace(chr(34), " ")}"'
