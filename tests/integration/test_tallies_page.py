"""The pages of senders and keywords, run by Streamlit's AppTest; the list as CSV."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from dashboard import lists_route, tallies_page
from dashboard.reading_room import ReadingRoom
from dashboard.visiting import visit_of
from mmsvault.catalog import entering, names
from mmsvault.catalog.connection import writing
from mmsvault.catalog.people import Person, Role
from mmsvault.catalog.tallies import KEYWORDS, SENDERS
from mmsvault.message import utc_now
from tests.integration.searchable import message
from tests.looking import look_at, reading_room, settings_in, texts

Patch = pytest.MonkeyPatch


@pytest.fixture
def room(tmp_path: Path) -> Iterator[ReadingRoom]:
    with reading_room(settings_in(tmp_path)) as opened:
        yield opened


def fill(room: ReadingRoom, *, senders: int = 3) -> None:
    """Enter a message of each sender, one of each of the last days, the first with a picture."""
    with writing(room.catalog) as connection:
        for number in range(senders):
            one = message(
                str(number),
                "image/jpeg",
                sender=f"1408555{number:04d}",
                keyword="=cmd()" if number else "storm",
                received_at=utc_now() - timedelta(days=number),
            )
            picture = one.media[0].model_copy(update={"thumbnail_key": f"{one.prefix}thumbs/00.webp"})
            assert entering.insert_whole(connection, one.model_copy(update={"media": (picture,)}))


def rows(monkeypatch: Patch, page: str, **more: str) -> list[tallies_page.Row]:
    """Return the rows that the page hands to its component."""
    handed: list[list[tallies_page.Row]] = []

    monkeypatch.setattr(tallies_page, "tally_list", lambda given, **_: handed.append(given))
    look_at(page, monkeypatch, **more)
    return handed[-1]


def test_each_sender_has_a_row_with_counts_days_and_pictures(room: ReadingRoom, monkeypatch: Patch) -> None:
    fill(room)
    names.give(room.catalog, "14085550001", "Anna Lind", named_at=utc_now())
    found = rows(monkeypatch, "tallies_page.senders_page")
    assert [one["key"] for one in found] == ["14085550000", "14085550001", "14085550002"]
    first, second, _ = found
    assert (first["title"], second["title"], second["note"]) == (
        "+1 408-555-0000",
        "Anna Lind",
        "+1 408-555-0001",
    )
    assert (sum(second["days"]), second["days"][-2]) == (1, 1)
    assert first["pictures"][0].startswith("files/messages/")
    assert first["href"] == "./?sender=14085550000"
    assert first["may_name"]


def test_the_order_and_what_is_looked_for_come_from_the_address(
    room: ReadingRoom, monkeypatch: Patch
) -> None:
    fill(room)
    found = rows(monkeypatch, "tallies_page.senders_page", order="First seen", find="408555000")
    assert [one["key"] for one in found] == ["14085550000", "14085550001", "14085550002"]
    found = rows(monkeypatch, "tallies_page.senders_page", find="4085550002")
    assert [one["key"] for one in found] == ["14085550002"]
    app = look_at("tallies_page.senders_page", monkeypatch, find="999")
    assert "None of the senders begins so" in texts(app)


def test_keywords_without_a_name_lead_to_messages_without_one(room: ReadingRoom, monkeypatch: Patch) -> None:
    with writing(room.catalog) as connection:
        entering.insert_whole(connection, message("1"))
    (only,) = rows(monkeypatch, "tallies_page.keywords_page")
    assert (only["title"], only["href"], only["may_name"]) == ("No keyword", "./?keyword=%28none%29", False)


def test_pages_are_turned_by_what_was_last_on_them(room: ReadingRoom, monkeypatch: Patch) -> None:
    fill(room, senders=tallies_page.ROWS_A_PAGE + 2)
    handed: list[list[tallies_page.Row]] = []
    monkeypatch.setattr(tallies_page, "tally_list", lambda given, **_: handed.append(given))
    app = look_at("tallies_page.senders_page", monkeypatch)
    app.button(key="more").click().run()
    assert "Page 2" in texts(app)
    assert [one["key"] for one in handed[-1]] == ["14085550025", "14085550026"]
    assert app.button(key="more").disabled
    app.button(key="back").click().run()
    assert len(handed[-1]) == tallies_page.ROWS_A_PAGE


def test_a_scope_sees_its_own_senders_days_and_pictures_only(room: ReadingRoom, monkeypatch: Patch) -> None:
    fill(room)
    (only,) = rows(monkeypatch, "tallies_page.senders_page", role=Role.VIEWER, scope="keyword:storm")
    assert (only["key"], sum(only["days"]), len(only["pictures"])) == ("14085550000", 1, 1)
    assert not only["may_name"]
    app = look_at("tallies_page.senders_page", monkeypatch, role=Role.VIEWER, scope="keyword:nothing")
    assert "No message that you may see" in texts(app)


@pytest.mark.usefixtures("room")
def test_an_empty_vault_says_how_the_first_message_comes(monkeypatch: Patch) -> None:
    assert "Give your provider this address" in texts(look_at("tallies_page.keywords_page", monkeypatch))


def test_the_csv_has_every_row_once_and_no_formula(room: ReadingRoom, monkeypatch: Patch) -> None:
    fill(room, senders=7)
    monkeypatch.setattr(lists_route, "PAGE", 3)
    names.give(room.catalog, "14085550001", "=HYPERLINK(x)", named_at=utc_now())
    person = Person("tests", Role.EXPORTER, "", is_one_time=False, made_at=utc_now())
    view = visit_of(room, person, source="").view
    told = "".join(lists_route._rows(view, SENDERS, order="messages", find="", region="US"))
    assert told.startswith('\ufeff"number","name","as_written","messages","first_at","last_at"\r\n')
    assert told.count("\r\n") == 8
    assert '"14085550001","\'=HYPERLINK(x)"' in told
    told = "".join(lists_route._rows(view, KEYWORDS, order="messages", find="", region="US"))
    assert '"\'=cmd()","\'=cmd()","6"' in told
