"""Try mutants: each is put into a workspace, its tests run there, and it counts as caught when they fail."""

import queue
import shutil
import signal
import sys
import tempfile
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from functools import reduce
from operator import or_
from pathlib import Path
from time import monotonic
from xml.etree.ElementTree import Element  # only the type

from defusedxml.ElementTree import parse

from tests.mutation.contained import TIMED_OUT
from tests.mutation.mutants import Mutant
from tests.mutation.selection import Equivalent, Target
from tests.mutation.workspace import Workspace

PASSED, NO_TESTS = 0, 5
SPARE_SECONDS = 60.0
"""What tests may take beyond that, so that a machine which has become busier ends none of them."""
SLOWER = 5
"""How many times as long as without a fault tests may take before their time is up."""
OPTIONS = ("-x", "-q", "--no-header", "-p", "no:cacheprovider", "-k", "not minio and not postgresql")
"""Where tests run on two servers of a kind, the embedded one is enough: the others take seconds to start."""


class Outcome(StrEnum):
    """What came of a mutant."""

    CAUGHT = "caught"
    SURVIVED = "survived"
    EQUIVALENT = "equivalent"
    NOT_RUN = "not run"


@dataclass(frozen=True)
class Result:
    """A mutant and what came of it."""

    mutant: Mutant
    outcome: Outcome
    timed_out: bool = False


@dataclass(frozen=True)
class Durations:
    """How many seconds each test file takes without a fault, and starting pytest; which files fail then."""

    seconds: Mapping[str, float]
    failing: frozenset[str] = frozenset()
    start_seconds: float = 0.0

    def limit_seconds(self, tests: Iterable[str]) -> float:
        """Return after how long those files are ended."""
        usual_seconds = self.start_seconds + sum(self.seconds.get(test, 0.0) for test in tests)
        return SPARE_SECONDS + SLOWER * usual_seconds

    def __or__(self, other: "Durations") -> "Durations":
        """Return both; the longer of the starts."""
        return Durations(
            {**self.seconds, **other.seconds},
            self.failing | other.failing,
            max(self.start_seconds, other.start_seconds),
        )


class Laboratory:
    """Workspaces, one for each worker, and what is tried in them."""

    def __init__(self, project: Path, folder: Path, *, workers: int) -> None:
        self.folder = folder
        self._workers = workers
        self._free: queue.Queue[Workspace] = queue.Queue()
        self._is_over = threading.Event()
        self.workspaces = [Workspace(project, folder / str(number)) for number in range(workers)]
        for workspace in self.workspaces:
            self._free.put(workspace)

    @contextmanager
    def _workspace(self) -> Iterator[Workspace]:
        workspace = self._free.get()
        try:
            workspace.restore()
            yield workspace
        finally:
            self._free.put(workspace)

    def end(self) -> None:
        """End what runs in the workspaces now, and begin nothing more."""
        self._is_over.set()
        for workspace in self.workspaces:
            workspace.end()

    def measure(self, tests: Sequence[str], *, limit_seconds: float) -> Durations:
        """Run the tests without a fault."""
        lots = [lot for lot in (tests[start :: self._workers] for start in range(self._workers)) if lot]
        with ThreadPoolExecutor(self._workers) as pool:
            measured = list(pool.map(lambda lot: self._measure(lot, limit_seconds), lots))
        return reduce(or_, measured, Durations({}))

    def _measure(self, tests: Sequence[str], limit_seconds: float) -> Durations:
        with self._workspace() as workspace:
            report, log = workspace.folder / "report.xml", workspace.folder / "measured.log"
            report.unlink(missing_ok=True)
            options = (*OPTIONS[1:], f"--junitxml={report}", *tests)
            began = monotonic()
            code = workspace.pytest(options, limit_seconds=limit_seconds, log=log)
            took = monotonic() - began
            measured = read_durations(parse(report).getroot()) if report.exists() else Durations({})
            failing = frozenset(tests) if code != PASSED and not measured.failing else measured.failing
            return Durations(measured.seconds, failing, took - sum(measured.seconds.values()))

    def try_all(
        self, mutants: Sequence[Mutant], targets: Mapping[str, Target], durations: Durations, *, until: float
    ) -> Iterator[Result]:
        """Give what came of each mutant; those that `until` (monotonic) leaves no time for are not run."""
        pool = ThreadPoolExecutor(self._workers)
        trials = [
            pool.submit(self._try, mutant, targets[mutant.module].tests, durations, until)
            for mutant in mutants
        ]
        try:
            for trial in trials:
                yield trial.result()
        finally:
            pool.shutdown(cancel_futures=True)

    def _try(self, mutant: Mutant, tests: Sequence[str], durations: Durations, until: float) -> Result:
        if self._is_over.is_set() or monotonic() > until or durations.failing & {*tests}:
            return Result(mutant, Outcome.NOT_RUN)
        with self._workspace() as workspace:
            workspace.put(mutant.module, mutant.code)
            limit_seconds = durations.limit_seconds(tests)
            options = (*OPTIONS, f"--timeout={int(limit_seconds)}", *tests)
            code = workspace.pytest(options, limit_seconds=limit_seconds, log=workspace.folder / "tried.log")
        return Result(mutant, outcome_of(code), timed_out=code == TIMED_OUT)


@contextmanager
def laboratory(project: Path, *, workers: int) -> Iterator[Laboratory]:
    """Give workspaces in a temporary folder, and remove it."""
    folder = Path(tempfile.mkdtemp(prefix="mutate-"))
    folder.chmod(0o755)  # PostgreSQL runs as a user of its own
    try:
        made = Laboratory(project, folder, workers=workers)
        with _ended_on_a_signal(made):
            yield made
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _ended_on_a_signal(made: Laboratory) -> Iterator[None]:
    """Have SIGTERM and Ctrl-C end the tests that run, and then this program."""

    def end(number: int, _frame: object) -> None:
        made.end()
        sys.exit(128 + number)

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def outcome_of(code: int) -> Outcome:
    """Return what the exit code of pytest says of a mutant; tests that cannot be loaded have caught it."""
    if code == PASSED:
        return Outcome.SURVIVED
    return Outcome.NOT_RUN if code == NO_TESTS else Outcome.CAUGHT


def read_durations(report: Element) -> Durations:
    """Return what a JUnit report says of each test file."""
    seconds: defaultdict[str, float] = defaultdict(float)
    failing = set()
    for case in report.iter("testcase"):
        # The name of the module, perhaps with a class; or of the file itself where it could not be loaded.
        parts = (case.get("classname") or case.get("name", "")).split(".")
        last = next((number for number, part in enumerate(parts) if part.startswith("test_")), len(parts) - 1)
        test = "/".join(parts[: last + 1]) + ".py"
        seconds[test] += float(case.get("time", 0))
        if case.find("failure") is not None or case.find("error") is not None:
            failing.add(test)
    return Durations(seconds, frozenset(failing))


def set_aside(
    mutants: Iterable[Mutant], equivalents: Sequence[Equivalent]
) -> tuple[list[Mutant], list[Result]]:
    """Return the mutants to try, and those that change nothing. Leaves out those that are no Python."""
    to_try, aside = [], []
    for mutant in mutants:
        if not mutant.code:
            continue
        if any(one.describes(mutant) for one in equivalents):
            aside.append(Result(mutant, Outcome.EQUIVALENT))
        else:
            to_try.append(mutant)
    return to_try, aside
