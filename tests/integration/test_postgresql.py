"""A PostgreSQL that ends connections, restarts, refuses and moves, as a catalog under load meets it."""

import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Engine, text
from sqlalchemy.engine import make_url

from mmsvault.catalog import language, queries, totals, upkeep, writes
from mmsvault.catalog.connection import migrate, open_catalog, reading
from mmsvault.errors import UnavailableError
from mmsvault.message import Receipt, utc_now
from mmsvault.sample.notices import lower_case_xml
from tests import servers
from tests.integration.archive import notice
from tests.integration.test_catalog import message, receipt
from tests.servers import running, until


@pytest.fixture
def fresh(postgresql: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of an empty database."""
    name = f"fresh_{abs(hash(request.node.name))}"
    with psycopg.connect(postgresql, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    yield postgresql.replace("/postgres", f"/{name}")
    with psycopg.connect(postgresql, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def engine(fresh: str) -> Iterator[Engine]:
    opened = open_catalog(fresh)
    migrate(opened)
    yield opened
    opened.dispose()


def record(engine: Engine, number: int) -> None:
    """Do what a worker does to the catalog for a message without files."""
    body = lower_case_xml(notice(str(number)))
    recorded = writes.record(engine, message(str(number), urls=()), Receipt.of(body, provider="sinch"))
    assert recorded
    identity = recorded.message.id
    assert writes.take_lease(engine, identity, token="t", now=utc_now(), span=queries.LONGEST_LEASE)
    saved = writes.save_attempts(engine, identity, items=[], tried=[], token="t", now=utc_now())
    assert saved
    writes.settle(engine, saved, token="t")


def test_connections_that_are_ended_again_and_again_cost_no_work(engine: Engine, fresh: str) -> None:
    done = threading.Event()
    ended = 0

    def end_all() -> None:
        nonlocal ended
        with psycopg.connect(fresh, autocommit=True) as admin:
            while not done.wait(1):
                ended += len(
                    admin.execute(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                    ).fetchall()
                )

    killer = threading.Thread(target=end_all)
    killer.start()
    try:
        with ThreadPoolExecutor(4) as workers:
            list(workers.map(partial(record, engine), range(100)))
        until(lambda: ended > 0, what="a connection being ended")
    finally:
        done.set()
        killer.join()
    counted = totals.counts(engine, at_risk_before=utc_now())
    assert counted.messages["archived"] == 100
    assert counted.receipts["total"] == 100


def test_transactions_that_meet_each_other_are_tried_again(fresh: str) -> None:
    strict = open_catalog(f"{fresh}?options=-c%20default_transaction_isolation=serializable")
    migrate(strict)
    writes.record(strict, message("1"), receipt())
    with ThreadPoolExecutor(8) as people:
        list(
            people.map(
                lambda number: writes.annotate(strict, "sinch-1", tag=[f"tag {number}"], now=utc_now()),
                range(24),
            )
        )
    assert len(queries.load(strict, "sinch-1").tags) == 24
    strict.dispose()


def test_vaults_that_start_at_once_make_the_tables_once(fresh: str) -> None:
    engines = [open_catalog(fresh) for _ in range(4)]
    with ThreadPoolExecutor(4) as programs:
        list(programs.map(migrate, engines))
    assert upkeep.count(engines[0]) == 0
    for one in engines:
        one.dispose()


def test_a_catalog_without_tables_is_said_to_have_none(fresh: str, tmp_path: Path) -> None:
    for url in (fresh, f"sqlite:///{tmp_path / 'empty.sqlite'}"):
        engine = open_catalog(url)
        with pytest.raises(UnavailableError, match="no tables yet"):
            queries.search(engine, language.EVERYTHING)
        engine.dispose()


def test_a_program_takes_no_more_connections_than_it_may(fresh: str) -> None:
    engine = open_catalog(fresh, connections=2)
    with reading(engine) as first, reading(engine) as second:
        assert first.scalar(text("SELECT 1")) == second.scalar(text("SELECT 1"))
        assert engine.pool.checkedout() == 2  # type: ignore[attr-defined]
        assert engine.pool._max_overflow == 0  # type: ignore[attr-defined]
    engine.dispose()


def test_a_restart_and_a_move_to_another_server_are_followed(tmp_path: Path, fresh: str) -> None:
    url, command, user = servers.prepare_postgresql(tmp_path)
    here, there = make_url(url), make_url(fresh)
    both = (
        f"postgresql://tests@/{there.database}?host=127.0.0.1:{here.port}&host=127.0.0.1:{there.port}"
        "&target_session_attrs=read-write"
    )
    start = partial(running, command, log=tmp_path / "log", port=int(here.port or 0), user=user)
    migrate(moved := open_catalog(fresh))
    engine = open_catalog(both)
    with start() as server:
        until(partial(servers.takes_connections, url), what="PostgreSQL taking connections")
        with psycopg.connect(url, autocommit=True) as admin:
            admin.execute(f"CREATE DATABASE {there.database}")
        migrate(engine)
        record(engine, 1)
        server.send_signal(signal.SIGINT)  # it ends its connections, and waits for nobody
    with start() as server:
        until(partial(servers.takes_connections, url), what="PostgreSQL taking connections again")
        record(engine, 2)
        with psycopg.connect(url, autocommit=True) as admin:
            assert upkeep.count(moved) == 0
            admin.execute("ALTER SYSTEM SET default_transaction_read_only = on")
            admin.execute("SELECT pg_reload_conf()")
            until(
                lambda: admin.execute("SHOW default_transaction_read_only").fetchone() == ("on",),
                what="the server being read only",
            )
        record(engine, 3)
        assert next(upkeep.pages(moved)) == ["sinch-3"]
        server.send_signal(signal.SIGINT)
    engine.dispose()
    moved.dispose()
