from datetime import UTC, datetime, timedelta

import pytest

from mmsvault.archiving import LONGEST_PAUSE, next_attempt_at

NOW = datetime(2026, 11, 24, tzinfo=UTC)
FAR = NOW + timedelta(days=20)


@pytest.mark.parametrize(("tries", "seconds"), [(1, 5), (2, 10), (3, 20), (8, 640), (11, 3600), (1000, 3600)])
def test_pauses_double_up_to_an_hour_with_some_jitter(tries: int, seconds: float) -> None:
    at = next_attempt_at(tries, now=NOW, give_up_at=FAR)
    assert at is not None
    assert 0.75 * seconds <= (at - NOW).total_seconds() <= 1.25 * seconds


def test_the_last_attempt_is_at_the_deadline_and_then_it_is_over() -> None:
    deadline = NOW + LONGEST_PAUSE / 4
    assert next_attempt_at(20, now=NOW, give_up_at=deadline) == deadline
    assert next_attempt_at(21, now=deadline, give_up_at=deadline) is None
