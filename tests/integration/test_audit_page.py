"""The page of the trail, run by Streamlit's AppTest: who sees it, what it finds, what is taken along."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from dashboard import audit_page
from dashboard.reading_room import ReadingRoom
from mmsvault.catalog import trail
from mmsvault.catalog.people import Role
from tests.looking import look_at, reading_room, settings_in, texts

Patch = pytest.MonkeyPatch
PAGE = "audit_page.audit_page"


@pytest.fixture
def room(tmp_path: Path) -> Iterator[ReadingRoom]:
    with reading_room(settings_in(tmp_path)) as opened:
        for who, action, subject in (
            ("anna", "searched", "keyword:storm"),
            ("ben", "looked at", "sinch-1"),
            ("anna", "looked at", "=cmd()|' /C calc'!A0"),
        ):
            trail.append(opened.catalog, action, who=who, source="203.0.113.7", subject=subject)
        yield opened


def found(monkeypatch: Patch, **asked: str) -> list[tuple[str, str, str]]:
    """Return who did what to what, as the page lists it."""
    app = look_at(PAGE, monkeypatch, **asked)
    if not app.dataframe:
        return []
    rows = app.dataframe[0].value.to_dict("records")
    return [(row["Who"], row["Did"], row["To what"]) for row in rows]


@pytest.mark.usefixtures("room")
def test_the_trail_is_listed_newest_first_and_filtered_by_the_address(monkeypatch: Patch) -> None:
    everything = found(monkeypatch)
    assert [who for who, _, _ in everything] == ["anna", "ben", "anna"]
    assert found(monkeypatch, who="ben") == [("ben", "looked at", "sinch-1")]
    assert found(monkeypatch, words="storm") == [("anna", "searched", "keyword:storm")]
    assert found(monkeypatch, who="nobody") == []
    assert "Nothing in the trail fits" in texts(look_at(PAGE, monkeypatch, who="nobody"))


@pytest.mark.usefixtures("room")
def test_a_deed_is_chosen_from_all_that_there_are(monkeypatch: Patch) -> None:
    app = look_at(PAGE, monkeypatch)
    app.selectbox(key="did").set_value("searched").run()
    assert list(app.dataframe[0].value["Did"]) == ["searched"]


@pytest.mark.usefixtures("room")
@pytest.mark.parametrize(("role", "scope"), [(Role.MANAGER, ""), (Role.ADMIN, "keyword:storm")])
def test_it_is_for_admins_who_see_everything(monkeypatch: Patch, role: Role, scope: str) -> None:
    app = look_at(PAGE, monkeypatch, role=role, scope=scope)
    assert not app.dataframe
    assert not app.get("download_button")
    assert "To read the trail" in texts(app)


def test_the_csv_has_times_in_utc_and_no_formula(room: ReadingRoom) -> None:
    entries = trail.latest(room.catalog)
    rows = list(csv.DictReader(io.StringIO(audit_page.as_csv(entries).decode("utf-8-sig"))))
    assert len(rows) == 3
    assert rows[0]["subject"] == "'=cmd()|' /C calc'!A0"
    assert all(row["at"] == entry.as_json()["at"] for row, entry in zip(rows, entries, strict=True))
    assert all(row["at"].endswith(("Z", "+00:00")) for row in rows)
