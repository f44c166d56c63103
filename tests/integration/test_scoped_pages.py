"""Every page of the dashboard, seen by somebody who sees a part, before and after the rest has come in."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import streamlit as st

from dashboard import components, drawn, links, pages
from dashboard.reading_room import ReadingRoom
from mmsvault.catalog.people import Role
from tests.integration.teams import (
    FOREIGN_NUMBERS,
    FOREIGN_SENDER,
    SCOPES,
    WIDE,
    foreign_messages,
    name_everybody,
    own_messages,
    receive,
    search_and_be_noted,
)
from tests.integration.test_scoped_routes import IDS, export_of_the_others
from tests.looking import look_at, reading_room, settings_in

Patch = pytest.MonkeyPatch
FOREIGN_ID = foreign_messages()[0].id
ADDRESSES: Mapping[str, tuple[dict[str, str], ...]] = {
    "gallery.gallery": ({},),
    "message_page.message_page": tuple({"id": identity} for identity in (IDS[0], FOREIGN_ID)),
    "tallies_page.senders_page": ({"find": "Person"}, {"order": "Most messages"}),
    "tallies_page.keywords_page": ({"order": "A to Z"},),
    "searches_page.searches_page": ({"query": f"from:{FOREIGN_SENDER} OR harbor"},),
    "exports_page.exports_page": ({"query": f"number:{FOREIGN_NUMBERS[1]} OR harbor"},),
    "operations_page.operations_page": ({},),
    "quarantine_page.quarantine_page": ({},),
    "audit_page.audit_page": ({"message": FOREIGN_ID},),
    "settings_page.settings_page": ({},),
    "alerts.show_alerts": ({},),
}
"""The pages, by the functions that show them, and what their addresses say."""


@pytest.fixture
def room(tmp_path: Path) -> Iterator[ReadingRoom]:
    with reading_room(settings_in(tmp_path)) as opened:
        opened.bucket.make()
        yield opened


@pytest.fixture
def handed(monkeypatch: Patch) -> list[object]:
    """What pages hand to the browser's own programs."""
    told: list[object] = []

    def component(name: str) -> Any:
        def draw(**given: Any) -> Any:
            told.append((name, given["key"], given["data"]))
            return SimpleNamespace(wanted=None, name=None)

        return draw

    for module in (components, drawn):
        monkeypatch.setattr(module, "_component", component)
    clock = SimpleNamespace(time=lambda: 1_000_000_000.0)
    monkeypatch.setattr(links, "time", clock)
    return told


def shown(monkeypatch: Patch, handed: list[object], **who: Any) -> dict[str, list[str]]:
    """Return all that each page shows: its elements, and what it hands on."""
    st.cache_data.clear()
    st.cache_resource.clear()
    found: dict[str, list[str]] = {}
    for page, addresses in ADDRESSES.items():
        for address in addresses:
            handed.clear()
            app = look_at(page, monkeypatch, **who, **address)
            drawn_here = [str(node.proto) for node in app._tree if hasattr(node, "proto")]
            found.setdefault(page, []).append(f"{address} {drawn_here} {handed}")
    return found


def test_every_page_is_looked_at() -> None:
    shows = {
        f"{made.__module__.removeprefix('dashboard.')}.{name}"
        for name, made in vars(pages).items()
        if callable(made) and getattr(made, "__module__", "").startswith("dashboard.")
        if name in ("gallery", "show_alerts") or name.endswith("_page")
    }
    assert shows == set(ADDRESSES)


def test_what_lies_outside_of_a_scope_changes_no_page(
    room: ReadingRoom, monkeypatch: Patch, handed: list[object]
) -> None:
    name_everybody(room.catalog)
    receive(room.catalog, own_messages())
    before = shown(monkeypatch, handed, role=Role.ADMIN, scope=SCOPES[0])
    receive(room.catalog, foreign_messages())
    search_and_be_noted(room.catalog)
    export_of_the_others(room)
    after = shown(monkeypatch, handed, role=Role.ADMIN, scope=SCOPES[0])
    for page in ADDRESSES:
        assert [now for then, now in zip(before[page], after[page], strict=True) if then != now] == [], page


def test_what_is_looked_at_here_would_tell_somebody_who_sees_both_teams(
    room: ReadingRoom, monkeypatch: Patch, handed: list[object]
) -> None:
    name_everybody(room.catalog)
    receive(room.catalog, own_messages())
    before = shown(monkeypatch, handed, role=Role.MANAGER, scope=WIDE)
    receive(room.catalog, foreign_messages())
    after = shown(monkeypatch, handed, role=Role.MANAGER, scope=WIDE)
    silent = {page for page in ADDRESSES if before[page] == after[page]}
    # The gallery's tiles come by routes of their own, and the others are for those who see everything.
    assert silent == {
        *("gallery.gallery", "quarantine_page.quarantine_page", "audit_page.audit_page"),
        "settings_page.settings_page",
    }
