"""Runs one of the vault's programs with a flaw: it is killed at a point of the story, or its clock moves.

    python -m tests.flow.kill_at --point worker-before-record -- worker archive
    python -m tests.flow.kill_at --clock FILE --often -- worker sweep

The program itself has no switch for any of this. `--clock` adds the seconds in FILE to the time,
`--often` lets the sweep come round every second. `--hang` has each job hang.
"""

import argparse
import functools
import importlib
import inspect
import os
import runpy
import signal
import sys
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

BEFORE, AFTER = "before", "after"
POINTS = {
    "receiver-after-read": (AFTER, "receiver.postbacks", "kept_headers"),
    "receiver-after-enqueue": (AFTER, "mmsvault.queueing.durable", "DurableQueue.keep"),
    "receiver-after-spool": (AFTER, "mmsvault.queueing.spool", "Spool.keep"),
    "worker-before-understand": (BEFORE, "mmsvault.archiving", "understand"),
    "worker-before-record": (BEFORE, "mmsvault.archiving", "record"),
    "worker-after-row": (AFTER, "mmsvault.catalog.writes", "record"),
    "worker-after-record": (AFTER, "mmsvault.archiving", "record"),
    "worker-before-download": (BEFORE, "mmsvault.archiving", "archive_file"),
    "worker-after-download": (BEFORE, "mmsvault.archiving", "store"),
    "worker-after-inspect": (AFTER, "mmsvault.media.sandbox", "Sandbox.inspect"),
    "worker-after-original": (BEFORE, "mmsvault.layout", "thumbnail_key"),
    "worker-before-finish": (BEFORE, "mmsvault.archiving", "finish"),
    "worker-after-attempts": (AFTER, "mmsvault.catalog.writes", "save_attempts"),
    "worker-before-settle": (BEFORE, "mmsvault.catalog.writes", "settle"),
    "worker-after-settle": (AFTER, "mmsvault.catalog.writes", "settle"),
    "sweep-after-drain": (AFTER, "mmsvault.queueing.durable", "DurableQueue.keep"),
    "sweep-before-postpone": (BEFORE, "mmsvault.catalog.writes", "postpone"),
}


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--point", choices=POINTS)
    options.add_argument("--clock", type=Path)
    options.add_argument("--often", action="store_true")
    options.add_argument("--hang", action="store_true")
    options.add_argument("program", nargs="+")
    given = options.parse_args()
    if given.clock:  # first of all: other modules take the function over by its name
        move_clock(given.clock)
    if given.often:
        importlib.import_module("worker.sweep").SWEEP_SECONDS = 1  # type: ignore[attr-defined]
    if given.point:
        lay(*POINTS[given.point])
    if given.hang:
        hang()
    sys.argv = given.program
    runpy.run_module(given.program[0], run_name="__main__", alter_sys=True)


def hang() -> None:
    """Have each job wait for a lock that nobody lets go of; it is found after three seconds."""
    lock = threading.Lock()
    lock.acquire()
    archiving: Any = importlib.import_module("mmsvault.archiving")
    archiving.archive_receipt = lambda *_: lock.acquire()
    importlib.import_module("mmsvault.queueing.workers").JOB_SECONDS = 3  # type: ignore[attr-defined]


def lay(when: str, module: str, name: str) -> None:
    """Have the process killed before or after it runs the function."""
    holder: Any = importlib.import_module(module)
    *path, last = name.split(".")
    for part in path:
        holder = getattr(holder, part)
    setattr(holder, last, killing(getattr(holder, last), when))


def killing(function: Callable[..., Any], when: str) -> Callable[..., Any]:
    assert not inspect.iscoroutinefunction(function)

    @functools.wraps(function)
    def killed(*args: Any, **kwargs: Any) -> Any:
        if when == AFTER:
            function(*args, **kwargs)
        os.kill(os.getpid(), signal.SIGKILL)

    return killed


def move_clock(file: Path) -> None:
    message = importlib.import_module("mmsvault.message")
    real = message.utc_now
    message.utc_now = lambda: real() + timedelta(seconds=float(file.read_text()))  # type: ignore[attr-defined]


if __name__ == "__main__":
    main()
