"""`make audit`: what is known to be wrong with the locked packages, or plainly that nobody could say.

pip-audit calls it "no known vulnerabilities" when its service knows none of the packages.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

LOCK = "requirements.lock"
SERVICES = ("osv", "pypi")
FOUND, NOT_ASKED = 1, 2


@dataclass(frozen=True)
class Answer:
    """What a service said: how many packages it knew, which it did not, and what is wrong with which."""

    known: int
    unknown: tuple[str, ...]
    flaws: tuple[str, ...]


def main() -> int:
    """Ask one service after the other until one answers; return the exit code."""
    for service in SERVICES:
        answer = asked(service)
        if answer and answer.known:
            for flaw in answer.flaws:
                say(flaw)
            say(f"{service}: {answer.known} packages of {LOCK} looked up, {len(answer.flaws)} flaws known.")
            if answer.unknown:
                say(f"Not looked up, since it does not know them: {', '.join(answer.unknown)}.")
            return FOUND if answer.flaws else 0
        say(f"{service}: no answer about any package.")
    say("NOTHING WAS CHECKED: no service of advisories can be reached from here. Run this where one can.")
    return NOT_ASKED


def asked(service: str) -> Answer | None:
    """Return what a service says of the lock; None where it does not answer."""
    pip_audit = Path(sys.executable).with_name("pip-audit")
    options = ("--require-hashes", "--disable-pip", "--progress-spinner=off", "--format=json", "--timeout=10")
    command = [str(pip_audit), "--requirement", LOCK, "--vulnerability-service", service, *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        return read(json.loads(done.stdout)["dependencies"])
    except (ValueError, LookupError):
        return None


def read(dependencies: Sequence[dict[str, object]]) -> Answer:
    """Return what pip-audit's list comes to."""
    flaws = [
        f"{one['name']} {one['version']}: {flaw['id']}, mended in {', '.join(flaw['fix_versions']) or 'none'}"
        for one in dependencies
        for flaw in one.get("vulns", ())  # type: ignore[attr-defined]
    ]
    unknown = tuple(str(one["name"]) for one in dependencies if "skip_reason" in one)
    return Answer(len(dependencies) - len(unknown), unknown, tuple(flaws))


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main())
