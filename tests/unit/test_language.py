import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmsvault.catalog.language import EVERYTHING, Term, parse
from mmsvault.errors import SearchError


def test_an_empty_query_finds_everything() -> None:
    assert parse("  ") == EVERYTHING


def test_terms_side_by_side_must_all_hold() -> None:
    assert parse('from:14082257140 keyword:all "old harbor" -storm').groups == (
        (Term("from", "14082257140"),),
        (Term("keyword", "all"),),
        (Term("", "old harbor", exact=True),),
        (Term("", "storm", negated=True),),
    )


def test_or_joins_its_two_neighbours() -> None:
    assert parse("a keyword:b OR c d").groups == (
        (Term("", "a"),),
        (Term("keyword", "b"), Term("", "c")),
        (Term("", "d"),),
    )


@pytest.mark.parametrize(
    ("query", "position", "problem"),
    [
        ("OR a", 0, "between two terms"),
        ("a OR", 4, "missing after OR"),
        ('a "b', 2, "no partner"),
        ("ab colour:red", 3, "no field colour"),
        ("from:12*", 5, "at least 3 digits"),
        ("from:14*57", 7, "start or the end"),
        ("type:film", 5, "image, video"),
        ("state:done", 6, "archived"),
        ("after:tomorrow", 6, "2014-02-03"),
        ("keyword:", 8, "missing after keyword:"),
        ('keyword:""', 10, "missing after keyword:"),
    ],
)
def test_a_mistake_is_pointed_at(query: str, position: int, problem: str) -> None:
    with pytest.raises(SearchError, match=problem) as raised:
        parse(query)
    assert raised.value.position == position


@given(st.text(max_size=200))
def test_any_text_is_a_query_or_has_a_mistake_inside_it(text: str) -> None:
    try:
        parse(text)
    except SearchError as error:
        assert 0 <= error.position <= len(text)
