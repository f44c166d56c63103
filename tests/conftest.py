"""Fixtures shared by all tests; what runs as a process is in servers.py, house.py and chromium.py."""

import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from playwright.sync_api import Browser, Page, expect

from tests import statements
from tests.chromium import chromium, new_page

# A machine under load is no reason for a property to fail.
settings.register_profile("vault", deadline=None)
settings.load_profile("vault")
expect.set_options(timeout=30_000)


def pytest_configure(config: pytest.Config) -> None:
    """Note what is sent to catalogs, by tests and by programs that they start, where a folder is given."""
    folder = os.environ.get(statements.FOLDER)
    if folder and config.option.markexpr != "plans":
        paths = [str(statements.RECORDING), *filter(None, [os.environ.get("PYTHONPATH")])]
        os.environ["PYTHONPATH"] = os.pathsep.join(paths)
        statements.record(Path(folder).resolve(), "pytest")
        os.environ[statements.FOLDER] = str(Path(folder).resolve())


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
