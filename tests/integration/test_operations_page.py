"""The operations page and the alerts, run by Streamlit's AppTest on real servers."""

from datetime import timedelta

import pytest

from dashboard import alerts, operations_page, retrying
from dashboard.reading_room import ReadingRoom
from mmsvault import auditing
from mmsvault.attempts import REASONS_NOT_ALLOWED
from mmsvault.catalog import entering, key_values, names, queries, trail, verdicts, writes
from mmsvault.catalog.connection import writing
from mmsvault.catalog.people import Role
from mmsvault.catalog.verdicts import Extent, Verdict
from mmsvault.message import Receipt, utc_now
from mmsvault.ops.facts import QueueFacts
from mmsvault.sample.notices import Notice, lower_case_xml
from tests.integration.searchable import message
from tests.looking import findings, look_at, texts

Patch = pytest.MonkeyPatch
PAGE = "operations_page.operations_page"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: Patch) -> None:
    """Nothing fetches here, so nobody waits for it."""
    monkeypatch.setattr(retrying, "WAITED_SECONDS", 0)


def waits(room: ReadingRoom, *, days: float, keyword: str = "") -> None:
    one = message("waits", "pending", deadline_at=utc_now() + timedelta(days=days), keyword=keyword)
    item = one.media[0].model_copy(update={"reason": "The *provider* said 503.", "attempts": 2})
    with writing(room.catalog) as connection:
        entering.insert_whole(connection, one.model_copy(update={"media": (item,)}))


def test_an_empty_vault_says_that_all_is_well_and_what_to_run(room: ReadingRoom, monkeypatch: Patch) -> None:
    said = texts(look_at(PAGE, monkeypatch))
    assert "Nothing waits" in said
    assert "mmsvault verify" in said
    assert "Quarantine is empty" in said
    assert room


def test_what_waits_is_tried_now_and_the_trail_says_so(room: ReadingRoom, monkeypatch: Patch) -> None:
    waits(room, days=0.5)
    app = look_at(PAGE, monkeypatch, role=Role.MANAGER)
    assert "deadline in 11 hours" in texts(app)
    assert "File 1, 2 attempts, the next any moment: The *provider* said 503." in texts(app)
    before = room.vault.queue.count
    app.button(key="try sinch-waits").click().run()
    assert room.vault.queue.count == before + 1
    assert queries.due(room.catalog, now=utc_now(), limit=5)
    assert trail.latest(room.catalog)[0].action == "fetched again"


def test_what_waits_stands_under_the_name_of_its_sender(room: ReadingRoom, monkeypatch: Patch) -> None:
    names.give(room.catalog, "14085550123", "Anna Lind", named_at=utc_now())
    waits(room, days=0.5, keyword="storm")
    said = texts(look_at(PAGE, monkeypatch))
    assert "Anna Lind (+1 408-555-0123), storm: deadline in 11 hours" in said


def test_a_part_of_the_archive_shows_its_own_and_nothing_of_the_whole(
    room: ReadingRoom, monkeypatch: Patch
) -> None:
    waits(room, days=0.5)
    app = look_at(PAGE, monkeypatch, role=Role.MANAGER, scope="keyword:storm")
    assert "Nothing waits" in texts(app)
    assert [one.value for one in app.header] == ["The last 24 hours", "Nearest deadlines"]
    assert "needs the role manager" in texts(look_at(PAGE, monkeypatch, role=Role.EXPORTER))


def test_a_sample_is_verified_and_remembered(room: ReadingRoom, monkeypatch: Patch) -> None:
    one = message("kept", "image/jpeg")
    kept = one.media[0].model_copy(update={"key": f"{one.prefix}00.jpg", "size": 3, "sha256": "0" * 64})
    with writing(room.catalog) as connection:
        entering.insert_whole(connection, one.model_copy(update={"media": (kept,)}))
    app = look_at(PAGE, monkeypatch)
    app.button(key="verify").click().run()
    said = texts(app)
    assert "A part, " in said
    assert "the catalog has this message, and the bucket has nothing of it" in said
    (verdict,) = verdicts.latest(room.catalog)
    assert verdict.problems == 1
    monkeypatch.setattr(alerts, "findings", lambda: findings(room))
    assert "verify found 1 problem" in " ".join(
        one.proto.body for one in look_at("alerts.show_alerts", monkeypatch).get("html")
    )


def test_files_that_the_provider_refuses_are_an_alert(room: ReadingRoom, monkeypatch: Patch) -> None:
    one = message("refused", "pending", deadline_at=utc_now() + timedelta(days=20))
    waits = one.media[0].model_copy(update={"reason": REASONS_NOT_ALLOWED[0], "next_attempt_at": utc_now()})
    with writing(room.catalog) as connection:
        entering.insert_whole(connection, one.model_copy(update={"media": (waits,)}))
    monkeypatch.setattr(alerts, "findings", lambda: findings(room))
    (shown,) = look_at("alerts.show_alerts", monkeypatch).get("html")
    assert "The provider refuses 1 file to this server (401 or 403)." in shown.proto.body


@pytest.mark.parametrize(
    ("role", "scope", "sees"),
    [
        (Role.VIEWER, "", ("1 file is still missing",)),
        (Role.VIEWER, "keyword:storm", ()),
        (
            Role.MANAGER,
            "",
            ("1 file is still missing", "No worker is running", "No sweep has run", "2 problems"),
        ),
        (Role.ADMIN, "keyword:storm", ()),
    ],
)
def test_alerts_are_for_those_whom_they_concern(
    room: ReadingRoom, monkeypatch: Patch, *, role: Role, scope: str, sees: tuple[str, ...]
) -> None:
    waits(room, days=0.5)
    now = utc_now()
    verdicts.keep(room.catalog, Verdict(Extent.EVERYTHING, now, now, 9, 2, ()))
    nobody = QueueFacts({"archive": 0}, timedelta(), None, None, {})
    monkeypatch.setattr(alerts, "findings", lambda: findings(room, queue=nobody))
    app = look_at("alerts.show_alerts", monkeypatch, role=role, scope=scope)
    said = " ".join(one.proto.body for one in app.get("html"))
    assert said.count("<p>") == len(sees)
    for words in sees:
        assert words in said


def test_what_really_is_wrong_stands_above_the_pages_and_on_operations_with_what_to_do(
    room: ReadingRoom, monkeypatch: Patch
) -> None:
    key_values.put(room.catalog, key_values.BACKUP_FINISHED_AT, "2026-01-05T02:00:00Z")
    (shown,) = look_at("alerts.show_alerts", monkeypatch).get("html")
    assert "No worker is running: postbacks are kept, and nothing is fetched." in shown.proto.body
    assert "The last backup is old: it is of 2026-01-05 02:00 UTC." in shown.proto.body
    page = " ".join(one.proto.body for one in look_at(PAGE, monkeypatch).get("html"))
    assert "Start <code>mmsvault worker</code>; if one ended, its log says why." in page
    assert "Is the catalog (PostgreSQL, SQLite) away?" in page


def test_nothing_is_said_while_all_is_well(room: ReadingRoom, monkeypatch: Patch) -> None:
    waits(room, days=5)
    monkeypatch.setattr(alerts, "findings", lambda: findings(room))
    assert not look_at("alerts.show_alerts", monkeypatch).get("html")


def test_every_deed_of_the_pages_can_be_filtered_in_the_trail() -> None:
    for deed in ("fetched again", "replayed", "verified a sample", "named a sender", "exported a list"):
        assert deed in auditing.ACTIONS


def test_what_else_came_in_is_said_in_words(room: ReadingRoom) -> None:
    body = lower_case_xml(Notice("n", "1", "2", utc_now(), code="N101"))
    for outcome in ("other", "quarantined", "quarantined"):
        writes.count_receipt(room.catalog, Receipt.of(body, provider="sinch"), outcome)
    found, _ = operations_page._come_in("")
    assert operations_page.in_words(found) == "Also 1 other notice, 2 postbacks not understood."
