"""A real Chromium, driven by Playwright: Debian's, since none is downloaded at run time."""

import contextlib
import shutil
from collections.abc import Iterator

from playwright.sync_api import Browser, sync_playwright

from tests.servers import require

QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
)


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """Run Chromium until the end of the block."""
    binary = shutil.which("chromium") or shutil.which("chromium-browser")
    require("browser", found=binary)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=binary, args=list(QUIET))
        try:
            yield browser
        finally:
            browser.close()
