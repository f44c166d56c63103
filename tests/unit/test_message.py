import json
import time
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmsvault.errors import NewerRecordError, RecordError
from mmsvault.message import (
    LONGEST_NUMBER,
    SCHEMA_VERSION,
    UPGRADES,
    MediaItem,
    MediaState,
    Message,
    MessageState,
    Receipt,
    fold,
    normal_number,
)
from tests import records
from tests.records import NOON


def message(*states: str, **changes: object) -> Message:
    files = (
        MediaItem(position=place, url=f"http://m.example/{place}", state=MediaState(state))
        for place, state in enumerate(states)
    )
    return records.message(*files, **changes)


@pytest.mark.parametrize(
    ("states", "state"),
    [
        ((), MessageState.ARCHIVED),
        (("stored", "stored"), MessageState.ARCHIVED),
        (("stored", "pending"), MessageState.PENDING),
        (("lost", "pending"), MessageState.PENDING),
        (("stored", "lost"), MessageState.PARTIAL),
        (("lost",), MessageState.LOST),
    ],
)
def test_the_state_is_what_the_files_add_up_to(states: tuple[str, ...], state: MessageState) -> None:
    assert message(*states).state is state


def test_attempts_go_on_for_a_day_after_the_receipt_even_past_the_deadline() -> None:
    late = message(deadline_at=NOON - timedelta(days=4000))
    assert late.give_up_at == NOON + timedelta(days=1)
    assert message().give_up_at == NOON + timedelta(days=30)


def test_the_record_reads_back_as_the_same_message() -> None:
    one = message("stored", "pending", subject="Zażółć 🐟", keyword="STORM")
    assert Message.from_record(one.as_record()) == one


def test_a_record_of_an_older_version_is_brought_up_to_the_present_one_step_by_step(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one = message("stored", subject="Zażółć 🐟")
    old = json.loads(one.as_record())
    oldest = {**old, "schema": 0, "heading": old["subject"]}
    del oldest["subject"]
    steps = {
        0: lambda record: {**record, "topic": record["heading"]},
        1: lambda record: {**record, "subject": record.get("topic", record.get("subject"))},
    }
    monkeypatch.setattr("mmsvault.message.SCHEMA_VERSION", 2)
    monkeypatch.setattr("mmsvault.message.UPGRADES", steps)
    assert Message.from_record(json.dumps(oldest).encode()) == one
    assert Message.from_record(json.dumps(old).encode()) == one
    assert Message.from_record(one.as_record()) == one


def test_every_older_version_has_its_step() -> None:
    assert set(UPGRADES) >= set(range(1, SCHEMA_VERSION))


def test_a_record_of_a_newer_version_is_refused_with_what_to_do() -> None:
    newer = json.dumps({**json.loads(message().as_record()), "schema": SCHEMA_VERSION + 1}).encode()
    with pytest.raises(NewerRecordError, match="update this program"):
        Message.from_record(newer)


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b"{}", b'{"schema": 1}', b'{"schema": "x"}', b'{"schema": -9}', b"\xff"]
)
def test_a_record_that_is_broken_is_said_to_be(data: bytes) -> None:
    with pytest.raises(RecordError, match="cannot be read"):
        Message.from_record(data)


def test_the_json_for_scripts_has_just_the_promised_fields() -> None:
    shown = message("stored").as_json()
    assert (
        list(shown)
        == (
            "id provider tracking_id from to keyword subject operator_id received_at deadline_at state "
            "attempts tags hold repaired media"
        ).split()
    )
    assert (
        list(shown["media"][0])
        == (
            "position url state content_type size sha256 key thumbnail_key preview_key width height "
            "duration_ms text reason next_attempt_at doubt"
        ).split()
    )
    assert shown["received_at"] == "2026-11-20T12:00:00Z"


def test_a_receipt_survives_the_queue_byte_for_byte() -> None:
    kept = Receipt.of(bytes(range(256)), provider="sinch", headers={"a": "b"}, source="127.0.0.1")
    assert Receipt.model_validate(kept.model_dump(mode="json")) == kept


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("+1 (408) 225-7140", "14082257140"),
        ("14082257140", "14082257140"),
        ("0014082257140", "14082257140"),
        ("28444", "28444"),
        ("Someone@Example.com", "someone@example.com"),
        ("", ""),
        ("tel:+14082257140", "14082257140"),
        ("tel:+1-408-225-7140;phone-context=+1;ext=5", "14082257140"),
        ("sip:+14082257140@ims.example;user=phone", "14082257140"),
        ("sips:14082257140:secret@ims.example:5061", "14082257140"),
        ("sip:Alice@ims.example:5060;transport=tcp", "alice@ims.example"),
        ('"Ann" <+14082257140>', "14082257140"),
        ("Ann Lind <sip:+14082257140@ims.example;user=phone>;tag=9", "14082257140"),
        ("Someone <someone@example.com>", "someone@example.com"),
        ("+1 (408) 225-7140 x5", "14082257140"),
        ("+1 408 225 7140 ext. 5", "14082257140"),
        ("14082257140;ext=5", "14082257140"),
        ("\u202a+14082257140\u202c", "14082257140"),
        ("+1\u00ad408\u200b225\ufeff7140", "14082257140"),
        ("+١٤٠٨٢٢٥٧١٤٠", "14082257140"),
        ("۱۴۰۸۲۲۵۷۱۴۰", "14082257140"),
        ("१४०८२२५७१४०", "14082257140"),
        ("＋１４０８２２５７１４０", "14082257140"),
        ("2️⃣8️⃣4️⃣4️⃣4️⃣", "28444"),
        ("%2B14082257140", "14082257140"),
        ("tel:%2B1%20408%20225%207140", "14082257140"),
        ("+14082257140/TYPE=PLMN", "14082257140"),
        ("Someone@example.com/TYPE=EMAIL", "someone@example.com"),
        ("10.1.2.3/TYPE=IPv4", normal_number("10.1.2.3")),
        ("mailto:Someone@example.com?subject=hi", "someone@example.com"),
        ("+1\u2013408\u2011225\u22127140", "14082257140"),
        ("4082257140@mms.example", "4082257140@mms.example"),
        ("PIZZA", "pizza"),
        ("*86", "*86"),
        ("tel:", "tel:"),
    ],
)
def test_numbers_in_usual_writings_are_one_number(written: str, number: str) -> None:
    assert normal_number(written) == number


@given(st.text(max_size=60) | st.text("+%2B0159()-;=:<>@/ xtelsip\u202a١", max_size=40))
def test_a_number_as_it_is_compared_stays_so(text: str) -> None:
    plain = normal_number(text)
    assert normal_number(plain) == plain


@pytest.mark.parametrize("piece", ["<", "%25", "tel:", "x1", "/type=a", ";ext=", "+", "00", "\u202a", " "])
def test_a_very_long_number_is_compared_at_once(piece: str) -> None:
    began = time.process_time()
    assert len(normal_number(piece * 100_000)) <= LONGEST_NUMBER
    assert time.process_time() - began < 0.5


def test_keywords_are_compared_without_case_and_accents() -> None:
    assert fold(" ÉTÉ ") == fold("ete") == "ete"
