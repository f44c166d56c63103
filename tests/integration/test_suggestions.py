"""What the search box offers, and what it says of a search that was hardly meant so."""

import pytest

from dashboard.gallery_route import first_or_next_page
from dashboard.reading_room import ReadingRoom
from dashboard.suggesting import MEANINGS, Suggestions, of_field, suggestions
from dashboard.visiting import Visit, visit_of
from mmsvault.catalog import entering, names, people, searches
from mmsvault.catalog.connection import writing
from mmsvault.catalog.language import FIELDS, parse
from mmsvault.catalog.people import Role
from mmsvault.message import utc_now
from tests.integration.searchable import message

MESSAGES = (
    {"keyword": "storm", "tags": ("stormy",), "sender": "13125550147"},
    {"keyword": "long keyword", "sender": "14085550123", "to": ("28444", "13125559999")},
    {"keyword": "pier", "sender": "442079460018"},
)


@pytest.fixture
def room(room: ReadingRoom) -> ReadingRoom:
    with writing(room.catalog) as connection:
        for number, given in enumerate(MESSAGES):
            assert entering.insert_whole(connection, message(str(number), "image/jpeg", **given))
    names.give(room.catalog, "13125550147", "Anna Lind", named_at=utc_now())
    searches.save(room.catalog, "Storm of the year", "keyword:storm type:image")
    searches.save(room.catalog, "Pier of the storm", "keyword:pier", scope="keyword:pier")
    return room


def visitor(room: ReadingRoom, scope: str = "") -> Visit:
    name = scope.replace(":", "") or "anna"
    people.add(room.catalog, name, role=Role.VIEWER, scope=scope)
    return visit_of(room, people.find(room.catalog, name), source="")


@pytest.fixture
def visit(room: ReadingRoom) -> Visit:
    return visitor(room)


def texts(told: Suggestions) -> list[str]:
    return [one["text"] for one in told.found]


def test_an_empty_box_offers_fields_keyword_and_from_first(visit: Visit) -> None:
    assert texts(suggestions(visit, ""))[:2] == ["keyword:", "from:"]
    assert set(MEANINGS) == set(FIELDS)


@pytest.mark.parametrize(
    "written",
    ["3125550147", "(312) 555-0147", "+1 312 555 0147", "312.555.0147", "0147", "555-0147"],
)
def test_a_number_in_any_writing_offers_its_sender_with_the_name(visit: Visit, written: str) -> None:
    told = suggestions(visit, f"harbor {written}")
    assert told.term == written
    assert texts(told) == ["from:13125550147"]
    assert told.found[0]["label"] == "Anna Lind (+1 312-555-0147)"


def test_a_name_a_keyword_a_tag_and_a_saved_search_are_offered(visit: Visit) -> None:
    assert texts(suggestions(visit, "lin")) == ["from:13125550147"]
    assert texts(suggestions(visit, "stor")) == [
        "keyword:storm",
        "tag:stormy",
        "keyword:pier",
        "keyword:storm type:image",
    ]
    assert texts(suggestions(visit, "-stor")) == ["-keyword:storm", "-tag:stormy"]
    assert texts(suggestions(visit, "keyw")) == ["keyword:", 'keyword:"long keyword"']
    assert texts(suggestions(visit, "hel")) == ["is:held"]


@pytest.mark.parametrize(
    "text",
    ["storm ", "keyword:storm", 'x keyword:"long keyword"', "type:video", '"old har', "is:held", "after:2"],
)
def test_a_term_that_is_whole_is_offered_nothing(visit: Visit, text: str) -> None:
    assert suggestions(visit, text).found == []


def test_what_is_offered_is_within_the_scope(room: ReadingRoom) -> None:
    narrow = visitor(room, "keyword:pier")
    assert texts(suggestions(narrow, "0147")) == []
    assert texts(suggestions(narrow, "0018")) == ["from:442079460018"]
    assert texts(suggestions(narrow, "stor")) == ["keyword:pier"]
    assert of_field(narrow, "from", "anna") == []


def test_a_senders_field_takes_names_with_blanks(visit: Visit) -> None:
    assert [one["text"] for one in of_field(visit, "from", "anna li")] == ["from:13125550147"]


def test_every_suggestion_is_a_search(visit: Visit) -> None:
    for text in ("stor", "0147", "key", "long"):
        for one in suggestions(visit, text).found:
            assert one["text"].endswith(":") or parse(one["text"])


@pytest.mark.parametrize(
    ("asked", "problem", "correction"),
    [
        ({"q": "storm AND ("}, "read as words", {"q": "storm"}),
        (
            {"q": "after:2026-11-21 before:2026-11-20"},
            "Nothing can fit",
            {"q": "after:2026-11-20 before:2026-11-21"},
        ),
        (
            {"since": "2026-11-21", "until": "2026-11-20"},
            "later than the last",
            {"since": "2026-11-20", "until": "2026-11-21"},
        ),
    ],
)
def test_an_odd_search_is_answered_with_a_hint(
    visit: Visit, asked: dict[str, str], problem: str, correction: dict[str, str]
) -> None:
    hint = first_or_next_page(visit, asked)["hint"]
    assert problem in hint["problem"]
    assert hint["correction"] == correction
    assert first_or_next_page(visit, {**asked, **correction})["hint"] is None


def test_held_messages_are_filtered(room: ReadingRoom, visit: Visit) -> None:
    with writing(room.catalog) as connection:
        assert entering.insert_whole(connection, message("kept", "image/jpeg", hold=True))
    assert [one["message"] for one in first_or_next_page(visit, {"q": "is:held"})["tiles"]] == ["sinch-kept"]
