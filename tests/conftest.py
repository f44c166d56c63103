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
from tests.chromium import PATIENT_MS, chromium, new_page
from tests.named_tests import not_run

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


PASSED: set[str] = set()
"""The node ids of the tests that passed in this run, those of all its processes."""


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when == "call" and report.passed:
        PASSED.add(report.nodeid)


def _missed(config: pytest.Config) -> list[str]:
    """Return what the documentation names and a run of everything did not have."""
    is_everything = config.args_source == pytest.Config.ArgsSource.TESTPATHS and not config.option.keyword
    is_child = hasattr(config, "workerinput")
    return (
        not_run(PASSED) if is_everything and not is_child and os.environ.get("MMSVAULT_TEST_REQUIRE") else []
    )


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    if exitstatus == pytest.ExitCode.OK and _missed(session.config):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for test in _missed(config):
        terminalreporter.write_line(f"NOT RUN, or did not pass, though the documentation names it: {test}")


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
