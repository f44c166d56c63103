"""The hands of a worker: how many jobs it works on at once, and which of them only wait.

A job that waits for a stranger's server stands aside: its hand is free for another job while it goes on.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

MOST_ASIDE = 32
"""Jobs of one worker that stand aside at the most."""


class Hands:
    """Counts the hands of one worker that are free."""

    def __init__(self, count: int) -> None:
        self._free = threading.Semaphore(count)
        self._places_aside = threading.Semaphore(MOST_ASIDE)

    def take(self, *, seconds: float) -> bool:
        """Wait so long for a free hand; return whether there was one."""
        return self._free.acquire(timeout=seconds)

    @contextmanager
    def holding(self) -> Iterator[None]:
        """Run a job in a hand that was taken, and free it at the end of the block."""
        hand = _Hand(self._free, self._places_aside)
        mark = _HAND.set(hand)
        try:
            yield
        finally:
            _HAND.reset(mark)
            hand.let_go()


class _Hand:
    def __init__(self, free: threading.Semaphore, places_aside: threading.Semaphore) -> None:
        self._free = free
        self._places_aside = places_aside
        self._changes = threading.Lock()
        self._is_aside = self._is_over = False

    def stand_aside(self) -> bool:
        with self._changes:
            if not (self._is_aside or self._is_over) and self._places_aside.acquire(blocking=False):
                self._is_aside = True
                self._free.release()
            return self._is_aside

    def let_go(self) -> None:
        with self._changes:
            self._is_over = True
            (self._places_aside if self._is_aside else self._free).release()


_HAND: ContextVar[_Hand | None] = ContextVar("hand", default=None)


def aside() -> Callable[[], bool]:
    """Return what has the job of this context stand aside, to be called from any thread.

    That returns whether the job does. What runs outside of a worker is in nobody's way.
    """
    hand = _HAND.get()
    return hand.stand_aside if hand else lambda: True
