from datetime import UTC, datetime

import pytest

from dashboard.filters import NO_KEYWORD, Filters
from dashboard.locally import zone_of
from mmsvault.catalog.language import Query, Term, parse
from mmsvault.errors import RejectedInputError, SearchError


def test_filters_are_terms_beside_the_search() -> None:
    filters = Filters.of({"q": "harbor", "sender": "14085550123", "type": "image", "state": "lost", "x": "y"})
    asked = parse('harbor from:"14085550123" type:image state:lost').groups
    assert filters.query(region="US") == Query(asked)
    assert filters.words() == 'harbor from:"14085550123" type:"image" state:"lost"'


def test_a_keyword_is_taken_as_it_is_and_none_stands_for_no_keyword() -> None:
    odd = Filters(keyword='say "hi" -now')
    assert odd.query(region="US").groups == ((Term("keyword", 'say "hi" -now'),),)
    assert parse(odd.words())
    assert Filters(keyword=NO_KEYWORD).words() == 'keyword:"none"'


def test_days_are_whole_days_of_the_visitors_zone_with_summer_time_and_all() -> None:
    filters = Filters(since="2026-03-29", until="2026-03-29", zone="Europe/Berlin")
    after, before = (group[0].moment for group in filters.query(region="US").groups)
    assert after == datetime(2026, 3, 28, 23, tzinfo=UTC)
    assert before == datetime(2026, 3, 29, 22, tzinfo=UTC)


def test_what_is_no_day_is_said_and_an_unknown_zone_is_utc() -> None:
    for day in ("yesterday", "9999-12-31", "2026-02-30"):
        with pytest.raises(RejectedInputError):
            Filters(until=day).query(region="US")
    for name in ("", "Nowhere/Here", "../../etc/passwd", "\0"):
        assert zone_of(name) is UTC


def test_mistakes_in_the_search_and_in_forged_choices_are_search_errors() -> None:
    for filters in (Filters(q="from:1*"), Filters(type="picture"), Filters(q="x" * 5000)):
        with pytest.raises(SearchError):
            filters.query(region="US")
