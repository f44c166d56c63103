"""Every naughty string as a subject, a sender, a keyword and a caption, in the gallery of a real browser."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect

from mmsvault.catalog import entering
from mmsvault.catalog.connection import writing
from mmsvault.message import MediaItem, MediaState, Message, utc_now
from tests import corpora
from tests.chromium import what_gets_out
from tests.house import House
from tests.integration.test_hostile_input import keep_count

STRINGS = corpora.naughty_strings()
RUNS = [text for text in STRINGS if "alert(1)" in text]
PAGES = [
    *RUNS[::12],
    "e\u0301" * 40,
    "{{7*7}}",
    "a\u202eb",
    "-- [link](javascript:alert(1)) **bold** `code` $x^2$",
]
"""Each is a page of several seconds: a part of what would run, and of other kinds."""


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    running = House(tmp_path_factory.mktemp("naughty"))
    with running.up():
        with running.vault() as vault, writing(vault.catalog) as connection:
            for number, text in enumerate(STRINGS):
                assert entering.insert_whole(connection, of(number, text.replace("\0", "")))
        yield running


def of(number: int, text: str) -> Message:
    """Return a message that says `text` wherever a stranger can say something."""
    now = utc_now()
    caption = MediaItem(
        position=0, url=text, state=MediaState.STORED, content_type="text/plain", text=text, key=f"x/{number}"
    )
    lost = MediaItem(position=1, url=text, state=MediaState.LOST, reason=text)
    return Message(
        id=f"sinch-{number}", provider="sinch", tracking_id=text, sender=text, to=(text,), keyword=text,
        subject=text, operator_id=text, tags=(text,), note=text,
        received_at=now - timedelta(seconds=number), deadline_at=now, recorded_at=now,
        prefix=f"messages/2026/11/24/sinch-{number}/", media=(caption, lost),
    )  # fmt: skip


def test_they_are_seen_as_they_are_and_nothing_of_them_runs(house: House, page: Page) -> None:
    house.enter(page)
    outside = what_gets_out(page, of=house.dashboard)
    page.goto(house.dashboard)
    while page.locator(".root[data-loaded]").get_attribute("data-loaded") != str(len(STRINGS)):
        page.locator("a.tile").last.scroll_into_view_if_needed()
    assert page.locator("a.tile").count() >= len(STRINGS)
    assert page.evaluate("() => document.querySelectorAll('script:not([src]):not([type])').length") <= 2
    assert not outside
    keep_count("naughty strings in the gallery of a browser", len(STRINGS))


def test_the_page_of_a_message_shows_them_as_text_and_runs_nothing(house: House, page: Page) -> None:
    house.enter(page)
    outside = what_gets_out(page, of=house.dashboard)
    for text in PAGES:
        page.goto(f"{house.dashboard}/message?id=sinch-{STRINGS.index(text)}")
        expect(page.get_by_text(text.strip(), exact=True).first).to_be_visible()
        assert page.evaluate("() => document.querySelectorAll('script:not([src]):not([type])').length") <= 2
    assert not outside
    keep_count("naughty strings on the page of a message in a browser", len(PAGES))
