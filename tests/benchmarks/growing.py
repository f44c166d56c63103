"""Cost as it grows: workers and the provider's latency, and receipts that wait."""

import time
from collections.abc import Sequence
from pathlib import Path

from tests.benchmarks import ground, pipeline, resting

WORKERS = (1, 2, 4, 8, 16)
LATENCIES_MS = (0, 50, 500)
BACKLOGS = (1_000, 100_000, 1_000_000)
SECONDS = 2400
"""What is not measured by then is left out, and the table says so."""


def measure(folder: Path) -> list[str]:
    """Return the tables."""
    give_up = time.monotonic() + SECONDS
    return [*_backlogs(folder, give_up), *_workers(folder, give_up)]


def _workers(folder: Path, give_up: float) -> Sequence[str]:
    lines = [
        "",
        "Messages a second, by the number of workers and the provider's latency:",
        "",
        "| workers | " + " | ".join(f"{latency} ms" for latency in LATENCIES_MS) + " |",
        "|---|" + "---|" * len(LATENCIES_MS),
    ]
    for workers in WORKERS:
        place = folder / f"workers-{workers}"
        with (
            ground.site(place) as made,
            pipeline.provider(place) as served,
            pipeline.ours(made, processes=workers) as mine,
        ):
            mine.rate(served.works(workers * 4))
            cells = []
            for latency in LATENCIES_MS:
                count = workers * 10 if latency == LATENCIES_MS[-1] else max(60, workers * 15)
                known = time.monotonic() < give_up
                cells.append(f"{mine.rate(served.works(count, latency_ms=latency)):.1f}" if known else "-")
        lines.append(f"| {workers} | {' | '.join(cells)} |")
    return lines


def _backlogs(folder: Path, give_up: float) -> Sequence[str]:
    lines = [
        "",
        "| receipts that wait | KB of Redis each, beyond the body | keeping rate / empty queue's |",
        "|---|---|---|",
    ]
    for waiting in BACKLOGS:
        if time.monotonic() < give_up:
            weight, rate = resting.measure_backlog(folder / f"backlog-{waiting}", waiting=waiting, rounds=5)
            lines.append(f"| {waiting:,} | {weight.median:.2f} | {rate.median:.2f} |")
    return lines
