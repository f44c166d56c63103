"""The vault that the gallery's tests share, and windows on it: of a desktop, and of a phone 390 px wide."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from playwright.sync_api import Browser, Page

from mmsvault.message import utc_now
from tests import bulk
from tests.chromium import new_page
from tests.gallery import DESKTOP, NUMBER, SIZES, send_a_handful
from tests.house import House


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A vault with ten thousand messages that were entered at once, and a handful that were sent to it."""
    folder = tmp_path_factory.mktemp("house")
    made = House(folder)
    with made.up():
        with made.vault() as vault:
            bulk.fill(vault, NUMBER, newest_at=utc_now() - timedelta(hours=1))
        send_a_handful(made)
        yield made
    shutil.rmtree(folder)  # twenty thousand files


@pytest.fixture(params=SIZES)
def size(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def screen(house: House, browser: Browser, size: str) -> Iterator[Page]:
    """A page of somebody who may do everything, on a desktop and on a phone."""
    with new_page(browser, **SIZES[size]) as page, quietly(house, page):
        house.enter(page)
        yield page


@pytest.fixture
def quiet(house: House, browser: Browser) -> Iterator[Page]:
    """The same on a desktop only."""
    with new_page(browser, **DESKTOP) as page, quietly(house, page):
        house.enter(page)
        yield page


@contextmanager
def quietly(house: House, page: Page) -> Iterator[None]:
    """Fail where the page says an error on its console or asks anybody else."""
    said: list[str] = []
    own = (house.dashboard, house.dashboard.replace("http", "ws"), "data:", "blob:")
    page.on("console", lambda one: said.append(one.text) if one.type == "error" else None)
    page.on("request", lambda one: None if one.url.startswith(own) else said.append(one.url))
    yield
    assert not said
