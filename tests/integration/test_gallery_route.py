"""What the gallery in the browser is answered."""

import pytest

from dashboard import gallery_route
from dashboard.gallery_route import first_or_next_page
from dashboard.reading_room import ReadingRoom
from dashboard.visiting import Visit, visit_of
from mmsvault.catalog import entering, people
from mmsvault.catalog.connection import writing
from mmsvault.catalog.people import Role
from tests.integration.searchable import message

FIVE = 5


@pytest.fixture
def visit(room: ReadingRoom) -> Visit:
    with writing(room.catalog) as connection:
        for number in range(FIVE):
            assert entering.insert_whole(connection, message(str(number), "image/jpeg", subject="old harbor"))
    people.add(room.catalog, "anna", role=Role.VIEWER)
    return visit_of(room, people.find(room.catalog, "anna"), source="")


def test_what_is_found_comes_before_how_much_it_is(visit: Visit) -> None:
    asked = {"q": "harbor", "limit": "2"}
    first = first_or_next_page(visit, asked)
    assert (len(first["tiles"]), first["total"]) == (2, None)
    assert gallery_route._total(visit, asked) == {"messages": FIVE, "is_exact": True}
    following = first_or_next_page(visit, {**asked, "after": first["next"]})
    assert (len(following["tiles"]), following["total"]) == (2, None)


@pytest.mark.parametrize(
    "asked", [{"limit": "2"}, {"q": "from:14085550123", "limit": "2"}, {"q": "harbor"}, {"q": "nothing"}]
)
def test_what_is_counted_already_comes_with_it(visit: Visit, asked: dict[str, str]) -> None:
    found = 0 if asked.get("q") == "nothing" else FIVE
    assert first_or_next_page(visit, asked)["total"] == {"messages": found, "is_exact": True}
