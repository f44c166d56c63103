"""A whole round of the sweep, and what alerts ask beside it, cost by what is due and not by what there is."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, insert, text, update

from mmsvault import auditing, previewing, retention
from mmsvault.archive.retries import Retries
from mmsvault.catalog import source_activity, tallies, upkeep
from mmsvault.catalog.connection import writing
from mmsvault.catalog.tables import exports, messages
from mmsvault.exporting import register
from mmsvault.exporting.register import State
from mmsvault.message import utc_now
from mmsvault.ops.gather import archive_facts
from mmsvault.retention import Policy
from mmsvault.settings import Settings
from mmsvault.state import rows
from mmsvault.vault import Vault
from tests.benchmarks import backlog
from tests.integration.test_backlog import analyzed, work
from tests.servers import redis_server

KEYWORDS = 64
ROOM = {"sqlite": 4000, "postgresql": 200}
"""What may come on top: more hours are there to be counted, and a planner may choose anew."""
KEPT = Policy(1, {f"k{number}": 3000 for number in range(1, KEYWORDS)})
"""All of the messages but those with one keyword are kept for longer than they are old."""


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with redis_server(tmp_path_factory.mktemp("queue")) as url:
        yield url


@pytest.fixture
def vault(catalog: Engine, tmp_path: Path, redis_url: str) -> Iterator[Vault]:
    """A vault with something of everything, of which nothing is due."""
    url = catalog.url.render_as_string(hide_password=False)
    settings = Settings.load(data_dir=tmp_path, redis_url=redis_url, database_url=url)
    made = Vault(settings)
    made.redis.flushall()
    made.bucket.make()
    yield made
    made.close()
    with catalog.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("TRUNCATE messages, receipts, counts, count_changes, counters CASCADE"))
            connection.execute(text("TRUNCATE senders, keywords, exports, serials, source_hours"))


def grow(vault: Vault, numbers: range) -> None:
    """Enter messages that are archived, held, and waiting for later, and exports that are done."""
    catalog, first = vault.catalog, numbers.start
    backlog.load(catalog, numbers, state="archived")
    waiting = range(backlog.FIRST_PENDING + first, backlog.FIRST_PENDING + first + len(numbers))
    backlog.load(catalog, waiting, state="pending")
    of_first = messages.c.keyword_folded == "k0"
    with writing(catalog) as connection:
        # What has the keyword that is not kept for longer is held, and old.
        connection.execute(update(messages).where(of_first).values(hold=True))
    made_at = utc_now() - timedelta(days=9)
    row = {
        "name": "", "state": State.DONE.value, "choice": {}, "volumes": [], "made_by": "x",
        "made_at": made_at, "ended_at": made_at, "messages": 0, "bytes": 0, "reason": "", "beat_at": made_at,
    }  # fmt: skip
    with writing(catalog) as connection:
        connection.execute(insert(exports), [{"id": f"e{number}", **row} for number in numbers])
    now = utc_now()
    while source_activity._counted_until(catalog, now=now) < now - source_activity.COMMITTED_AFTER:
        source_activity.count_new(catalog, now=now)
    analyzed(catalog)


def round_of(vault: Vault) -> dict[str, Callable[[Engine], object]]:
    """Return the steps of a sweep that ask the catalog, by what they are called."""
    now, numbers = utc_now(), iter(range(10**9))
    return {
        "what is due": lambda _: Retries(vault, vault.queue).feed(),
        "previews": lambda _: previewing.enqueue_due(vault, vault.queue),
        "past their time": lambda _: list(retention.past_their_time(vault, KEPT, now=now, with_held=False)),
        "counts": tallies.fold,
        "receipts of a day": lambda catalog: upkeep.tally(catalog, now.date()),
        "hours of sources": lambda catalog: source_activity.count_new(catalog, now=now),
        "the audit log": lambda _: auditing.keep(vault),
        "whether people or exports changed": rows.version,
        "unfinished exports": lambda catalog: register.stranded(catalog, before=now),
        "what the settings refused": lambda catalog: upkeep.retry_refused(
            catalog, f"others {next(numbers)}", now=now
        ),
        "alerts": lambda _: archive_facts(vault, now=now),
    }


def test_no_step_of_a_sweep_costs_more_where_more_is_there_and_nothing_is_due(vault: Vault) -> None:
    grow(vault, range(1_000))
    steps = round_of(vault)
    little = {name: work(vault.catalog, ask) for name, ask in steps.items()}
    grow(vault, range(1_000, 9_000))
    much = {name: work(vault.catalog, ask) for name, ask in steps.items()}
    room = ROOM[vault.catalog.dialect.name]
    assert {name: (little[name], much[name]) for name in much if much[name] > 2 * little[name] + room} == {}
