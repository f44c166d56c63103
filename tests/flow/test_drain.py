"""A provider that was away: what became due meanwhile is drained, the nearest deadlines first.

`make test-faults` drains the backlog of half an hour at a hundred messages a second for two minutes.
"""

import os
import signal
import statistics
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import func, select

from mmsvault.archive.retries import MOST_JOBS
from mmsvault.catalog.connection import reading
from mmsvault.catalog.tables import attempts, messages
from mmsvault.fetching.backpressure import FAILURES, KEYS, PROBES
from mmsvault.message import MessageState
from mmsvault.sample import media as samples
from mmsvault.sample.media import SampleFile
from mmsvault.sample.provider import SampleProvider
from mmsvault.vault import Vault
from tests.accounts import OK, Row, Sent, account, wait_until_nothing_moves
from tests.benchmarks.draining import load
from tests.flow.fault_table import WHERE, FaultTable, expect
from tests.flow.site import EMBEDDED, REAL, Site
from tests.flow.traffic import SMALL, Traffic, settled
from tests.servers import end, free_port, patience, until

BEGIN, END = "<!-- drain begins -->", "<!-- drain ends -->"
LOADED = messages.c.id.like("sinch-0%")
PROMPTLY_SECONDS = 20


@dataclass(frozen=True)
class Backlog:
    """How much is due, and for how long it is drained: until so many are archived, or so many seconds."""

    due: int
    drained: int = 0
    seconds: float = 90


BRIEF = Backlog(due=3_000, drained=150)
WHOLE = Backlog(due=180_000, seconds=120)


@pytest.fixture(params=[EMBEDDED])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    with Site(tmp_path) as made:
        made.start_servers(request.param)
        yield made


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("site", "backlog"),
    [
        pytest.param(EMBEDDED, BRIEF, id="everyday"),
        pytest.param(EMBEDDED, WHOLE, id="all", marks=pytest.mark.faults),
        pytest.param(REAL, WHOLE, id="all-real", marks=pytest.mark.faults),
    ],
    indirect=["site"],
)
def test_a_backlog_is_drained_nearest_deadlines_first_while_new_messages_go_on(
    site: Site, provider: SampleProvider, table: FaultTable, backlog: Backlog
) -> None:
    file = samples.photograph(1, size=SMALL)
    url = provider.offer(file)
    before = sum(provider.requests.values())
    with site.vault() as vault:
        vault.prepare()
        load(vault.catalog, backlog.due, due=backlog.due, url=url)
        site.known |= loaded(vault)
    site.receiver_part()
    site.start("sweep", "worker sweep")
    site.start("worker-0", "worker archive")
    site.start("worker-1", "worker archive")
    where = ", on real servers" if site.is_real else ""
    met = Traffic(
        site, provider, f"a provider that was away: {backlog.due:,} due, drained for a while{where}"
    )
    with site.vault() as vault:
        began = time.monotonic()
        waits = waits_of_new_messages(met, vault, backlog, began=began)
        seconds, drained = time.monotonic() - began, archived(vault)
        for name in ("sweep", "worker-0", "worker-1"):
            end(site.running[name], number=signal.SIGTERM, seconds=40)
        (fresh,) = settled([met])
        row = drained_account(vault, met, file, fresh)
        expect(table, [row])
        assert drained < backlog.due, "there was more to do at every moment"
        assert statistics.median(waits) < PROMPTLY_SECONDS * patience()
        assert is_nearest_first(vault)
    files_of_new = sum(len(one.files) for one in met.sent)
    asked = sum(provider.requests.values()) - before
    assert asked - files_of_new == row.sent - fresh.sent, "no file is fetched twice"
    write(backlog, drained / seconds, waits, where=where)


def waits_of_new_messages(met: Traffic, vault: Vault, backlog: Backlog, *, began: float) -> list[float]:
    """Send messages one after the other while the backlog is drained; return the seconds each took."""
    waits = []

    def goes_on() -> bool:
        if time.monotonic() - began > backlog.seconds:
            return False
        return not backlog.drained or archived(vault) < backlog.drained

    while goes_on():
        sent = time.monotonic()
        assert met.send() == 200
        until(met.all_archived, seconds=60, what=f"{met.sent[-1].id} being archived beside the backlog")
        waits.append(time.monotonic() - sent)
    return waits


def archived(vault: Vault) -> int:
    """Return how many of the backlog are archived."""
    done = messages.c.state == MessageState.ARCHIVED.value
    with reading(vault.catalog) as connection:
        return connection.scalar(select(func.count()).where(LOADED, done)) or 0


def loaded(vault: Vault) -> set[str]:
    with reading(vault.catalog) as connection:
        return set(connection.scalars(select(messages.c.id).where(LOADED)))


def drained_account(vault: Vault, met: Traffic, file: SampleFile, fresh: Row) -> Row:
    """Look at everything that was drained, in the catalog and in the bucket, beside what came in fresh."""
    with reading(vault.catalog) as connection:
        tried = Counter(connection.scalars(select(attempts.c.message_id).join(messages).where(LOADED)))
    sent = [Sent(name, (file,), OK) for name in tried]
    (row,) = account(vault, {met.fault: sent}, known=loaded(vault) | {one.id for one in met.sent})
    again = [f"{name}: tried {times} times" for name, times in tried.items() if times > 1]
    return add(row, fresh, doubled=sum(tried.values()) - len(tried), problems=again)


def add(one: Row, other: Row, *, doubled: int, problems: Sequence[str]) -> Row:
    return Row(
        fault=one.fault,
        sent=one.sent + other.sent,
        answered=one.answered + other.answered,
        archived=one.archived + other.archived,
        lost=one.lost + other.lost,
        doubled=one.doubled + other.doubled + doubled,
        compared=one.compared + other.compared,
        problems=(*one.problems, *other.problems, *problems),
    )


def is_nearest_first(vault: Vault) -> bool:
    """Return whether what was drained had the nearest deadlines, but for what was in the queue."""
    with reading(vault.catalog) as connection:
        asked = select(messages.c.state).where(LOADED).order_by(messages.c.deadline_at)
        states = list(connection.scalars(asked))
    done = [place for place, state in enumerate(states) if state == MessageState.ARCHIVED.value]
    return done[-1] < len(done) + MOST_JOBS


def write(backlog: Backlog, a_second: float, waits: list[float], *, where: str) -> None:
    """Write what it came to beside the fault table, where the run was asked to."""
    document = os.environ.get(WHERE)
    if not document or backlog is not WHOLE:
        return
    path = Path(document)
    before, _, rest = path.read_text().partition(BEGIN)
    lines, _, after = rest.partition(END)
    start = f"- {backlog.due:,} due{where or ', on embedded servers'}: "
    kept = [line for line in lines.splitlines() if line and not line.startswith(start)]
    kept.append(
        f"{start}{a_second:.0f} a second by two workers on {os.cpu_count()} cores, nearest deadline first; a"
        f" new message sent meanwhile was archived after {statistics.median(waits):.1f} s (median; "
        f"{max(waits):.1f} s at the most). {datetime.now(UTC):%Y-%m-%d}."
    )
    path.write_text(f"{before}{BEGIN}\n" + "\n".join(kept) + f"\n{END}{after}")


@pytest.mark.everyday_fault
@pytest.mark.timeout(240)
def test_a_provider_that_is_away_is_probed_and_drained_at_once_when_it_is_back(
    site: Site, table: FaultTable
) -> None:
    port, path, count = free_port(), "/content/picture.jpg", 300
    file = samples.photograph(1, size=SMALL)
    with site.vault() as vault:
        vault.prepare()
        load(vault.catalog, count, due=count, url=f"http://127.0.0.1:{port}{path}")
    site.start("sweep", "worker sweep")
    site.start("worker-0", "worker archive")

    def attempted(vault: Vault) -> int:
        with reading(vault.catalog) as connection:
            return connection.scalar(select(func.count()).select_from(attempts)) or 0

    with site.vault() as vault:

        def is_left_alone() -> bool:
            paused = f"{KEYS}127.0.0.1:{port}:paused"
            return (
                bool(vault.redis.exists(paused)) and vault.redis.pttl(paused) > 2000 and not vault.queue.count
            )

        until(is_left_alone, what="the provider being asked now and then only")
        tried = attempted(vault)
        assert FAILURES <= tried < count // 2
        with SampleProvider(port) as provider:
            provider.offer(file, path=path)
            until(lambda: archived(vault) >= count - tried - PROBES, seconds=60, what="what waited coming")
            wait_until_nothing_moves(lambda: archived(vault) == count, vault=vault, seconds=120)
            again = sum(provider.requests.values()) - count
        sent = [Sent(name, (file,), OK) for name in sorted(loaded(vault))]
        (row,) = account(vault, {"a provider that takes no connection, probed until it does": sent})
    assert row.sent == count
    problems = (*row.problems, *([f"files were asked for {again:+} times"] if again else []))
    expect(table, [replace(row, doubled=row.doubled + max(again, 0), problems=problems)])
