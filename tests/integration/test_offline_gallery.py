"""data/index.html in Chromium, from the disk: no server, no network, ten thousand messages."""

import io
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, Request, expect

from mmsvault.exporting import gallery
from mmsvault.message import MediaItem, MediaState, Message
from tests.servers import until

MESSAGES = 10_000
HOSTILE = "</script><script>window.ran=1</script><img src=x onerror=window.ran=1>"


def message(number: int) -> Message:
    identity = f"sinch-{number}"
    prefix = f"messages/2026/11/20/{identity}/"
    item = MediaItem(
        position=0,
        url="http://m.example/0",
        state=MediaState.STORED,
        content_type="image/png",
        size=100,
        sha256="0" * 64,
        key=f"{prefix}00.png",
        thumbnail_key=f"{prefix}thumbs/00.webp",
    )
    at = datetime(2026, 11, 20, tzinfo=UTC) - timedelta(minutes=number)
    return Message(
        id=identity,
        provider="sinch",
        tracking_id=str(number),
        sender=f"1408555{number:04d}",
        to=("28444",),
        keyword=("Störm", "harbor", "")[number % 3],
        subject=HOSTILE if number == 7 else f"Picture {number}",
        received_at=at,
        deadline_at=at,
        recorded_at=at,
        prefix=prefix,
        media=(item,),
    )


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of ten thousand messages, with real pictures beside it for the first and the last."""
    folder = tmp_path_factory.mktemp("unpacked")
    made = [message(number) for number in range(MESSAGES)]
    for one in (made[0], made[-1]):
        for key, form in ((one.media[0].key, "PNG"), (one.media[0].thumbnail_key, "WEBP")):
            (folder / key).parent.mkdir(parents=True, exist_ok=True)
            data = io.BytesIO()
            Image.new("RGB", (64, 48), "teal").save(data, form)
            (folder / key).write_bytes(data.getvalue())

    def rows() -> Iterator[bytes]:
        for place, one in enumerate(made):
            paths = {key: key for key in (one.media[0].key, one.media[0].thumbnail_key)}
            yield (gallery.SEPARATOR if place else b"") + gallery.row(one, paths)

    (folder / "index.html").write_bytes(b"".join(gallery.page(rows())))
    return folder / "index.html"


def test_ten_thousand_messages_are_searched_scrolled_and_looked_at_without_a_network(
    index: Path, page: Page
) -> None:
    asked: list[str] = []

    def remember(request: Request) -> None:
        asked.append(request.url)

    page.on("request", remember)
    page.goto(index.as_uri())
    count, tiles = page.locator("#count"), page.locator(".tile")
    expect(count).to_have_text("10,000 of 10,000 messages")
    assert tiles.count() < 200, "only what is near the window is drawn"

    for words, found in (
        ("Picture 4321", "1 of"),
        ("+1 (408) 555-0042", "1 of"),
        ("keyword:storm", "3,334 of"),
        ("from:14085550001 keyword:harbor", "1 of"),
        ('-keyword:storm -keyword:harbor "picture 2"', "373 of"),
        ("nothing of that kind", "0 of"),
    ):
        page.locator("#search").fill(words)
        expect(count).to_have_text(f"{found} 10,000 messages")
    expect(page.locator("#none")).to_be_visible()
    page.locator("#search").fill("")
    page.locator("#keyword").select_option("harbor")
    expect(count).to_have_text("3,333 of 10,000 messages")
    page.locator("#keyword").select_option("")
    expect(count).to_have_text("10,000 of 10,000 messages")

    first = page.locator("[data-id=sinch-0]")
    until(lambda: first.locator("img").evaluate("image => image.naturalWidth") == 64, what="a thumbnail")
    page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
    last = page.locator(f"[data-id=sinch-{MESSAGES - 1}]")
    expect(last).to_be_visible()
    assert tiles.count() < 200
    last.click()
    shown = page.locator("dialog .stage img")
    until(lambda: shown.evaluate("image => image.naturalWidth") == 64, what="the original in the lightbox")
    expect(page.locator("dialog aside")).to_contain_text(f"sinch-{MESSAGES - 1}")
    page.keyboard.press("ArrowLeft")
    expect(page.locator("dialog aside")).to_contain_text(f"sinch-{MESSAGES - 2}")
    page.keyboard.press("Escape")
    expect(page.locator("dialog")).to_be_hidden()

    page.locator("#search").fill("onerror")
    expect(count).to_have_text("1 of 10,000 messages")
    page.locator(".tile").click()
    expect(page.locator("dialog h2")).to_have_text(HOSTILE)
    assert page.evaluate("window.ran") is None
    assert all(url.startswith(("file:", "blob:", "data:")) for url in asked), asked
