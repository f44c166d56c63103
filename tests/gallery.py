"""The gallery in a browser, as tests of it go about: opening it, and what is seen there."""

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

from playwright.sync_api import CDPSession, Locator, Page, expect

from mmsvault.catalog import entering, queries, totals
from mmsvault.catalog.connection import writing
from mmsvault.catalog.language import parse
from mmsvault.message import Message, MessageState, utc_now
from mmsvault.sample import media
from mmsvault.sample.kinds import appointment, leaflet
from mmsvault.sample.notices import Notice
from mmsvault.sample.provider import SampleProvider
from tests.house import House
from tests.servers import until

NUMBER = 10_000
"""Messages that the gallery's tests were given at once."""
DESKTOP: dict[str, Any] = {"viewport": {"width": 1280, "height": 900}}
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
SIZES = {"desktop": DESKTOP, "phone": PHONE}

SEVERAL, TWINS = "sinch-several", ("sinch-twin", "sinch-other-twin")
"""The ids of messages that came through the pipeline."""
OF_SEVERAL, OF_TWINS = "14085550191", "14085550192"
"""Their senders."""
FILES = (
    *(media.photograph(0), media.film_mp4(), media.music(), media.text("Boats come home.")),
    *(media.contact(), appointment(), leaflet()),
)
"""The files of the message of several kinds."""


def send_a_handful(house: House) -> None:
    """Have a message with a file of every way of showing come in, and two with one picture."""
    with SampleProvider() as provider:
        urls = tuple(provider.offer(file) for file in FILES)
        sent = Notice(
            "several", OF_SEVERAL, "28444", datetime.now(UTC), urls=urls, subject="a <b>bold</b> day"
        )
        assert provider.send(house.postbacks, sent, dialect="JSON") == 200
        for one in TWINS:
            url = provider.offer(media.photograph(97))
            name = one.removeprefix("sinch-")
            notice = Notice(name, OF_TWINS, "28444", datetime.now(UTC), urls=(url,))
            assert provider.send(house.postbacks, notice) == 200
        with house.vault() as vault:
            ids = (SEVERAL, *TWINS)

            def complete() -> bool:
                found = queries.search(vault.catalog, parse(f"from:{OF_SEVERAL} OR from:{OF_TWINS}")).messages
                return (
                    {one.id for one in found} == set(ids)
                    and all(one.state is MessageState.ARCHIVED for one in found)
                    and not any(item.preview_due_at for one in found for item in one.media)
                )

            until(complete, seconds=120, what="the messages being archived, with their previews")


def arrive(house: House, name: str, **more: object) -> Message:
    """Have a message come in now, without files where none are given."""
    now = utc_now()
    given = {
        "id": f"sinch-{name}",
        "provider": "sinch",
        "tracking_id": name,
        "sender": "14085550177",
        "to": ("28444",),
        "subject": f"subject of {name}",
        "received_at": now,
        "deadline_at": now + timedelta(days=30),
        "recorded_at": now,
        "prefix": f"messages/{now:%Y/%m/%d}/sinch-{name}/",
        **more,
    }
    message = Message.model_validate(given)
    with house.vault() as vault, writing(vault.catalog) as connection:
        assert entering.insert_whole(connection, message)
    return message


def found(house: House, query: str) -> int:
    """Return how many messages a search finds, as the catalog says."""
    with house.vault() as vault:
        return totals.total(vault.catalog, parse(query)).messages


def opened(house: House, page: Page, address: str = "/") -> Page:
    """Open the gallery, until Streamlit has taken it over."""
    page.goto(house.dashboard + address)
    expect(page.locator("a.tile").first).to_be_visible()
    taken_over(page)
    return page


def taken_over(page: Page) -> None:
    expect(page.locator(".mmsvault-early")).to_have_count(0)


def asked(page: Page) -> dict[str, str]:
    """Return what the page's address says; Playwright's own `url` lags behind while nothing else is asked."""
    address = page.evaluate("() => location.search")
    return {name: values[0] for name, values in parse_qs(address.removeprefix("?")).items()}


def shown(page: Page) -> str:
    """Return the file that the lightbox shows, as the address says."""
    return asked(page).get("file", "")


def offered(page: Page) -> Locator:
    return page.get_by_role("listbox").get_by_role("option")


def total(page: Page, number: int) -> None:
    """Expect this many messages to be found."""
    expect(page.locator(f".root[data-total='{number}']:not(.busy)")).to_have_count(1)


def tile(page: Page, message_id: str) -> Locator:
    """Return the first tile of a message."""
    return page.locator(f"a.tile[data-message='{message_id}']").first


def selected(page: Page) -> int:
    return len(set(page.locator("li.on a.tile").evaluate_all("all => all.map(one => one.dataset.message)")))


def swipe(page: Page, begin: tuple[float, float], end: tuple[float, float]) -> None:
    """Draw one finger over the page."""
    finger = Finger(page)
    finger.down(*begin)
    for step in range(1, 5):
        finger.move(*(a + (b - a) * step / 4 for a, b in zip(begin, end, strict=True)))
    finger.up()


class Finger:
    """A finger on the screen of a phone; a second one where it pinches."""

    def __init__(self, page: Page) -> None:
        self._touch: CDPSession = page.context.new_cdp_session(page)

    def down(self, x: float, y: float, *more: float) -> None:
        self._send("touchStart", (x, y, *more))

    def move(self, x: float, y: float, *more: float) -> None:
        self._send("touchMove", (x, y, *more))

    def up(self) -> None:
        self._send("touchEnd", ())

    def _send(self, kind: str, at: tuple[float, ...]) -> None:
        points = [
            {"x": x, "y": y, "id": number}
            for number, (x, y) in enumerate(zip(at[::2], at[1::2], strict=True))
        ]
        self._touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
