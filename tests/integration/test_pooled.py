"""A catalog behind a pooler that gives each transaction another connection (PgBouncer)."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import psycopg
import pytest
from sqlalchemy import Engine, text

from mmsvault.catalog import counting, language, queries, totals, turns, writes
from mmsvault.catalog.connection import Limits, PassingError, migrate, open_catalog, reading, writing
from mmsvault.message import utc_now
from tests.integration.test_catalog import message, receipt
from tests.integration.test_postgresql import record
from tests.pooler import pooled_postgresql

CLIENTS = 8


@pytest.fixture(scope="module")
def pooled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    with pooled_postgresql(tmp_path_factory.mktemp("pooled")) as urls:
        yield urls


@pytest.fixture
def engine(pooled: tuple[str, str], request: pytest.FixtureRequest) -> Iterator[Engine]:
    """A catalog of the test's own behind the pooler."""
    by_pooler, direct = pooled
    name = f"pooled_{abs(hash(request.node.name))}"
    with psycopg.connect(direct, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
    opened = open_catalog(by_pooler.replace("/postgres", f"/{name}"))
    migrate(opened)
    yield opened
    opened.dispose()


def test_programs_share_fewer_connections_than_they_are(engine: Engine) -> None:
    with ThreadPoolExecutor(CLIENTS) as workers:
        list(workers.map(partial(record, engine), range(80)))
        found = workers.map(
            lambda number: queries.search(
                engine, language.parse(f"from:1408* keyword:all {number % 3 or ''}")
            ),
            range(80),
        )
        assert list(found)
    counts = totals.counts(engine, at_risk_before=utc_now())
    assert counts.messages["archived"] == 80
    assert counting.check(engine) == []


def test_one_program_after_the_other_makes_the_tables_at_a_start_of_all(
    pooled: tuple[str, str],
) -> None:
    by_pooler, direct = pooled
    with psycopg.connect(direct, autocommit=True) as admin:
        admin.execute("CREATE DATABASE together")
    engines = [open_catalog(by_pooler.replace("/postgres", "/together")) for _ in range(4)]
    with ThreadPoolExecutor(4) as programs:
        list(programs.map(migrate, engines))
    for one in engines:
        assert totals.counts(one, at_risk_before=utc_now()).bytes == 0
        one.dispose()


def test_no_connection_keeps_what_a_transaction_set(engine: Engine) -> None:
    strict = open_catalog(str(engine.url.render_as_string(hide_password=False)), limits=Limits(0.05, 0))
    writes.record(engine, message("1", urls=()), receipt())
    alone = text("LOCK TABLE messages")
    with writing(engine) as holder:
        holder.execute(alone)
        with pytest.raises(PassingError), writing(strict) as connection:
            connection.execute(alone)
    strict.dispose()
    by_pooler = str(engine.url.set(drivername="postgresql").render_as_string(hide_password=False))
    for _ in range(2 * CLIENTS):
        with psycopg.connect(by_pooler, prepare_threshold=None) as stranger:
            told = stranger.execute(
                "SELECT current_setting('lock_timeout'), current_setting('statement_timeout')"
            )
            assert told.fetchone() == ("0", "0")


def test_a_right_that_lasts_is_no_lock_of_a_connection(engine: Engine) -> None:
    now = utc_now()
    held = turns.take_turn(engine, "work", held=None, now=now, until_at=now)
    assert held
    with reading(engine) as connection:
        assert connection.scalar(text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")) == 0
