"""The gallery is drawn before Streamlit has started, and taken over: nothing jumps, and no touch is lost."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from mmsvault.message import MediaItem, utc_now
from tests.browser.conftest import quietly
from tests.chromium import new_page
from tests.gallery import OF_TWINS, PHONE, Finger, arrive, asked, shown, taken_over
from tests.house import House
from tests.servers import until

HEADER_PX = 60
WATCH = """() => {
  window.places = [];
  const look = () => {
    const host = document.querySelector('.mmsvault-early .mmsvault-gallery') || window.galleryHost;
    if (host) {
      window.galleryHost = host;
      const box = host.shadowRoot.querySelector('a.tile')?.getBoundingClientRect();
      if (box?.width) window.places.push([box.left, box.top, box.width]);
    }
    requestAnimationFrame(look);
  };
  look();
}"""
"""Notes in every frame where the first tile is."""


@pytest.fixture(scope="module", autouse=True)
def at_risk(house: House) -> None:
    """A file whose deadline is near: there is an alert on top of the page."""
    soon = utc_now() + timedelta(hours=3)
    item = MediaItem(position=0, url="http://127.0.0.1:9/late", next_attempt_at=soon)
    arrive(house, "late", deadline_at=soon, media=(item,), keyword="late")


@contextmanager
def held_up(page: Page) -> Iterator[None]:
    """Keep Streamlit from starting until the end of the block."""
    waiting: list[Route] = []
    released = False

    def keep(route: Route) -> None:
        if released:
            route.continue_()
        else:
            waiting.append(route)

    page.route("**/_stcore/host-config", keep)
    yield
    released = True
    for one in waiting:
        one.continue_()


def early(house: House, page: Page, address: str = "/") -> None:
    page.goto(house.dashboard + address, wait_until="commit")
    expect(page.locator(".mmsvault-early a.tile").first).to_be_visible()


def test_nothing_moves_when_streamlit_takes_over_and_an_alert_is_shown(house: House, screen: Page) -> None:
    screen.add_init_script(f"({WATCH})()")
    with held_up(screen):
        early(house, screen)
        until(lambda: screen.evaluate("() => window.places.length > 5"), what="tiles being drawn")
    taken_over(screen)
    alert = screen.get_by_role("alert").filter(has_text="still missing")
    expect(alert).to_be_visible()
    expect(alert.get_by_role("link", name="See which").first).to_be_in_viewport()
    line, search = alert.bounding_box(), screen.get_by_role("search").bounding_box()
    assert line
    assert search
    assert HEADER_PX <= line["y"] < line["y"] + line["height"] <= search["y"]
    expect(screen.locator("[data-test-script-state=notRunning]")).to_be_visible()
    seen = screen.evaluate("() => window.places")
    assert all(place == pytest.approx(seen[0], abs=1) for place in seen), seen


def test_what_was_scrolled_to_stays_where_it_is(house: House, screen: Page) -> None:
    with held_up(screen):
        early(house, screen)
        screen.locator("a.tile").nth(25).scroll_into_view_if_needed()
        place = screen.locator("a.tile").nth(25).bounding_box()
    taken_over(screen)
    assert screen.locator("a.tile").nth(25).bounding_box() == pytest.approx(place, abs=1)


def test_a_click_that_is_begun_before_and_ended_after_opens_the_file(house: House, quiet: Page) -> None:
    with held_up(quiet):
        early(house, quiet)
        box = quiet.locator("a.tile").nth(1).bounding_box()
        assert box
        quiet.mouse.move(box["x"] + 60, box["y"] + 60)
        quiet.mouse.down()
    expect(quiet.locator(".mms-account")).to_be_attached()  # the script has run
    expect(quiet.locator("[data-test-script-state=notRunning]")).to_be_attached()
    expect(quiet.locator(".mmsvault-early")).to_have_count(1)  # the gallery waits for the hand
    quiet.mouse.up()
    expect(quiet.get_by_role("dialog")).to_be_visible()
    taken_over(quiet)
    expect(quiet.get_by_role("dialog")).to_be_visible()


def test_a_swipe_that_is_begun_before_and_ended_after_turns(house: House, browser: Browser) -> None:
    with new_page(browser, **PHONE) as page, quietly(house, page):
        house.enter(page)
        with held_up(page):
            early(house, page, f"/?sender={OF_TWINS}")
            page.locator("a.tile").first.tap()
            first = until(lambda: shown(page), what="the first file being shown")
            finger = Finger(page)
            finger.down(320, 400)
            finger.move(280, 400)
        expect(page.locator("[data-test-script-state=notRunning]")).to_be_attached()
        finger.move(180, 400)
        finger.move(90, 400)
        finger.up()
        until(lambda: shown(page) not in ("", first), what="the next file being shown")
        taken_over(page)
        expect(page.get_by_role("dialog")).to_be_visible()


def test_what_is_written_meanwhile_is_searched_for(house: House, screen: Page) -> None:
    with held_up(screen):
        early(house, screen)
        field = screen.get_by_role("combobox", name="Search")
        field.focus()
        screen.keyboard.type("har")
    screen.keyboard.type("bor")
    expect(screen.locator("[data-test-script-state=notRunning]")).to_be_attached()
    taken_over(screen)
    expect(field).to_have_value("harbor")
    expect(field).to_be_focused()
    screen.keyboard.press("Enter")
    until(lambda: asked(screen).get("q") == "harbor", what="the search")


PICTURES = """() => {
  const host = document.querySelector('.mmsvault-gallery');
  const root = host ? host.shadowRoot : document.querySelector('.mmsvault-early');
  const place = (box) => [box.left, box.top, box.width, box.height];
  const of = (image) => [image.getAttribute('src'), place(image.getBoundingClientRect())];
  return Object.fromEntries([...root.querySelectorAll('img')].map(of));
}"""
"""Where each picture is, whoever drew it."""


@pytest.mark.parametrize("width", [390, 1280])
def test_who_comes_again_sees_the_tiles_without_a_script_and_where_the_gallery_has_them(
    house: House, browser: Browser, width: int
) -> None:
    zone = {"timezone_id": "Pacific/Auckland", "viewport": {"width": width, "height": 900}}
    with new_page(browser, **zone) as page, quietly(house, page):
        house.enter(page)
        page.goto(house.dashboard)
        taken_over(page)
        until(lambda: "mmsvault_look" in page.evaluate("document.cookie"), what="the look being left")
        kept: list[Route] = []
        page.route("**/early.js", lambda route: kept.append(route))  # noqa: PLW0108 - it marks what it is given
        page.goto(house.dashboard, wait_until="commit")
        expect(page.locator(".mmsvault-early img").first).to_be_visible()
        loaded = "() => [...document.querySelectorAll('.mmsvault-early img')].every((one) => one.complete)"
        until(lambda: kept and page.evaluate(loaded), what="the pictures being there")
        assert page.locator(".mmsvault-gallery").count() == 0
        seen = page.evaluate(PICTURES)
        with held_up(page):
            for one in kept:
                one.continue_()
            expect(page.locator(".mmsvault-gallery")).to_have_count(1)
            drawn = page.evaluate(PICTURES)
        assert len(seen) > 20
        assert {src: drawn[src] for src in seen} == {
            src: pytest.approx(place, abs=0.5) for src, place in seen.items()
        }
        taken_over(page)
