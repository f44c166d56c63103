"""The first tiles as the page has them in it, without a script."""

import re
from zoneinfo import ZoneInfo

import pytest

from dashboard.sight import drawn, look_in
from dashboard.tiles import tiles
from tests.records import NOON, item, message

LOOK = "mmsvault_look=Asia%2FTokyo%7C203.34%7Cdark"


def sign(key: str, _content_type: str) -> str:
    return f'files/{key}?a=1&b="<2>"'


def test_what_a_browser_left_is_understood() -> None:
    assert look_in(f"a=b; {LOOK}; c=d") == (ZoneInfo("Asia/Tokyo"), "203.34", "dark")


@pytest.mark.parametrize(
    "cookies",
    [
        "",
        "mmsvault_look=",
        "mmsvault_look=Asia%2FTokyo%7C203",
        "mmsvault_look=Asia%2FTokyo%7C-1%7Cdark",
        "mmsvault_look=Asia%2FTokyo%7C1%7Cdark%22%3E%3Cscript%3E",
        "mmsvault_look=UTC%7C1px%3Bposition%3Afixed%7Cdark",
        f"mmsvault_look=UTC%7C{'9' * 300}%7Cdark",
        "not_mmsvault_look=UTC%7C1%7Cdark",
    ],
)
def test_what_makes_no_sense_counts_as_nothing(cookies: str) -> None:
    assert look_in(cookies) is None


def test_a_zone_that_nobody_knows_is_utc() -> None:
    look = look_in("mmsvault_look=Mars%2FBase%7C1%7Clight")
    assert look
    assert str(look.zone) == "UTC"


def test_tiles_are_put_under_the_days_of_who_looks() -> None:
    at = [NOON.replace(hour=hour) for hour in (16, 14)]  # one and the same day, but not in Tokyo
    found = tiles(
        [message(item(0, "image/jpeg", thumbnail_key="thumbs/00.webp"), received_at=one) for one in at],
        sign=sign,
    )
    assert drawn(found, look_in(LOOK)).count("<section") == 2
    assert drawn(found, look_in("mmsvault_look=UTC%7C1%7Clight")).count("<section") == 1


def test_nothing_of_a_tile_is_markup() -> None:
    (one,) = tiles([message(item(0, "image/jpeg", thumbnail_key="thumbs/00.webp"))], sign=sign)
    written = drawn([{**one, "href": 'message?id="><b>'}], look_in(LOOK))
    assert set(re.findall(r"<(\w+)", written)) == {"div", "section", "h2", "span", "ul", "li", "a", "img"}
    assert "<b>" not in written
    assert "<2>" not in written
