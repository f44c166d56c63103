"""Selections of messages: kept under an id for their owner, fitted to filters, exported by their address."""

from datetime import timedelta

import pytest
from sqlalchemy import Engine

from dashboard.reading_room import ReadingRoom
from dashboard.selections_route import fitting, keep
from dashboard.visiting import Visit, visit_of
from mmsvault.catalog import entering, people, selections
from mmsvault.catalog.connection import writing
from mmsvault.catalog.language import parse
from mmsvault.catalog.people import Role
from mmsvault.catalog.views import View
from mmsvault.errors import NotFoundError, RejectedInputError
from mmsvault.exporting import register
from mmsvault.message import MediaItem, MediaState, utc_now
from tests.integration.searchable import message
from tests.looking import look_at, texts

Patch = pytest.MonkeyPatch
PAGE = "exports_page.exports_page"


@pytest.mark.parametrize(
    ("query", "messages", "files"),
    [("", 3, 3), ("harbor", 2, 3), ("from:14085550123", 3, 3), ("harbor has:media", 1, 3), ("nothing", 0, 0)],
)
def test_messages_files_and_bytes_are_counted_alike_on_each_database(
    catalog: Engine, query: str, messages: int, files: int
) -> None:
    sized = tuple(
        MediaItem(position=at, url="http://m.example/0", state=MediaState.STORED, size=100) for at in range(3)
    )
    with writing(catalog) as connection:
        for one in (
            message("full", subject="old harbor", media=sized),
            message("bare", subject="harbor"),
            message("other", subject="pier"),
        ):
            assert entering.insert_whole(connection, one)
    found = View(catalog).figures(parse(query))
    assert (found.messages, found.files, found.bytes) == (messages, files, files * 100)
    assert found.is_exact
    assert found.files_exact


@pytest.fixture
def visit(room: ReadingRoom) -> Visit:
    with writing(room.catalog) as connection:
        for number, keyword in enumerate(("storm", "storm", "pier")):
            assert entering.insert_whole(
                connection, message(str(number), "image/jpeg", keyword=keyword, minutes=number)
            )
    people.add(room.catalog, "tests", role=Role.EXPORTER)
    return visit_of(room, people.find(room.catalog, "tests"), source="")


def test_a_selection_opens_for_its_owner_until_it_ends(catalog: Engine) -> None:
    now = utc_now()
    identity = selections.keep(catalog, "anna", ["sinch-1", "sinch-2"], now=now)
    assert len(identity) >= 20
    assert selections.find(catalog, identity, owner="anna", now=now) == ("sinch-1", "sinch-2")
    for owner, at in (("ben", now), ("anna", now + selections.KEPT_FOR)):
        with pytest.raises(NotFoundError):
            selections.find(catalog, identity, owner=owner, now=at)


def test_of_each_owner_the_newest_selections_are_kept(catalog: Engine, monkeypatch: Patch) -> None:
    monkeypatch.setattr(selections, "KEPT_FOR_EACH", 2)
    now = utc_now()
    made = [
        selections.keep(catalog, "anna", [f"sinch-{number}"], now=now + timedelta(seconds=number))
        for number in range(3)
    ]
    with pytest.raises(NotFoundError):
        selections.find(catalog, made[0], owner="anna", now=now)
    assert selections.find(catalog, made[1], owner="anna", now=now) == ("sinch-1",)


def test_a_selection_goes_with_its_owner(catalog: Engine) -> None:
    people.add(catalog, "root", role=Role.ADMIN)
    people.add(catalog, "anna", role=Role.EXPORTER)
    identity = selections.keep(catalog, "anna", ["sinch-1"], now=utc_now())
    people.remove(catalog, "anna")
    with pytest.raises(NotFoundError):
        selections.find(catalog, identity, owner="anna", now=utc_now())


def test_a_selection_of_nothing_is_refused(catalog: Engine) -> None:
    with pytest.raises(RejectedInputError):
        selections.keep(catalog, "anna", [], now=utc_now())


def test_what_does_not_fit_the_filters_is_dropped_and_counted(visit: Visit) -> None:
    told = fitting(visit, {"filters": {"keyword": "storm"}, "ids": ["sinch-0", "sinch-2", "sinch-none"]})
    assert told == {"ids": ["sinch-0"], "dropped": 2, "more": False}


def test_all_that_was_found_is_narrowed_to_what_both_filters_find(visit: Visit) -> None:
    told = fitting(visit, {"filters": {"keyword": "pier"}, "was": {"q": "has:media"}})
    assert told == {"ids": ["sinch-2"], "dropped": 2, "more": False}


def test_a_day_is_all_of_its_messages_that_fit(visit: Visit) -> None:
    told = fitting(visit, {"filters": {"keyword": "storm"}, "day": "2026-11-20"})
    assert set(told["ids"]) == {"sinch-0", "sinch-1"}


def test_a_kept_selection_is_fitted_by_its_id(visit: Visit) -> None:
    identity = keep(visit, {"ids": ["sinch-1", "sinch-2"]})["selection"]
    assert set(fitting(visit, {"filters": {}, "selection": identity})["ids"]) == {"sinch-1", "sinch-2"}


def test_what_lies_outside_of_the_scope_fits_no_filter(room: ReadingRoom, visit: Visit) -> None:
    people.add(room.catalog, "team", role=Role.EXPORTER, scope="keyword:pier")
    team = visit_of(room, people.find(room.catalog, "team"), source="")
    told = fitting(team, {"filters": {}, "ids": ["sinch-0", "sinch-2"]})
    assert told["ids"] == ["sinch-2"]
    assert visit.view.holds("sinch-0")


def test_what_the_address_names_is_exported_and_again_after_a_reload(
    room: ReadingRoom, visit: Visit, monkeypatch: Patch
) -> None:
    identity = keep(visit, {"ids": ["sinch-0", "sinch-2"]})["selection"]
    for _ in range(2):
        app = look_at(PAGE, monkeypatch, selection=identity)
        assert "2 selected messages" in texts(app)
        assert app.button(key="export").label == "Export 2 messages"
    app.button(key="not chosen").click().run()
    assert app.button(key="export").label == "Export 3 messages"
    assert room


@pytest.mark.parametrize("address", [{"selection": "unknown"}, {"selection": ""}, {"chosen": ""}])
def test_an_address_that_names_no_message_never_exports_the_whole_archive(
    room: ReadingRoom, visit: Visit, monkeypatch: Patch, address: dict[str, str]
) -> None:
    app = look_at(PAGE, monkeypatch, **address)
    assert "This selection has expired." in texts(app)
    assert not [one for one in app.button if one.key == "export"]
    assert register.latest(room.catalog) == []
    assert visit


def test_messages_that_are_gone_leave_nothing_to_export(
    room: ReadingRoom, visit: Visit, monkeypatch: Patch
) -> None:
    app = look_at(PAGE, monkeypatch, chosen="sinch-gone")
    assert app.button(key="export").disabled
    assert room
    assert visit
