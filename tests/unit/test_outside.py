"""Records that anybody may have written: what matters refuses them, what only describes is left out."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmsvault import outside
from mmsvault.errors import RecordError
from mmsvault.message import Message, believed_at

KEPT = (Path(__file__).parent.parent / "records" / "version-1" / "message.json").read_bytes()
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
RETENTION = timedelta(days=30)
Change = Callable[[dict[str, Any]], object]


def read(change: Change) -> outside.Outside:
    record = json.loads(KEPT)
    change(record)
    return outside.read(json.dumps(record).encode(), now=NOW, retention=RETENTION)


def file(**changes: Any) -> Change:
    return lambda record: record["media"][0].update(changes)


def test_a_record_of_the_vault_itself_is_read_as_it_is() -> None:
    found = outside.read(KEPT, now=NOW, retention=RETENTION)
    assert found.message == Message.from_record(KEPT)
    assert found.remarks == ()
    again = outside.read(found.message.as_record(), now=NOW, retention=RETENTION)
    assert again == found


@pytest.mark.parametrize(
    ("name", "value", "empty"),
    [
        *(("perceptual_hash", value, "") for value in ("zz", "0x12", "ab", "F" * 16, 7)),
        *(("content_type", value, "") for value in ("image/png\r\nX-Y: z", "text", "a/b/c", "\0/x", None)),
        *(("sha256", value, "") for value in ("0", "F" * 64, "g" * 64, None)),
        *((name, value, None) for name in ("width", "height") for value in (10**30, -1, 0, "wide")),
        *((name, value, None) for name in ("size", "duration_ms") for value in (-1, 10**30, "long")),
        ("frame_count", -5, None),
        ("captured", "yesterday", ""),
        ("codecs", ["h264"] * 101, ()),
        ("has_location", "perhaps", False),
        ("attempts", 10**12, 0),
        ("thumbnail_sha256", "x", ""),
        ("preview_size", -1, None),
    ],
)
def test_what_only_describes_a_file_is_left_out_with_a_remark(name: str, value: Any, empty: Any) -> None:
    found = read(file(**{name: value}))
    assert getattr(found.message.media[0], name) == empty
    assert any(name in remark and remark.startswith("file 0: ") for remark in found.remarks)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda record: record.update(provider="nobody"), "provider 'nobody'"),
        (lambda record: record.update(id="../x"), "no proper folder"),
        (lambda record: record.update(id="sinch-another"), "no proper folder"),
        (lambda record: record.update(prefix="exports/"), "no proper folder"),
        (lambda record: record.update(hold="perhaps"), "hold: "),
        (lambda record: record.pop("sender"), "sender: "),
        (lambda record: record.update(media=record["media"] * 2), "several files at one position"),
        (lambda record: record.update(media=record["media"] * 1001), "media: "),
        (lambda record: record.update(to=["1"] * 1001), "to: "),
        (lambda record: record.update(tags=[[]]), "tags.0: "),
        (lambda record: record["postbacks"][0].update(name="../postback.xml"), "outside of its folder"),
        (lambda record: record["postbacks"][0].update(name="00.jpg"), "called otherwise"),
        (lambda record: record["attempts"][0].update(position=-1), "attempts.0.position: "),
        (file(position=-1), "media.0.position: "),
        (file(position=10**30), "media.0.position: "),
        (file(state="eaten"), "media.0.state: "),
        (file(key=""), "has no key"),
        (file(key="messages/2014/02/03/sinch-other/00.txt"), "outside of its folder"),
        (file(thumbnail_key="quarantine/x"), "outside of its folder"),
        (file(evidence=["names/x.json"]), "outside of its folder"),
        (file(state="lost", key="names/x.json"), "outside of its folder"),
        (file(preview_key="messages/2014/02/03/sinch-MMS_MO_iLnCRrL6/00.txt"), "twice"),
    ],
)
def test_what_is_wrong_in_a_field_that_matters_refuses_the_record_and_is_named(
    change: Change, said: str
) -> None:
    with pytest.raises(RecordError) as refused:
        read(change)
    assert said in str(refused.value)
    assert "Error" not in str(refused.value)


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"null", b"[" * 100_000, b'{"schema": 1e999}', b"\xff"])
def test_what_is_no_record_is_refused(data: bytes) -> None:
    with pytest.raises(RecordError):
        outside.read(data, now=NOW, retention=RETENTION)


@pytest.mark.parametrize(
    "moment",
    ["9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+14:00", "1999-12-31T23:59:59Z", "soon"],
)
@pytest.mark.parametrize("name", ["received_at", "recorded_at", "deadline_at"])
def test_a_time_that_cannot_be_is_replaced_by_another_one_that_is_known(name: str, moment: str) -> None:
    found = read(lambda record: record.update({name: moment}))
    assert datetime(2014, 2, 3, tzinfo=UTC) < getattr(found.message, name) < datetime(2014, 3, 6, tzinfo=UTC)
    assert any(remark.startswith(name) for remark in found.remarks)


def test_a_repeat_that_came_weeks_later_is_believed() -> None:
    found = read(lambda record: record["postbacks"][0].update(received_at="2014-02-28T00:00:00Z"))
    assert found.remarks == ()


def test_a_file_that_waits_is_due_now_where_its_time_never_comes() -> None:
    waiting = {"state": "pending", "key": "", "next_attempt_at": "9999-01-01T00:00:00Z"}
    assert read(file(**waiting)).message.media[0].next_attempt_at == NOW


def test_texts_lose_what_no_database_holds() -> None:
    found = read(lambda record: record.update(subject="a\0b\ud83dc", tags=["\udc00"]))
    assert found.message.subject == "a\ufffdb\ufffdc"
    assert found.message.as_record()
    assert any("half a character" in remark for remark in found.remarks)


def test_a_moment_is_believed_from_2000_until_two_days_after_the_receipt() -> None:
    for moment in (datetime(2000, 1, 1, tzinfo=UTC), NOW, NOW + timedelta(days=2)):
        assert believed_at(moment, received_at=NOW) == moment
    for moment in (datetime(1999, 12, 31, tzinfo=UTC), NOW + timedelta(days=2, seconds=1), None):
        assert believed_at(moment, received_at=NOW) is None


TOLD = json.loads(KEPT)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3),
)


@given(st.sampled_from(sorted(TOLD["media"][0])), JSON, st.sampled_from(sorted(TOLD)), JSON)
def test_any_json_in_any_field_is_a_message_or_a_named_problem(
    name: str, value: Any, own: str, other: Any
) -> None:
    def change(record: dict[str, Any]) -> None:
        record["media"][0][name] = value
        record[own] = other

    try:
        found = read(change)
    except RecordError as error:
        assert str(error)
    else:
        record = found.message.as_record()
        assert outside.read(record, now=NOW, retention=RETENTION).message == found.message
