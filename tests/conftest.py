"""Fixtures shared by all tests; what runs as a process is in servers.py and house.py."""

import os

import pytest
from hypothesis import settings

# A machine under load is no reason for a property to fail.
settings.register_profile("vault", deadline=None)
settings.load_profile("vault")


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("MMSVAULT_") and not name.startswith("MMSVAULT_TEST_"):
            monkeypatch.delenv(name)
