"""Times as providers write them, as aware times in UTC.

ISO 8601 and its usual slips, seconds or milliseconds since 1970, mail and web headers (RFC 2822, 850),
asctime and what Java writes. A time without a zone is taken as UTC.
"""

import re
import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone, tzinfo

LONGEST = 100
"""Characters of a time; a longer text is none."""

_PER_SECOND = {9: 1, 10: 1, 11: 1, 12: 10**3, 13: 10**3, 14: 10**3, 15: 10**6, 16: 10**6, 17: 10**6}
"""By how many digits a count of seconds, milliseconds or microseconds since 1970 has."""
_COUNT = re.compile(r"(?:/Date\()?([+-]?\d{9,17})(?:[.,](\d{1,9}))?(?:[+-]\d{4})?(?:\)/)?", re.ASCII)
_COMPACT = re.compile(r"((?:19|20)\d\d)(\d\d)(\d\d)(?:(\d\d)(\d\d)(\d\d)?)?", re.ASCII)
_ISO = re.compile(
    r"""(?P<year>\d{4})[-/.](?P<month>\d\d?)[-/.](?P<day>\d\d?)
    (?:(?:\s*[Tt_,]\s*|\s+)(?P<clock>\d.*))?""",
    re.VERBOSE | re.ASCII,
)
_WORDS = re.compile(
    r"""(?:[A-Za-z]{3,9},?\s+)?
    (?:(?P<day>\d\d?)[\s\-]+(?P<month>[A-Za-z]{3,9})[\s\-]+(?P<year>\d{4}|\d\d)\b
    | (?P<month2>[A-Za-z]{3,9})\s+(?P<day2>\d\d?),?\s+(?:(?P<year2>\d{4}),?\s+)?)
    \s*(?P<clock>\d\d?:.*)""",
    re.VERBOSE | re.ASCII,
)
_CLOCK = re.compile(
    r"""(?P<hour>\d\d?):?(?P<minute>\d\d)(?::?(?P<second>\d\d)(?:[.,](?P<fraction>\d{1,12}))?)?
    (?:\s*(?P<half>[AaPp])\.?[Mm]\.?(?![A-Za-z]))?
    \s*(?P<zone>.*?)\s*(?:(?<=\s)(?P<year>\d{4}))?""",
    re.VERBOSE | re.ASCII,
)
_OFFSET = re.compile(
    r"(?:UTC|GMT|UT)?\s*([+-])(\d\d?):?(\d\d)?(?::?(\d\d))?(?:\s*(?:[\[(].{0,60}[\])]|[A-Z]{1,5}))?",
    re.IGNORECASE,
)
_REGION = re.compile(r"[\[(]?([A-Za-z_]+(?:/[A-Za-z0-9_+\-]+){1,2})[\])]?", re.ASCII)
_WORD_AND_COMMENT = re.compile(r"([A-Za-z]{1,5})(?:\s*[\[(].{0,60}[\])])?", re.ASCII)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_ZONES: Mapping[str, float] = {
    **dict.fromkeys(("UTC", "GMT", "UT", "Z", "ZULU", "WET"), 0),
    "NST": -3.5,
    "NDT": -2.5,
    "AST": -4,
    "ADT": -3,
    "EST": -5,
    "EDT": -4,
    "CST": -6,
    "CDT": -5,
    "MST": -7,
    "MDT": -6,
    "PST": -8,
    "PDT": -7,
    "AKST": -9,
    "AKDT": -8,
    "HST": -10,
    "BRT": -3,
    "BST": 1,
    "WEST": 1,
    "CET": 1,
    "MEZ": 1,
    "CEST": 2,
    "MESZ": 2,
    "EET": 2,
    "EEST": 3,
    "SAST": 2,
    "MSK": 3,
    "IST": 5.5,
    "PKT": 5,
    "SGT": 8,
    "HKT": 8,
    "AWST": 8,
    "JST": 9,
    "KST": 9,
    "ACST": 9.5,
    "AEST": 10,
    "AEDT": 11,
    "NZST": 12,
    "NZDT": 13,
}
"""Hours ahead of UTC; where a word has several meanings, that of Sinch's customers, mostly American."""
_REGIONS = {
    "ET": "America/New_York",
    "CT": "America/Chicago",
    "MT": "America/Denver",
    "PT": "America/Los_Angeles",
}


def moment_of(text: str) -> datetime | None:
    """Return the moment that a text means, in UTC; None where it means none."""
    if text[4:5] == text[7:8] == "-":  # as the provider documents it, and nearly all are
        try:
            return _in_utc(datetime.fromisoformat(text))
        except (ValueError, OverflowError):
            pass
    if len(text) > LONGEST:
        return None
    try:
        return _read(unicodedata.normalize("NFKC", text).replace("\N{MINUS SIGN}", "-").strip())
    except (ValueError, OverflowError):
        return None


def _in_utc(moment: datetime) -> datetime:
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)


def _read(text: str) -> datetime | None:
    if compact := _COMPACT.fullmatch(text):
        try:
            return datetime(*(int(part) for part in compact.groups(default="0")), tzinfo=UTC)  # type: ignore[arg-type,misc]
        except ValueError:
            pass  # a count that looks like a date, but is none
    if count := _COUNT.fullmatch(text):
        return _counted(count[1], count[2] or "")
    iso = _ISO.fullmatch(text)
    if iso:
        return _at(int(iso["year"]), int(iso["month"]), int(iso["day"]), iso["clock"])
    words = _WORDS.fullmatch(text)
    if not words:
        return _in_utc(datetime.fromisoformat(text))
    month = (words["month"] or words["month2"])[:3].lower()
    year = words["year"] or words["year2"]
    if year and len(year) < len("2014"):
        year = f"20{year}"
    if month not in _MONTHS:
        return None
    return _at(year, _MONTHS.index(month) + 1, int(words["day"] or words["day2"]), words["clock"])


def _counted(digits: str, fraction: str) -> datetime:
    per_second = _PER_SECOND[len(digits.lstrip("+-"))]
    microseconds = int(digits) * 10**6 // per_second
    if per_second == 1 and fraction:
        microseconds += int(fraction[:6].ljust(6, "0"))
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)


def _at(year: int | str | None, month: int, day: int, clock: str | None) -> datetime | None:
    """Return the moment of a day and a clock with its zone, which may have the year at its end."""
    if clock is None:
        return datetime(int(year or 0), month, day, tzinfo=UTC)
    found = _CLOCK.fullmatch(clock)
    if not found:
        return None
    zone = _zone(found["zone"])
    hour = int(found["hour"])
    if found["half"]:
        hour = hour % 12 + (12 if found["half"] in "Pp" else 0)
    midnight = datetime(int(year or found["year"] or 0), month, day, tzinfo=zone)
    since = {"hours": hour, "minutes": int(found["minute"]), "seconds": int(found["second"] or 0)}
    if zone is None or since["hours"] > 24 or max(since["minutes"], since["seconds"] - 1) > 59:  # noqa: PLR2004 - 24:00 and a leap second are times
        return None
    if since["hours"] == 24 and (since["minutes"] or since["seconds"]):  # noqa: PLR2004 - only 24:00 itself
        return None
    fraction = timedelta(microseconds=int((found["fraction"] or "0")[:6].ljust(6, "0")))
    wall = midnight.replace(tzinfo=None) + timedelta(**since) + fraction
    return wall.replace(tzinfo=zone).astimezone(UTC)


def _zone(text: str) -> tzinfo | None:
    """Return a time zone by its offset, its abbreviation or its name; None for an unknown one."""
    if not text:
        return UTC
    if offset := _OFFSET.fullmatch(text):
        sign = -1 if offset[1] == "-" else 1
        hours, minutes, seconds = (int(part or 0) for part in offset.group(2, 3, 4))
        return timezone(sign * timedelta(hours=hours, minutes=minutes, seconds=seconds))
    if word := _WORD_AND_COMMENT.fullmatch(text):
        hours_ahead = _ZONES.get(word[1].upper())
        if hours_ahead is not None:
            return timezone(timedelta(hours=hours_ahead))
    region = _REGION.fullmatch(text)
    name = region[1] if region else _REGIONS.get(text.upper())
    return _named(name) if name else None


def _named(name: str) -> tzinfo | None:
    from zoneinfo import ZoneInfo  # noqa: PLC0415 - hardly ever wanted

    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError):
        return None
