"""Becomes the program in its arguments, to be killed by the kernel when the parent is gone.

Run as `python -I -S tether.py PARENT_PID PROGRAM [ARGUMENT ...]`. A program of its own rather than
code between fork and exec, which is unsafe in a process with threads.
"""

import ctypes
import os
import signal
import sys
from contextlib import suppress

PR_SET_PDEATHSIG = 1
_ARG_START, _ARG_END = 45, 46
"""Where /proc/self/stat tells where the arguments are, counted from after the program's name."""


def main() -> None:
    """Tie this process to its parent, then become the program."""
    parent, program = int(sys.argv[1]), sys.argv[2:]
    tie(parent)
    os.execvp(program[0], program)  # noqa: S606 - the supervisor's own command


def tie(parent: int) -> None:
    """Have this process killed when its parent is gone."""
    if sys.platform == "linux":  # elsewhere a killed supervisor leaves its parts running
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the line above
        sys.exit(1)


def be_called(words: list[str]) -> None:
    """Let `ps` tell what a fork does: its arguments after the first are written over, as far as they fit."""
    with suppress(OSError, LookupError, ValueError):  # where this is not Linux
        with open("/proc/self/stat") as file:  # noqa: PTH123 - nothing is loaded for it
            stat = file.read().rpartition(")")[2].split()
        begin, end = int(stat[_ARG_START]), int(stat[_ARG_END])
        first = ctypes.string_at(begin, end - begin).index(b"\0") + 1
        wanted = "".join(f"{word}\0" for word in words).encode()
        if begin and first + len(wanted) <= end - begin:
            ctypes.memmove(begin + first, wanted.ljust(end - begin - first, b"\0"), end - begin - first)


if __name__ == "__main__":
    main()
