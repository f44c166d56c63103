"""Times and numbers as the browser of who looks writes them."""

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from dashboard import locally

NOON = datetime(2026, 11, 20, 12, 3, 5, tzinfo=UTC)


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that runs for somebody in Berlin."""
    monkeypatch.setattr(locally, "get_script_run_ctx", lambda **_: object())
    told = SimpleNamespace(timezone="Europe/Berlin", locale="de-DE")
    monkeypatch.setattr(locally, "st", SimpleNamespace(context=told))


def plainly(text: str) -> str:
    """Return a text without the narrow spaces that some forms of CLDR have before AM and PM."""
    return text.replace("\u202f", " ")


@pytest.mark.usefixtures("berlin")
def test_a_page_writes_times_in_the_zone_of_its_browser_and_as_its_language_does() -> None:
    assert locally.moment(NOON) == "20.11.2026, 13:03"
    assert (locally.day(NOON), locally.clock(NOON)) == ("20.11.2026", "13:03")
    assert locally.number(1234567) == "1.234.567"
    assert locally.size(1_234_567) == "1,23 MB"
    assert locally.plural(12_000, "entry", "entries") == "12.000 entries"


def test_where_the_zone_is_not_known_a_time_says_that_it_is_utc() -> None:
    assert plainly(locally.moment(NOON)) == "Nov 20, 2026, 12:03 PM UTC"
    assert locally.number(1234567) == "1,234,567"


@pytest.mark.parametrize(
    ("header", "written"),
    [
        ("de-CH,de;q=0.9,en;q=0.5", "1’234’567"),
        ("fr", "1\u202f234\u202f567"),
        ("", "1,234,567"),
        ("*", "1,234,567"),
        ("xx-YY;q=1", "1,234,567"),
        ("en-GB-u-hc-h23", "1,234,567"),
        ("../../etc/passwd", "1,234,567"),
        ("de" * 5000, "1,234,567"),
    ],
)
def test_a_route_writes_numbers_as_the_request_says(header: str, written: str) -> None:
    with locally.spoken_by({"accept-language": header}):
        assert locally.number(1234567) == written
    assert locally.number(1234567) == "1,234,567"


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (999, "999 bytes"),
        (1000, "1 KB"),
        (43_795, "43.8 KB"),
        (4 << 40, "4.4 TB"),
    ],
)
def test_sizes_have_three_digits(count: int, words: str) -> None:
    assert locally.size(count) == words


@pytest.mark.parametrize("at", [datetime.max.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC)])
@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "America/Los_Angeles"])
def test_a_time_at_either_end_of_all_years_is_written_in_every_zone(
    at: datetime, zone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locally, "get_script_run_ctx", lambda **_: object())
    monkeypatch.setattr(locally, "st", SimpleNamespace(context=SimpleNamespace(timezone=zone, locale="en")))
    assert locally.day(at)
    assert locally.clock(at)
    assert locally.moment(at)


def test_a_time_to_the_second_says_that_it_is_utc_where_no_zone_is_known() -> None:
    at = datetime(2026, 11, 30, 0, 22, 55, tzinfo=UTC)
    assert locally.second(at).replace("\u202f", " ") == "Nov 30, 2026, 12:22:55 AM UTC"
