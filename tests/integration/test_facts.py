"""What is found out about a file, and when its preview is due, through each catalog."""

import json
from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine

from mmsvault.catalog import language, queries, totals, writes
from mmsvault.message import SHOWN_OF_MEDIA, MediaItem, MediaState, Message, Receipt, utc_now

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
LEASE = timedelta(seconds=20)


def film(**changes: object) -> MediaItem:
    given = {
        "position": 0,
        "url": "http://m.example/a.3gp",
        "state": MediaState.STORED,
        "content_type": "video/3gpp",
        "codecs": ("h263", "amr_nb"),
        "frame_count": None,
        "captured": "2026-11-03T09:30:00",
        "has_location": True,
        "perceptual_hash": "00ff00ff00ff00ff",
        "preview_due_at": NOON,
        **changes,
    }
    return MediaItem.model_validate(given)


def record(catalog: Engine, name: str, *items: MediaItem) -> Message:
    message = Message(
        id=f"sinch-{name}",
        provider="sinch",
        tracking_id=name,
        sender="14085550123",
        to=("28444",),
        received_at=NOON,
        deadline_at=NOON + timedelta(days=30),
        recorded_at=NOON,
        prefix=f"messages/2026/11/20/sinch-{name}/",
        media=items,
    )
    receipt = Receipt.of(b"<postback/>" + name.encode(), provider="sinch")
    return writes.record(catalog, message, receipt).message


def test_the_facts_of_a_file_come_back_as_they_were_written(catalog: Engine) -> None:
    assert record(catalog, "1", film()).media == (film(),)
    assert queries.load(catalog, "sinch-1").media == (film(),)


def test_facts_are_in_the_record_and_scripts_are_shown_what_they_were_promised(catalog: Engine) -> None:
    message = record(catalog, "1", film())
    kept = json.loads(message.as_record())["media"][0]
    assert kept["codecs"] == ["h263", "amr_nb"]
    assert kept["has_location"] is True
    assert Message.model_validate(json.loads(message.as_record())).media == message.media
    assert tuple(message.as_json()["media"][0]) == SHOWN_OF_MEDIA


def test_what_a_card_says_is_found(catalog: Engine) -> None:
    record(
        catalog, "1", film(content_type="text/vcard", text="Name: Zoë Example\nPhone (cell): +1 408 555 0125")
    )
    assert totals.total(catalog, language.parse("zoë type:contact")).messages == 1


def test_previews_are_due_from_their_time_on_the_oldest_first(catalog: Engine) -> None:
    record(catalog, "late", film(preview_due_at=NOON + timedelta(minutes=5)))
    record(catalog, "early", film(preview_due_at=NOON - timedelta(minutes=5)), film(position=1, url="b"))
    record(catalog, "none", film(preview_due_at=None))
    assert queries.previews_due(catalog, now=NOON, limit=9) == ["sinch-early"]
    later = NOON + timedelta(minutes=9)
    assert queries.previews_due(catalog, now=later, limit=9) == ["sinch-early", "sinch-late"]
    assert queries.previews_due(catalog, now=later, limit=1) == ["sinch-early"]


def test_a_preview_that_was_queued_is_left_alone_for_a_while(catalog: Engine) -> None:
    record(catalog, "1", film(), film(position=1, url="b", preview_due_at=None))
    writes.postpone_previews(catalog, ["sinch-1"], until=NOON + timedelta(minutes=10))
    assert queries.previews_due(catalog, now=NOON, limit=9) == []
    due = [item.preview_due_at for item in queries.load(catalog, "sinch-1").media]
    assert due == [NOON + timedelta(minutes=10), None]


def test_a_message_whose_preview_is_due_counts_as_archived(catalog: Engine) -> None:
    message = record(catalog, "1", film(state=MediaState.PENDING, preview_due_at=None, next_attempt_at=NOON))
    writes.take_lease(catalog, message.id, token="a", now=NOON, span=LEASE)
    done = writes.save_attempts(catalog, message.id, items=[film()], tried=[], token="a", now=utc_now())
    assert done is not None
    writes.settle(catalog, done, token="a")
    assert done.state.value == "archived"
    assert queries.due(catalog, now=NOON + timedelta(days=9), limit=9) == []
