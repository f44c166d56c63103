"""Cost as it grows: workers and the provider's latency, receipts that wait, and the archive itself."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mmsvault.catalog import totals
from mmsvault.catalog.connection import migrate
from mmsvault.integrity.rebuilding import rebuild
from mmsvault.integrity.repairing import verify_and_repair
from mmsvault.message import utc_now
from mmsvault.sweeping import Sweeper
from tests.benchmarks import crowd, draining, ground, pipeline, resting
from tests.benchmarks.test_integrity import write_message

ASKED = 5


@dataclass(frozen=True)
class Sizes:
    """How large things are made. `seconds`: what is not begun by then is left out, and the tables say so."""

    workers: Sequence[int] = (1, 2, 4, 8, 16)
    latencies_ms: Sequence[int] = (0, 50, 500)
    messages_a_worker: int = 20
    backlogs: Sequence[int] = (1_000, 100_000, 1_000_000)
    archives: Sequence[int] = (10_000, 100_000, 1_000_000)
    verified: Sequence[int] = (2_000, 20_000)
    seconds: float = 1200


BRIEF = Sizes(
    workers=(1, 2),
    latencies_ms=(0, 50),
    messages_a_worker=3,
    backlogs=(2000,),
    archives=(200, 400),
    verified=(20,),
)


def measure(folder: Path, sizes: Sizes | None = None) -> list[str]:
    """Return the tables."""
    sizes = sizes or Sizes()
    give_up = time.monotonic() + sizes.seconds
    return [
        *_backlogs(folder, sizes, give_up),
        *_workers(folder, sizes, give_up),
        *_archives(folder, sizes, give_up),
        *draining.measure(folder / "drained", draining.BRIEF if sizes is BRIEF else draining.SIZES),
    ]


def _workers(folder: Path, sizes: Sizes, give_up: float) -> Sequence[str]:
    lines = [
        "",
        "Messages a second, by the number of workers and the provider's latency:",
        "",
        "| workers | " + " | ".join(f"{latency} ms" for latency in sizes.latencies_ms) + " |",
        "|---|" + "---|" * len(sizes.latencies_ms),
    ]
    for workers in sizes.workers:
        place = folder / f"workers-{workers}"
        with (
            ground.site(place) as made,
            pipeline.provider(place) as served,
            pipeline.ours(made, processes=workers) as mine,
        ):
            mine.rate(served.works(workers * 4))
            cells = []
            for latency in sizes.latencies_ms:
                works = served.works(max(20, workers) * sizes.messages_a_worker // 4, latency_ms=latency)
                cells.append(f"{mine.rate(works):.1f}" if time.monotonic() < give_up else "-")
        ground.say(f"{workers} workers: {', '.join(cells)} messages a second")
        lines.append(f"| {workers} | {' | '.join(cells)} |")
    return lines


def _backlogs(folder: Path, sizes: Sizes, give_up: float) -> Sequence[str]:
    lines = [
        "",
        "| receipts that wait | KB of Redis each, beyond the body | receiver's rate / with an empty queue |",
        "|---|---|---|",
    ]
    for waiting in sizes.backlogs:
        row = ("-", "-")
        if time.monotonic() < give_up:
            weight, rate, _ = resting.measure_backlog(
                folder / f"backlog-{waiting}", waiting=waiting, rounds=5
            )
            row = f"{weight.median:.2f}", f"{rate.median:.2f}"
        ground.say(f"{waiting:,} receipts waiting: {', '.join(row)}")
        lines.append(f"| {waiting:,} | {row[0]} | {row[1]} |")
    return lines


def _archives(folder: Path, sizes: Sizes, give_up: float) -> Sequence[str]:
    lines = [
        "",
        "| messages in the archive | `status`, ms | a sweep, ms | `verify`, objects a second |",
        "|---|---|---|---|",
    ]
    rows = {size: ["-", "-", "-"] for size in sorted({*sizes.archives, *sizes.verified})}
    for size in sizes.verified:
        if time.monotonic() < give_up:
            rows[size][2] = f"{_verified(folder / f'verify-{size}', size):,.0f}"
    with ground.site(folder / "archive") as made, made.vault() as vault:
        vault.prepare()
        sweeper = Sweeper(vault, vault.queue)
        there = 0
        for size in sizes.archives:
            if time.monotonic() > give_up:
                break
            crowd.load(vault.catalog, range(there, size))
            there = size
            sweeper.sweep()  # the first writes what has come in meanwhile into the bucket
            rows[size][0] = _milliseconds(lambda: totals.counts(vault.catalog, at_risk_before=utc_now()))
            rows[size][1] = _milliseconds(sweeper.sweep)
    for size, row in rows.items():
        ground.say(f"{size:,} messages: {', '.join(row)}")
        lines.append(f"| {size:,} | {' | '.join(row)} |")
    return lines


def _milliseconds(ask: Callable[[], object]) -> str:
    """Return the median of some times."""
    taken = []
    for _ in range(ASKED):
        began = time.perf_counter()
        ask()
        taken.append(1000 * (time.perf_counter() - began))
    return f"{statistics.median(taken):.1f}"


def _verified(folder: Path, size: int) -> float:
    """Return the objects a second that `verify` reads in an archive of messages of 20 KB."""
    with ground.site(folder) as made, made.vault() as vault:
        place = vault.settings.embedded_bucket_dir
        assert place
        for number in range(size):
            write_message(place, number)
        migrate(vault.catalog)
        rebuild(vault)
        began = time.perf_counter()
        report = verify_and_repair(vault)
        assert not report.problems, report.problems[:3]
        return report.checked / (time.perf_counter() - began)
