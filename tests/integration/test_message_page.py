"""A message's own page, run by Streamlit's AppTest on a real bucket and a real Redis."""

from datetime import timedelta
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from dashboard import components, retrying
from dashboard.reading_room import ReadingRoom
from dashboard.record import Record
from mmsvault.catalog import entering, names, queries, trail, upkeep
from mmsvault.catalog.connection import writing
from mmsvault.catalog.people import Role
from mmsvault.errors import NotFoundError
from mmsvault.media.answers import WEB_PAGE
from mmsvault.message import EarlierVersion, MediaItem, MediaState, Message, RawPostback, utc_now
from tests.integration.searchable import message
from tests.looking import look_at, texts

Patch = pytest.MonkeyPatch
PAGE = "message_page.message_page"
BODY = b"<postback>**bold** <script>alert(1)</script></postback>"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: Patch) -> None:
    """Nothing fetches here, so nobody waits for it."""
    monkeypatch.setattr(retrying, "WAITED_SECONDS", 0)


def kept(room: ReadingRoom, name: str, *files: Any, **given: Any) -> Message:
    """Enter a message with its raw postback."""
    one = message(name, *files, **given)
    postback = RawPostback(
        name="postback.xml", sha256="0" * 64, received_at=one.received_at, source="203.0.113.7", headers={}
    )
    one = one.model_copy(update={"postbacks": (postback,)})
    room.bucket.put(f"{one.prefix}postback.xml", BODY, content_type="text/xml")
    with writing(room.catalog) as connection:
        assert entering.insert_whole(connection, one)
    return one


def shown(monkeypatch: Patch, identity: str, **who: Any) -> tuple[AppTest, Record]:
    """Return the page of a message, and what it hands to the sheet."""
    handed: list[Record] = []
    monkeypatch.setattr(components, "sheet", handed.append)
    app = look_at(PAGE, monkeypatch, id=identity, **who)
    return app, handed[-1]


def facts(record: Record) -> dict[str, tuple[str, str]]:
    return {one.label: (one.value, one.href) for one in (*record["heading"], *record["details"])}


def test_the_sheet_says_who_sent_it_under_their_name_and_leads_to_their_messages(
    room: ReadingRoom, monkeypatch: Patch
) -> None:
    names.give(room.catalog, "14085550123", "Anna <b>Lind</b>", named_at=utc_now())
    kept(room, "1", "image/jpeg", to=("28444", "14085550199", "14085550198"), keyword="storm")
    _, record = shown(monkeypatch, "sinch-1")
    told = facts(record)
    assert record["title"] == "Message from Anna <b>Lind</b> (+1 408-555-0123)"
    assert told["From"] == ("Anna <b>Lind</b>, +1 408-555-0123 (14085550123)", "./?sender=14085550123")
    assert told["Keyword"] == ("storm", "./?keyword=storm")
    assert told["To"][0] == "28444"
    assert told["Copy to"][0].splitlines() == [
        "+1 408-555-0199 (14085550199)",
        "+1 408-555-0198 (14085550198)",
    ]


def test_a_name_is_for_those_who_see_messages_of_its_number(room: ReadingRoom, monkeypatch: Patch) -> None:
    names.give(room.catalog, "14085550199", "Ben", named_at=utc_now())
    kept(room, "1", to=("28444", "14085550199"), keyword="storm")
    scoped = {"role": Role.VIEWER, "scope": "keyword:storm"}
    assert "Ben" not in facts(shown(monkeypatch, "sinch-1", **scoped)[1])["Copy to"][0]
    assert "Ben" in facts(shown(monkeypatch, "sinch-1")[1])["Copy to"][0]
    kept(room, "2", sender="14085550199", keyword="storm")
    assert "Ben" in facts(shown(monkeypatch, "sinch-1", **scoped)[1])["Copy to"][0]


def test_a_look_is_noted_once_however_often_the_page_runs(room: ReadingRoom, monkeypatch: Patch) -> None:
    kept(room, "1", "image/jpeg")
    app, _ = shown(monkeypatch, "sinch-1", role=Role.VIEWER)
    app.run()
    assert [(one.action, one.subject) for one in trail.latest(room.catalog)] == [("looked at", "sinch-1")]


def test_who_saw_a_message_is_shown_to_those_who_may_read_the_log(
    room: ReadingRoom, monkeypatch: Patch
) -> None:
    kept(room, "1", "image/jpeg")
    trail.append(room.catalog, "looked at", who="ben", subject="sinch-1", messages=("sinch-1",))
    trail.append(room.catalog, "held", who="carl", subject="keyword:x", messages=("sinch-0", "sinch-1"))
    trail.append(room.catalog, "looked at", who="dora", subject="sinch-2", messages=("sinch-2",))
    monkeypatch.setattr(st, "expander", opened_expander)
    app, _ = shown(monkeypatch, "sinch-1")
    said = "".join(one.proto.body for one in app.get("html"))
    assert [who in said for who in ("ben", "carl", "dora")] == [True, True, False]
    scoped, _ = shown(monkeypatch, "sinch-1", role=Role.MANAGER)
    assert not any("ben" in one.proto.body for one in scoped.get("html"))


def opened_expander(_label: str, *, key: str, on_change: str) -> Any:
    """Stand for an expander that somebody has opened: AppTest has no way to press one."""
    del on_change
    made = st.container(key=f"open {key}")
    made.open = "who saw" in key  # type: ignore[attr-defined]
    return made


def test_what_is_not_there_and_what_is_anothers_are_told_alike(room: ReadingRoom, monkeypatch: Patch) -> None:
    kept(room, "1", "image/jpeg", keyword="storm")
    said = texts(look_at(PAGE, monkeypatch, id="sinch-none"))
    assert "The archive does not hold this" in said
    assert texts(look_at(PAGE, monkeypatch, id="sinch-1", scope="keyword:pier")) == said
    assert "No message is chosen" in texts(look_at(PAGE, monkeypatch))
    assert trail.latest(room.catalog) == []


def test_who_only_looks_is_offered_nothing_to_change(room: ReadingRoom, monkeypatch: Patch) -> None:
    kept(room, "1", "pending")
    app, _ = shown(monkeypatch, "sinch-1", role=Role.VIEWER)
    assert not any((app.button, app.toggle, app.text_area, app.multiselect))


def test_managers_tag_hold_and_write_a_note(room: ReadingRoom, monkeypatch: Patch) -> None:
    one = kept(room, "1", "image/jpeg")
    app, _ = shown(monkeypatch, one.id, role=Role.MANAGER)
    app.multiselect[0].set_value(["seen", "to print"]).run()
    app.toggle[0].set_value(True).run()
    app.text_area[0].set_value("Called **back**.").run()
    app.button(key="save note").click().run()
    assert not app.exception
    found = queries.load(room.catalog, one.id)
    assert (found.tags, found.hold, found.note) == (("seen", "to print"), True, "Called **back**.")
    assert app.button(key="delete this").disabled
    app.multiselect[0].set_value(["seen"]).run()
    assert queries.load(room.catalog, one.id).tags == ("seen",)
    done = [entry.action for entry in trail.latest(room.catalog)]
    assert done == ["tagged", "wrote a note", "held", "tagged", "looked at"]


def test_a_tag_and_a_note_that_are_too_long_are_refused_in_plain_words(
    room: ReadingRoom, monkeypatch: Patch
) -> None:
    one = kept(room, "1", "image/jpeg")
    app, _ = shown(monkeypatch, one.id, role=Role.MANAGER)
    app.multiselect[0].set_value(["x" * 5000]).run()
    assert "A tag has 1 to 100 characters." in texts(app)
    app.text_area[0].set_value("y" * 10_001).run()
    app.button(key="save note").click().run()
    assert "A note has at most 10,000 characters." in texts(app)
    assert not app.exception
    found = queries.load(room.catalog, one.id)
    assert (found.tags, found.note) == ((), "")


def test_a_deletion_says_what_goes_and_is_asked_for_twice(room: ReadingRoom, monkeypatch: Patch) -> None:
    one = kept(room, "1", "image/jpeg", "image/png")
    app, _ = shown(monkeypatch, one.id, role=Role.MANAGER)
    app.button(key="delete this").click().run()
    assert "This message with 2 files (0 bytes)" in texts(app)
    assert queries.load(room.catalog, one.id)
    monkeypatch.setattr("dashboard.message_page.st.switch_page", lambda _page: None)
    app.button(key="delete this").click()  # AppTest does not run a dialog alone
    app.button(key="delete").click().run()
    with pytest.raises(NotFoundError):
        queries.load(room.catalog, one.id)
    assert not list(room.bucket.list(one.prefix))
    assert upkeep.buried(room.catalog, [one.id])


def test_what_is_missing_is_tried_from_here_as_well(room: ReadingRoom, monkeypatch: Patch) -> None:
    one = kept(room, "1", "pending", "image/jpeg", "lost", deadline_at=utc_now() + timedelta(days=2))
    app, _ = shown(monkeypatch, one.id, role=Role.MANAGER)
    before = room.vault.queue.count
    button = app.button(key=f"try {one.id}")
    assert button.label == "Try 2 missing files now"
    button.click().run()
    assert app.toast[0].value == "2 files still being fetched; this page shows the result."
    assert room.vault.queue.count == before + 1
    assert [item.state for item in queries.load(room.catalog, one.id).media] == [
        "pending",
        "stored",
        "pending",
    ]


def test_the_raw_postback_is_read_when_it_is_unfolded_and_is_text(
    room: ReadingRoom, monkeypatch: Patch
) -> None:
    kept(room, "1", "image/jpeg")
    app, _ = shown(monkeypatch, "sinch-1")
    assert BODY.decode() not in texts(app)
    app.session_state["raw sinch-1 postback.xml"] = True
    app.run()
    assert BODY.decode() in [one.value for one in app.code]
    assert f"SHA-256 {'0' * 64}, received from 203.0.113.7" in texts(app)


def test_what_was_answered_is_shown_as_text_and_an_earlier_version_to_download(
    room: ReadingRoom, monkeypatch: Patch
) -> None:
    prefix = message("1").prefix
    answer, before = f"{prefix}evidence/00-{'a' * 16}.html", f"{prefix}00.html"
    item = MediaItem(
        position=0,
        url="http://m.example/0",
        state=MediaState.STORED,
        content_type="text/html",
        key=f"{prefix}00-2.html",
        doubt=WEB_PAGE,
        evidence=(answer, before),
        earlier=(EarlierVersion(key=before, size=1234, sha256="b" * 64),),
    )
    kept(room, "1", media=(item,))
    room.bucket.put(answer, BODY, content_type="text/plain")
    app, record = shown(monkeypatch, "sinch-1")
    assert record["parts"][0]["note"] == f"{WEB_PAGE} You can have it fetched again."
    assert app.button(key="try sinch-1").label == "Fetch 1 file in doubt again"
    assert BODY.decode() not in texts(app)
    for key in (answer, before):
        app.session_state[f"evidence {key}"] = True
    app.run()
    assert BODY.decode() in [one.value for one in app.code]
    assert f"1.23 KB, SHA-256 {'b' * 64}" in texts(app)
    app.button(key="try sinch-1").click().run()
    assert app.toast[0].value == "1 file still being fetched; this page shows the result."
    again = queries.load(room.catalog, "sinch-1")
    assert (again.state, again.media[0].state) == ("archived", "stored")
    assert again.media[0].next_attempt_at is not None
    assert "once more" in shown(monkeypatch, "sinch-1")[1]["parts"][0]["note"]
