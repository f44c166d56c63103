"""Whole vaults as real processes, on embedded servers and on a real Redis, MinIO and PostgreSQL."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from mmsvault.sample.provider import SampleProvider
from tests import servers
from tests.flow.fault_table import FaultTable
from tests.house import House


@pytest.fixture(scope="module")
def provider() -> Iterator[SampleProvider]:
    with SampleProvider() as running:
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
def table() -> Iterator[FaultTable]:
    """Where tests enter what became of messages that met a fault."""
    made = FaultTable()
    yield made
    made.write()
