"""Cost by how much waits: what pages, alerts and the sweep ask, and one keyword against many.

Messages are loaded in SQL, with receipts of the last three days. On PostgreSQL it is a server of its own.
"""

import statistics
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event, text

from mmsvault.catalog import counting, quarantine, tallies, totals, verdicts, writes
from mmsvault.catalog.connection import migrate, open_catalog, writing
from mmsvault.catalog.language import EVERYTHING
from mmsvault.catalog.queries import FILES
from mmsvault.catalog.views import View
from mmsvault.message import Receipt, utc_now
from mmsvault.ops.conditions import judge
from mmsvault.ops.facts import Facts
from mmsvault.ops.gather import archive_facts
from mmsvault.postbacks import understand
from mmsvault.sweeping import Sweeper
from mmsvault.vault import Vault
from tests import servers
from tests.benchmarks import ground

SPAN_SECONDS = 3 * 86_400 - 7200
FIRST_PENDING = 5_000_000
"""Messages that wait have the numbers from here on: they are the newest."""


@dataclass(frozen=True)
class Sizes:
    """How large things are made. `seconds`: what is not begun by then is left out, and the tables say so."""

    databases: Sequence[str] = ("sqlite", "postgresql")
    archived: Sequence[int] = (10_000, 1_000_000)
    pending: Sequence[int] = (100, 10_000, 1_000_000)
    threads: int = 8
    asked: int = 30
    rounds: int = 5
    seconds_a_round: float = 10
    seconds: float = 3600


BRIEF = Sizes(archived=(200, 400), pending=(10,), threads=2, asked=2, rounds=1, seconds_a_round=0.5)


def measure(folder: Path, sizes: Sizes | None = None) -> list[str]:
    """Return the tables."""
    sizes = sizes or Sizes()
    give_up = time.monotonic() + sizes.seconds
    lines: list[str] = []
    for part in (_keywords, _questions):
        lines += part(folder, sizes, give_up)
    return lines


@contextmanager
def database(folder: Path, kind: str) -> Iterator[str]:
    """Give the URL of an empty database of that kind."""
    folder.mkdir(parents=True, exist_ok=True)
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'catalog.sqlite'}"
        return
    with servers.postgresql_server(folder, {"max_wal_size": "4GB"}) as url:
        yield url


QUESTIONS = ("a sweep", "`status`", "alerts", "gallery's head", "operations")


def _questions(folder: Path, sizes: Sizes, give_up: float) -> list[str]:
    lines = [
        "",
        f"Milliseconds (the least of {sizes.asked}), by how many messages are archived and how many wait:",
        "",
        f"| database | archived | waiting | {' | '.join(QUESTIONS)} |",
        f"|---|---|---|{'---|' * len(QUESTIONS)}",
    ]
    for kind in sizes.databases:
        rows: list[list[float]] = []
        for archived in sizes.archived:
            place = folder / f"{kind}-{archived}"
            with (
                database(place / "database", kind) as url,
                ground.site(place / "vault", {"MMSVAULT_DATABASE_URL": url}) as made,
                made.vault() as vault,
            ):
                vault.prepare()
                load(vault.catalog, range(archived), state="archived")
                there = 0
                for waiting in sizes.pending:
                    cells = ["-"] * len(QUESTIONS)
                    if time.monotonic() < give_up:
                        more = range(FIRST_PENDING + there, FIRST_PENDING + waiting)
                        load(vault.catalog, more, state="pending")
                        there = waiting
                        rows.append(_asked(vault, sizes.asked))
                        cells = [f"{one:.1f}" for one in rows[-1]]
                    ground.say(f"{kind}, {archived:,} archived, {waiting:,} waiting: {', '.join(cells)} ms")
                    lines.append(f"| {kind} | {archived:,} | {waiting:,} | {' | '.join(cells)} |")
        if len(rows) == len(sizes.archived) * len(sizes.pending):
            ratios = [f"**{last / first:.2f}**" for first, last in zip(rows[0], rows[-1], strict=True)]
            lines.append(f"| {kind} | largest / smallest | target <= 2 | {' | '.join(ratios)} |")
    return lines


def _asked(vault: Vault, times: int) -> list[float]:
    """Return the milliseconds of each question."""
    sweeper, view, now = Sweeper(vault, vault.queue), View(vault.catalog), utc_now()
    at_risk_before = now + totals.AT_RISK

    def status() -> None:
        totals.counts(vault.catalog, at_risk_before=at_risk_before)
        quarantine.waiting(vault.catalog)
        verdicts.latest(vault.catalog)

    def alerts() -> None:
        facts = Facts(vault.settings, now, archive=archive_facts(vault, now=now))
        assert list(judge(facts))

    def head() -> None:
        assert view.search(EVERYTHING, limit=60, parts=FILES).messages
        view.kept_total(EVERYTHING)
        view.counts(at_risk_before=at_risk_before)
        view.at_risk(before=at_risk_before)

    def operations() -> None:
        assert len(view.by_hour(hours=24, now=now)) == 24
        view.counts(at_risk_before=at_risk_before)
        assert view.waiting(limit=20)

    sweeper.sweep()  # the first writes what has come in meanwhile into the bucket
    asked: tuple[Callable[[], object], ...] = (
        sweeper.sweep,
        status,
        alerts,
        head,
        operations,
    )
    return [_milliseconds(one, times) for one in asked]


def _milliseconds(ask: Callable[[], object], times: int) -> float:
    """Return the least of some times: what others do on this machine only adds to it."""
    ask()
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        ask()
        taken.append(1000 * (time.perf_counter() - began))
    return min(taken)


def load(engine: Engine, numbers: range, *, state: str) -> None:
    """Enter these messages, each with one file and one receipt, and count everything again.

    What waits is tried again in six hours.
    """
    begins = utc_now().replace(microsecond=0) - timedelta(seconds=SPAN_SECONDS)
    given = {"first": numbers.start, "count": len(numbers), "state": state, "begins": begins.timestamp()}
    given["due"] = (utc_now() + timedelta(hours=6)).timestamp()
    with writing(engine) as connection:
        if engine.dialect.name == "sqlite":
            made = connection.execute(
                text("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
            ).all()
            for name, _ in made:
                connection.execute(text(f"DROP TRIGGER {name}"))
        else:
            made = []
            connection.execute(text("SET LOCAL session_replication_role = replica"))  # no triggers
        for statement in _statements(engine.dialect.name):
            connection.execute(text(statement), given)
        for _, statement in made:
            connection.exec_driver_sql(statement)
        counting.recount_in(connection)
    if engine.dialect.name == "postgresql":
        ground.analyze(engine)


_NUMBERS = {
    "sqlite": """WITH RECURSIVE n(g) AS (SELECT CAST(:first AS INTEGER) WHERE :count > 0
      UNION ALL SELECT g + 1 FROM n WHERE g + 1 < :first + :count),
      s AS (SELECT g, :begins + (g % 5000000) * 0.12 + (g >= 5000000) * 130000 AS t FROM n)""",
    "postgresql": """WITH s AS (SELECT g, CAST(:begins AS double precision) + (g % 5000000) * 0.12
      + CASE WHEN g >= 5000000 THEN 130000 ELSE 0 END AS t
      FROM generate_series(CAST(:first AS bigint), CAST(:first AS bigint) + :count - 1) g)""",
}
"""Numbers `g` of messages, and the time `t` of each in seconds."""
_MOMENTS = {
    "sqlite": "strftime('%Y-%m-%d %H:%M:%f', {}, 'unixepoch') || '000'",
    "postgresql": "to_timestamp({})",
}
_LOADING = (
    """INSERT INTO messages (id, provider, tracking_id, sender, sender_number, keyword, keyword_folded,
      subject, operator_id, received_at, deadline_at, place, recorded_at, prefix, state, tags, note, hold,
      due_at)
      {numbers} SELECT 'sinch-MMS_MO_' || g, 'sinch', 'MMS_MO_' || g, '1408' || (2000000 + g % 50000),
      '1408' || (2000000 + g % 50000), 'k' || (g % 64), 'k' || (g % 64), 'subject ' || g,
      '31002', {at}, {deadline}, CAST(t * 1000000 AS BIGINT) * 256 + g % 256, {at},
      'messages/2026/11/29/' || g || '/', {state}, '[]', '', false, {due} FROM s""",
    """INSERT INTO media (message_id, position, url, state, content_type, declared_type, size, sha256, key,
      thumbnail_key, preview_key, text, reason, attempts, next_attempt_at, codecs, captured,
      has_location, perceptual_hash)
      {numbers} SELECT 'sinch-MMS_MO_' || g, 0, 'https://media.example/' || g,
      CASE WHEN {state} = 'pending' THEN 'pending' ELSE 'stored' END, '', '',
      CASE WHEN {state} = 'pending' THEN NULL ELSE 50000 END, '', '',
      '', '', '', CASE WHEN {state} = 'pending' THEN 'The provider answered 500.' ELSE '' END, 1, {due},
      '[]', '', false, '' FROM s""",
    """INSERT INTO receipts (id, outcome, message_id, code, received_at)
      {numbers} SELECT 'sinch-MMS_MO_' || g, 'message', 'sinch-MMS_MO_' || g, '', {at} FROM s""",
)


def _statements(dialect: str) -> Iterator[str]:
    """Give what enters messages, media and receipts."""
    state, due = "CAST(:state AS TEXT)", "CAST(:due AS double precision)"
    moment = _MOMENTS[dialect].format
    for statement in _LOADING:
        yield statement.format(
            numbers=_NUMBERS[dialect],
            at=moment("t"),
            deadline=moment("t + 2592000"),
            due=f"CASE WHEN {state} = 'pending' THEN {moment(due)} END",
            state=state,
        )


def _keywords(folder: Path, sizes: Sizes, give_up: float) -> list[str]:
    lines = [
        "",
        f"Messages a second that {sizes.threads} threads record, with 1 ms added to each statement:",
        "",
        "| database | one keyword, one sender | a keyword and a sender each | many / one (target <= 1.2) |",
        "|---|---|---|---|",
    ]
    for kind in sizes.databases:
        cells = ["-"] * 3
        if time.monotonic() < give_up:
            with database(folder / f"keywords-{kind}", kind) as url:
                engine = open_catalog(url, connections=sizes.threads + 2)
                migrate(engine)
                event.listen(engine, "before_cursor_execute", lambda *_: time.sleep(0.001))
                one, many = [], []
                for _ in range(sizes.rounds):
                    one.append(_rate(engine, sizes, is_one=True))
                    many.append(_rate(engine, sizes, is_one=False))
                engine.dispose()
            ratio = statistics.median(many) / statistics.median(one)
            cells = [f"{statistics.median(one):.1f}", f"{statistics.median(many):.1f}", f"**{ratio:.2f}**"]
        ground.say(f"{kind}: {', '.join(cells)}")
        lines.append(f"| {kind} | {' | '.join(cells)} |")
    return lines


def _rate(engine: Engine, sizes: Sizes, *, is_one: bool) -> float:
    """Return how many messages a second are recorded, with the counts folded in between as by the sweep."""
    ends, numbers, done = time.monotonic() + sizes.seconds_a_round, count(), count()

    def write() -> None:
        while time.monotonic() < ends:
            recorded = next(numbers)
            body = _postback("storm" if is_one else f"k{recorded}", 0 if is_one else recorded)
            receipt = Receipt.of(body, provider="sinch")
            message: Any = understand(receipt, retention=timedelta(days=30))
            writes.record(engine, message, receipt)
            next(done)

    threads = [threading.Thread(target=write) for _ in range(sizes.threads)]
    began = time.monotonic()
    for one in threads:
        one.start()
    while any(one.is_alive() for one in threads):
        tallies.fold(engine, seconds=1)
        for one in threads:
            one.join(timeout=2 / len(threads))
    taken = time.monotonic() - began
    return next(done) / taken


def _postback(keyword: str, sender: int) -> bytes:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return (
        f"<postback><origin>MMS_MO</origin><code>N401</code><from>1408{2_000_000 + sender}</from>"
        f"<to>28444</to><keyword>{keyword}</keyword><tracking-id>{uuid.uuid4().hex}</tracking-id>"
        f"<operator-id>31002</operator-id><timestamp>{now}</timestamp><message-subject>x</message-subject>"
        "<content><file>http://127.0.0.2/a.jpg</file></content></postback>"
    ).encode()
