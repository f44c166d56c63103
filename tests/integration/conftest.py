"""A catalog on each database, a bucket on each server, a queue on each Redis: all real."""

from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import Engine

from dashboard.reading_room import ReadingRoom
from mmsvault.catalog.connection import migrate, open_catalog
from mmsvault.catalog.tables import count_changes, counters, counts, metadata
from mmsvault.sample.provider import SampleProvider
from mmsvault.settings import Settings
from tests import looking, servers
from tests.integration import archive as archives
from tests.integration.archive import Archive

NUMBERS = count()


@pytest.fixture(scope="session")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with servers.postgresql_server(tmp_path_factory.mktemp("servers")) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def catalog(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """An empty catalog on each database."""
    if request.param == "sqlite":
        engine = open_catalog(f"sqlite:///{tmp_path / 'catalog.sqlite'}")
        migrate(engine)
    else:
        engine = open_catalog(request.getfixturevalue("postgresql"))
        migrate(engine)
        with engine.begin() as connection:
            # What is counted last: deleting changes it.
            for table in (*reversed(metadata.sorted_tables), counters, counts, count_changes):
                connection.execute(table.delete())
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def provider() -> Iterator[SampleProvider]:
    with SampleProvider() as running:
        yield running


@pytest.fixture(scope="module", params=["embedded", "minio"])
def place(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, str]]:
    """A bucket server, and the database that goes with it."""
    folder = tmp_path_factory.mktemp("bucket")
    with ExitStack() as stack:
        if request.param == "embedded":
            yield stack.enter_context(archives.embedded_bucket(folder))
        else:
            env = stack.enter_context(archives.minio_bucket(folder))
            yield {**env, "MMSVAULT_DATABASE_URL": request.getfixturevalue("postgresql")}


@pytest.fixture
def archive(place: dict[str, str], provider: SampleProvider, tmp_path: Path) -> Iterator[Archive]:
    """An empty archive: the embedded bucket with SQLite, MinIO with PostgreSQL."""
    catalog = place.get("MMSVAULT_DATABASE_URL") or f"sqlite:///{tmp_path / 'catalog.sqlite'}"
    with archives.opened(place, bucket=f"vault-{next(NUMBERS)}", catalog=catalog, provider=provider) as made:
        made.forget_catalog()
        yield made


@pytest.fixture
def other(place: dict[str, str], provider: SampleProvider, tmp_path: Path) -> Iterator[Archive]:
    """Another archive, empty, in a bucket of its own on the same server."""
    catalog = f"sqlite:///{tmp_path / 'other.sqlite'}"
    with archives.opened(place, bucket=f"other-{next(NUMBERS)}", catalog=catalog, provider=provider) as made:
        yield made


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """The settings of a vault whose queue and embedded bucket run, for the pages of one file."""
    with looking.servers(tmp_path_factory.mktemp("pages")) as settings:
        yield settings


@pytest.fixture
def room(shared: Settings, request: pytest.FixtureRequest) -> Iterator[ReadingRoom]:
    """A reading room of the test's own, on those servers."""
    with looking.own_room(shared, request.node.name) as opened:
        yield opened
