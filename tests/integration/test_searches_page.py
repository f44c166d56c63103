"""Saved searches and the exports page, run by Streamlit's AppTest."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from dashboard.exports_page import what_goes
from dashboard.reading_room import ReadingRoom
from mmsvault.catalog import entering, names, searches, trail
from mmsvault.catalog.connection import writing
from mmsvault.catalog.people import Role
from mmsvault.errors import NotFoundError, RefusedError
from mmsvault.exporting import register, sealing
from mmsvault.exporting.packing import Written
from mmsvault.exporting.planning import Choice
from mmsvault.message import utc_now
from tests.integration.searchable import message
from tests.looking import look_at, reading_room, settings_in, texts

Patch = pytest.MonkeyPatch
SEARCHES, EXPORTS = "searches_page.searches_page", "exports_page.exports_page"


@pytest.fixture
def room(tmp_path: Path) -> Iterator[ReadingRoom]:
    with reading_room(settings_in(tmp_path)) as opened:
        with writing(opened.catalog) as connection:
            for name in ("storm", "pier"):
                entering.insert_whole(connection, message(name, "image/jpeg", keyword=name))
        yield opened


def test_a_search_is_saved_under_a_name_shown_with_its_count_and_deleted(
    room: ReadingRoom, monkeypatch: Patch
) -> None:
    app = look_at(SEARCHES, monkeypatch, role=Role.VIEWER, query="keyword:storm")
    assert "No search is saved yet" in texts(app)
    assert "It finds 1 message now." in texts(app)
    app.text_input(key="name").set_value("The **storm**").run()
    app.button(key="save").click().run()
    assert "Saved as The **storm**." in texts(app)
    (kept,) = searches.list_all(room.catalog)
    assert (kept.query, kept.saved_by, kept.scope) == ("keyword:storm", "tests", "")
    assert any("./?q=keyword%3Astorm" in one.proto.body for one in app.get("html"))
    app.button(key="delete The **storm**").click().run()
    assert searches.list_all(room.catalog) == []
    assert [one.action for one in trail.latest(room.catalog)] == ["removed a search", "saved a search"]


def test_a_mistake_in_a_search_is_pointed_at_and_nothing_is_saved(
    room: ReadingRoom, monkeypatch: Patch
) -> None:
    app = look_at(SEARCHES, monkeypatch, query="colour:red")
    assert "There is no field colour" in texts(app)
    app.text_input(key="name").set_value("red").run()
    app.button(key="save").click().run()
    assert searches.list_all(room.catalog) == []


@pytest.mark.usefixtures("room")
def test_the_search_that_was_probably_meant_is_taken_by_a_click(monkeypatch: Patch) -> None:
    app = look_at(SEARCHES, monkeypatch, query="keywrod:storm")
    app.button(key="correction").click().run()
    assert app.text_input(key="query").value == "keyword:storm"
    assert "There is no field" not in texts(app)


def test_searches_of_others_are_neither_seen_nor_replaced(room: ReadingRoom, monkeypatch: Patch) -> None:
    searches.save(room.catalog, "theirs", "from:14085550199", saved_by="ben")
    searches.save(room.catalog, "team", "keyword:storm", saved_by="eve", scope="keyword:storm")
    app = look_at(SEARCHES, monkeypatch, role=Role.VIEWER, scope="keyword:storm", query="harbor")
    assert "14085550199" not in texts(app)
    assert "keyword:storm" in texts(app)
    assert not [one for one in app.button if one.key.startswith("delete ")], "it is eve's"
    app.text_input(key="name").set_value("theirs").run()
    app.button(key="save").click().run()
    assert "There is a saved search called theirs already" in texts(app)
    assert searches.find(room.catalog, "theirs").query == "from:14085550199"
    with pytest.raises(NotFoundError):
        searches.find(room.catalog, "theirs", scope="keyword:storm")
    with pytest.raises(RefusedError):
        searches.save(room.catalog, "theirs", "x", scope="keyword:storm")
    managers = look_at(SEARCHES, monkeypatch, role=Role.MANAGER)
    assert {one.key for one in managers.button} >= {"delete theirs", "delete team"}


def test_an_export_starts_from_a_saved_search(room: ReadingRoom, monkeypatch: Patch) -> None:
    searches.save(room.catalog, "pictures of the storm", "keyword:storm")
    app = look_at(EXPORTS, monkeypatch, role=Role.EXPORTER)
    assert "Nothing was exported yet" in texts(app)
    assert app.button(key="export").label == "Export 2 messages"
    app.selectbox(key="saved").set_value("pictures of the storm").run()
    assert app.text_input(key="query").value == "keyword:storm"
    assert app.button(key="export").label == "Export 1 message"
    app.button(key="export").click().run()
    (asked,) = register.latest(room.catalog)
    assert (asked.choice.query, asked.choice.signed) == ("keyword:storm", True)
    app.button(key=f"cancel {asked.id}").click().run()
    assert register.latest(room.catalog)[0].state is register.State.ENDING
    assert trail.latest(room.catalog)[0].action == "cancelled an export"


def test_an_export_takes_a_password_to_the_worker_and_shows_it_nowhere(
    room: ReadingRoom, monkeypatch: Patch
) -> None:
    app = look_at(EXPORTS, monkeypatch, role=Role.EXPORTER)
    assert "AES-256" not in texts(app)
    password = app.text_input(key="password of the archive")
    password.set_value("too short").run()
    assert "7-Zip" in texts(app)
    app.button(key="export").click().run()
    assert "at least 12 characters" in texts(app)
    assert register.latest(room.catalog) == []
    password.set_value("higher than the pier").run()
    app.button(key="export").click().run()
    assert not app.exception
    assert app.text_input(key="password of the archive").value == ""
    (asked,) = register.latest(room.catalog)
    assert asked.choice.encrypted
    assert "tests, with a password" in texts(app)
    sealed = register.sealed_password(room.catalog, asked.id)
    assert sealing.unseal(room.settings, sealed, identity=asked.id) == "higher than the pier"
    entry = trail.latest(room.catalog)[0]
    assert (entry.action, entry.details) == ("exported", f"{asked.name}, with a password")
    everywhere = (texts(app), asked.model_dump_json(), entry.as_json(), app.query_params, app.session_state)
    assert "higher" not in str(everywhere)


def test_under_a_search_stands_whose_its_numbers_are(room: ReadingRoom, monkeypatch: Patch) -> None:
    names.give(room.catalog, "14085550123", "Anna Lind", named_at=utc_now())
    searches.save(room.catalog, "hers", "from:14085550123 -to:28444")
    app = look_at(SEARCHES, monkeypatch, query='from:"+1 (408) 555-0123" OR from:1408*')
    assert [one.value for one in app.text].count("+1 408-555-0123 is Anna Lind") == 1
    assert "It finds 2 messages now. +1 408-555-0123 is Anna Lind" in texts(app)
    exports = look_at(EXPORTS, monkeypatch, query="number:14085550123")
    assert "+1 408-555-0123 is Anna Lind" in texts(exports)
    exports.button(key="export").click().run()
    assert [one.value for one in exports.text].count("+1 408-555-0123 is Anna Lind") == 2
    assert "Anna" not in texts(look_at(EXPORTS, monkeypatch, scope="keyword:none", query="from:14085550123"))


def test_a_deletion_says_what_goes(room: ReadingRoom) -> None:
    made = register.enter(
        room.catalog, Choice(query=""), name="x", made_by="tests", made_at=utc_now(), identity="x"
    )
    assert made
    assert what_goes(made) == "nothing of it was made"
    volume = Written.model_construct(name="x-01.zip", bytes=2_000_000)
    assert what_goes(made.model_copy(update={"volumes": (volume, volume)})) == "2 volumes, 4 MB"
