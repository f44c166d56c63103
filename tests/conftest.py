"""Fixtures shared by all tests; what runs as a process is in servers.py, house.py and chromium.py."""

import logging
import os
import sys
from collections.abc import Iterator

import pytest
from hypothesis import settings
from playwright.sync_api import Browser, Page, expect

from tests.chromium import PATIENT_MS, chromium, new_page

# A machine under load is no reason for a property to fail.
settings.register_profile("vault", deadline=None)
settings.load_profile("vault")
expect.set_options(timeout=PATIENT_MS)
HANGS_AFTER = 5
"""A test is ended as one that hangs after so many times the time that it names: waits are far shorter."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if named := item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(named.args[0] * HANGS_AFTER), append=False)


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("MMSVAULT_") and not name.startswith("MMSVAULT_TEST_"):
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def _the_same_main() -> Iterator[None]:
    """Undo what Streamlit's AppTest does: it puts a page in place of `__main__`, which children would run."""
    main = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = main


@pytest.fixture(autouse=True)
def _the_process_as_it_was() -> Iterator[None]:
    """Undo what a program does to its process at its start: new files for their owner only, and a log."""
    umask = os.umask(0o022)
    handlers = list(logging.getLogger().handlers)
    yield
    logging.getLogger().handlers = handlers
    os.umask(umask)


@pytest.fixture(scope="module")  # while it lives, its event loop is the thread's, and no other can run
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    with new_page(browser, viewport={"width": 1280, "height": 900}) as opened:
        yield opened
