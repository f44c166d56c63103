"""The days and months that scheduled exports are made for, in the time zone of the settings.

A day begins at midnight of its zone and may have 23 or 25 hours; all moments are handed on in UTC.
"""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from pydantic import AwareDatetime

from mmsvault.message import Value
from mmsvault.settings.forms import Schedule


class Period(Value):
    """A day or a month of a schedule: its export's id, and when it ended."""

    id: str
    schedule: Schedule
    ended_at: AwareDatetime


def periods_due(
    schedule: Schedule, zone: ZoneInfo, *, last_at: datetime | None, now: datetime
) -> list[Period]:
    """Return the periods that ended after `last_at` and by `now`, in their order.

    Without a `last_at` it is the last one alone: whatever came before belongs to it.
    """
    newest = _first_day(schedule, now.astimezone(zone).date())
    if last_at is None:
        return [_period(schedule, zone, newest)]
    due: list[Period] = []
    while (period := _period(schedule, zone, newest)).ended_at > last_at:
        due.insert(0, period)
        newest = _first_day(schedule, newest - timedelta(days=1))
    return due


def period_of(identity: str, zone: ZoneInfo) -> Period | None:
    """Return the period that an export was made for, by its id; None for any other export."""
    name, _, written = identity.partition("-")
    try:
        schedule = Schedule(name)
        day = date.fromisoformat(written if schedule is Schedule.DAILY else f"{written}-01")
    except ValueError:
        return None
    if schedule is Schedule.DAILY:
        return _period(schedule, zone, day + timedelta(days=1))
    return _period(schedule, zone, (day + timedelta(days=31)).replace(day=1))


def _first_day(schedule: Schedule, day: date) -> date:
    return day if schedule is Schedule.DAILY else day.replace(day=1)


def _period(schedule: Schedule, zone: ZoneInfo, next_day: date) -> Period:
    """Return the period that ends where `next_day` begins."""
    last_day = next_day - timedelta(days=1)
    form = "%Y-%m-%d" if schedule is Schedule.DAILY else "%Y-%m"
    ended_at = datetime.combine(next_day, time(), zone).astimezone(UTC)
    return Period(id=f"{schedule.value}-{last_day:{form}}", schedule=schedule, ended_at=ended_at)
