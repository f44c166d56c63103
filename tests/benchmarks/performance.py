"""`make bench`: the vault against what one would write by hand; writes docs/performance.md and its plot.

Everything runs as real processes on this machine. Ours and the peers take turns within each round,
so that a noisy machine is noisy for all of them; a ratio is taken within its round.
"""

import argparse
import os
import platform
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from tests.benchmarks import backlog, growing, pipeline, receiving, resting
from tests.benchmarks.ground import Ratio, ends_what_it_started

DOCUMENT = Path("docs/performance.md")
PLOT = Path("docs/pictures/performance.svg")
FIGURES = "<!-- figures: written by make bench -->", "<!-- end of figures -->"
GROWTH = "<!-- figures: written by make bench ARGS=--growth -->", "<!-- end of growth -->"
PENDING = "<!-- figures: written by make bench ARGS=--pending -->", "<!-- end of pending -->"
PARTS = ("receiver", "pipeline", "minio", "waiting", "backlog", "idle", "start")


def measure(part: str, folder: Path, *, rounds: int, brief: bool) -> list[Ratio]:
    """Return what one part comes to; `brief` is to see that it runs, not what it comes to."""
    match part:
        case "receiver":
            return receiving.measure(
                folder, rounds=rounds, seconds=1 if brief else 4, burst=500 if brief else receiving.BURST
            )
        case "pipeline" | "minio":
            messages = 4 if brief else 60
            return pipeline.measure(folder, rounds=rounds, messages=messages, on_minio=part == "minio")
        case "waiting":
            return pipeline.measure_waiting(folder, rounds=rounds, workers=2 if brief else 16)
        case "backlog":
            return resting.measure_backlog(folder, waiting=2000 if brief else 1_000_000, rounds=rounds)
        case "idle":
            return resting.measure_idle(folder, rounds=rounds, seconds=2 if brief else 10)
        case _:
            return resting.measure_start(folder, rounds=rounds)


def table(ratios: Sequence[Ratio]) -> list[str]:
    return [
        "| what | target | least | median | most | rounds | |",
        "|---|---|---|---|---|---|---|",
        *(ratio.row() for ratio in ratios),
    ]


def machine() -> str:
    """Say what this was measured on."""
    cpu = Path("/proc/cpuinfo")
    models = [
        line.partition(": ")[2] for line in cpu.read_text().splitlines() if line.startswith("model name")
    ]
    return (
        f"{models[0] if models else platform.processor()}, {os.cpu_count()} cores, "
        f"Linux {platform.release().partition('-')[0]}, Python {platform.python_version()}, "
        f"load of the machine at the end {os.getloadavg()[1]:.1f}"
    )


def draw(ratios: Sequence[Ratio], into: Path) -> None:
    """Draw each ratio to a peer with its spread."""
    import matplotlib as mpl  # noqa: PLC0415 - only where something is drawn

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "mmsvault"
    from matplotlib import pyplot as plt  # noqa: PLC0415 - as above

    shown = [ratio for ratio in ratios if " / " in ratio.what][::-1]
    figure, axes = plt.subplots(figsize=(9, 0.45 * len(shown) + 1.2))
    for at, ratio in enumerate(shown):
        axes.plot([min(ratio.rounds), max(ratio.rounds)], [at, at], color="#7a8ba3", linewidth=5, alpha=0.5)
        axes.plot(ratio.median, at, "o", color="#1f4e8c")
    axes.axvline(1, color="#888888", linewidth=0.8)
    axes.set_yticks(
        range(len(shown)), [f"{ratio.what}\n(target {ratio.target})" for ratio in shown], fontsize=7
    )
    axes.set_xscale("log")
    axes.set_xlabel("ratio: dot is the median, bar from least to most")
    figure.tight_layout()
    figure.savefig(into, metadata={"Date": None})


def write(lines: Sequence[str], between: tuple[str, str], command: str) -> None:
    """Put figures into the document, in place of the last ones."""
    begin, end = between
    written = f"Written by `{command}` on {datetime.now(UTC):%Y-%m-%d}: {machine()}."
    before, _, rest = DOCUMENT.read_text().partition(begin)
    after = rest.partition(end)[2]
    DOCUMENT.write_text(f"{before}{begin}\n" + "\n".join([written, *lines]) + f"\n{end}{after}")


def _tell(lines: Sequence[str], marks: tuple[str, str], command: str, *, is_written: bool) -> None:
    sys.stdout.write("\n".join(lines) + "\n")
    if is_written:
        write(lines, marks, command)


def main(given: Sequence[str]) -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("parts", nargs="*", help=f"which of {', '.join(PARTS)}; all of them if none")
    asked.add_argument("--rounds", type=int, default=5)
    asked.add_argument(
        "--growth", action="store_true", help="the cost as it grows, in place of the parts (half an hour)"
    )
    asked.add_argument("--pending", action="store_true", help="of that, only what waits among how much")
    asked.add_argument(
        "--seconds", type=float, default=1200, help="for growth; what is not begun then is left out"
    )
    asked.add_argument("--no-write", action="store_true", help="print the figures only")
    options = asked.parse_args(given)
    if unknown := set(options.parts) - set(PARTS):
        asked.error(f"there is no part {', '.join(sorted(unknown))}")
    ratios: list[Ratio] = []
    with tempfile.TemporaryDirectory(prefix="mmsvault-bench-") as folder:
        if options.growth or options.pending:
            command = "make bench ARGS=--growth" if options.growth else "make bench ARGS=--pending"
            if options.growth:
                grown = growing.measure(Path(folder) / "growth", growing.Sizes(seconds=options.seconds))
                _tell(grown, GROWTH, command, is_written=not options.no_write)
            waited = backlog.measure(Path(folder) / "backlog", backlog.Sizes(seconds=options.seconds))
            _tell(waited, PENDING, command, is_written=not options.no_write)
            return
        for part in options.parts or PARTS:
            found = measure(part, Path(folder) / part, rounds=options.rounds, brief=False)
            sys.stdout.write("\n".join(ratio.row() for ratio in found) + "\n")
            sys.stdout.flush()
            ratios += found
    if not (options.no_write or options.parts):
        picture = f"![ratios with their spread]({PLOT.relative_to(DOCUMENT.parent)})"
        write(["", *table(ratios), "", picture], FIGURES, "make bench")
        draw(ratios, PLOT)


if __name__ == "__main__":
    ends_what_it_started()
    main(sys.argv[1:])
