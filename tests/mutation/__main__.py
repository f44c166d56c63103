"""`make mutate`: the package says what it does.

Exit code 0: enough mutants were caught; 1: too few were; 2: it could not be told.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic

from tests.mutation import report
from tests.mutation.mutants import Mutant, mutants_of, read_mutants, sample
from tests.mutation.report import ENOUGH, Row
from tests.mutation.selection import Target, choose, read_equivalents, read_targets
from tests.mutation.trials import Durations, Laboratory, Outcome, Result, laboratory, set_aside

PROJECT = Path(__file__).parents[2]
PAGE = PROJECT / "docs" / "testing.md"
TOO_FEW, UNKNOWN = 1, 2
HALF = 0.5
MEASURING_SECONDS = 1800.0


def main() -> int:
    arguments = read_arguments()
    try:
        targets = choose(read_targets(), arguments.modules)
    except LookupError as error:
        say(str(error.args[0]))
        return UNKNOWN
    until = monotonic() + 60 * arguments.minutes
    with laboratory(PROJECT, workers=arguments.workers) as tried_in:
        if arguments.sample:
            return try_sample(tried_in, targets, arguments.sample, arguments.seed or commit(), until)
        return try_modules(tried_in, targets, until)


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make mutate", description="See which small faults the tests catch."
    )
    parser.add_argument(
        "modules", nargs="*", help="modules or folders; all of tests/mutation/modules.toml if none"
    )
    parser.add_argument(
        "--sample", type=int, metavar="N", help="try N mutants of the modules with quick tests"
    )
    parser.add_argument("--seed", help="what chooses the sample; the commit's hash if not given")
    parser.add_argument("--workers", type=int, choices=(1, 2), default=2, help="mutants tried side by side")
    parser.add_argument("--minutes", type=float, default=480.0, help="begin nothing more after so long")
    return parser.parse_args()


def try_modules(tried_in: Laboratory, targets: Sequence[Target], until: float) -> int:
    """Try every mutant of the modules, those first whose last run is longest ago; write what came of it."""
    rows = report.read_rows(PAGE.read_text())
    known = Durations({})
    done: list[Result] = []
    for target in sorted(targets, key=lambda one: rows[one.module].run if one.module in rows else ""):
        if monotonic() > until:
            say(f"No time is left for {target.module} and what comes after it.")
            break
        known = measured(tried_in, [target], known)
        results = try_module(tried_in, target, known, until)
        done += results
    return verdict(done)


def try_module(tried_in: Laboratory, target: Target, known: Durations, until: float) -> list[Result]:
    """Try every mutant of a module and write its row."""
    mutants, results = set_aside(
        mutants_of(target.module, (PROJECT / target.module).read_text()), read_equivalents()
    )
    say(f"{target.module}: {len(mutants)} mutants, {len(results)} equivalent ones besides")
    results += tell(tried_in, mutants, [target], known, until)
    modules = [one.module for one in read_targets()]
    row = Row(target.module, report.count(results), f"{datetime.now(UTC):%Y-%m-%d}, {commit()[:9]}")
    say(str(row))
    if row.share is not None:
        PAGE.write_text(report.with_rows(PAGE.read_text(), [row], modules, cores=os.cpu_count() or 1))
        report.write_survivors(target.module, results)
    return results


def try_sample(tried_in: Laboratory, targets: Sequence[Target], size: int, seed: str, until: float) -> int:
    """Try some mutants of the modules whose tests are quick, without those that are known to survive.

    So a module belongs to these once all of its mutants were tried.
    """
    rows = report.read_rows(PAGE.read_text())
    quick = [one for one in targets if one.sample and one.module in rows and rows[one.module].is_whole]
    known = {tuple(one.values()) for one in report.read_survivors()}
    everything = read_mutants(PROJECT, [target.module for target in quick])
    equivalents = read_equivalents()
    to_try = sample(everything, size + len(known) + len(equivalents), seed)
    chosen = [one for one in set_aside(to_try, equivalents)[0] if report.key_of(one) not in known][:size]
    say(f"{len(chosen)} of the {len(everything)} mutants of {len(quick)} modules, chosen by {seed}")
    needed = [target for target in quick if any(one.module == target.module for one in chosen)]
    durations = measured(tried_in, needed, Durations({}))
    if durations.failing:
        say("Without a fault, these fail in a copy of the project, so nothing can be told:")
        say("\n".join(sorted(durations.failing)))
        return UNKNOWN
    return verdict(list(tell(tried_in, chosen, needed, durations, until)))


def measured(tried_in: Laboratory, targets: Sequence[Target], known: Durations) -> Durations:
    """Return the durations that are known and those of the targets' tests."""
    missing = dict.fromkeys(test for one in targets for test in one.tests if test not in known.seconds)
    if not missing:
        return known
    new = tried_in.measure(list(missing), limit_seconds=MEASURING_SECONDS)
    for test in sorted(new.failing & {*missing}):
        say(f"{test} fails without a fault; modules that need it are not tried")
    return known | new


def tell(
    tried_in: Laboratory, mutants: Sequence[Mutant], targets: Sequence[Target], known: Durations, until: float
) -> list[Result]:
    """Try mutants and say of each what came of it: all of it where no test caught it."""
    results = []
    by_module = {target.module: target for target in targets}
    for result in tried_in.try_all(mutants, by_module, known, until=until):
        results.append(result)
        mutant = result.mutant
        late = " (out of time)" if result.timed_out else ""
        say(f"{result.outcome}{late}: {mutant.module}:{mutant.row}: {mutant.operator}")
        if result.outcome is Outcome.SURVIVED:
            say(mutant.diff)
    return results


def verdict(results: Sequence[Result]) -> int:
    """Say what came of all, and whether it is enough."""
    counts = report.count(results)
    share = report.share_caught(counts)
    say(
        ", ".join(f"{counts[outcome]} {outcome}" for outcome in Outcome) + f": {report.percent(share)} caught"
    )
    if share is None or counts[Outcome.NOT_RUN] > HALF * len(results):
        say("More than half did not run, so nothing can be told.")
        return UNKNOWN
    return 0 if share >= ENOUGH else TOO_FEW


def commit() -> str:
    """Return the hash of the commit that is checked out."""
    asked = ("git", "rev-parse", "HEAD")
    return subprocess.run(asked, cwd=PROJECT, check=True, capture_output=True, text=True).stdout.strip()


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
