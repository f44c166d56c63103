"""What a process works on, and whether each of it still gets further.

A block is watched with a limit; whoever gets a step further in it says so with `mark`, in the same context.
What has not done so within its limit hangs: it waits for something that never comes.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar


class Activity:
    """What a process works on, and since when it has got no further. Safe to use from several threads."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._marks: dict[object, tuple[str, float, float]] = {}

    @contextmanager
    def watched(self, name: str, *, seconds: float) -> Iterator[None]:
        """Run a block that marks a step further at least every so many seconds, in this context."""
        key = object()
        self._mark(key, name, seconds)
        was = _CURRENT.set(lambda: self._mark(key, name, seconds))
        try:
            yield
        finally:
            _CURRENT.reset(was)
            with self._lock:
                del self._marks[key]

    def hanging(self) -> str:
        """Return the name of what has got no further within its limit, the empty string for nothing."""
        with self._lock:
            for name, seconds, at in self._marks.values():
                if self._now() - at > seconds:
                    return name
        return ""

    def _mark(self, key: object, name: str, seconds: float) -> None:
        with self._lock:
            self._marks[key] = name, seconds, self._now()


ACTIVITY = Activity()
"""Of this process."""
_CURRENT: ContextVar[Callable[[], None] | None] = ContextVar("activity", default=None)


def mark() -> None:
    """Say that what this context works on has got a step further; nothing where it is not watched."""
    if marks := _CURRENT.get():
        marks()
