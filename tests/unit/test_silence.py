"""When a source is silent for longer than it ever is."""

from collections.abc import Iterator

from mmsvault.ops import silence
from mmsvault.ops.silence import WEEK_HOURS, silent_hours

MONDAY = 4 * 24 + WEEK_HOURS * 2900
"""An hour counted since 1970, which began on a Thursday: a Monday at midnight."""
OFFICE = [day * 24 + hour for day in range(5) for hour in range(9, 18)]


def is_unusual(active: list[int], *, now_hour: int) -> bool:
    """Ask it of a vault that was never off."""
    return silence.is_unusual(active, now_hour=now_hour, watched=range(now_hour + 1))


def weeks(hours: list[int], number: int) -> list[int]:
    """Return those hours of the week, in each of the weeks before MONDAY."""
    return [MONDAY - WEEK_HOURS * back + hour for back in range(number, 0, -1) for hour in hours]


def firsts(active: list[int]) -> Iterator[int]:
    """Give the hours of the week that begins on MONDAY in which the silence is unusual."""
    return (hour for hour in range(WEEK_HOURS) if is_unusual(active, now_hour=MONDAY + hour))


def test_nights_and_weekends_are_not_missed_and_a_monday_without_a_message_is_by_noon() -> None:
    assert next(firsts(weeks(OFFICE, 4))) == 12
    assert not is_unusual(weeks(OFFICE, 4), now_hour=MONDAY + 9)


def test_a_source_of_every_hour_is_missed_after_three() -> None:
    assert next(firsts(weeks(list(range(WEEK_HOURS)), 3))) == 3


def test_a_source_without_two_weeks_of_history_has_no_habit() -> None:
    assert list(firsts(weeks(list(range(WEEK_HOURS)), 2)[1:])) == []
    assert list(firsts([])) == []


def test_campaigns_at_any_time_are_missed_after_twice_their_longest_pause() -> None:
    campaigns = [MONDAY - back for back in (660, 580, 500, 410, 330, 250, 170, 90, 30, 20, 10)]
    longest = 89
    assert not is_unusual(campaigns, now_hour=campaigns[-1] + 1 + 2 * longest)
    assert is_unusual(campaigns, now_hour=campaigns[-1] + 2 + 2 * longest)


def test_the_hour_that_is_not_over_is_no_silence() -> None:
    assert silent_hours([MONDAY], now_hour=MONDAY + 1) == 0
    assert silent_hours([MONDAY], now_hour=MONDAY + 3) == 2


def test_hours_in_which_the_vault_was_off_are_not_missed() -> None:
    active = weeks(list(range(WEEK_HOURS)), 3)
    back_at = MONDAY + 60
    for hours, told in ((0, False), (2, False), (3, True)):
        watched = {*active, *range(back_at, back_at + hours)}
        assert silence.is_unusual(active, now_hour=back_at + hours, watched=watched) is told, hours
    assert not silence.is_unusual(active, now_hour=back_at + 9, watched=())
