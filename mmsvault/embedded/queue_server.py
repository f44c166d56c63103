"""Becomes the embedded queue's server, after its files were put in order where the last run broke off.

Run as `python -I -S queue_server.py FOLDER SERVER CONFIG`. A program of its own that loads nothing, since
every start waits for it; and what goes wrong in the other one does not keep the server from starting.
"""

import os
import sys

PID_FILE = "server.pid"
"""In FOLDER; the server removes it when it ends cleanly."""
REPAIR = "append_only_file.py"


def main() -> None:
    """Look whether the last run ended cleanly, then become the server."""
    folder, server, config = sys.argv[1:4]
    if os.path.exists(os.path.join(folder, PID_FILE)):  # noqa: PTH110, PTH118 - nothing is loaded for it
        repair = os.path.join(os.path.dirname(os.path.abspath(__file__)), REPAIR)  # noqa: PTH100, PTH118, PTH120
        os.spawnv(os.P_WAIT, sys.executable, [sys.executable, "-I", "-S", repair, folder, server])  # noqa: S606 - our own program
    # By its standard input, since the server takes a path with `?`, `*` or `[` in it for a pattern
    os.dup2(os.open(config, os.O_RDONLY), 0)
    os.execv(server, [server, "/dev/stdin"])  # noqa: S606 - the supervisor's own command


if __name__ == "__main__":
    main()
