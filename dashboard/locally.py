"""How times and numbers are written for whoever looks: in their zone, as their language writes them.

A page knows both from the browser that shows it. A route knows the language from the request
(`spoken_by`) and leaves times to the browser. Where nobody is known, times are UTC and say so, and
numbers are English. What is kept, as in the trail, is written by `wording`: the same for everybody.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import streamlit as st
from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_time, get_datetime_format
from babel.numbers import format_decimal
from streamlit.runtime.scriptrunner import get_script_run_ctx

_ENGLISH = Locale("en")
_told: ContextVar[str | None] = ContextVar("language of the request", default=None)


@contextmanager
def spoken_by(headers: Mapping[str, str]) -> Iterator[None]:
    """Write numbers in the language that this request's browser likes best."""
    token = _told.set(headers.get("accept-language", "").partition(",")[0].partition(";")[0].strip())
    try:
        yield
    finally:
        _told.reset(token)


def zone_of(name: str) -> tzinfo:
    """Return a browser's time zone; UTC where there is none of that name."""
    try:
        return ZoneInfo(name) if name else UTC
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC


@lru_cache(maxsize=256)
def language_of(tag: str) -> Locale:
    """Return the language of a browser's tag, like `de-CH`; English where it is not known."""
    try:
        return Locale.parse(tag.partition("-u-")[0], sep="-") if tag else _ENGLISH
    except (ValueError, UnknownLocaleError):
        return _ENGLISH


def in_zone(at: datetime, where: tzinfo) -> datetime:
    """Return an aware time in a zone; one at the end of all years stays in UTC, where it still has a day."""
    try:
        return at.astimezone(where)
    except (OverflowError, ValueError):
        return at


def moment(at: datetime) -> str:
    """Return a time to the minute, as the gallery's own script writes it in the browser."""
    language = _language()
    both = str(get_datetime_format("medium", locale=language)).replace("'", "")
    return both.replace("{0}", clock(at)).replace("{1}", day(at))


def day(at: datetime) -> str:
    """Return the day of a time."""
    return format_date(in_zone(at, zone()), "medium", locale=_language())


def clock(at: datetime) -> str:
    """Return the time of the day of a time; where it is not the viewer's own, it says so."""
    told = format_time(in_zone(at, zone()), "short", locale=_language())
    return told if _by_browser("timezone") else f"{told} UTC"


def second(at: datetime) -> str:
    """Return a time to the second; where it is not in the viewer's own zone, it says so."""
    language = _language()
    both = str(get_datetime_format("medium", locale=language)).replace("'", "")
    told = format_time(in_zone(at, zone()), "medium", locale=language)
    return both.replace("{0}", told if _by_browser("timezone") else f"{told} UTC").replace("{1}", day(at))


def wall(at: datetime) -> str:
    """Return a time by the clock that it was read from, wherever that hung."""
    language = _language()
    told = at.replace(tzinfo=None)
    return f"{format_date(told, 'long', locale=language)}, {format_time(told, 'medium', locale=language)}"


def zone() -> tzinfo:
    """Return the zone of who looks at this page; UTC where it is not known."""
    return zone_of(_by_browser("timezone"))


def number(value: float) -> str:
    """Return a number with its thousands apart."""
    return format_decimal(value, locale=_language())


def plural(count: int, noun: str, many: str = "") -> str:
    """Return a count with its noun."""
    return f"{number(count)} {noun if count == 1 else many or f'{noun}s'}"


def size(count: int) -> str:
    """Return a number of bytes for reading: three digits of it, in decimal units."""
    amount = float(count)
    for unit in ("bytes", "KB", "MB", "GB"):
        if amount < 1000:  # noqa: PLR2004 - decimal units
            return plural(count, "byte") if unit == "bytes" else f"{_short(amount)} {unit}"
        amount /= 1000
    return f"{_short(amount)} TB"


def _short(amount: float) -> str:
    return format_decimal(amount, format="@##", locale=_language())


def _language() -> Locale:
    told = _told.get()
    return language_of(_by_browser("locale") if told is None else told)


def _by_browser(name: str) -> str:
    """Return what the browser of a running page says of itself; empty where no page runs."""
    if get_script_run_ctx(suppress_warning=True) is None:
        return ""
    return getattr(st.context, name) or ""
