"""What a measurement stands on: a vault in parts, peers beside it, and figures as they come out."""

import contextlib
import os
import signal
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Engine

from mmsvault.embedded import servers
from tests.flow.site import ROOT, Site, family
from tests.servers import end, free_port, running


@dataclass
class Ratio:
    """A target, and what each round came to."""

    what: str
    target: str
    rounds: list[float] = field(default_factory=list)
    note: str = ""

    @property
    def median(self) -> float:
        return statistics.median(self.rounds)

    def row(self) -> str:
        low, high = min(self.rounds), max(self.rounds)
        return (
            f"| {self.what} | {self.target} | {low:.3g} | **{self.median:.3g}** | {high:.3g} "
            f"| {len(self.rounds)} | {self.note} |"
        )


def ends_what_it_started() -> None:
    """Have SIGTERM unwind this process, so that every server of a measurement that is cut off ends."""
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))


def say(line: str) -> None:
    """Tell who waits how far it has come."""
    sys.stderr.write(f"    {line}\n")


def analyze(engine: Engine) -> None:
    """Have the database know its tables as they are now."""
    raw = engine.raw_connection()  # where no transaction is begun: VACUUM runs in none
    try:
        raw.cursor().execute("ANALYZE" if engine.dialect.name == "sqlite" else "VACUUM ANALYZE")
    finally:
        raw.close()


@contextlib.contextmanager
def process(
    arguments: Sequence[str], *, log: Path, env: Mapping[str, str] | None = None, talks: bool = False
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a Python program until the end of the block, with whatever it starts."""
    with log.open("ab") as output:
        started = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=ROOT,
            env={**os.environ, **(env or {})},
            stdin=subprocess.PIPE if talks else subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        yield started
    finally:
        whole = family(started.pid)
        if started.stdin:
            started.stdin.close()
        end(started, seconds=10)
        for one in whole:
            with contextlib.suppress(ProcessLookupError):
                os.kill(one, signal.SIGKILL)


@contextlib.contextmanager
def site(folder: Path, env: Mapping[str, str] | None = None) -> Iterator[Site]:
    """Give a vault with its embedded servers running, and nothing else of it yet."""
    folder.mkdir(parents=True, exist_ok=True)
    with Site(folder, env) as made:
        made.start_embedded_servers()
        yield made


@contextlib.contextmanager
def ordinary_redis(folder: Path) -> Iterator[str]:
    """Run a Redis for the peers as they come: a log that is synced every second, and waited for by nobody."""
    port = free_port()
    command = [servers._redis_binary(), "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder)]
    options = ["--save", "", "--appendonly", "yes", "--appendfsync", "everysec"]
    with running([*command, *options], log=folder / "ordinary-redis.log", port=port):
        yield f"redis://127.0.0.1:{port}"


def memory_bytes(processes: Sequence[int]) -> int:
    """Return what the processes take together, shared pages counted once (PSS)."""
    kib = 0
    for one in processes:
        with contextlib.suppress(OSError):
            lines = Path(f"/proc/{one}/smaps_rollup").read_text().splitlines()
            kib += next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return kib << 10


def processor_seconds(processes: Sequence[int]) -> float:
    """Return the processor time that the processes have used so far."""
    ticks = 0
    for one in processes:
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")
