"""The quarantine page, and what other pages say of quarantine, run by Streamlit's AppTest on real servers."""

import pytest
from streamlit.testing.v1 import AppTest

from dashboard import alerts
from dashboard.reading_room import ReadingRoom
from mmsvault import archiving, auditing, quarantine
from mmsvault.catalog import quarantine as index
from mmsvault.catalog import queries, trail
from mmsvault.catalog.people import Role
from mmsvault.message import Receipt
from mmsvault.sample.notices import lower_case_xml
from tests.integration.archive import notice
from tests.looking import findings, look_at, texts

Patch = pytest.MonkeyPatch
PAGE = "quarantine_page.quarantine_page"
HOSTILE = b"<html>=cmd() **bold** \x01\xff<script>alert(1)</script></html>"
RIGHT = lower_case_xml(
    notice("mended", "http://127.0.0.1:9/a.jpg", subject="Storm *at* the pier", keyword="storm")
)
TORN = RIGHT.replace(b"tracking-id>", b"tracking-if>")


def refuse(room: ReadingRoom, body: bytes, reason: str = "No <postback>.", **more: str) -> str:
    """Put a postback into quarantine, and return its folder."""
    headers = {"content-type": "text/html; x=**y**", "user-agent": "phone"}
    receipt = Receipt.of(body, provider="sinch", source="203.0.113.7", headers=headers)
    quarantine.keep(room.vault, receipt.model_copy(update=more), reason)
    return index.newest(room.catalog, limit=1)[0].folder


def unfolded(folder: str, monkeypatch: Patch) -> AppTest:
    """Look at the page, with the body of this entry unfolded."""
    app = look_at(PAGE, monkeypatch)
    app.session_state[f"body {folder}"] = True
    app.run()
    assert not app.exception
    return app


def test_an_empty_quarantine_says_so(room: ReadingRoom, monkeypatch: Patch) -> None:
    assert "Quarantine is empty" in texts(look_at(PAGE, monkeypatch))
    assert room


@pytest.mark.parametrize(
    ("role", "scope"), [(Role.VIEWER, ""), (Role.EXPORTER, ""), (Role.MANAGER, "keyword:storm")]
)
def test_quarantine_is_for_managers_who_see_everything(
    room: ReadingRoom, monkeypatch: Patch, *, role: Role, scope: str
) -> None:
    refuse(room, HOSTILE, "a reason")
    app = look_at(PAGE, monkeypatch, role=role, scope=scope)
    assert "a reason" not in texts(app)
    assert not app.button
    monkeypatch.setattr(alerts, "findings", lambda: findings(room))
    assert not look_at("alerts.show_alerts", monkeypatch, role=role, scope=scope).get("html")


def test_an_entry_tells_reason_headers_and_body_as_text(room: ReadingRoom, monkeypatch: Patch) -> None:
    folder = refuse(room, HOSTILE)
    said = texts(unfolded(folder, monkeypatch))
    assert "1 postback in quarantine" in said
    assert "No <postback>." in said
    assert "from 203.0.113.7" in said
    assert "Content type: text/html; x=**y**" in said
    assert "user-agent: phone" in said
    assert r"<html>=cmd() **bold** \x01\xff<script>alert(1)</script></html>" in said


def test_the_raw_body_is_replayed_as_it_is(room: ReadingRoom, monkeypatch: Patch) -> None:
    folder = refuse(room, HOSTILE)
    monkeypatch.setattr("dashboard.quarantine_page.PATIENCE_SECONDS", 0)
    before = room.vault.queue.count
    app = look_at(PAGE, monkeypatch)
    app.button(key=f"replay {folder}").click().run()
    assert not app.exception
    assert room.vault.queue.count == before + 1
    assert "waits for a worker" in texts(app)
    assert trail.latest(room.catalog)[0].action == "replayed"


def test_check_shows_what_would_come_of_a_correction_and_keeps_nothing(
    room: ReadingRoom, monkeypatch: Patch
) -> None:
    folder = refuse(room, TORN)
    app = unfolded(folder, monkeypatch)
    area = app.text_area(key=f"correction {folder}")
    assert area.value == TORN.decode()
    before = {found.key for found in room.bucket.list("")}
    area.set_value("<postback>")
    app.button(key=f"check {folder}").click().run()
    assert "Not understood: " in texts(app)
    app.text_area(key=f"correction {folder}").set_value(RIGHT.decode())
    app.button(key=f"check {folder}").click().run()
    said = texts(app)
    for words in (
        "Understood as a message.",
        "From: +1 408-555-0123",
        "Keyword: storm",
        "Subject: Storm *at* the pier",
        "Files: 1",
        "http://127.0.0.1:9/a.jpg",
    ):
        assert words in said
    app.text_area(key=f"correction {folder}").set_value(TORN.decode())
    app.button(key=f"check {folder}").click().run()
    assert "the same as the raw one" in texts(app)
    assert {found.key for found in room.bucket.list("")} == before
    assert not trail.latest(room.catalog)


def test_a_corrected_body_becomes_a_message_and_the_trail_says_whose_it_is(
    room: ReadingRoom, monkeypatch: Patch
) -> None:
    folder = refuse(room, TORN)
    monkeypatch.setattr("dashboard.quarantine_page.PATIENCE_SECONDS", 0)
    app = unfolded(folder, monkeypatch)
    app.text_area(key=f"correction {folder}").set_value(RIGHT.decode())
    app.button(key=f"replay corrected {folder}").click().run()
    assert not app.exception
    (entry,) = trail.latest(room.catalog)
    assert (entry.who, entry.source, entry.action, entry.subject) == (
        "tests",
        "127.0.0.1",
        "corrected a postback",
        folder,
    )
    assert folder.split("/")[-2] in entry.details
    assert entry.action in auditing.ACTIONS
    job = room.vault.queue.get_jobs()[-1]
    archiving.archive_receipt(room.vault, job.args[0])
    message = queries.load(room.catalog, "sinch-mended")
    assert [one.corrected_by for one in message.postbacks] == ["", "tests"]
    assert "Quarantine is empty" in texts(look_at(PAGE, monkeypatch))


def test_a_correction_that_failed_is_there_to_go_on_from(room: ReadingRoom, monkeypatch: Patch) -> None:
    folder = refuse(room, TORN)
    monkeypatch.setattr("dashboard.quarantine_page.PATIENCE_SECONDS", 0)
    app = unfolded(folder, monkeypatch)
    app.text_area(key=f"correction {folder}").set_value("<postback>half")
    app.button(key=f"replay corrected {folder}").click().run()
    archiving.archive_receipt(room.vault, room.vault.queue.get_jobs()[-1].args[0])
    app = unfolded(folder, monkeypatch)
    assert app.text_area(key=f"correction {folder}").value == "<postback>half"
    assert "Corrected by tests, " in texts(app)
    assert "It was not understood either: " in texts(app)


def test_a_body_too_large_for_a_form_is_corrected_by_the_command(
    room: ReadingRoom, monkeypatch: Patch
) -> None:
    folder = refuse(room, b"x" * (1 << 19))
    app = unfolded(folder, monkeypatch)
    assert not app.text_area
    assert f"mmsvault replay {folder} --body FILE" in texts(app)


def test_more_than_a_page_is_shown_page_by_page(room: ReadingRoom, monkeypatch: Patch) -> None:
    for number in range(22):
        refuse(room, b"%d" % number)
    app = look_at(PAGE, monkeypatch)
    assert "22 postbacks in quarantine" in texts(app)
    assert len([one for one in app.button if one.label == "Replay"]) == 20
    app.button(key="more").click().run()
    assert len([one for one in app.button if one.label == "Replay"]) == 22


def test_every_page_says_how_many_wait_and_the_newest_reason(room: ReadingRoom, monkeypatch: Patch) -> None:
    refuse(room, b"one", "No code.")
    refuse(room, b"two", "No <b>tracking</b> id.")
    monkeypatch.setattr(alerts, "findings", lambda: findings(room))
    (shown,) = look_at("alerts.show_alerts", monkeypatch, role=Role.MANAGER).get("html")
    assert "2 postbacks were not understood: see Quarantine." in shown.proto.body
    assert "UTC: No &lt;b&gt;tracking&lt;/b&gt; id." in shown.proto.body
    assert "href='quarantine'" in shown.proto.body
    said = texts(look_at("operations_page.operations_page", monkeypatch))
    assert "2 postbacks not understood" in said
    assert "No <b>tracking</b> id." in said


def test_what_will_never_be_a_message_is_set_aside_and_no_longer_told(
    room: ReadingRoom, monkeypatch: Patch
) -> None:
    folder = refuse(room, HOSTILE)
    app = look_at(PAGE, monkeypatch)
    app.button(key=f"set aside {folder}").click().run()
    said = texts(app)
    assert f"run `mmsvault replay {folder}`" in said
    assert "Quarantine is empty" in said
    (entry,) = trail.latest(room.catalog)
    assert (entry.action, entry.subject) == ("set aside a postback", folder)
    assert entry.action in auditing.ACTIONS
    assert quarantine.describe(room.vault, folder)["set_aside_by"] == "tests"
    assert room.bucket.read(f"{folder}body") == HOSTILE
