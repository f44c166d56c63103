"""Choosing messages in the gallery, by mouse, keys and touch, and what can be done to them."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from playwright.sync_api import Browser, Page, expect

from mmsvault.catalog import queries, trail
from mmsvault.catalog.people import Role
from mmsvault.errors import NotFoundError
from mmsvault.message import Message, utc_now
from tests import bulk
from tests.browser.test_gallery import opened, selected
from tests.house import House
from tests.servers import until

NUMBER = 130


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    made = House(tmp_path_factory.mktemp("choosing"))
    with made.up():
        with made.vault() as vault:
            bulk.fill(vault, NUMBER, newest_at=utc_now() - timedelta(hours=1))
        yield made


def load(house: House, number: int) -> Message | None:
    with house.vault() as vault:
        try:
            return queries.load(vault.catalog, f"sinch-bulk-{number}")
        except NotFoundError:
            return None


def done(house: House, who: str) -> list[tuple[str, str, str]]:
    with house.vault() as vault:
        found = trail.latest(vault.catalog, who=who)
    return [(one.action, one.subject, one.details) for one in found if one.action != "searched"]


def test_keys_choose_as_everywhere(house: House, page: Page) -> None:
    house.enter(page)
    opened(house, page)
    page.locator("a.tile").first.focus()
    page.keyboard.press(" ")
    assert selected(page) == 1
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Shift+ArrowRight")
    assert selected(page) == 3
    page.keyboard.press("ArrowDown")
    page.keyboard.press(" ")
    assert selected(page) == 4
    page.keyboard.press("Escape")
    assert selected(page) == 0
    page.keyboard.press("Control+a")
    loaded = int(page.locator(".root[data-loaded]").get_attribute("data-loaded") or 0)
    assert selected(page) == loaded >= 60
    page.get_by_role("button", name=f"Select all {NUMBER}").click()
    expect(page.get_by_text(f"All {NUMBER} messages selected")).to_be_visible()
    page.get_by_role("button", name="Clear selection (Esc)").click()
    expect(page.get_by_role("toolbar")).to_be_hidden()


def test_the_mouse_chooses_by_the_check_mark_with_shift_and_by_day(house: House, page: Page) -> None:
    house.enter(page)
    opened(house, page)
    tiles = page.locator("section.day li")
    tiles.nth(0).hover()
    tiles.nth(0).locator(".check").click()
    tiles.nth(4).click(modifiers=["Shift"])
    assert selected(page) == 5
    tiles.nth(1).click()  # one click is enough while something is chosen
    assert selected(page) == 4
    page.keyboard.press("Escape")
    page.locator(".head").first.hover()
    page.locator(".choose").first.click()
    day = (
        page.locator("section.day")
        .first.locator("a.tile")
        .evaluate_all("all => new Set(all.map(one => one.dataset.message)).size")
    )
    assert selected(page) == day


def test_a_long_press_chooses_on_a_phone_and_a_tap_looks(house: House, browser: Browser) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page = context.new_page()
    house.enter(page)
    opened(house, page)
    box = page.locator("a.tile").nth(2).bounding_box()
    assert box
    touch = context.new_cdp_session(page)
    at = {"x": box["x"] + 30, "y": box["y"] + 40}
    touch.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [at]})
    expect(page.get_by_text("1 message selected")).to_be_visible()
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    page.locator("a.tile").nth(3).tap()
    expect(page.get_by_text("2 messages selected")).to_be_visible()
    page.get_by_role("button", name="Clear selection (Esc)").tap()
    page.locator("a.tile").nth(3).tap()
    expect(page.get_by_role("dialog")).to_be_visible()
    context.close()


def test_a_manager_tags_holds_releases_and_deletes_and_the_trail_says_so(house: House, page: Page) -> None:
    house.enter(page, "manager", role=Role.MANAGER)
    opened(house, page, "/?keyword=storm")
    tiles, tenth = page.locator("a.tile"), page.locator("a.tile[data-message='sinch-bulk-10']")
    tiles.nth(0).focus()
    page.keyboard.press(" ")
    page.keyboard.press("Shift+ArrowRight")
    page.get_by_role("button", name="Hold", exact=True).click()
    expect(page.get_by_text("2 messages held.")).to_be_visible()
    expect(page.locator("a.tile[data-message='sinch-bulk-5'] .badge.held")).to_have_count(2)  # both files
    assert load(house, 0).hold  # type: ignore[union-attr]  # it is there
    tiles.nth(0).focus()
    page.keyboard.press(" ")
    tenth.focus()
    page.keyboard.press(" ")
    page.get_by_role("button", name="Tag", exact=True).click()
    box = page.get_by_role("dialog").get_by_role("combobox", name="Add")
    box.fill("front page")
    box.press("Enter")
    box.press("Escape")  # its list lies over the rest
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("2 messages tagged.")).to_be_visible()
    assert load(house, 10).tags == ("front page",)  # type: ignore[union-attr]  # it is there
    tiles.nth(0).focus()
    page.keyboard.press(" ")
    tenth.focus()
    page.keyboard.press(" ")
    page.get_by_role("button", name="Delete", exact=True).click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("1 message with all files")).to_be_visible()
    expect(dialog.get_by_text("1 message on hold will stay.")).to_be_visible()
    dialog.get_by_role("button", name="Delete 1 message").click()
    expect(dialog.get_by_text("1 message deleted.")).to_be_visible()
    assert load(house, 0)
    assert load(house, 10) is None
    said = done(house, "manager")
    assert [action for action, _, _ in said] == ["deleted", "began to delete", "tagged", "held"]
    assert said[0][1] == "sinch-bulk-10"


def test_a_deed_reaches_what_its_visitor_sees_and_nothing_else(house: House, page: Page) -> None:
    house.enter(page, "team", role=Role.MANAGER, scope="keyword:harbor")
    opened(house, page)
    page.get_by_role("toolbar").wait_for(state="hidden")
    page.locator("a.tile").first.focus()
    page.keyboard.press("Control+a")
    page.get_by_role("button", name="Hold", exact=True).click()
    expect(page.get_by_text(f"{NUMBER // 5} messages held.")).to_be_visible()
    assert not load(house, 20).hold  # type: ignore[union-attr]  # another team's
    assert load(house, 6).hold  # type: ignore[union-attr]  # their own


def test_who_may_only_look_is_offered_nothing_to_do(house: House, page: Page) -> None:
    house.enter(page, "looker", role=Role.VIEWER)
    opened(house, page)
    page.locator("a.tile").first.focus()
    page.keyboard.press(" ")
    bar = page.get_by_role("toolbar")
    expect(bar).to_be_visible()
    expect(bar.get_by_role("button")).to_have_count(1)


def test_what_is_chosen_can_be_exported_by_itself_or_as_the_search_it_is(house: House, page: Page) -> None:
    house.enter(page, "exporter", role=Role.EXPORTER)
    opened(house, page, "/?keyword=wedding")
    page.locator("a.tile").first.focus()
    page.keyboard.press(" ")
    page.get_by_role("button", name="Export", exact=True).click()
    expect(page.get_by_text("Of the 1 message chosen in the gallery:")).to_be_visible()
    page.get_by_role("button", name="Export 1 message").click()
    until(lambda: [one for one in done(house, "exporter") if one[0] == "exported"], what="the export")
    assert done(house, "exporter")[0][1] == "1 chosen message"
    opened(house, page, "/?keyword=wedding")
    page.locator("a.tile").first.focus()
    page.keyboard.press("Control+a")
    page.get_by_role("button", name="Export", exact=True).click()
    expect(page.get_by_text("chosen in the gallery:")).to_be_visible()
