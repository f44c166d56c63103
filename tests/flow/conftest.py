"""Whole vaults as real processes, on embedded servers and on a real Redis, MinIO and PostgreSQL."""

from collections.abc import Iterator
from contextlib import ExitStack, suppress
from typing import Any

import pytest

from mmsvault.sample.notices import Notice
from mmsvault.sample.provider import SampleProvider
from tests import servers
from tests.accounts import Sent
from tests.flow.fault_table import FaultTable
from tests.flow.site import Site
from tests.flow.traffic import counted
from tests.house import House


class RememberingProvider(SampleProvider):
    """Remembers every message that it sent, by the address of the vault."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: dict[str, dict[str, Sent]] = {}

    def send(self, postback_url: str, notice: Notice, **more: Any) -> int:
        status = super().send(postback_url, notice, **more)
        with suppress(KeyError):  # a file of another server
            files = tuple(self.offered(url).file for url in notice.urls)
            sent = Sent(f"sinch-{notice.tracking_id}", files, status)
            self.sent.setdefault(postback_url, {})[sent.id] = sent
        return status


@pytest.fixture(scope="module")
def provider() -> Iterator[RememberingProvider]:
    with RememberingProvider() as running:
        yield running


@pytest.fixture(scope="module", params=["embedded", "real"])
def house(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A running vault, on the servers that it brings and on those of a larger installation."""
    folder = tmp_path_factory.mktemp(f"servers-{request.param}")
    with ExitStack() as stack:
        env: dict[str, str] = {}
        if request.param == "real":
            env = {
                "MMSVAULT_REDIS_URL": stack.enter_context(servers.redis_server(folder)),
                "MMSVAULT_DATABASE_URL": stack.enter_context(servers.postgresql_server(folder)),
                **stack.enter_context(servers.minio_server(folder)),
            }
        running = House(folder, env)
        stack.enter_context(running.up())
        yield running


@pytest.fixture(scope="session")
def rows() -> Iterator[FaultTable]:
    """What became of messages that met a fault, of the whole run."""
    made = FaultTable()
    yield made
    made.write()


@pytest.fixture
def table(rows: FaultTable, site: Site) -> Iterator[FaultTable]:
    """Where a test enters what became of its messages. Where it does not get so far, it is counted here."""
    yield rows
    left = [one for one in site.traffic if one.sent and not rows.has(one.fault)]
    for row in counted(left) if left else ():
        rows.add([row], is_unfinished=True)
        for problem in row.problems:
            print(f"{row.fault}: {problem}")  # noqa: T201 - stands below the failure
