"""Choosing messages in the gallery, by mouse, keys and touch, and what can be done to them."""

from datetime import timedelta

import pytest
from playwright.sync_api import Browser, Page, expect

from mmsvault.catalog import queries, trail
from mmsvault.catalog.people import Role
from mmsvault.errors import NotFoundError
from mmsvault.message import Message
from tests.chromium import new_page
from tests.gallery import PHONE, SIZES, Finger, found, opened, selected, tile, total
from tests.house import House
from tests.servers import until

SENDERS = {"desktop": 5, "phone": 25}
"""Whose messages are tagged, held and deleted: every fortieth, which has two files and a text."""


def load(house: House, message_id: str) -> Message | None:
    with house.vault() as vault:
        try:
            return queries.load(vault.catalog, message_id)
        except NotFoundError:
            return None


def done(house: House, who: str) -> list[tuple[str, str, str]]:
    with house.vault() as vault:
        noted = trail.latest(vault.catalog, who=who)
    return [(one.action, one.subject, one.details) for one in noted if one.action != "searched"]


def choose(page: Page, *ids: str) -> None:
    """Choose these messages with the keys."""
    for one in ids:
        tile(page, one).focus()
        page.keyboard.press(" ")
    assert selected(page) == len(ids)


def test_keys_choose_as_everywhere(house: House, screen: Page) -> None:
    opened(house, screen, "/?keyword=wedding")
    screen.locator("a.tile").first.focus()
    screen.keyboard.press(" ")
    assert selected(screen) == 1
    screen.keyboard.press("Shift+ArrowRight")
    screen.keyboard.press("Shift+ArrowRight")
    assert selected(screen) == 3
    screen.keyboard.press("ArrowDown")
    screen.keyboard.press("ArrowDown")
    screen.keyboard.press(" ")
    assert selected(screen) == 4
    screen.keyboard.press("Escape")
    assert selected(screen) == 0
    screen.keyboard.press("Control+a")
    loaded = int(screen.locator(".root[data-loaded]").get_attribute("data-loaded") or 0)
    assert selected(screen) == loaded >= 60
    everything = found(house, "keyword:wedding")
    screen.get_by_role("button", name=f"Select all {everything:,}").click()
    expect(screen.get_by_text(f"All {everything:,} messages selected")).to_be_visible()
    screen.get_by_role("button", name="Clear selection (Esc)").click()
    expect(screen.get_by_role("toolbar")).to_be_hidden()


@pytest.mark.parametrize("width", [1280, 390])
def test_the_mouse_chooses_by_the_check_mark_with_shift_and_by_day(
    house: House, quiet: Page, width: int
) -> None:
    quiet.set_viewport_size({"width": width, "height": 900})
    opened(house, quiet, "/?keyword=wedding")
    tiles = quiet.locator("section.day li")
    tiles.nth(0).hover()
    tiles.nth(0).locator(".check").click()
    tiles.nth(4).click(modifiers=["Shift"])
    assert selected(quiet) == 5
    tiles.nth(1).click()  # one click is enough while something is chosen
    assert selected(quiet) == 4
    quiet.keyboard.press("Escape")
    tiles.nth(2).click(modifiers=["ControlOrMeta"])
    assert selected(quiet) == 1
    quiet.keyboard.press("Escape")
    quiet.locator(".head").first.hover()
    quiet.locator(".choose").first.click()
    day = quiet.locator("section.day").first.locator("small").text_content()
    expect(quiet.get_by_role("toolbar")).to_contain_text(f"{str(day).partition(' message')[0]} message")


def test_a_long_press_chooses_on_a_phone_and_a_tap_looks(house: House, browser: Browser) -> None:
    with new_page(browser, **PHONE) as page:
        house.enter(page)
        opened(house, page, "/?keyword=wedding")
        box = page.locator("a.tile").nth(2).bounding_box()
        assert box
        finger = Finger(page)
        finger.down(box["x"] + 30, box["y"] + 40)
        expect(page.get_by_text("1 message selected")).to_be_visible()
        finger.up()
        page.locator("a.tile").nth(3).tap()
        expect(page.get_by_text("2 messages selected")).to_be_visible()
        page.get_by_role("button", name="Clear selection (Esc)").tap()
        page.locator("a.tile").nth(3).tap()
        expect(page.get_by_role("dialog")).to_be_visible()


def test_a_manager_tags_holds_releases_and_deletes_and_the_trail_says_so(
    house: House, browser: Browser, size: str
) -> None:
    number, who = SENDERS[size], f"manager-{size}"
    first, second = f"sinch-bulk-{number}", f"sinch-bulk-{number + 40}"
    with new_page(browser, **SIZES[size]) as page:
        house.enter(page, who, role=Role.MANAGER)
        opened(house, page, f"/?sender=140855501{number:02d}")
        choose(page, first, second)
        page.get_by_role("button", name="Hold", exact=True).click()
        expect(page.get_by_text("2 messages held.")).to_be_visible()
        held = page.locator(f"a.tile[data-message='{first}'] .badge.held")
        expect(held).to_have_count(2)  # both files
        assert load(house, first).hold  # type: ignore[union-attr]  # it is there
        choose(page, second)
        page.get_by_role("button", name="Release", exact=True).click()
        expect(page.get_by_text("1 message released.")).to_be_visible()
        choose(page, first, second)
        page.get_by_role("button", name="Tag", exact=True).click()
        page.get_by_role("dialog").get_by_role("textbox", name="Add").fill("front page")
        page.get_by_role("button", name="Save", exact=True).click()
        expect(page.get_by_text("2 messages tagged.")).to_be_visible()
        assert load(house, second).tags == ("front page",)  # type: ignore[union-attr]  # it is there
        choose(page, first, second)
        page.get_by_role("button", name="Delete", exact=True).click()
        dialog = page.get_by_role("dialog")
        expect(dialog.get_by_text("1 message with all files")).to_be_visible()
        expect(dialog.get_by_text("1 message on hold will stay.")).to_be_visible()
        dialog.get_by_role("button", name="Delete 1 message").click()
        expect(dialog.get_by_text("1 message deleted.")).to_be_visible()
    assert load(house, first)
    assert load(house, second) is None
    said = done(house, who)
    assert [action for action, _, _ in said] == ["deleted", "began to delete", "tagged", "released", "held"]
    assert said[0][1] == second


def test_a_deed_reaches_what_its_visitor_sees_and_nothing_else(house: House, page: Page) -> None:
    with house.vault() as vault:
        day = queries.load(vault.catalog, "sinch-bulk-246").received_at.date()
    house.enter(page, "team", role=Role.MANAGER, scope="from:14085550106")
    opened(house, page, f"/?since={day}&until={day}")
    mine = found(house, f"from:14085550106 after:{day} before:{day + timedelta(days=1)}")
    total(page, mine)
    page.locator("a.tile").first.focus()
    page.keyboard.press("Control+a")
    page.get_by_role("button", name="Hold", exact=True).click()
    expect(page.get_by_text(f"{mine} messages held.")).to_be_visible()
    assert load(house, "sinch-bulk-246").hold  # type: ignore[union-attr]  # it is there
    assert not load(house, "sinch-bulk-247").hold  # type: ignore[union-attr]  # another team's


def test_who_may_only_look_is_offered_no_selection(house: House, browser: Browser, size: str) -> None:
    with new_page(browser, **SIZES[size]) as page:
        house.enter(page, "looker", role=Role.VIEWER)
        opened(house, page, "/?chosen=sinch-bulk-1")
        expect(page.locator(".grid.unselectable")).to_have_count(1)
        page.locator("a.tile").first.focus()
        page.keyboard.press(" ")
        page.keyboard.press("Control+a")
        expect(page.get_by_role("toolbar")).to_be_hidden()
        assert selected(page) == 0
        assert not page.locator(".check").first.is_visible()
        expect(page.get_by_role("button", name="Export all")).to_be_hidden()
        page.locator("a.tile").first.click(modifiers=["ControlOrMeta"])
        expect(page.get_by_role("dialog")).to_be_visible()


def test_what_is_chosen_can_be_exported_by_itself_or_as_the_search_it_is(
    house: House, browser: Browser, size: str
) -> None:
    who = f"exporter-{size}"
    with new_page(browser, **SIZES[size]) as page:
        house.enter(page, who, role=Role.EXPORTER)
        opened(house, page, "/?keyword=wedding")
        page.locator("a.tile").first.focus()
        page.keyboard.press(" ")
        page.get_by_role("button", name="Export", exact=True).click()
        expect(page.get_by_text("1 selected message")).to_be_visible()
        page.get_by_role("button", name="Export 1 message").click()
        until(lambda: [one for one in done(house, who) if one[0] == "exported"], what="the export")
        assert done(house, who)[0][1] == "1 chosen message"
        opened(house, page, "/?keyword=wedding&carrier=verizon")
        page.locator("a.tile").first.focus()
        page.keyboard.press("Control+a")
        page.get_by_role("toolbar").get_by_role("button", name="Select all").click()
        page.get_by_role("button", name="Export", exact=True).click()
        expect(page.get_by_label("Messages to export")).to_have_value('keyword:"wedding" carrier:"verizon"')
