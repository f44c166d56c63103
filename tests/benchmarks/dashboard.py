"""`make bench-dashboard`: the gallery against a static page with the same thumbnails of the same bucket.

Both in one Chromium, in turns, on MinIO. The static page has presigned links to the bucket itself; the
gallery's thumbnails go through the dashboard, which looks at who asks. Then many sessions at once. The
figures go into docs/dashboard.md.
"""

import argparse
import asyncio
import os
import platform
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from html import escape
from pathlib import Path

import httpx
import websockets
from minio import Minio
from playwright.sync_api import Browser, BrowserContext, Page
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from mmsvault.catalog.connection import migrate
from mmsvault.message import Message, utc_now
from mmsvault.vault import Vault
from tests import bulk
from tests.benchmarks.ground import Ratio, ends_what_it_started, memory_bytes, say
from tests.chromium import chromium
from tests.house import House
from tests.servers import free_port, minio_server, running

MESSAGES = 2000
A_PAGE = 60
SESSIONS = 25
FILTERS_A_SESSION = 4
DAYS_BACK = 4
THINKS_SECONDS = 10
"""So often, on average, a visitor filters."""
DOCUMENT = Path(__file__).parents[2] / "docs" / "dashboard.md"
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"
WATCH = """() => {
  const seen = new Map();
  window.thumbnailsLoaded = seen;
  const note = (event) => {
    const image = event.target;
    if (image.localName === 'img' && image.naturalWidth && image.src.includes('thumbs'))
      if (!seen.has(image.src.split('?')[0])) seen.set(image.src.split('?')[0], performance.now());
  };
  document.addEventListener('load', note, true);
  const attach = Element.prototype.attachShadow;
  Element.prototype.attachShadow = function (given) {
    const root = attach.call(this, given);
    root.addEventListener('load', note, true);
    return root;
  };
}"""
"""Notes when each thumbnail has loaded, in shadow roots as well."""
LOADED = "(number) => window.thumbnailsLoaded.size >= number"
WHEN = "(number) => [...window.thumbnailsLoaded.values()].sort((a, b) => a - b)[number - 1]"


class Bench:
    """A dashboard and a static page, side by side."""

    def __init__(self, house: House, static: str, browser: Browser) -> None:
        self.house, self.static, self.browser = house, static, browser
        self.cookies = house.visitor()

    @contextmanager
    def context(self) -> Iterator[BrowserContext]:
        """Give a browser without anything in its cache, of somebody who is logged in."""
        context = self.browser.new_context(viewport={"width": 1280, "height": 900})
        context.add_init_script(f"({WATCH})()")
        for name, value in self.cookies.items():
            context.add_cookies([{"name": name, "value": value, "url": self.house.dashboard}])
        yield context
        context.close()

    def opened(self, context: BrowserContext, address: str) -> tuple[Page, float]:
        """Open a page; return it and when its first thumbnails had all loaded, in milliseconds."""
        page = context.new_page()
        page.goto(address, wait_until="commit")
        page.wait_for_function(LOADED, arg=A_PAGE)
        return page, page.evaluate(WHEN, A_PAGE)

    def scrolled(self, page: Page) -> float:
        """Scroll to the end; return how long the next thumbnails took."""
        page.wait_for_load_state("networkidle")
        page.wait_for_timeout(1500)
        page.mouse.move(640, 600)
        began = page.evaluate("() => performance.now()")
        page.mouse.wheel(0, 20_000)
        page.wait_for_function(LOADED, arg=2 * A_PAGE)
        return max(1.0, page.evaluate(WHEN, 2 * A_PAGE) - began)

    def filtered(self, page: Page) -> float:
        """Choose a filter that leaves nothing of what is seen; return how long its thumbnails took."""
        loaded = page.evaluate("() => window.thumbnailsLoaded.size")
        day = f"{datetime.now(UTC) - timedelta(days=DAYS_BACK):%Y-%m-%d}"
        field = page.get_by_label("To day")
        field.evaluate("(field, day) => { field.value = day; }", day)
        began = page.evaluate("() => performance.now()")
        field.dispatch_event("change")
        page.wait_for_function(LOADED, arg=loaded + A_PAGE)
        return float(page.evaluate(WHEN, loaded + A_PAGE) - began)


def measure(bench: Bench, rounds: int) -> list[Ratio]:
    """Return the ratios to the static page."""
    cold = Ratio("cold open / static page", "<= 1.6")
    warm = Ratio("warm open / static page", "<= 1.3")
    scroll = Ratio("next page while scrolling / static page", "<= 1.3")
    filters = Ratio("filter / cold open", "<= 0.6")
    for turn in range(rounds + 1):
        took: dict[str, list[float]] = {}
        for name, address in (("static", bench.static), ("gallery", f"{bench.house.dashboard}/")):
            with bench.context() as context:
                page, first = bench.opened(context, address)
                next_page = bench.scrolled(page)
                filter_ = bench.filtered(page) if name == "gallery" else 0.0
                page.close()
                _, again = bench.opened(context, address)
            took[name] = [first, again, next_page, filter_]
        if not turn:
            continue  # the first turn warms up
        static, gallery = took["static"], took["gallery"]
        say(", ".join(f"{name}: " + " ".join(f"{one:.0f}" for one in many) for name, many in took.items()))
        for ratio, at in ((cold, 0), (warm, 1), (scroll, 2)):
            ratio.rounds.append(gallery[at] / static[at])
            ratio.note = f"{gallery[at]:.0f} ms to {static[at]:.0f} ms in the last round"
        filters.rounds.append(gallery[3] / gallery[0])
        filters.note = f"{gallery[3]:.0f} ms in the last round"
    return [cold, warm, scroll, filters]


async def _session(house: House, cookies: dict[str, str]) -> websockets.ClientConnection:
    """Open a session of Streamlit as a browser does, until its script has run."""
    cookie = "; ".join(f"{name}={value}" for name, value in cookies.items())
    socket = await websockets.connect(
        house.dashboard.replace("http", "ws") + "/_stcore/stream",
        additional_headers={"Cookie": cookie},
        subprotocols=[websockets.Subprotocol("streamlit")],
        max_size=None,
        proxy=None,
    )
    asked = BackMsg()
    asked.rerun_script.query_string = ""
    await socket.send(asked.SerializeToString())
    while True:
        told = ForwardMsg.FromString(await socket.recv())  # type: ignore[arg-type]  # bytes it is
        if told.WhichOneof("type") == "script_finished":
            return socket


async def _filter(client: httpx.AsyncClient, day: str) -> float:
    """Ask for a page of tiles and all of its thumbnails, as a browser does; return milliseconds."""
    began = time.perf_counter()
    page = (await client.get("/api/gallery", params={"until": day, "zone": "UTC"})).json()
    answers = await asyncio.gather(*(client.get(f"/{tile['src']}") for tile in page["tiles"] if tile["src"]))
    if len(answers) < A_PAGE or any(one.status_code != 200 for one in answers):
        raise AssertionError([one.status_code for one in answers])
    return (time.perf_counter() - began) * 1000


async def _sessions(bench: Bench, number: int, server: int) -> tuple[list[float], float]:
    """Open so many sessions, have each filter now and then; return what filters took, and MiB a session."""
    dice = random.Random(number)
    before = memory_bytes([server])
    sockets = [await _session(bench.house, bench.cookies) for _ in range(number)]
    grown = (memory_bytes([server]) - before) / number / (1 << 20)
    took: list[float] = []

    async def one() -> None:
        limits = httpx.Limits(max_connections=6)
        async with httpx.AsyncClient(
            base_url=bench.house.dashboard, cookies=bench.cookies, limits=limits, trust_env=False, timeout=60
        ) as client:
            for _ in range(FILTERS_A_SESSION if number > 1 else 4 * FILTERS_A_SESSION):
                await asyncio.sleep(dice.uniform(0, 2 * THINKS_SECONDS) if number > 1 else 0.2)
                day = datetime.now(UTC) - timedelta(days=dice.randint(1, DAYS_BACK))
                took.append(await _filter(client, f"{day:%Y-%m-%d}"))

    await asyncio.gather(*(one() for _ in range(number)))
    for socket in sockets:
        await socket.close()
    return took, grown


def measure_sessions(bench: Bench, server: int) -> list[Ratio]:
    """Return what many sessions at once cost."""
    at_once = Ratio(f"filter with {SESSIONS} sessions / with one (95th percentile)", "<= 3")
    memory = Ratio("memory a session (MiB)", "<= 15")
    alone, _ = asyncio.run(_sessions(bench, 1, server))
    many, grown = asyncio.run(_sessions(bench, SESSIONS, server))
    of_one, of_many = (statistics.quantiles(took, n=20)[-1] for took in (alone, many))
    at_once.rounds.append(of_many / of_one)
    at_once.note = f"{of_many:.0f} ms to {of_one:.0f} ms; each filters every {THINKS_SECONDS} s"
    memory.rounds.append(grown)
    return [at_once, memory]


def static_page(vault: Vault, found: Sequence[Message]) -> str:
    """Return a page of thumbnails; the second half is fetched when it is scrolled to."""
    address, secure = vault.settings.bucket_address
    access, secret = vault.settings.bucket_keys
    client = Minio(address, access_key=access, secret_key=secret, secure=secure, region="us-east-1")
    images = []
    for at, one in enumerate(found[: 2 * A_PAGE]):
        key = one.media[0].thumbnail_key
        link = client.presigned_get_object(vault.settings.s3_bucket, key, expires=timedelta(hours=6))
        source = "src" if at < A_PAGE else "data-src"
        images.append(f'<img {source}="{escape(link)}" width="270" height="200" alt="">')
    style = "img { object-fit: cover; margin: 3px; }"
    return (
        f"<!doctype html><title>static</title><style>{style}</style>"
        + "".join(images[:A_PAGE])
        + '<div id="end" style="height: 40px"></div>'
        + "".join(images[A_PAGE:])
        + f"<script>({_ON_SCROLL})()</script>"
    )


_ON_SCROLL = """() => addEventListener('scroll', () => {
  if (document.getElementById('end').getBoundingClientRect().top < innerHeight + 1600)
    for (const image of document.querySelectorAll('img[data-src]')) {
      image.src = image.dataset.src;
      delete image.dataset.src;
    }
})"""
"""Fetches the second half when it is near, as the gallery does."""


def write(ratios: Sequence[Ratio]) -> None:
    """Put the figures into the document, in place of the last ones."""
    about = (
        f"Written by `make bench-dashboard` on {utc_now():%Y-%m-%d}: {os.cpu_count()} cores, "
        f"Linux {platform.release().partition('-')[0]}, Python {platform.python_version()}, "
        f"load of the machine at the end {os.getloadavg()[1]:.1f}."
    )
    lines = [
        about,
        "",
        "| what | target | least | median | most | rounds | |",
        "|---|---|--:|--:|--:|--:|---|",
        *(ratio.row() for ratio in ratios),
    ]
    before, _, rest = DOCUMENT.read_text().partition(BEGIN)
    DOCUMENT.write_text(f"{before}{BEGIN}\n" + "\n".join(lines) + f"\n{END}{rest.partition(END)[2]}")


def main(given: Sequence[str]) -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--rounds", type=int, default=15)
    asked.add_argument("--no-write", action="store_true", help="print the figures only")
    options = asked.parse_args(given)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mmsvault-bench-")))
        house = House(folder, stack.enter_context(minio_server(folder)))
        with house.vault() as vault:
            migrate(vault.catalog)
            vault.bucket.make()
            newest_at = utc_now() - timedelta(minutes=1)
            found = bulk.fill(vault, MESSAGES, newest_at=newest_at, plain=True)
            (folder / "pages").mkdir()
            (folder / "pages" / "index.html").write_text(static_page(vault, found))
        program = [sys.executable, "-m", "dashboard"]
        dashboard = stack.enter_context(
            running(program, log=folder / "dashboard.log", port=house.dashboard_port, env=house.env)
        )
        port = free_port()
        served = ["-m", "http.server", str(port), "--bind", "127.0.0.1", "--directory", str(folder / "pages")]
        stack.enter_context(running([sys.executable, *served], log=folder / "static.log", port=port))
        browser = stack.enter_context(chromium())
        bench = Bench(house, f"http://127.0.0.1:{port}/", browser)
        ratios = measure(bench, options.rounds)
        browser.close()  # what it runs would take part in the next figures
        ratios += _in_a_thread(bench, dashboard.pid)
    sys.stdout.write("\n".join(ratio.row() for ratio in ratios) + "\n")
    if not options.no_write:
        write(ratios)


def _in_a_thread(bench: Bench, server: int) -> list[Ratio]:
    """Measure the sessions where Playwright's event loop is not."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(measure_sessions, bench, server).result()


if __name__ == "__main__":
    ends_what_it_started()
    main(sys.argv[1:])
