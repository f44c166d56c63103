"""What it costs to bring due files back into the queue, by how many there are of them and of all."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from sqlalchemy import Connection, Engine, bindparam, select, text, update

from mmsvault.archive.retries import Retries
from mmsvault.catalog import counting
from mmsvault.catalog.connection import migrate, writing
from mmsvault.catalog.tables import messages
from mmsvault.message import utc_now
from mmsvault.queueing import figures
from mmsvault.queueing.jobs import ARCHIVE_QUEUE
from mmsvault.steps import Counts
from mmsvault.vault import Vault
from tests.benchmarks import ground
from tests.flow.site import Site
from tests.servers import postgresql_server

SIZES = {10_000: (1_000, 10_000), 1_000_000: (1_000, 10_000, 180_000)}
BRIEF = {200: (50, 200), 400: (50,)}
"""By how many messages there are: how many of them are due, one after the other."""
WORKERS = 64
HEAD = (
    "",
    "Due files brought back into the queue, with room for 64 workers (target: at most 2 times the smallest):",
    "",
    "| database | messages | due | ms a thousand | / smallest |",
    "|---|---|---|---|---|",
)


@dataclass(frozen=True)
class Drained:
    """How long a thousand due files took."""

    database: str
    messages: int
    due: int
    milliseconds: float


def measure(folder: Path, sizes: Mapping[int, Sequence[int]] = SIZES) -> list[str]:
    """Return the table."""
    lines = [*HEAD]
    for database in ("sqlite", "postgresql"):
        found = list(_measure(folder / database, database, sizes))
        smallest = found[0].milliseconds
        for one in found:
            ratio = one.milliseconds / smallest
            ground.say(
                f"{one.database}, {one.messages:,} messages, {one.due:,} due: {one.milliseconds:.1f} ms"
            )
            lines.append(
                f"| {one.database} | {one.messages:,} | {one.due:,} | {one.milliseconds:.1f} | {ratio:.2f} |"
            )
    return lines


def _measure(folder: Path, database: str, sizes: Mapping[int, Sequence[int]]) -> Iterator[Drained]:
    with ground.site(folder, {"MMSVAULT_RETRY_RATE": "0"}) as site:
        for size, backlogs in sizes.items():
            with _catalog(folder / f"catalog-{size}", database, site), site.vault() as vault:
                load(vault.catalog, size, due=max(backlogs))
                for due in backlogs:
                    make_due(vault.catalog, due)
                    yield Drained(database, size, due, drain(vault, due))


@contextmanager
def _catalog(folder: Path, database: str, site: Site) -> Iterator[None]:
    """Have the site use an empty catalog of its own."""
    folder.mkdir()
    if database == "sqlite":
        site.env["MMSVAULT_DATABASE_URL"] = f"sqlite:///{folder / 'catalog.sqlite'}"
        yield
        return
    with postgresql_server(folder) as url:
        site.env["MMSVAULT_DATABASE_URL"] = url
        yield


def drain(vault: Vault, due: int) -> float:
    """Feed the queue until all that is due was in it; return milliseconds a thousand of them."""
    feeding = Retries(vault, vault.queue)
    fed, taken = 0, 0.0
    while fed < due:
        for number in range(WORKERS):
            worker = f"worker-{number}"
            figures.tell(vault.redis, Counts(), queue_name=ARCHIVE_QUEUE, worker=worker, now=utc_now())
        began = time.perf_counter()
        put = feeding.feed()
        taken += time.perf_counter() - began
        assert put, f"{fed} of {due} were put into the queue"
        fed += put
        vault.redis.delete(vault.queue.key)  # the workers have taken them
    feeding.close()
    return 1000 * taken / (fed / 1000)


def load(engine: Engine, count: int, *, due: int, url: str = "https://media.example/a") -> None:
    """Enter messages without words, of which `due` are due now; the deadlines lie in no order.

    Of the others a tenth waits for later, and the rest is archived. Their file is at `url`.
    """
    migrate(engine)
    now = utc_now()
    given = {
        "now": now.replace(tzinfo=None) if engine.dialect.name == "sqlite" else now,
        "count": count,
        "due": due,
        "wait": due + (count - due) // 10,
        "url": url,
    }
    with writing(engine) as connection, _without_triggers(connection):
        for statement in _statements(engine.dialect.name):
            connection.execute(text(statement), given)
        counting.recount_in(connection)
    ground.analyze(engine)


def make_due(engine: Engine, due: int) -> None:
    """Have that many of the messages that wait be due now, and the others later."""
    now = utc_now()
    seconds = (messages.c.place % 3600).label("seconds")
    with writing(engine) as connection:
        waiting = connection.execute(select(messages.c.place, seconds).where(messages.c.due_at.is_not(None)))
        rows = [
            {
                "its_place": place,
                "at": now + timedelta(seconds=3600 + later)
                if place > due
                else now - timedelta(seconds=later),
            }
            for place, later in waiting
        ]
        changed = update(messages).where(messages.c.place == bindparam("its_place"))
        connection.execute(changed.values(due_at=bindparam("at")), rows)
    ground.analyze(engine)


@contextmanager
def _without_triggers(connection: Connection) -> Iterator[None]:
    """Have nothing counted row by row, which would take minutes."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        yield
        return
    triggers = connection.execute(text("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")).all()
    for name, _ in triggers:
        connection.exec_driver_sql(f'DROP TRIGGER "{name}"')
    yield
    for _, sql in triggers:
        connection.exec_driver_sql(sql)


def _statements(dialect: str) -> Sequence[str]:
    if dialect == "sqlite":
        numbers = (
            "WITH RECURSIVE numbers(n) AS "
            "(SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < :count) "
        )
        source = "FROM numbers"
        ago = "strftime('%Y-%m-%d %H:%M:%f000', :now, '-' || {0} || ' seconds')"
        ahead = "strftime('%Y-%m-%d %H:%M:%f000', :now, '+' || {0} || ' seconds')"
        false, padded = "0", "printf('%08d', n)"
    else:
        numbers, source = "", "FROM generate_series(0, CAST(:count AS integer) - 1) AS numbers(n)"
        ago = "CAST(:now AS timestamptz) - {0} * interval '1 second'"
        ahead = "CAST(:now AS timestamptz) + {0} * interval '1 second'"
        false, padded = "false", "lpad(CAST(n AS text), 8, '0')"
    spread = "(90000 + CAST(n AS bigint) * 7919 % 2000003)"  # from a day to three weeks, in no order
    due_at = (
        f"CASE WHEN n < :due THEN {ago.format('(n % 3600 + 1)')}"
        f" WHEN n < :wait THEN {ahead.format('(3600 + n % 3600)')} END"
    )
    state = "CASE WHEN n < :wait THEN '{0}' ELSE '{1}' END"
    own = {
        "id": f"'sinch-' || {padded}",
        "provider": "'sinch'",
        "tracking_id": padded,
        "sender": "'14085550123'",
        "sender_number": "'14085550123'",
        **dict.fromkeys(("keyword", "keyword_folded", "subject", "operator_id", "note"), "''"),
        "received_at": ago.format("(n + 7200)"),
        "deadline_at": ahead.format(spread),
        "place": "n + 1",
        "recorded_at": ago.format("(n + 7200)"),
        "prefix": f"'messages/2026/01/01/sinch-' || {padded} || '/'",
        "state": state.format("pending", "archived"),
        "tags": "'[]'",
        "repaired": "'[]'",
        "hold": false,
        "due_at": due_at,
    }
    file = {
        "message_id": own["id"],
        "position": "0",
        "url": ":url",
        "state": state.format("pending", "stored"),
        **dict.fromkeys(
            ("content_type", "declared_type", "sha256", "key", "thumbnail_key", "preview_key", "text"), "''"
        ),
        **dict.fromkeys(("reason", "captured", "perceptual_hash"), "''"),
        "attempts": "1",
        "next_attempt_at": due_at,
        "codecs": "'[]'",
        "has_location": false,
    }
    return [
        f"INSERT INTO {table} ({', '.join(row)}) {numbers}SELECT {', '.join(row.values())} {source}"
        for table, row in (("messages", own), ("media", file))
    ]
