"""The page of the trail, run by Streamlit's AppTest: who sees it, what it finds, what is taken along."""

import csv
import html
import io
import re
from collections.abc import Iterator

import pytest
from sqlalchemy import update
from streamlit.testing.v1 import AppTest

from dashboard import audit_page
from dashboard.reading_room import ReadingRoom
from mmsvault.catalog import trail
from mmsvault.catalog.connection import writing
from mmsvault.catalog.people import Role
from mmsvault.catalog.tables import trail as table
from mmsvault.settings import Settings
from tests.looking import look_at, own_room, servers, texts

Patch = pytest.MonkeyPatch
PAGE = "audit_page.audit_page"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    with servers(tmp_path_factory.mktemp("servers")) as settings:
        yield settings


@pytest.fixture
def room(shared: Settings, request: pytest.FixtureRequest) -> Iterator[ReadingRoom]:
    with own_room(shared, request.node.name) as opened:
        for who, action, subject in (
            ("anna", "searched", "keyword:storm"),
            ("ben", "looked at", "sinch-1"),
            ("anna", "looked at", "=cmd()|' /C calc'!A0"),
        ):
            trail.append(opened.catalog, action, who=who, source="203.0.113.7", subject=subject)
        yield opened


def rows_of(app: AppTest) -> list[tuple[str, ...]]:
    """Return who did what to what, as the page lists it."""
    cells = [
        re.findall(r'<td data-head="([^"]+)">([^<]*)</td>', row)
        for one in app.get("html")
        for row in re.findall(r"<tr>(.*?)</tr>", one.proto.body)
    ]
    told = [{head: html.unescape(text) for head, text in row} for row in cells if row]
    return [(row["Person"], row["Action"], row["Subject"]) for row in told]


def found(monkeypatch: Patch, **asked: str) -> list[tuple[str, ...]]:
    return rows_of(look_at(PAGE, monkeypatch, **asked))


@pytest.mark.usefixtures("room")
def test_the_trail_is_listed_newest_first_and_filtered_by_the_address(monkeypatch: Patch) -> None:
    everything = found(monkeypatch)
    assert [who for who, _, _ in everything] == ["anna", "ben", "anna"]
    assert found(monkeypatch, who="ben") == [("ben", "looked at", "sinch-1")]
    assert found(monkeypatch, words="storm") == [("anna", "searched", "keyword:storm")]
    assert found(monkeypatch, who="nobody") == []
    assert "No entry of the audit log matches" in texts(look_at(PAGE, monkeypatch, who="nobody"))


def test_entries_are_found_by_number_message_and_day(room: ReadingRoom, monkeypatch: Patch) -> None:
    trail.append(room.catalog, "held", who="ben", subject="x", numbers=("14085550123",))
    trail.append(room.catalog, "held", who="ben", subject="y", messages=("sinch-7",))
    assert found(monkeypatch, number="(408) 555-0123") == [("ben", "held", "x")]
    assert found(monkeypatch, message="sinch-7") == [("ben", "held", "y")]
    assert found(monkeypatch, since="2020-01-01", until="2020-01-02") == []
    assert len(found(monkeypatch, since="2020-01-01")) == 5


@pytest.mark.usefixtures("room")
def test_a_part_of_a_number_is_answered_with_what_to_give(monkeypatch: Patch) -> None:
    assert "Give one whole number" in texts(look_at(PAGE, monkeypatch, number="1408*"))


def test_what_a_stranger_wrote_is_text_on_the_page(room: ReadingRoom, monkeypatch: Patch) -> None:
    trail.append(room.catalog, "searched", who="<b>x</b>", subject="<img src=x onerror=alert(1)>")
    app = look_at(PAGE, monkeypatch)
    assert rows_of(app)[0] == ("<b>x</b>", "searched", "<img src=x onerror=alert(1)>")
    assert all("<img" not in one.proto.body for one in app.get("html"))


@pytest.mark.usefixtures("room")
def test_an_action_is_chosen_from_all_that_there_are(monkeypatch: Patch) -> None:
    app = look_at(PAGE, monkeypatch)
    app.selectbox(key="did").set_value("searched").run()
    assert [action for _, action, _ in rows_of(app)] == ["searched"]


def test_the_log_is_checked_by_a_button(room: ReadingRoom, monkeypatch: Patch) -> None:
    app = look_at(PAGE, monkeypatch)
    app.button(key="check").click().run()
    assert [one.value for one in app.success] == ["3 entries checked, none changed or missing."]
    with writing(room.catalog) as connection:
        connection.execute(update(table).where(table.c.number == 2).values(who="carl"))
    app.button(key="check").click().run()
    assert "1 problem found" in texts(app)
    assert "entry 2 of the trail was changed" in texts(app)
    noted = trail.latest(room.catalog, action="checked the trail")
    assert [one.details for one in noted] == ["1 problems", "0 problems"]


@pytest.mark.usefixtures("room")
@pytest.mark.parametrize(("role", "scope"), [(Role.MANAGER, ""), (Role.ADMIN, "keyword:storm")])
def test_it_is_for_admins_who_see_everything(monkeypatch: Patch, role: Role, scope: str) -> None:
    app = look_at(PAGE, monkeypatch, role=role, scope=scope)
    assert rows_of(app) == []
    assert not app.get("download_button")
    assert "To read the trail" in texts(app)


def test_the_csv_has_times_in_utc_and_no_formula(room: ReadingRoom) -> None:
    entries = trail.latest(room.catalog)
    rows = list(csv.DictReader(io.StringIO(audit_page.as_csv(entries).decode("utf-8-sig"))))
    assert len(rows) == 3
    assert rows[0]["subject"] == "'=cmd()|' /C calc'!A0"
    assert all(row["at"] == entry.as_json()["at"] for row, entry in zip(rows, entries, strict=True))
    assert all(row["at"].endswith(("Z", "+00:00")) for row in rows)
