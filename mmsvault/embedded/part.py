"""A part of a running vault: one program, and how to tell that it is ready."""

import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mmsvault.embedded.pauses import LONGEST_SECONDS


@dataclass(frozen=True)
class Part:
    """One program. `env` is added to the environment; `ready` may be asked from any thread.

    `log` is the file that it writes its log to, where that is not what it prints. `check` raises
    ConfigurationError while it cannot start, as with a port that is taken. `is_vital` is what nothing
    else makes up for: where its settings cannot work, there is nothing to run for.
    It needs neither catalog nor bucket: it begins with the servers, whatever has to be made or mended first.
    """

    name: str
    command: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    ready: Callable[[], bool] | None = None
    log: Path | None = None
    check: Callable[[], None] | None = None
    longest_pause_seconds: float = LONGEST_SECONDS
    is_vital: bool = False

    @property
    def is_ours(self) -> bool:
        """Whether it is a Python module of this installation."""
        return tuple(self.command[:2]) == (sys.executable, "-m")


def in_words(code: int) -> str:
    """Return how a process ended, by its exit code (negative for a signal)."""
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
