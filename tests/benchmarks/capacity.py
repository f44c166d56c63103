"""`make bench-capacity`: bytes and milliseconds of a message on real servers; writes docs/capacity.md.

Processor time is counted for each program by itself, so what else the machine does changes little.
"""

import argparse
import contextlib
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
import psycopg
from redis import Redis

from mmsvault.catalog import totals
from mmsvault.message import utc_now
from mmsvault.queueing import figures
from mmsvault.queueing.jobs import ARCHIVE_QUEUE
from mmsvault.vault import Vault
from tests.benchmarks import ground, pipeline
from tests.benchmarks.ground import ends_what_it_started
from tests.benchmarks.performance import machine
from tests.benchmarks.pipeline import Work
from tests.flow.site import Site, family
from tests.servers import until
from worker.working import JOBS_AT_ONCE

DOCUMENT = Path("docs/capacity.md")
BEGIN, END = "<!-- figures: written by make bench-capacity -->", "<!-- end of figures -->"
RATES = (1, 10, 100)
"""Messages a second that are sized for."""
WORKERS = 2
AT_ONCE = JOBS_AT_ONCE[ARCHIVE_QUEUE]
WARM_UP = 20
AT_MOST_BUSY = 0.6
"""Of a core: beyond it, what comes at once waits for long."""
ANSWER_SECONDS = 0.5
"""What a provider takes to answer, as an example."""
OUTAGE_SECONDS = 3600
SECONDS_A_DAY = 86_400
PARTS = {
    "receiver": "receiver",
    "workers": "worker",
    "Redis": "redis",
    "MinIO": "bucket",
    "PostgreSQL": "postgresql",
}


@dataclass(frozen=True)
class Message:
    """What one message comes to. Bytes, processor milliseconds by program, and seconds of a worker."""

    original: float
    beside: float
    objects: float
    catalog: float
    waiting: float
    processor_ms: Mapping[str, float]
    worker_seconds: float


def measure(folder: Path, *, messages: int) -> Message:
    """Send messages with a picture each through a vault on real servers."""
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        made = stack.enter_context(Site(folder))
        served = stack.enter_context(pipeline.provider(folder))
        made.start_real_servers()
        vault = stack.enter_context(made.vault())
        made.receiver_part()
        for number in range(WORKERS):
            made.start(f"worker-{number}", "worker archive")
        archive(made, vault, served.works(WARM_UP))
        settle(vault)
        before, cpu = _sizes(vault), _processors(made)
        steps = figures.told(vault.redis)
        archive(made, vault, served.works(messages))
        settle(vault)
        after, used = _sizes(vault), _processors(made)
        steps = {name: value - steps.get(name, 0) for name, value in figures.told(vault.redis).items()}
        for number in range(WORKERS):
            made.kill(f"worker-{number}")
        grown = {name: (after[name] - before[name]) / messages for name in after}
        return Message(
            original=grown["original"],
            beside=grown["bucket"] - grown["original"],
            objects=grown["objects"],
            catalog=grown["catalog"],
            waiting=_waiting(made, vault, served.works(messages)),
            processor_ms={name: (used[name] - cpu[name]) * 1000 / messages for name in PARTS},
            worker_seconds=steps["step|receipt|sum"] / messages,
        )


def archive(made: Site, vault: Vault, works: Sequence[Work]) -> None:
    """Post the messages as a provider does, and wait until all are archived."""
    before = _archived(vault)
    post(made, works)
    until(lambda: _archived(vault) >= before + len(works), seconds=600, what="everything being archived")


def post(made: Site, works: Sequence[Work]) -> None:
    with httpx.Client(trust_env=False) as client:
        for work in works:
            assert client.post(made.postbacks, content=work.postback).status_code == 200


def settle(vault: Vault) -> None:
    """Wait until workers have told what they counted, and have nothing left to do."""
    before = figures.told(vault.redis).get("bytes", 0)
    until(lambda: not sum(figures.lengths(vault.redis).values()), what="the queues being empty")
    deadline = utc_now().timestamp() + 6
    until(
        lambda: utc_now().timestamp() > deadline or figures.told(vault.redis).get("bytes", 0) > before,
        what="the workers having told",
    )


def _archived(vault: Vault) -> int:
    with contextlib.suppress(Exception):  # until the first worker has made the catalog
        return totals.counts(vault.catalog, at_risk_before=utc_now()).messages["archived"]
    return 0


def _sizes(vault: Vault) -> dict[str, float]:
    found = list(vault.bucket.list("messages/"))
    url = vault.settings.effective_database_url
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CHECKPOINT")
        (size,) = connection.execute("SELECT pg_database_size(current_database())").fetchone() or (0,)
    originals = sum(
        one.size for one in found if one.key.rpartition("/")[2].startswith("00.") and "thumbs" not in one.key
    )
    return {
        "original": originals,
        "bucket": sum(one.size for one in found),
        "objects": len(found),
        "catalog": size,
    }


def _processors(made: Site) -> dict[str, float]:
    """Return the processor seconds of each program so far, with its children."""
    return {
        name: sum(
            ground.processor_seconds(family(process.pid))
            for part, process in made.running.items()
            if part.startswith(prefix)
        )
        for name, prefix in PARTS.items()
    }


def _waiting(made: Site, vault: Vault, works: Sequence[Work]) -> float:
    """Return the memory of Redis that a receipt takes while no worker runs."""
    redis: Redis = vault.redis
    before = int(redis.info("memory")["used_memory"])
    post(made, works)
    return (int(redis.info("memory")["used_memory"]) - before) / len(works)


def tables(one: Message) -> list[str]:
    """Return what was measured, and what it comes to at each rate."""
    total = one.original + one.beside
    rows = [
        "| of one message, with a picture | |",
        "|---|---|",
        f"| original | {one.original / 1000:,.0f} KB |",
        f"| beside it in the bucket (thumbnail, postback, record) | {one.beside / 1000:,.1f} KB |",
        f"| objects in the bucket | {one.objects:.1f} |",
        f"| catalog (PostgreSQL, with its indexes) | {one.catalog / 1000:,.1f} KB |",
        f"| queue (Redis), while it waits | {one.waiting / 1000:,.2f} KB |",
        *(f"| processor time, {name} | {value:,.1f} ms |" for name, value in one.processor_ms.items()),
        f"| from taking it up to letting go | {one.worker_seconds * 1000:,.0f} ms |",
        "",
        "| at a steady rate of | " + " | ".join(f"{rate:,} a second" for rate in RATES) + " |",
        "|---|" + "---|" * len(RATES),
    ]
    ms = one.processor_ms
    servers = sum(ms[name] for name in ("Redis", "MinIO", "PostgreSQL"))
    per_rate = {
        "messages a day": lambda rate: f"{rate * SECONDS_A_DAY:,}",
        "cores for workers": lambda rate: _cores(rate * ms["workers"]),
        "worker processes": lambda rate: (
            f"{max(2, round(0.5 + rate * (one.worker_seconds + ANSWER_SECONDS) / AT_MOST_BUSY / AT_ONCE)):,}"
        ),
        "cores for receivers": lambda rate: _cores(rate * ms["receiver"]),
        "cores for Redis, MinIO, PostgreSQL": lambda rate: _cores(rate * servers),
        "bucket, a day": lambda rate: _size(rate * SECONDS_A_DAY * total),
        "bucket, a year": lambda rate: _size(rate * SECONDS_A_DAY * 365 * total),
        "catalog, a year": lambda rate: _size(rate * SECONDS_A_DAY * 365 * one.catalog),
        "Redis memory for an hour without workers": lambda rate: _size(rate * OUTAGE_SECONDS * one.waiting),
        "network in, from the provider": lambda rate: f"{rate * one.original * 8 / 1e6:,.1f} Mbit/s",
    }
    return [*rows, *(f"| {what} | " + " | ".join(map(say, RATES)) + " |" for what, say in per_rate.items())]


def _cores(processor_ms: float) -> str:
    return f"{processor_ms / 1000 / AT_MOST_BUSY:,.1f}"


def _size(count: float) -> str:
    for power, unit in ((12, "TB"), (9, "GB"), (6, "MB")):
        if count >= 10**power:
            return f"{count / 10**power:,.1f} {unit}"
    return f"{count / 1000:,.1f} KB"


def main(given: Sequence[str]) -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--messages", type=int, default=400)
    asked.add_argument("--no-write", action="store_true", help="print the figures only")
    options = asked.parse_args(given)
    with tempfile.TemporaryDirectory(prefix="mmsvault-bench-") as folder:
        measured = measure(Path(folder), messages=options.messages)
    lines = [
        (
            f"Written by `make bench-capacity` on {datetime.now(UTC):%Y-%m-%d}, {options.messages} messages: "
            f"{machine()}."
        ),
        "",
        *tables(measured),
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    if not options.no_write:
        before, _, rest = DOCUMENT.read_text().partition(BEGIN)
        after = rest.partition(END)[2]
        DOCUMENT.write_text(f"{before}{BEGIN}\n" + "\n".join(lines) + f"\n{END}{after}")


if __name__ == "__main__":
    ends_what_it_started()
    main(sys.argv[1:])
