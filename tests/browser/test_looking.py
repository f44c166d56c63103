"""The lightbox and the page of a message, on files that came through the pipeline."""

from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, expect

from mmsvault.catalog import queries, trail
from mmsvault.message import Message, MessageState
from mmsvault.sample import media
from mmsvault.sample.kinds import appointment, leaflet
from mmsvault.sample.notices import Notice
from mmsvault.sample.provider import SampleProvider
from tests.accessibility import serious_violations
from tests.browser.test_gallery import opened, quiet
from tests.browser.test_kinds import IS_DRAWN, PLAY
from tests.house import House
from tests.servers import until

__all__ = ["quiet"]

FILES = (media.photograph(0), media.film_mp4(), media.music(), media.contact(), appointment(), leaflet())
TWINS = ("twin", "other-twin")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A vault with a message of several kinds, and two messages with one picture."""
    made = House(tmp_path_factory.mktemp("looking"))
    with SampleProvider() as provider, made.up():
        urls = tuple(provider.offer(file) for file in FILES)
        sent = Notice(
            "several", "14085550123", "28444", datetime.now(UTC), urls=urls, subject="a <b>bold</b> day"
        )
        assert provider.send(made.postbacks, sent, dialect="JSON") == 200
        for name in TWINS:
            url = provider.offer(media.photograph(5))
            notice = Notice(name, "14085550124", "28444", datetime.now(UTC), urls=(url,))
            assert provider.send(made.postbacks, notice) == 200
        with made.vault() as vault:

            def complete() -> bool:
                found = queries.search(vault.catalog, queries.EVERYTHING).messages
                return len(found) == 3 and all(one.state is MessageState.ARCHIVED for one in found)

            until(complete, seconds=120, what="the messages being archived")
        yield made


def several(house: House) -> Message:
    with house.vault() as vault:
        return queries.load(vault.catalog, "sinch-several")


def shown(page: Page) -> str:
    return parse_qs(urlsplit(page.url).query).get("file", [""])[0]


def test_the_lightbox_shows_each_kind_and_turns_with_the_arrows(house: House, quiet: Page) -> None:
    opened(house, quiet, "/?sender=14085550123")
    quiet.locator("a.tile.image").click()
    box = quiet.get_by_role("dialog")
    until(lambda: box.locator("img.whole").evaluate(IS_DRAWN), what="the original being drawn")
    seen = {}
    for _ in range(len(FILES)):
        position = int(shown(quiet).rpartition("/")[2])
        seen[several(house).media[position].content_type] = box.locator(".stage > *").first.evaluate(
            "one => one.localName"
        )
        if box.get_by_role("button", name="Next").is_disabled():
            break
        if box.locator("video, audio").count():
            played = box.locator("video, audio").evaluate(PLAY)
            assert played["moved"] >= 0.3
            assert played["sound"] > 0
        if several(house).media[position].content_type in ("text/vcard", "text/calendar"):
            expect(box.locator(".card h3")).to_have_count(1)
        at = shown(quiet)
        quiet.keyboard.press("ArrowRight")
        until(lambda at=at: shown(quiet) != at, what="the next file being shown")
    assert {"image/jpeg", "video/mp4", "audio/mpeg", "text/vcard", "text/calendar", "application/pdf"} <= set(
        seen
    )
    assert seen["video/mp4"] == "video"


def test_its_address_opens_it_again_and_going_back_closes_it(house: House, quiet: Page) -> None:
    opened(house, quiet)
    quiet.locator("a.tile.image[data-message='sinch-several']").click()
    address = quiet.url
    quiet.go_back()
    expect(quiet.get_by_role("dialog")).to_be_hidden()
    assert not shown(quiet)
    quiet.goto(address)
    expect(quiet.get_by_role("dialog").locator("img.whole")).to_be_visible()
    expect(quiet.locator(".mmsvault-early")).to_have_count(0)
    expect(quiet.get_by_role("dialog")).to_be_visible()
    quiet.keyboard.press("Escape")
    expect(quiet.get_by_role("dialog")).to_be_hidden()
    assert not shown(quiet)


def test_pictures_zoom_by_keys_wheel_and_double_click(house: House, quiet: Page) -> None:
    opened(house, quiet)
    quiet.locator("a.tile.image[data-message='sinch-several']").click()
    picture = quiet.get_by_role("dialog").locator("img.whole")
    until(lambda: picture.evaluate(IS_DRAWN), what="the original being drawn")
    width = picture.bounding_box()["width"]  # type: ignore[index]  # it is drawn

    def times(factor: float) -> bool:
        return abs(picture.bounding_box()["width"] / width - factor) < 0.05  # type: ignore[index]  # see above

    quiet.keyboard.press("+")
    until(lambda: times(1.6), what="a larger picture")
    quiet.keyboard.press("0")
    until(lambda: times(1), what="the picture as it was")
    picture.dblclick()
    until(lambda: times(2.5), what="a larger picture")
    quiet.mouse.wheel(0, 2000)
    until(lambda: times(1), what="the picture as it was")


def test_a_swipe_turns_to_the_next_file(house: House, quiet: Page) -> None:
    quiet.set_viewport_size({"width": 390, "height": 844})
    opened(house, quiet, "/?sender=14085550124")
    quiet.locator("a.tile").first.click()
    first = until(lambda: shown(quiet), what="the first file being shown")
    stage = quiet.locator(".stage").bounding_box()
    assert stage
    middle = stage["y"] + stage["height"] / 3

    def swiped() -> bool:
        quiet.mouse.move(300, middle)
        quiet.mouse.down()
        quiet.mouse.move(90, middle, steps=4)
        quiet.mouse.up()
        return shown(quiet) not in ("", first)

    until(swiped, what="the next file being shown")  # again, where the gallery was still being taken over


def test_facts_the_original_and_the_message_are_at_hand_and_looking_is_noted(
    house: House, quiet: Page
) -> None:
    opened(house, quiet)
    quiet.locator("a.tile.image[data-message='sinch-several']").click()
    box = quiet.get_by_role("dialog")
    quiet.keyboard.press("i")
    expect(box.get_by_text("a <b>bold</b> day", exact=True).first).to_be_visible()
    picture = next(one for one in several(house).media if one.content_type == "image/jpeg")
    expect(box.get_by_text(picture.sha256, exact=True)).to_be_visible()
    with quiet.expect_download() as taken, house.vault() as vault:
        box.get_by_role("link", name="Download the original").click()
        assert taken.value.path().read_bytes() == vault.bucket.read(picture.key)
    with house.vault() as vault:
        actions = [one.action for one in trail.latest(vault.catalog, who="tests")]
    assert {"looked at", "downloaded"} <= set(actions)
    box.get_by_role("link", name="Open the message's page").first.click()
    expect(quiet.get_by_role("heading", name="a <b>bold</b> day")).to_be_visible()


def test_the_page_of_a_message_says_all_and_lets_people_keep_it(house: House, quiet: Page) -> None:
    quiet.goto(f"{house.dashboard}/message?id=sinch-several")
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
    quiet.goto(f"{house.dashboard}/message?id=sinch-{TWINS[0]}")
    alike = quiet.locator(".similar a")
    expect(alike).to_have_count(1)
    alike.click()
    expect(quiet.get_by_text(f"sinch-{TWINS[1]}").first).to_be_visible()
