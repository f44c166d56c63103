from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmsvault.attempts import (
    BEFORE_THE_END,
    LONGEST_ASKED_PAUSE,
    LONGEST_PAUSE,
    RARE_PAUSE,
    missed,
    next_attempt_at,
)
from mmsvault.errors import NotReadyError, PermanentFetchError, RefusedFetchError, TransientFetchError
from mmsvault.message import Attempt, MediaItem, MediaState, Message

NOW = datetime(2026, 11, 24, tzinfo=UTC)
FAR = NOW + timedelta(days=20)


def message(*, deadline_at: datetime = FAR, attempts: tuple[Attempt, ...] = ()) -> Message:
    return Message(
        id="sinch-1", provider="sinch", tracking_id="1", sender="1", to=("2",), received_at=NOW,
        deadline_at=deadline_at, recorded_at=NOW - timedelta(days=10), prefix="x/", attempts=attempts,
    )  # fmt: skip


def tried(status: int, *, hours_ago: float, position: int = 0) -> Attempt:
    return Attempt(
        position=position,
        at=NOW - timedelta(hours=hours_ago),
        duration_ms=1,
        outcome="pending",
        status=status,
    )


def after(error: TransientFetchError, *attempts: Attempt, deadline_at: datetime = FAR) -> MediaItem:
    item = MediaItem(position=0, url="http://m.example/a", attempts=len(attempts))
    return missed(message(deadline_at=deadline_at, attempts=attempts), item, error, now=NOW)


def pause(item: MediaItem) -> timedelta:
    assert item.next_attempt_at is not None
    return item.next_attempt_at - NOW


@pytest.mark.parametrize(("tries", "seconds"), [(1, 5), (2, 10), (3, 20), (8, 640), (11, 3600), (1000, 3600)])
def test_pauses_double_up_to_an_hour_with_some_jitter(tries: int, seconds: float) -> None:
    at = next_attempt_at(tries, now=NOW, give_up_at=FAR)
    assert at is not None
    assert 0.75 * seconds <= (at - NOW).total_seconds() <= 1.25 * seconds


def test_two_pauses_are_hardly_ever_the_same_so_that_not_all_files_are_asked_for_at_once() -> None:
    assert len({next_attempt_at(11, now=NOW, give_up_at=FAR) for _ in range(50)}) > 25


@given(st.integers(1, 2000), st.timedeltas(timedelta(0), timedelta(days=60)), st.timedeltas(timedelta(0)))
def test_no_attempt_is_planned_at_or_beyond_the_deadline_whatever_the_provider_asks(
    tries: int, left: timedelta, asked: timedelta
) -> None:
    at = next_attempt_at(tries, now=NOW, give_up_at=NOW + left, asked=asked)
    assert at is None or NOW < at < NOW + left


def test_the_last_attempt_falls_into_the_last_minute_before_the_deadline() -> None:
    deadline = NOW + timedelta(hours=30)
    at, planned = NOW, []
    while (following := next_attempt_at(40, now=at, give_up_at=deadline)) is not None:
        planned.append(following)
        at = following
    assert timedelta(0) < deadline - planned[-1] < timedelta(minutes=1)
    assert len(planned) < 60


def test_the_pause_that_the_provider_asks_for_is_kept_within_bounds() -> None:
    assert next_attempt_at(1, now=NOW, give_up_at=FAR, asked=timedelta(minutes=7)) == NOW + timedelta(
        minutes=7
    )
    assert next_attempt_at(1, now=NOW, give_up_at=FAR, asked=timedelta(days=9)) == NOW + LONGEST_ASKED_PAUSE
    soon = next_attempt_at(9, now=NOW, give_up_at=FAR, asked=timedelta(seconds=1))
    assert soon is not None, "a short one does not hurry us"
    assert soon - NOW > timedelta(minutes=5)


@pytest.mark.parametrize(
    ("status", "word"), [(404, "no such file"), (410, "gone"), (401, "password"), (403, "not let")]
)
def test_a_refusal_that_lasts_for_a_day_is_asked_about_every_six_hours_and_never_ends_the_attempts(
    status: int, word: str
) -> None:
    error = TransientFetchError("no", status=status)
    in_an_hour = [tried(status, hours_ago=hours / 60) for hours in range(50, 0, -1)]
    assert pause(after(error, *in_an_hour)) <= LONGEST_PAUSE * 1.25
    waits = after(error, *(tried(status, hours_ago=hours) for hours in range(240, 0, -1)))
    assert waits.state is MediaState.PENDING
    assert word in waits.reason
    assert pause(waits) == RARE_PAUSE


def test_what_is_not_ready_for_a_day_is_asked_for_every_six_hours() -> None:
    error = NotReadyError("The provider answered with nothing in place of the file.", status=200)
    assert pause(after(error)) < LONGEST_PAUSE
    waits = after(error, *(tried(200, hours_ago=hours) for hours in range(30, 0, -1)))
    assert (waits.state, pause(waits)) == (MediaState.PENDING, RARE_PAUSE)


def test_a_refusal_with_something_else_in_between_starts_the_day_again() -> None:
    error = TransientFetchError("no", status=404)
    attempts = [tried(404, hours_ago=hours) for hours in range(80, 20, -4)]
    assert pause(after(error, *attempts, tried(500, hours_ago=20))) < RARE_PAUSE
    assert pause(after(error, *attempts, tried(500, hours_ago=20, position=1))) == RARE_PAUSE


def test_the_order_in_which_attempts_are_kept_says_nothing_of_how_long_an_answer_lasts() -> None:
    attempts = [*(tried(404, hours_ago=hours) for hours in range(80, 20, -4)), tried(500, hours_ago=20)]
    for kept in (attempts, attempts[::-1]):
        assert pause(after(TransientFetchError("no", status=404), *kept)) < RARE_PAUSE


def test_a_provider_that_asks_for_a_short_pause_does_not_hurry_what_it_has_refused_for_a_day() -> None:
    error = TransientFetchError("no", status=404, retry_after=timedelta(minutes=1))
    assert pause(after(error, *(tried(404, hours_ago=hours) for hours in range(48, 0, -1)))) == RARE_PAUSE


def test_a_refusal_is_met_until_the_last_minute_before_the_deadline() -> None:
    error, at, attempts = TransientFetchError("no", status=404), NOW, [tried(404, hours_ago=48)]
    item, sent = MediaItem(position=0, url="http://m.example/a"), message(deadline_at=NOW + timedelta(days=3))
    while True:
        item = missed(sent.model_copy(update={"attempts": tuple(attempts)}), item, error, now=at)
        attempts.append(tried(404, hours_ago=(NOW - at) / timedelta(hours=1)))
        if item.next_attempt_at is None:
            break
        at = item.next_attempt_at
    assert item.state is MediaState.LOST
    assert item.reason.endswith("(404). It was tried until its deadline.")
    assert timedelta(0) < sent.give_up_at - at < timedelta(minutes=1)


def test_what_is_stored_stays_so_whatever_is_answered_now() -> None:
    stored = MediaItem(position=0, url="http://m.example/a", state=MediaState.STORED, reason="kept")
    for error in (TransientFetchError("no", status=410), PermanentFetchError("no address")):
        for deadline in (FAR, NOW):
            stays = missed(message(deadline_at=deadline), stored, error, now=NOW)
            assert (stays.state, stays.reason, stays.attempts) == (MediaState.STORED, "kept", 1)


def test_any_other_failure_is_tried_until_the_deadline_and_then_says_so() -> None:
    attempts = [tried(500, hours_ago=hours) for hours in range(200, 0, -1)]
    assert after(TransientFetchError("The provider answered 500."), *attempts).state is MediaState.PENDING
    lost = after(TransientFetchError("The provider answered 500."), deadline_at=NOW)
    assert lost.state is MediaState.LOST
    assert lost.reason == "The provider answered 500. It was tried until its deadline."


def test_what_can_never_work_is_lost_at_once() -> None:
    lost = missed(
        message(), MediaItem(position=0, url="ftp://x/"), PermanentFetchError("no address"), now=NOW
    )
    assert (lost.state, lost.reason, lost.attempts) == (MediaState.LOST, "no address", 1)


def test_what_the_settings_refuse_is_tried_once_more_before_the_end_and_then_lost_with_the_reason() -> None:
    refused = RefusedFetchError("Refused: inside.example is at 10.0.0.1.")
    first = after(refused)
    assert first.state is MediaState.PENDING
    assert first.reason == "Refused: inside.example is at 10.0.0.1."
    give_up_at = message().give_up_at
    assert first.next_attempt_at == give_up_at - BEFORE_THE_END
    last = missed(message(deadline_at=NOW + (FAR - give_up_at)), first, refused, now=NOW)
    assert last.state is MediaState.LOST
    assert last.reason.startswith("Refused: inside.example")
