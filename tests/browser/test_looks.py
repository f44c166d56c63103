"""How pages look where it matters: what is in line, what fits, what is dangerous, what is beside what."""

from datetime import timedelta

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from mmsvault.catalog.people import Role
from mmsvault.message import MediaItem, MediaState, utc_now
from tests.accessibility import serious_violations
from tests.chromium import new_page
from tests.gallery import DESKTOP, OF_SEVERAL, PHONE, SIZES, TWINS, arrive, opened, tile
from tests.house import House
from tests.servers import until

RED, GREEN = 0, 1
DAILY = "14085550155"


@pytest.fixture(scope="module")
def daily(house: House) -> House:
    """A sender with one message a day, one of them tagged, and a file past its deadline."""
    now = utc_now()
    for day in range(12):
        arrive(
            house,
            f"daily-{day}",
            sender=DAILY,
            received_at=now - timedelta(days=day + 40),
            tags=("seen",) if day == 3 else (),
        )
    missing = MediaItem(
        position=0,
        url="http://m.example/0",
        state=MediaState.PENDING,
        next_attempt_at=now + timedelta(days=1),
    )
    arrive(
        house,
        "overdue",
        sender="14085550166",
        deadline_at=now - timedelta(hours=30),
        state="pending",
        due_at=now + timedelta(days=1),
        media=(missing,),
    )
    return house


def test_values_of_the_lightbox_are_in_line_with_their_labels(house: House, screen: Page) -> None:
    opened(house, screen, f"/?sender={OF_SEVERAL}")
    screen.locator("a.tile").first.click()
    expect(screen.get_by_role("dialog")).to_be_visible()
    screen.keyboard.press("i")
    rows = screen.locator(".panel dl > div")
    expect(rows.first).to_be_visible()
    apart = rows.evaluate_all(
        """all => all.map(row => {
            const top = (node) => {
                const range = document.createRange();
                range.selectNodeContents(node);
                return range.getClientRects()[0].top;
            };
            return Math.abs(top(row.children[0]) - top(row.children[1]));
        })"""
    )
    assert max(apart) <= 2


def test_the_fields_of_the_two_days_do_not_touch(house: House, screen: Page) -> None:
    opened(house, screen)
    screen.get_by_label("From day").and_(screen.locator("[type=date]")).wait_for()
    since = screen.get_by_label("From day").bounding_box()
    until_ = screen.get_by_label("To day").bounding_box()
    assert since
    assert until_
    assert until_["x"] - (since["x"] + since["width"]) >= 6


def test_all_filters_stand_in_one_row_of_1280_pixels(house: House, quiet: Page) -> None:
    opened(house, quiet, "/?keyword=wedding")
    tops = quiet.locator(".filters > *:visible").evaluate_all(
        "all => all.map(one => Math.round(one.getBoundingClientRect().bottom))"
    )
    assert max(tops) - min(tops) <= 2


def test_a_phone_shows_that_there_are_more_filters_and_leads_to_them(house: House, browser: Browser) -> None:
    with new_page(browser, **PHONE) as page:
        house.enter(page)
        opened(house, page)
        more = page.get_by_role("button", name="More filters")
        expect(more).to_be_visible()
        expect(page.get_by_label("To day")).not_to_be_in_viewport()
        filters = page.locator(".filters")
        until(lambda: _further(more, filters), what="the end of the filters")
        expect(page.get_by_role("button", name="Today", exact=True)).to_be_in_viewport()
        expect(more).to_be_hidden()
        assert serious_violations(page) == []


def _further(more: Locator, filters: Locator) -> bool:
    """Press the button once; return whether it is gone, as nothing is further on."""
    if more.is_visible():
        more.evaluate("one => one.click()")  # it may go while a real click waits for it to stand still
    return bool(filters.evaluate("one => one.scrollWidth - one.clientWidth - one.scrollLeft <= 8"))


def test_a_phones_menu_says_that_it_is_one(house: House, browser: Browser) -> None:
    with new_page(browser, **PHONE) as page:
        house.enter(page)
        opened(house, page)
        written = page.get_by_test_id("stExpandSidebarButton").evaluate(
            "one => getComputedStyle(one, '::after').content"
        )
        assert written == '"Menu"'


def test_days_with_one_file_stand_beside_each_other(daily: House, screen: Page) -> None:
    opened(daily, screen, f"/?sender={DAILY}")
    tops = screen.locator("section.day").evaluate_all(
        "all => all.map(one => Math.round(one.getBoundingClientRect().top))"
    )
    assert len(tops) == 12
    assert len(set(tops)) <= 6
    assert (screen.locator("a.tile").first.bounding_box() or {})["width"] > 90
    assert screen.evaluate("() => document.documentElement.scrollWidth <= window.innerWidth")


def test_a_tagged_message_has_a_badge_that_its_name_says_as_well(daily: House, quiet: Page) -> None:
    opened(daily, quiet, f"/?sender={DAILY}")
    expect(quiet.locator(".badge.tagged")).to_have_count(1)
    assert "tagged" in str(tile(quiet, "sinch-daily-3").text_content())


def test_what_deletes_is_red_not_green(house: House, browser: Browser) -> None:
    for scheme in ("light", "dark"):
        with new_page(browser, **DESKTOP, color_scheme=scheme) as page:
            house.enter(page, "remover", role=Role.MANAGER)
            opened(house, page, f"/?sender={OF_SEVERAL}")
            page.locator("a.tile").first.focus()
            page.keyboard.press(" ")
            page.get_by_role("button", name="Delete", exact=True).click()
            button = page.get_by_role("dialog").get_by_role("button", name="Delete 1 message")
            colour = button.evaluate(
                "one => getComputedStyle(one).backgroundColor.match(/[\\d.]+/g).map(Number)"
            )
            assert colour[RED] > colour[GREEN] + 80


def test_exact_copies_are_marked_among_similar_pictures(house: House, browser: Browser) -> None:
    with new_page(browser, **DESKTOP) as page:
        house.enter(page)
        page.goto(f"{house.dashboard}/message?id={TWINS[0]}")
        alike = page.locator(".similar li").filter(has=page.locator(f"a[href*='{TWINS[1]}']"))
        expect(alike.get_by_text("Exact copy")).to_be_visible()


def test_an_alert_of_a_past_deadline_says_so_and_leads_to_the_deadlines(daily: House, quiet: Page) -> None:
    quiet.goto(f"{daily.dashboard}/senders")
    alert = quiet.get_by_role("alert").filter(has_text="past its deadline")
    expect(alert).to_be_visible()
    alert.get_by_role("link", name="See which").first.click()
    expect(quiet.get_by_role("heading", name="Nearest deadlines")).to_be_in_viewport()
    expect(quiet.locator(".st-key-waiting-sinch-overdue")).to_contain_text("deadline passed 1 day ago")


def test_the_axis_of_hours_is_written_without_leading_zeros(house: House, browser: Browser) -> None:
    with new_page(browser, **DESKTOP, locale="en-US") as page:
        house.enter(page)
        page.goto(f"{house.dashboard}/operations")
        expect(page.locator(".hours span").first).to_be_visible()
        written = [one for one in page.locator(".hours span").all_text_contents() if one]
        assert written
        assert not [one for one in written if one.startswith("0") or ":00" in one]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_axe_finds_nothing_serious_where_something_is_selected(
    house: House, browser: Browser, size: str, scheme: str
) -> None:
    with new_page(browser, **SIZES[size], color_scheme=scheme) as page:
        house.enter(page)
        opened(house, page, "/?keyword=wedding")
        page.locator("a.tile").first.focus()
        page.keyboard.press(" ")
        expect(page.locator(".found")).to_contain_text("messages")
        assert serious_violations(page) == []
