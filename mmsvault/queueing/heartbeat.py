"""Signs of life: each worker process has a file of its own, and keeps it new only while its work goes on.

Where something that it works on hangs (`activity`), the file is left to grow old; it grows old as well
where the process is stopped. `find_problems` reads the files of this host, whichever program asks.
"""

import json
import os
import socket
import time
from contextlib import suppress
from pathlib import Path

from mmsvault.core.activity import ACTIVITY, Activity

FOLDER = "alive"
"""In DATA_DIR; replicas on several hosts may share it."""
OLD_SECONDS = 60.0
"""A process writes every few seconds: one that has not for so long is stopped or hangs."""
LOOP_SECONDS = 300.0
"""Of a worker that looks for jobs; a queue that is away is waited for in shorter turns."""
JOB_SECONDS = 2700.0
"""Of a job without a further step: its longest step, a large download, has half an hour."""
FORGOTTEN_SECONDS = 86400.0
_STARTED = 19
"""Where /proc/PID/stat tells when the process was started, counted from after the program's name."""


class Heartbeat:
    """The file of this process, in `data_dir`. A disk that is full or away is said elsewhere."""

    def __init__(self, data_dir: Path, *, job: str) -> None:
        self._folder = data_dir / FOLDER
        self._path = self._folder / f"{socket.gethostname()}.{os.getpid()}"
        self._about = {"job": job, "started": _started(os.getpid())}

    def begin(self) -> None:
        """Make room for it, and remove what was left by processes that are long gone."""
        with suppress(OSError):
            if self._folder.is_file():  # what earlier versions shared
                self._folder.unlink()
            self._folder.mkdir(mode=0o700, exist_ok=True)
            for path in self._folder.iterdir():
                if _age(path) > FORGOTTEN_SECONDS:
                    path.unlink(missing_ok=True)
            self._write()

    def beat(self, activity: Activity = ACTIVITY) -> str:
        """Make the file new unless something hangs; return what does."""
        hanging = activity.hanging()
        if not hanging:
            with suppress(OSError):
                try:
                    os.utime(self._path)  # a file that is written anew is empty for a moment
                except FileNotFoundError:
                    self._write()
        return hanging

    def _write(self) -> None:
        self._path.write_text(json.dumps(self._about), encoding="utf-8")

    def end(self) -> None:
        """Remove the file."""
        with suppress(OSError):
            self._path.unlink()


def find_problems(data_dir: Path) -> list[str]:
    """Return in words which worker processes of this host do not work; nothing where all do."""
    alive, problems = 0, []
    for path in sorted((data_dir / FOLDER).glob(f"{socket.gethostname()}.*")):
        with suppress(OSError, ValueError):
            process = int(path.suffix.removeprefix("."))
            about, age = json.loads(path.read_bytes()), _age(path)
            if about["started"] != _started(process):
                continue  # it ended, and something else may have its number
            alive += 1
            if age > OLD_SECONDS:
                problems.append(
                    f"The worker of {about['job']} (process {process}) has given no sign of life for "
                    f"{age:.0f} s: it is stopped or it hangs. Kill it; what it had in hand is taken up again."
                )
    if not alive:
        problems.append("No worker runs here. Start one with `mmsvault worker`, or all with `mmsvault up`.")
    return problems


def _age(path: Path) -> float:
    return max(0.0, time.time() - path.stat().st_mtime)


def _started(process: int) -> str:
    """Return when a process was started, by its system's own count; empty where it does not run."""
    with suppress(OSError):
        stat = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
        return stat.rpartition(")")[2].split()[_STARTED]
    return ""
