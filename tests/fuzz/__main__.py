"""`python -m tests.fuzz TARGET|all [--seconds N] [--seed S]`: looks for inputs that break a promise.

Guided by coverage with atheris, else by chance. What was found lies in build/fuzz/TARGET; once it is
fixed, keep it in tests/fuzz/corpus/TARGET, where the everyday tests try it again.
"""

import argparse
import importlib.util
import subprocess
import sys
import time
from pathlib import Path

FOUND = Path("build/fuzz")
LONGEST_BYTES = 20_000
SECONDS_OF_ONE_INPUT = 20
_INSTRUMENTED = ["mmsvault", "dashboard", "icalendar", "http.cookies", "urllib.parse", "json"]


def main() -> int:
    """Return 0 where every promise held."""
    asked = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    asked.add_argument("target", help="a target, or all")
    asked.add_argument("--seconds", type=int, default=600, help="for each target")
    asked.add_argument("--seed", type=int, default=1)
    told = asked.parse_args()
    if told.target == "all":
        return _all(told.seconds, told.seed)
    (FOUND / told.target).mkdir(parents=True, exist_ok=True)
    if importlib.util.find_spec("atheris"):
        _guided(told.target, told.seconds, told.seed)  # ends the process
    return _by_chance(told.target, told.seconds, told.seed)


def _all(seconds: int, seed: int) -> int:
    """Run each target in a process of its own: a fuzzer ends with it."""
    from tests.fuzz.targets import TARGETS  # noqa: PLC0415 - a single target is imported instrumented

    failed = []
    for name in TARGETS:
        command = [sys.executable, "-m", "tests.fuzz", name, f"--seconds={seconds}", f"--seed={seed}"]
        if subprocess.run(command, check=False).returncode:
            failed.append(name)
    _say(f"A promise was broken in: {', '.join(failed)}." if failed else "Every promise held.")
    return 1 if failed else 0


def _guided(name: str, seconds: int, seed: int) -> None:
    import atheris  # noqa: PLC0415 - it is not everywhere

    with atheris.instrument_imports(include=_INSTRUMENTED):
        from tests.fuzz.targets import check, kept  # noqa: PLC0415 - see above

    start = FOUND / name / "kept"
    start.mkdir(exist_ok=True)
    for number, data in enumerate(kept(name)):
        (start / str(number)).write_bytes(data)
    options = [
        f"-max_total_time={seconds}",
        f"-seed={seed}",
        f"-max_len={LONGEST_BYTES}",
        f"-timeout={SECONDS_OF_ONE_INPUT}",
        f"-artifact_prefix={FOUND / name}/",
        "-print_final_stats=1",
    ]
    atheris.Setup([sys.argv[0], *options, str(start)], lambda data: check(name, data))
    atheris.Fuzz()


def _by_chance(name: str, seconds: int, seed: int) -> int:
    from tests.fuzz.mutations import mutations  # noqa: PLC0415 - atheris is to see the imports
    from tests.fuzz.targets import check, kept  # noqa: PLC0415 - see above

    ends, count = time.monotonic() + seconds, 0
    for data in mutations(kept(name), seed=seed):
        if time.monotonic() > ends:
            break
        count += 1
        try:
            check(name, data)
        except BaseException:
            broken = FOUND / name / f"input-{count}"
            broken.write_bytes(data)
            _say(f"{name}: a promise is broken by {broken}")
            raise
    _say(f"{name}: {count:,} inputs, every promise held")
    return 0


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main())
