"""The gallery's script and the way between pages, run by Streamlit's AppTest."""

from collections.abc import Mapping
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from dashboard import components
from dashboard.reading_room import ReadingRoom
from mmsvault.catalog import entering, queries, trail, upkeep
from mmsvault.catalog.connection import writing
from mmsvault.catalog.people import Role
from tests.integration.searchable import message
from tests.looking import look_at, texts

Patch = pytest.MonkeyPatch
PAGE = "gallery.gallery"
WHOLE = "pages.show"
"""The dashboard with all of its pages, which opens with the gallery."""
OPEN_DIALOGS = ("tag", "delete")
EVERYTHING = ["export", "tag", "hold", "release", "delete"]


def fill(room: ReadingRoom) -> None:
    with writing(room.catalog) as connection:
        for number, keyword in enumerate(("storm", "storm", "pier")):
            assert entering.insert_whole(connection, message(str(number), "image/jpeg", keyword=keyword))


class Browser:
    """Stands where the component does: it says what the visitor wants, and hears what became of it.

    AppTest runs whole scripts, never a dialog alone; so a wish that opens one is said at every run.
    """

    def __init__(self, monkeypatch: Patch) -> None:
        self.offered: list[list[str]] = []
        self.told: list[Any] = []
        self._wants: Mapping[str, Any] | None = None
        self._patch = monkeypatch
        monkeypatch.setattr(components, "gallery", self._draw)

    def _draw(self, *, may: list[str], done: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
        self.offered.append(may)
        self.told.append(done["said"] if done else "")
        wanted = self._wants
        if wanted and wanted["deed"] not in OPEN_DIALOGS:
            self._wants = None
        return wanted

    def wants(
        self, deed: str, /, *ids: str, role: Role = Role.MANAGER, page: str = PAGE, **filters: str
    ) -> AppTest:
        """Open the gallery with a wish for these messages, or for all that the filters find."""
        self._wants = {"deed": deed, **({"ids": list(ids)} if ids else {"filters": filters})}
        return look_at(page, self._patch, role=role)


@pytest.fixture
def browser_(monkeypatch: Patch) -> Browser:
    return Browser(monkeypatch)


@pytest.mark.parametrize(
    ("role", "offered"), [(Role.VIEWER, []), (Role.EXPORTER, ["export"]), (Role.MANAGER, EVERYTHING)]
)
def test_it_offers_what_the_role_allows(
    room: ReadingRoom, monkeypatch: Patch, browser_: Browser, *, role: Role, offered: list[str]
) -> None:
    fill(room)
    look_at(PAGE, monkeypatch, role=role)
    assert browser_.offered == [offered]


def test_an_empty_vault_says_how_the_first_message_comes(
    room: ReadingRoom, monkeypatch: Patch, browser_: Browser
) -> None:
    assert "Give your provider this address" in texts(look_at(PAGE, monkeypatch))
    assert "No message that you may see" in texts(look_at(PAGE, monkeypatch, scope="keyword:storm"))
    assert browser_.offered
    assert room


def test_messages_are_held_and_released_and_the_gallery_hears_of_it(
    room: ReadingRoom, browser_: Browser
) -> None:
    fill(room)
    browser_.wants("hold", "sinch-0", "sinch-2", "sinch-none").run()
    assert browser_.told[-1] == "2 messages held."
    assert queries.load(room.catalog, "sinch-2").hold
    browser_.wants("release", keyword="storm").run()
    assert browser_.told[-1] == "1 message released."
    assert [one.action for one in trail.latest(room.catalog)] == ["released", "held"]


def test_a_wish_that_the_role_does_not_allow_is_refused(room: ReadingRoom, browser_: Browser) -> None:
    fill(room)
    assert "needs the role manager" in texts(browser_.wants("hold", "sinch-0", role=Role.EXPORTER))
    assert not queries.load(room.catalog, "sinch-0").hold


def test_all_that_the_filters_find_is_tagged_after_a_question(room: ReadingRoom, browser_: Browser) -> None:
    fill(room)
    app = browser_.wants("tag", keyword="storm")
    assert "Tags of 2 messages" in texts(app)
    app.button(key="save tags").click().run()
    assert "Write a tag" in texts(app)
    app.text_input(key="tags to add").set_value("seen").run()
    app.button(key="save tags").click().run()
    assert [queries.load(room.catalog, f"sinch-{one}").tags for one in range(3)] == [("seen",), ("seen",), ()]


def test_a_deletion_says_what_goes_and_what_is_held_stays(room: ReadingRoom, browser_: Browser) -> None:
    fill(room)
    browser_.wants("hold", "sinch-1")
    app = browser_.wants("delete", keyword="storm")
    assert "1 message with all files" in texts(app)
    assert "1 message on hold will stay." in texts(app)
    app.button(key="delete").click().run()
    assert "sinch-1: it is held" in texts(app)
    assert set(upkeep.folders(room.catalog, ["sinch-0", "sinch-1", "sinch-2"])) == {"sinch-1", "sinch-2"}


def test_an_empty_selection_is_held_by_nobody_and_is_not_the_whole_archive(
    room: ReadingRoom, monkeypatch: Patch, browser_: Browser
) -> None:
    fill(room)
    browser_._wants = {"deed": "hold", "ids": []}
    look_at(PAGE, monkeypatch, role=Role.MANAGER)
    assert browser_.told[-1] == "0 messages held."
    assert not any(queries.load(room.catalog, f"sinch-{number}").hold for number in range(3))


def test_a_wish_without_messages_or_filters_concerns_no_message(
    room: ReadingRoom, monkeypatch: Patch, browser_: Browser
) -> None:
    fill(room)
    browser_._wants = {"deed": "hold"}
    look_at(PAGE, monkeypatch, role=Role.MANAGER)
    assert browser_.told[-1] == "0 messages held."


def test_opening_a_message_does_not_move_the_menu(room: ReadingRoom, monkeypatch: Patch) -> None:
    fill(room)
    shown: list[list[str]] = []
    navigate = st.navigation

    def look(pages: Any, **given: Any) -> Any:
        shown.append([one.title for one in pages if one.visibility == "visible"])
        return navigate(pages, **given)

    monkeypatch.setattr(st, "navigation", look)
    look_at(WHOLE, monkeypatch)
    look_at(WHOLE, monkeypatch, id="sinch-0")
    assert shown[0] == shown[1]
