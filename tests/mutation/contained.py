"""Run a command with a time limit, and end everything that it started: `contained.py SECONDS COMMAND...`.

Servers that a test starts outlive it where a fault keeps the test from ending them. Orphans become
children of this process, so it finds them all. The exit code is the command's, or TIMED_OUT. Linux only.
"""

import ctypes
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

TIMED_OUT = 124
GRACE_SECONDS = 5.0
_SET_PARENT_DEATH_SIGNAL, _SET_CHILD_SUBREAPER = 1, 36


def main(arguments: list[str]) -> int:
    limit_seconds, *command = arguments
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    libc.prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGTERM, 0, 0, 0)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    process = subprocess.Popen(command, start_new_session=True)
    try:
        return process.wait(float(limit_seconds))
    except subprocess.TimeoutExpired:
        return TIMED_OUT
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        _end(process.pid)


def _end(command: int) -> None:
    """End what is left: tell the command as Ctrl-C would, then everything, and then ask no longer."""
    for number, told in ((signal.SIGINT, [command]), (signal.SIGTERM, None), (signal.SIGKILL, None)):
        until = time.monotonic() + GRACE_SECONDS
        for pid in descendants(os.getpid()) if told is None else told:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        while _reap() and time.monotonic() < until:
            time.sleep(0.05)
    while _reap():  # a process that forks while it is ended
        for pid in descendants(os.getpid()):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)


def _reap() -> bool:
    """Take leave of children that have ended; return whether others are left."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True


def descendants(pid: int) -> list[int]:
    """Return the process ids of the children of a process, theirs included."""
    found = []
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            for child in map(int, children.read_text().split()):
                found += [child, *descendants(child)]
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
