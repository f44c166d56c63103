"""A catalog on each database, a bucket on each server, a queue on each Redis: all real."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from mmsvault.catalog.connection import migrate, open_catalog
from mmsvault.catalog.tables import counters, metadata
from tests import servers


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
            # The counters last: deleting what they count changes them.
            for table in (*reversed(metadata.sorted_tables), counters):
                connection.execute(table.delete())
    yield engine
    engine.dispose()
