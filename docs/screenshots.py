"""Takes a picture of every page of a running demo: light, dark and at a phone's width.

`make demo` in one terminal, `make screenshots` in another. All go to docs/pictures/all/, which git
ignores; the few that the documents show go to docs/pictures/. The demo is given what makes pages worth
a look: names of senders, saved searches, somebody else, an export, a postback that nobody understands.
"""

import contextlib
import io
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
from PIL import Image
from playwright.sync_api import Browser, Error, Page, sync_playwright

from mmsvault import naming, rehearsal
from mmsvault.catalog import people, searches
from mmsvault.catalog.people import Role
from mmsvault.cli.welcoming import DEMO
from mmsvault.errors import RejectedInputError
from mmsvault.exporting import register, working
from mmsvault.exporting.planning import Choice
from mmsvault.message import utc_now
from mmsvault.settings import Settings
from mmsvault.vault import Vault

PICTURES = Path(__file__).parent / "pictures"
ALL = PICTURES / "all"
MOST_BYTES = 150_000
QUALITIES = (86, 80, 72, 64, 55, 45)
MODES = {
    "light": {"viewport": {"width": 1280, "height": 820}, "color_scheme": "light"},
    "dark": {"viewport": {"width": 1280, "height": 820}, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 390, "height": 844}, "color_scheme": "light", "device_scale_factor": 2},
}
PAGES = {
    "login": "login",
    "gallery": "",
    "message": "message?id=sinch-MMS_MO_sample-pier",
    "senders": "senders",
    "keywords": "keywords",
    "searches": "searches",
    "exports": "exports",
    "operations": "operations",
    "audit": "audit",
    "settings": "settings",
    "account": "account",
}
SHOWN = ("gallery-light", "senders-light", "operations-light", "searches-light", "settings-light")
"""Those that the documents show; the gallery's without its mode, as the README names it."""
NAMES = {"14085550100": "Ada, pier camera", "14085550104": "Ezra Lind"}
SAVED = {"Storm pictures": "keyword:storm type:image", "From Ezra": 'from:"Ezra Lind"'}


def main() -> None:
    """Take them; say what to do where no demo answers."""
    settings = Settings.load()
    url = f"http://{settings.dashboard_host}:{settings.dashboard_port}/"
    _furnish(settings)
    ALL.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        binary = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
        browser = playwright.chromium.launch(executable_path=binary, args=["--no-sandbox"])
        for mode in MODES:
            for name, page in _pages(browser, mode, url, settings):
                _keep(f"{name}-{mode}", page.screenshot())
        browser.close()


def _furnish(settings: Settings) -> None:
    """Give the demo what its pages show; what is there already stays."""
    vault = Vault(settings)
    try:
        if DEMO not in {one.name for one in people.list_all(vault.catalog)}:
            sys.exit("This is no demo; start `make demo` first, with the same settings.")
        for number, name in NAMES.items():
            naming.name(vault, number, name)
        for name, query in SAVED.items():
            searches.save(vault.catalog, name, query, saved_by=DEMO)
        with contextlib.suppress(RejectedInputError):  # there already
            people.add(vault.catalog, "farah", role=Role.EXPORTER, scope="keyword:storm")
        if not register.latest(vault.catalog):
            choice = Choice(query="keyword:storm", signed=True, formats=("pdf",))
            working.request(vault, choice, name="storm-pictures", made_by=DEMO, made_at=utc_now())
        httpx.post(rehearsal.address(settings), content=b"<html>Not a postback</html>", trust_env=False)
    except httpx.HTTPError:
        sys.exit("No receiver answers; start `make demo` first, with the same settings.")
    finally:
        vault.close()


def _pages(browser: Browser, mode: str, url: str, settings: Settings) -> Iterator[tuple[str, Page]]:
    """Give every page once it stands still, by its name."""
    context = browser.new_context(**MODES[mode], reduced_motion="reduce", timezone_id="UTC", locale="en-US")
    page = context.new_page()
    try:
        page.goto(f"{url}{PAGES['login']}")
    except Error:
        sys.exit(f"Nothing answers at {url}; start `make demo` first, with the same settings.")
    yield "login", page
    page.get_by_label("Name").fill(DEMO)
    page.get_by_label("Password").fill(settings.generated.demo_password)
    page.get_by_role("button", name="Log in").click()
    page.locator(".mms-account").wait_for()
    for name, address in PAGES.items():
        if name == "login":
            continue
        page.goto(f"{url}{address}")
        if name != "account":
            page.locator(".mms-account").wait_for()
            page.locator("[data-test-script-state=notRunning]").wait_for()
        page.wait_for_load_state("networkidle")
        page.wait_for_timeout(1500)  # pictures that come in late
        yield name, page
    context.close()


def _keep(name: str, screenshot: bytes) -> None:
    """Write a picture, compressed until it is small enough to be kept."""
    image = Image.open(io.BytesIO(screenshot)).convert("RGB")
    path = ALL / f"{name}.jpg"
    for quality in QUALITIES:
        image.save(path, quality=quality, optimize=True, progressive=True)
        if path.stat().st_size < MOST_BYTES:
            break
    if name in SHOWN:
        shown = "gallery" if name == "gallery-light" else name
        shutil.copyfile(path, PICTURES / f"{shown}.jpg")
    sys.stdout.write(f"{path} {path.stat().st_size:,} bytes\n")


if __name__ == "__main__":
    main()
