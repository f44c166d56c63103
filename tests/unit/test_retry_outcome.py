"""What the dashboard says after a retry, and of files past their deadline."""

from datetime import UTC, datetime

import pytest

from dashboard.alerts import at_risk_in_words
from dashboard.retrying import is_tried, outcome
from mmsvault.message import Attempt, MediaItem, MediaState, Message

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def tried(*outcomes: str, reason: str = "") -> Message:
    """Return a message whose one missing file was tried with these outcomes."""
    item = MediaItem(position=0, url="http://m.example/0", state=MediaState.PENDING)
    attempts = tuple(
        Attempt(position=0, at=NOON, duration_ms=1, outcome=one, reason=reason) for one in outcomes
    )
    return Message(
        id="sinch-1",
        provider="sinch",
        tracking_id="1",
        sender="14085550123",
        to=("28444",),
        received_at=NOON,
        deadline_at=NOON,
        recorded_at=NOON,
        prefix="messages/2026/11/20/sinch-1/",
        media=(item,),
        attempts=attempts,
    )


@pytest.mark.parametrize(
    ("after", "said"),
    [
        (tried("pending"), "1 file still being fetched; this page shows the result."),
        (tried("pending", "stored"), "1 file fetched."),
        (
            tried("pending", "pending", reason="The provider said 503."),
            "1 file could not be fetched: The provider said 503.",
        ),
        (tried("pending", "lost"), "1 file could not be fetched."),
    ],
)
def test_a_retry_is_told_by_what_came_of_it(after: Message, said: str) -> None:
    assert outcome(tried("pending"), after) == said


def test_a_retry_is_waited_for_until_there_is_another_attempt() -> None:
    assert not is_tried(tried("pending"), tried("pending"))
    assert is_tried(tried("pending"), tried("pending", "lost"))


def test_a_deadline_that_has_passed_is_not_called_near() -> None:
    assert at_risk_in_words(1, 0) == [
        "1 file is still missing past its deadline: the provider may have deleted it."
    ]
    assert at_risk_in_words(0, 2) == [
        "2 files are still missing with less than a day until the provider deletes them."
    ]
    assert len(at_risk_in_words(2, 2)) == 2
    assert at_risk_in_words(0, 0) == []
