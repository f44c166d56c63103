"""The lightbox and the page of a message, on files that came through the pipeline."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from mmsvault.catalog import queries, trail
from mmsvault.message import MediaItem, Message
from tests.accessibility import serious_violations
from tests.browser.conftest import quietly
from tests.browser.test_kinds import IS_DRAWN, PLAY
from tests.chromium import new_page
from tests.gallery import (
    FILES,
    OF_SEVERAL,
    OF_TWINS,
    PHONE,
    SEVERAL,
    TWINS,
    Finger,
    opened,
    shown,
    swipe,
)
from tests.house import House
from tests.servers import until


def several(house: House) -> Message:
    with house.vault() as vault:
        return queries.load(vault.catalog, SEVERAL)


def position_of(house: House, content_type: str) -> int:
    return next(item.position for item in several(house).media if item.content_type == content_type)


def looked_at(house: House, page: Page, content_type: str) -> Locator:
    """Open the lightbox on the file of this type; return it."""
    opened(house, page, f"/?sender={OF_SEVERAL}&file={SEVERAL}%2F{position_of(house, content_type)}")
    box = page.get_by_role("dialog")
    expect(box).to_be_visible()
    return box


def middle(page: Page) -> tuple[float, float]:
    box = page.locator(".stage").bounding_box()
    assert box
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_the_arrows_turn_through_every_kind_and_films_and_sounds_play(house: House, screen: Page) -> None:
    opened(house, screen, f"/?sender={OF_SEVERAL}")
    screen.locator("a.tile.image").click()
    box = screen.get_by_role("dialog")
    until(lambda: box.locator("img.whole").evaluate(IS_DRAWN), what="the original being drawn")
    expect(box.get_by_role("button", name="Previous")).to_be_disabled()
    ways: dict[str, str] = {}
    media = {item.position: item for item in several(house).media}
    while True:
        item = media[int(shown(screen).rpartition("/")[2])]
        ways[item.content_type] = way_of(box, item)
        if box.get_by_role("button", name="Next").is_disabled():
            break
        at = shown(screen)
        if len(ways) % 2:
            screen.keyboard.press("ArrowRight")
        else:
            box.get_by_role("button", name="Next").click()
        until(lambda at=at: shown(screen) != at, what="the next file being shown")
    assert ways == {
        "image/jpeg": "picture",
        "video/mp4": "film",
        "audio/mpeg": "sound under its wave",
        "text/vcard": "card",
        "text/calendar": "card",
        "application/pdf": "pages",
    }
    at = shown(screen)
    screen.keyboard.press("ArrowLeft")
    until(lambda: shown(screen) != at, what="the file before being shown")


def way_of(box: Locator, item: MediaItem) -> str:
    """Return how a file is seen in the lightbox; what does not play or is not drawn fails."""
    main = item.content_type.partition("/")[0]
    if main in ("video", "audio"):
        player = box.locator(main)
        assert player.evaluate("one => one.controls")
        played = player.evaluate(PLAY)
        assert played["moved"] >= 0.3
        assert played["sound"] > 0
        return "film" if main == "video" else "sound under its wave"
    if item.content_type == "application/pdf":
        until(lambda: box.locator(".pages img").evaluate(IS_DRAWN), what="the pages being drawn")
        return "pages"
    if main == "text":
        expect(box.locator(".card h3")).to_have_count(1)
        return "card"
    until(lambda: box.locator("img.whole").evaluate(IS_DRAWN), what="the original being drawn")
    return "picture"


def test_a_text_is_read_as_it_was_written(house: House, screen: Page) -> None:
    opened(house, screen, "/?type=text&sender=14085550111")
    screen.locator("a.tile.text").first.click()
    with house.vault() as vault:
        identity = shown(screen).rpartition("/")[0]
        text = queries.load(vault.catalog, identity).media[0].text
    expect(screen.get_by_role("dialog").locator("pre")).to_have_text(text)


def test_a_pdf_can_be_read_page_by_page_and_its_words_be_copied(house: House, screen: Page) -> None:
    box = looked_at(house, screen, "application/pdf")
    pages = box.locator(".pages")
    picture = pages.locator("img")
    until(lambda: picture.evaluate(IS_DRAWN), what="the pages being drawn")
    width, height = picture.evaluate("one => [one.naturalWidth, one.naturalHeight]")
    assert width > 1200
    assert height > 2 * 1500  # both pages
    expect(pages.get_by_text("Boats may stay at the inner pier.")).to_be_attached()
    screen.keyboard.press("ArrowDown")
    until(lambda: pages.evaluate("one => one.scrollTop") > 0, what="the pages being scrolled")
    before = picture.bounding_box()
    box.get_by_role("button", name="Larger (+)").click()
    until(
        lambda: picture.bounding_box()["width"] > 1.5 * before["width"],  # type: ignore[index]  # it is drawn
        what="larger pages",
    )
    with screen.expect_download() as taken, house.vault() as vault:
        box.get_by_role("link", name="Download the original").click()
        item = several(house).media[position_of(house, "application/pdf")]
        assert taken.value.path().read_bytes() == vault.bucket.read(item.key)


def test_an_appointment_is_in_the_visitors_zone(house: House, browser: Browser) -> None:
    with new_page(browser, timezone_id="Asia/Tokyo", locale="en-GB") as page, quietly(house, page):
        house.enter(page)
        box = looked_at(house, page, "text/calendar")
        expect(box.locator(".card")).to_contain_text("1 Dec 2026, 02:00")  # 17:00 UTC the day before
        page.keyboard.press("Escape")
        expect(page.locator("a.tile.calendar")).to_contain_text("1 Dec 2026, 02:00")


def test_its_address_opens_it_again_and_going_back_closes_it(house: House, screen: Page) -> None:
    opened(house, screen)
    screen.locator(f"a.tile.image[data-message='{SEVERAL}']").click()
    until(lambda: shown(screen), what="the address following")
    address = screen.evaluate("() => location.href")
    screen.go_back()
    expect(screen.get_by_role("dialog")).to_be_hidden()
    assert not shown(screen)
    screen.goto(address)
    expect(screen.get_by_role("dialog").locator("img.whole")).to_be_visible()
    expect(screen.locator(".mmsvault-early")).to_have_count(0)
    expect(screen.get_by_role("dialog")).to_be_visible()
    screen.keyboard.press("Escape")
    expect(screen.get_by_role("dialog")).to_be_hidden()
    assert not shown(screen)


@pytest.mark.parametrize("width", [1280, 390])
def test_pictures_zoom_by_keys_wheel_and_double_click(house: House, quiet: Page, width: int) -> None:
    quiet.set_viewport_size({"width": width, "height": 844})
    box = looked_at(house, quiet, "image/jpeg")
    picture = box.locator("img.whole")
    times = zoomed(picture)
    quiet.keyboard.press("+")
    until(lambda: times(1.6), what="a larger picture")
    quiet.keyboard.press("0")
    until(lambda: times(1), what="the picture as it was")
    picture.dblclick()
    until(lambda: times(2.5), what="a larger picture")
    quiet.mouse.wheel(0, 2000)
    until(lambda: times(1), what="the picture as it was")


def test_two_fingers_zoom_on_a_phone(house: House, browser: Browser) -> None:
    with new_page(browser, **PHONE) as page, quietly(house, page):
        house.enter(page)
        picture = looked_at(house, page, "image/jpeg").locator("img.whole")
        times = zoomed(picture)
        x, y = middle(page)
        finger = Finger(page)
        finger.down(x - 40, y, x + 40, y)
        finger.move(x - 80, y, x + 80, y)
        until(lambda: times(2), what="a picture twice as large")
        finger.up()
        assert shown(page) == f"{SEVERAL}/{position_of(house, 'image/jpeg')}"  # that was no swipe


def zoomed(picture: Locator) -> Callable[[float], bool]:
    """Return what tells whether a picture is so many times as large as it is now."""
    until(lambda: picture.evaluate(IS_DRAWN), what="the original being drawn")
    width = picture.bounding_box()["width"]  # type: ignore[index]  # it is drawn

    def times(factor: float) -> bool:
        return abs(picture.bounding_box()["width"] / width - factor) < 0.05  # type: ignore[index]  # see above

    return times


def test_a_swipe_turns_whatever_is_shown_and_one_down_closes(house: House, browser: Browser) -> None:
    with new_page(browser, **PHONE) as page, quietly(house, page):
        house.enter(page)
        box = looked_at(house, page, "image/jpeg")
        x, y = middle(page)
        y -= 120  # a player keeps for itself what is done to the button in its middle
        seen = [shown(page)]
        while box.get_by_role("button", name="Next").is_enabled():
            swipe(page, (x + 120, y), (x - 120, y))
            until(lambda: shown(page) != seen[-1], what=f"the file after {seen[-1]} being shown")
            seen.append(shown(page))
        assert len(seen) == len(FILES) - 1  # the text is the others' caption
        swipe(page, (x - 120, y), (x + 120, y))
        until(lambda: shown(page) == seen[-2], what="the file before being shown")
        while shown(page) != seen[0]:
            page.keyboard.press("ArrowLeft")
        swipe(page, (x, y - 100), (x, y + 150))
        expect(box).to_be_hidden()


def test_a_drag_with_the_mouse_turns_too(house: House, quiet: Page) -> None:
    opened(house, quiet, f"/?sender={OF_TWINS}")
    quiet.locator("a.tile").first.click()
    first = until(lambda: shown(quiet), what="the first file being shown")
    x, y = middle(quiet)
    quiet.mouse.move(x + 100, y)
    quiet.mouse.down()
    quiet.mouse.move(x - 100, y, steps=4)
    quiet.mouse.up()
    until(lambda: shown(quiet) not in ("", first), what="the next file being shown")


def test_facts_the_original_and_the_message_are_at_hand_and_looking_is_noted(
    house: House, screen: Page
) -> None:
    opened(house, screen)
    screen.locator(f"a.tile.image[data-message='{SEVERAL}']").click()
    box = screen.get_by_role("dialog")
    box.get_by_role("button", name="Facts (i)").click()
    expect(box.get_by_text("a <b>bold</b> day", exact=True).first).to_be_visible()
    picture = next(one for one in several(house).media if one.content_type == "image/jpeg")
    expect(box.get_by_text(picture.sha256, exact=True)).to_be_visible()
    with screen.expect_download() as taken, house.vault() as vault:
        box.get_by_role("link", name="Download the original").click()
        assert taken.value.path().read_bytes() == vault.bucket.read(picture.key)
    with house.vault() as vault:
        actions = [one.action for one in trail.latest(vault.catalog, who="tests")]
    assert {"looked at", "downloaded"} <= set(actions)
    box.get_by_role("link", name="Open the message's page").first.click()
    expect(screen.get_by_role("heading", name="a <b>bold</b> day")).to_be_visible()


def test_the_page_of_a_message_says_all_and_lets_people_keep_it(house: House, quiet: Page) -> None:
    quiet.goto(f"{house.dashboard}/message?id={SEVERAL}")
    expect(quiet.locator("figure")).to_have_count(len(several(house).media))
    for label in ("From", "To", "Received", "State", "Deadline", "Tracking id", "SHA-256"):
        expect(quiet.locator("dt").get_by_text(label, exact=True).first).to_be_visible()
    quiet.get_by_text("Attempts (").click()
    expect(quiet.get_by_role("table").get_by_text("stored").first).to_be_visible()
    assert not serious_violations(quiet)
    note = quiet.get_by_label("Note")
    note.fill("seen by the desk")
    note.blur()
    quiet.get_by_role("button", name="Save note").click()
    until(lambda: several(house).note == "seen by the desk", what="the note being kept")
    tags = quiet.get_by_role("combobox", name="Tags")
    tags.fill("desk")
    tags.press("Enter")
    until(lambda: several(house).tags == ("desk",), what="the tag being kept")
    quiet.get_by_text("On hold").click()
    until(lambda: several(house).hold, what="the message being held")
    quiet.get_by_text("Raw postback").click()
    expect(quiet.get_by_text('"tracking-id"').first).to_be_visible()


def test_pictures_that_look_the_same_are_shown_with_the_message(house: House, quiet: Page) -> None:
    quiet.goto(f"{house.dashboard}/message?id={TWINS[0]}")
    alike = quiet.locator(".similar a")
    other = quiet.locator(f".similar a[href*='{TWINS[1]}']")
    expect(other).to_have_count(1)
    assert alike.first.get_attribute("href") == other.get_attribute("href")  # the most alike is the first
    other.click()
    expect(quiet.get_by_text(TWINS[1]).first).to_be_visible()
