"""What the gallery in the browser is answered."""

import pytest

from dashboard import gallery_route
from dashboard.gallery_route import first_or_next_page
from dashboard.reading_room import ReadingRoom
from dashboard.visiting import Visit, visit_of
from mmsvault.catalog import entering, people, totals
from mmsvault.catalog.connection import writing
from mmsvault.catalog.people import Role
from mmsvault.message import MediaItem, MediaState
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
    assert gallery_route._total(visit, asked)["messages"] == FIVE
    following = first_or_next_page(visit, {**asked, "after": first["next"]})
    assert (len(following["tiles"]), following["total"]) == (2, None)


@pytest.mark.parametrize(
    "asked", [{"limit": "2"}, {"q": "from:14085550123", "limit": "2"}, {"q": "harbor"}, {"q": "nothing"}]
)
def test_what_is_counted_already_comes_with_it(visit: Visit, asked: dict[str, str]) -> None:
    found = 0 if asked.get("q") == "nothing" else FIVE
    assert first_or_next_page(visit, asked)["total"] == {"messages": found, "is_exact": True}


def test_what_fits_the_filters_is_counted_in_messages_files_and_bytes(visit: Visit) -> None:
    with writing(visit.room.catalog) as connection:
        sized = MediaItem(position=0, url="http://m.example/0", state=MediaState.STORED, size=1500)
        for one in (
            message("large", subject="new pier", media=(sized, sized.model_copy(update={"position": 1}))),
            message("bare", subject="new pier"),
        ):
            assert entering.insert_whole(connection, one)
    told = gallery_route._total(visit, {"q": "pier"})
    assert (told["messages"], told["files"], told["bytes"], told["size"]) == (2, 2, 3000, "3 KB")
    assert told["is_exact"]
    assert told["files_exact"]


def test_all_of_the_archive_is_counted_by_kept_counts(visit: Visit) -> None:
    told = gallery_route._total(visit, {})
    assert (told["messages"], told["files"]) == (FIVE, FIVE)


def test_many_are_counted_so_far_and_no_further(visit: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(totals, "COUNTED_TO", 3)
    told = gallery_route._total(visit, {"q": "harbor"})
    assert (told["messages"], told["is_exact"], told["files"], told["files_exact"]) == (3, False, 3, False)
    kept = gallery_route._total(visit, {"sender": "14085550123"})
    assert (kept["messages"], kept["is_exact"], kept["files_exact"]) == (FIVE, True, False)


def test_a_day_says_what_it_has_whatever_is_loaded_and_messages_without_files_are_no_files(
    visit: Visit,
) -> None:
    with writing(visit.room.catalog) as connection:
        assert entering.insert_whole(connection, message("bare", subject="old harbor"))
        assert entering.insert_whole(connection, message("later", "image/jpeg", minutes=24 * 60))
    asked = {"q": "harbor", "limit": "2", "zone": "UTC", "days": "2026-11-20,2026-11-21"}
    days = gallery_route._days(visit, asked)["days"]
    assert [(one["messages"], one["files"]) for one in days.values()] == [(FIVE + 1, FIVE), (0, 0)]


def test_exact_copies_are_told_from_similar_pictures(visit: Visit) -> None:
    def picture(name: str, sha256: str) -> None:
        item = MediaItem(
            position=0,
            url="http://m.example/0",
            state=MediaState.STORED,
            content_type="image/jpeg",
            sha256=sha256,
            perceptual_hash="00ff00ff00ff00ff",
            thumbnail_key=f"{name}.webp",
        )
        with writing(visit.room.catalog) as connection:
            assert entering.insert_whole(connection, message(name, media=(item,)))

    for name, sha256 in (("one", "a"), ("copy", "a"), ("like", "b")):
        picture(name, sha256 * 64)
    alike = gallery_route._similar(visit, {"id": "sinch-one"})["tiles"]
    assert {one["message"]: one["exact"] for one in alike} == {"sinch-copy": True, "sinch-like": False}
