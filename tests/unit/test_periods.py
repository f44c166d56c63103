"""The days and months of scheduled exports: in a time zone, over changes of the clock, none left out."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmsvault.exporting.periods import Period, period_of, periods_due
from mmsvault.settings.forms import Schedule

UTC_ZONE = ZoneInfo("UTC")
BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 21, 0, 5, tzinfo=UTC)
ZONES = (
    *("UTC", "Europe/Berlin", "America/New_York", "Africa/Cairo", "America/Havana", "Australia/Lord_Howe"),
    *("Pacific/Apia", "Asia/Kathmandu"),
)


@pytest.mark.parametrize(
    ("schedule", "name", "ended_at"),
    [
        (Schedule.DAILY, "daily-2026-11-20", datetime(2026, 11, 21, tzinfo=UTC)),
        (Schedule.MONTHLY, "monthly-2026-10", datetime(2026, 11, 1, tzinfo=UTC)),
    ],
)
def test_a_new_schedule_begins_with_the_last_period_that_ended(
    schedule: Schedule, name: str, ended_at: datetime
) -> None:
    (due,) = periods_due(schedule, UTC_ZONE, last_at=None, now=NOW)
    assert due == Period(id=name, schedule=schedule, ended_at=ended_at)
    assert periods_due(schedule, UTC_ZONE, last_at=ended_at, now=NOW) == []


def test_days_that_were_missed_are_made_up_for_in_their_order() -> None:
    due = periods_due(Schedule.DAILY, UTC_ZONE, last_at=NOW - timedelta(days=4), now=NOW)
    assert [one.id for one in due] == [f"daily-2026-11-{day}" for day in (17, 18, 19, 20)]


@pytest.mark.parametrize(("day", "hours"), [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25)])
def test_a_day_is_as_long_as_its_zone_makes_it(day: date, hours: int) -> None:
    ends = [period_of(f"daily-{one}", BERLIN) for one in (day - timedelta(days=1), day)]
    assert ends[0]
    assert ends[1]
    assert ends[1].ended_at - ends[0].ended_at == timedelta(hours=hours)


@given(
    st.sampled_from(ZONES),
    st.sampled_from([Schedule.DAILY, Schedule.MONTHLY]),
    st.datetimes(datetime(2005, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - as it takes them
    st.integers(0, 60 * 24 * 60),
)
def test_no_moment_is_between_two_periods_and_none_is_in_two(
    zone: str, schedule: Schedule, last_at: datetime, minutes: int
) -> None:
    due = periods_due(schedule, ZoneInfo(zone), last_at=last_at, now=last_at + timedelta(minutes=minutes))
    assert all(before.ended_at < after.ended_at for before, after in pairwise(due))
    assert len({one.id for one in due}) == len(due)
    for one in due:
        assert last_at < one.ended_at <= last_at + timedelta(minutes=minutes)
        assert period_of(one.id, ZoneInfo(zone)) == one


@pytest.mark.parametrize("identity", ["case", "daily-yesterday", "never-2026-11-20", "0123456789abcdef", ""])
def test_any_other_export_has_no_period(identity: str) -> None:
    assert period_of(identity, UTC_ZONE) is None
