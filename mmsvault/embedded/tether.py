"""Becomes the program in its arguments, to be killed by the kernel when the parent is gone.

Run as `python -I -S tether.py PARENT_PID PROGRAM [ARGUMENT ...]`. A program of its own rather than
code between fork and exec, which is unsafe in a process with threads.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


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


if __name__ == "__main__":
    main()
