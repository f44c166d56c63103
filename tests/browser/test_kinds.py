"""Every kind of media through a whole vault and into a browser, which plays what can be played.

What it sees is the table of kinds in docs/media.md: the test fails where the two differ, and writes
the table anew with MMSVAULT_TEST_WRITE=1 (`make kinds`).
"""

import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from mmsvault.catalog import queries, totals, writes
from mmsvault.catalog.language import EVERYTHING
from mmsvault.message import MediaItem, Message, utc_now
from mmsvault.sample.kinds import KINDS, every_kind
from mmsvault.sample.notices import Notice
from mmsvault.sample.provider import SampleProvider
from tests.house import House
from tests.servers import until

TABLE = Path(__file__).parents[2] / "docs" / "media.md"
MARKS = ("<!-- kinds: begin -->\n", "<!-- kinds: end -->")
PLAY = """async (player) => {
  player.muted = true;
  player.currentTime = 0;
  await player.play();
  for (let tries = 0; tries < 300 && player.currentTime < 0.3; tries++)
    await new Promise((go) => setTimeout(go, 50));
  return {
    moved: player.currentTime,
    width: player.videoWidth || 0,
    frames: player.webkitDecodedFrameCount || 0,
    sound: player.webkitAudioDecodedByteCount || 0,
  };
}"""
IS_DRAWN = "(image) => image.complete && image.naturalWidth > 0"


@pytest.fixture(scope="module")
def kinds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[House, Message]]:
    """A vault with one message that holds one file of every kind, previews and all."""
    house = House(tmp_path_factory.mktemp("kinds"))
    with SampleProvider() as provider, house.up():
        urls = tuple(provider.offer(file) for file in every_kind().values())
        notice = Notice("kinds", "14085550123", "28444", datetime.now(UTC), urls=urls)
        assert provider.send(house.postbacks, notice) == 200
        with house.vault() as vault:

            def complete() -> Message | None:
                if not totals.total(vault.catalog, EVERYTHING).messages:
                    return None
                message = queries.load(vault.catalog, "sinch-kinds")
                waits = any(item.next_attempt_at or item.preview_due_at for item in message.media)
                return None if waits else message

            message = until(complete, seconds=160, what="all previews being made")
        yield house, message


def test_every_kind_is_shown_as_docs_media_md_says(kinds: tuple[House, Message], page: Page) -> None:
    house, message = kinds
    house.enter(page)
    page.goto(f"{house.dashboard}/message?id={message.id}")
    expect(page.locator("figure")).to_have_count(len(message.media))
    rows = [
        f"| {name} | `{item.content_type}` | {'yes' if item.thumbnail_key else '-'} "
        f"| {item.preview_key.rpartition('.')[2].upper() if item.preview_key else '-'} "
        f"| {shown(figure(page, item), item)} |\n"
        for name, item in zip(KINDS, message.media, strict=True)
    ]
    head = "| kind | recognised as | thumbnail | preview | in the browser |\n|---|---|---|---|---|\n"
    table = head + "".join(rows)
    before, written, after = re.split("|".join(map(re.escape, MARKS)), TABLE.read_text())
    if os.environ.get("MMSVAULT_TEST_WRITE"):
        TABLE.write_text(f"{before}{MARKS[0]}{table}{MARKS[1]}{after}")
    else:
        assert table == written


def test_the_parts_stand_in_the_order_of_the_smil_and_the_smil_last(
    kinds: tuple[House, Message], page: Page
) -> None:
    house, message = kinds
    house.enter(page)
    page.goto(f"{house.dashboard}/message?id={message.id}")
    expect(page.locator("figure")).to_have_count(len(message.media))
    titles = page.locator("figcaption b").all_inner_texts()
    assert titles[0] == "1. Picture"
    assert titles[1].endswith(". Text")
    assert titles[-1].endswith(". Order of the parts")


def test_a_preview_whose_worker_was_killed_is_made_after_all(kinds: tuple[House, Message]) -> None:
    house, message = kinds
    item = next(item for item in message.media if item.preview_key)
    cut_off = item.model_copy(update={"preview_key": "", "preview_due_at": utc_now()})
    with house.vault() as vault:
        now = utc_now()
        writes.take_lease(vault.catalog, message.id, token="killed", now=now, span=timedelta(seconds=1))
        writes.save_attempts(
            vault.catalog, message.id, items=[cut_off], tried=[], token="killed", now=utc_now()
        )

        def made() -> bool:
            return (
                queries.load(vault.catalog, message.id).media[item.position].preview_key == item.preview_key
            )

        until(made, seconds=60, what="the sweep having the preview made")
        assert item.preview_key.endswith(".webp")


def figure(page: Page, item: MediaItem) -> Locator:
    title = page.locator("figcaption b", has_text=re.compile(rf"^{item.position + 1}\. "))
    return page.locator("figure", has=title)


def shown(figure: Locator, item: MediaItem) -> str:
    """Return what is seen of a file; a picture that is not drawn or a player that stands still fails."""
    if figure.locator("video").count():
        played = figure.locator("video").evaluate(PLAY)
        assert played["moved"] >= 0.3, item.content_type
        assert played["width"] > 0, item.content_type
        assert played["frames"] > 0, item.content_type
        assert played["sound"] > 0, item.content_type
        return "plays, with sound"
    if figure.locator("audio").count():
        assert figure.locator("img").evaluate(IS_DRAWN)
        played = figure.locator("audio").evaluate(PLAY)
        assert played["moved"] >= 0.3, item.content_type
        assert played["sound"] > 0, item.content_type
        return "plays, under its sound wave"
    if figure.locator("img").count():
        until(lambda: figure.locator("img").evaluate(IS_DRAWN), what=f"{item.content_type} being drawn")
        if item.content_type == "application/pdf":
            return "its pages"
        return "moves" if item.is_animated else "shown"
    if figure.locator(".card").count():
        return "a card"
    return "its text" if figure.locator("pre").count() else "a file to download"
