import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmsvault.catalog.language import EVERYTHING, Term, hints, last_piece, parse
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


@pytest.mark.parametrize(
    "written",
    [
        "3125550147",
        "13125550147",
        "+13125550147",
        "(312) 555-0147",
        "(312)555-0147",
        "+1 312 555 0147",
        "+1 (312) 555-0147",
        "312.555.0147",
        "312-555-0147",
        "312 555 0147",
        "1 312 555 0147",
        "011 1 312 555 0147",
        "tel:+1-312-555-0147",
        "312 555 0147 ext 12",
        "\u202a+1 312 555 0147\u202c",
    ],
)
def test_a_number_in_any_usual_writing_is_one_term_among_others(written: str) -> None:
    words, number, negated = (
        parse(f"harbor {written} OR -{written}").groups[0][:1],
        *parse(f"{written} OR -{written}").groups[0],
    )
    assert words == (Term("", "harbor"),)
    assert number == Term("", written)
    assert negated == Term("", written, negated=True)
    assert "13125550147" in number.numbers


@pytest.mark.parametrize(
    ("query", "terms"),
    [
        ("2014 0147", ["2014", "0147"]),
        ("312 555 0147 408 555 0123", ["312 555 0147", "408 555 0123"]),
        ("100 312 555 0147", ["100", "312 555 0147"]),
        ("555 0147", ["555 0147"]),
        ("2 boats 3125550147", ["2", "boats", "3125550147"]),
        ("44 20 7946 0018 harbor", ["44 20 7946 0018", "harbor"]),
        ("1 2 3", ["1", "2", "3"]),
    ],
)
def test_digits_side_by_side_are_one_number_only_where_they_can_be(query: str, terms: list[str]) -> None:
    assert [group[0].value for group in parse(query).groups] == terms


def test_a_number_is_read_as_the_region_writes_it() -> None:
    one = parse("020 7946 0018", region="GB").groups[0][0]
    assert "442079460018" in one.numbers


def test_four_digits_are_an_ending_three_are_not_and_quotation_marks_mean_text() -> None:
    assert parse("0147").groups[0][0].ending == "0147"
    assert parse("147").groups[0][0].ending == ""
    assert parse('"0147"').groups[0][0] == Term("", "0147", exact=True)
    assert parse('"0147"').groups[0][0].numbers == ()


@pytest.mark.parametrize(
    ("query", "correction"),
    [
        ("keywrod:x", "keyword:x"),
        ("storm -keywrod:x old", "storm -keyword:x old"),
        ("sender:4085550123", "from:4085550123"),
        ("https://a.example/b", '"https://a.example/b"'),
        ("storm OR", "storm"),
        ("OR storm", "storm"),
        ("storm from:", "storm"),
        ("from: anna", "from:anna"),
        ("storm OR keyword:", "storm"),
        ('keyword:""', ""),
        ('say "old harbor', 'say "old harbor"'),
        ('harbor"', "harbor"),
        ("type:film", "type:video"),
        ("state:archved", "state:archived"),
        ("is:lost", "state:lost"),
        ("storm is:starred", "storm"),
        ("after:2014/2/3", "after:2014-02-03"),
        ("after:02/03/2014 x", "after:2014-02-03 x"),
        ("-before:3.2.2014", "-before:2014-02-03"),
        ("after:2026-02-30", "after:2026-02-28"),
        ("after:2026-13-45", "after:2026-12-31"),
        ("after:2026-13-05", "after:2026-05-13"),
    ],
)
def test_a_mistake_comes_with_the_query_that_was_probably_meant(query: str, correction: str) -> None:
    with pytest.raises(SearchError) as raised:
        parse(query)
    assert raised.value.correction == correction


@pytest.mark.parametrize(
    ("query", "marked", "correction"),
    [
        ("storm AND (", "AND", "storm"),
        ("storm AND wind", "AND", "storm wind"),
        ("storm NOT wind", "NOT", "storm -wind"),
        ("(storm OR wind) harbor", "(storm", "storm OR wind harbor"),
        ("after:2014-02-05 before:2014-02-01", "before:2014-02-01", "after:2014-02-01 before:2014-02-05"),
        ("before:2014-02-01 x after:2014-02-01", "before:2014-02-01", "before:2014-02-02 x after:2014-02-01"),
    ],
)
def test_what_is_odd_about_a_query_is_pointed_at(query: str, marked: str, correction: str) -> None:
    parse(query)
    (hint,) = hints(query)
    assert query[hint.position : hint.position + hint.length] == marked
    assert hint.correction == correction
    assert not hints(correction)


@pytest.mark.parametrize(
    "query",
    [
        "storm OR wind",
        '"AND" storm',
        "(312) 555-0147 storm",
        "(storm)",
        "after:2014-02-01 before:2014-02-05",
        "",
    ],
)
def test_nothing_is_odd_about_a_plain_query(query: str) -> None:
    assert hints(query) == []


@pytest.mark.parametrize("word", ["starred", "hidden", "trashed"])
def test_a_feature_that_is_not_there_yet_is_said_plainly(word: str) -> None:
    with pytest.raises(SearchError, match="in this version yet"):
        parse(f"is:{word}")


def test_is_held_is_the_same_as_has_hold() -> None:
    assert parse("-is:held") == parse("-has:hold")


@pytest.mark.parametrize(
    ("text", "piece"),
    [
        ("storm key", "key"),
        ("storm ", ""),
        ("", ""),
        ("harbor (312) 555-01", "555-01"),
        ("harbor (312) 555-0147", "(312) 555-0147"),
        ('from:"anna li', 'from:"anna li'),
        ("-keyword:st", "-keyword:st"),
        ('x "', '"'),
    ],
)
def test_the_term_that_is_being_written_is_the_last_one(text: str, piece: str) -> None:
    assert last_piece(text) == piece


def corrected(text: str) -> str | None:
    """Return the search that was probably meant, or empty; None for one without a mistake."""
    try:
        parse(text)
    except SearchError as error:
        return error.correction
    return None


@given(st.text(alphabet='ab1()":- ORANDfromiskeyword:*0', max_size=40))
def test_corrections_come_to_an_end(text: str) -> None:
    tried = 0
    while text and (correction := corrected(text)) is not None:
        assert correction != text
        text, tried = correction, tried + 1
        assert tried < 60, "a correction that leads to the next one, and on"


@given(st.text(max_size=200))
def test_hints_and_the_last_term_are_there_for_any_text(text: str) -> None:
    assert text.endswith(last_piece(text)) or len(text) > 200
    for hint in hints(text) if corrected(text) is None else ():
        assert 0 <= hint.position <= len(text)


@given(st.text(max_size=200))
def test_any_text_is_a_query_or_has_a_mistake_inside_it(text: str) -> None:
    try:
        parse(text)
    except SearchError as error:
        assert 0 <= error.position <= len(text)
