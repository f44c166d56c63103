"""A real Chromium, driven by Playwright: Debian's, since none is downloaded at run time."""

import contextlib
import shutil
from collections.abc import Iterator
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from tests.servers import require

PATIENT_MS = 120_000
"""How long the browser is waited for: on a busy machine it may get its turn late. Success ends a wait."""
WITHOUT = (
    # A page of the browser's own under the address bar of every window: it takes a second of a core to load.
    *("WebUIOmniboxPopup", "WebUIOmniboxAimPopup", "WebUIOmniboxFullPopup"),
    # What Playwright is without; its own list does not count beside this one.
    *("AimEnabled", "AvoidCorsURLLoaderRestartOnRedirect", "AvoidUnnecessaryBeforeUnloadCheckSync"),
    *("DestroyProfileOnBrowserClose", "HttpsFirstBalancedModeAutoEnable", "HttpsUpgrades", "LensOverlay"),
    *("MediaRouter", "NetworkTimeServiceQuerying", "OptimizationHints", "PaintHolding"),
    *("PreconnectToSearch", "ThirdPartyStoragePartitioning"),
)
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
    f"--disable-features={','.join(WITHOUT)}",
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


@contextlib.contextmanager
def new_page(browser: Browser, **given: Any) -> Iterator[Page]:
    """Give a page without history, in a window made so; what goes wrong in it fails the test."""
    context = browser.new_context(**given)
    page = context.new_page()
    page.set_default_timeout(PATIENT_MS)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on(
        "console", lambda said: errors.append(said.text) if "Content Security Policy" in said.text else None
    )
    yield page
    context.close()
    assert not errors


def what_gets_out(page: Page, *, of: str) -> list[str]:
    """Return a list that every dialog is put into from now on, and every request to elsewhere than `of`."""
    found: list[str] = []
    page.on("dialog", lambda dialog: found.append(dialog.message))
    page.on(
        "request",
        lambda one: None if one.url.startswith((of, "data:", "blob:")) else found.append(one.url),
    )
    return found
