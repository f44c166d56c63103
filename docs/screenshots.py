"""Takes the README's picture from a running demo.

`make demo` in one terminal, `make screenshots` in another.
"""

import shutil
import sys
from pathlib import Path

from playwright.sync_api import Error, sync_playwright

from mmsvault.cli.welcoming import DEMO
from mmsvault.settings import Settings

PICTURES = Path(__file__).parent / "pictures"
SIZE = {"width": 1280, "height": 820}


def main() -> None:
    """Take it; say what to do where no demo answers."""
    settings = Settings.load()
    url = f"http://{settings.dashboard_host}:{settings.dashboard_port}/"
    binary = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=binary, args=["--no-sandbox"])
        page = browser.new_page(viewport=SIZE)
        try:
            page.goto(f"{url}login")
        except Error:
            sys.exit(f"Nothing answers at {url}; start `make demo` first, with the same settings.")
        page.get_by_label("Name").fill(DEMO)
        page.get_by_label("Password").fill(settings.generated.demo_password)
        page.get_by_role("button", name="Log in").click()
        page.locator("a.tile img.there").nth(8).wait_for()
        # The pictures fade in.
        page.wait_for_function("() => document.getAnimations().every(one => one.playState === 'finished')")
        page.screenshot(path=PICTURES / "gallery.jpg", type="jpeg", quality=82)
        browser.close()
    sys.stdout.write(f"{PICTURES / 'gallery.jpg'}\n")


if __name__ == "__main__":
    main()
