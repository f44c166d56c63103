from datetime import UTC, datetime, timedelta

from dashboard.exports_page import in_words
from mmsvault.exporting.planning import Choice, Plan, Volume
from mmsvault.exporting.register import Export, State

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def test_progress_is_told_with_the_time_to_go() -> None:
    volume = Volume(
        after=None, first_id="a", first_at=NOON, last_id="b", last_at=NOON, messages=10, bytes=1000
    )
    found = Export(
        id="1",
        name="one",
        state=State.RUNNING,
        choice=Choice(query=""),
        plan=Plan(volumes=(volume,)),
        volumes=(),
        made_by="tests",
        made_at=NOON,
        began_at=NOON,
        ended_at=None,
        messages=2,
        bytes=250,
        reason="",
        beat_at=NOON,
    )
    said = in_words(found, NOON + timedelta(minutes=1))
    assert said == "2 of 10 messages, 250 bytes; about 3 minutes to go"
