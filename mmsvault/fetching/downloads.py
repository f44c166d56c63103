"""The downloads that run in this process: those that take long stand aside, and slow ones stay few.

A worker has few hands, and a stranger's server may hold a download for half an hour. So whoever waits
for a download that takes long is told, and may take other work up meanwhile. Of downloads that are slow
only so many go on to each host: the newest beyond that are broken off, to be tried again later.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import structlog

from mmsvault.fetching.limits import Limit

log = structlog.get_logger(__name__)

LONG_SECONDS = 5.0
SLOW_BYTES_PER_SECOND = 16 << 10
"""A download that takes long and comes at less than this is slow."""
MOST_SLOW_PER_HOST = 8
LOOKED_EVERY_SECONDS = 1.0
PUT_OFF = "The provider is slow, and other downloads from it go first."

StandAside = Callable[[], bool]
"""Lets other work go on beside this one; returns whether there was room for that."""


@dataclass(eq=False)
class _Running:
    host: str
    limit: Limit
    stand_aside: StandAside
    is_aside: bool = False
    is_slow: bool = False


class Downloads:
    """What runs now. One thread looks after it, from the first download on."""

    def __init__(self) -> None:
        self._running: dict[_Running, None] = {}  # in the order of their beginning
        self._changes = threading.Lock()
        self._thread: threading.Thread | None = None

    @contextmanager
    def running(self, host: str, limit: Limit, stand_aside: StandAside) -> Iterator[None]:
        """Look after a download until the end of the block."""
        one = _Running(host, limit, stand_aside)
        with self._changes:
            self._running[one] = None
            if self._thread is None:
                self._thread = threading.Thread(target=self._look_after, name="downloads", daemon=True)
                self._thread.start()
        try:
            yield
        finally:
            with self._changes:
                del self._running[one]

    def is_crowded(self, host: str) -> bool:
        """Return whether as many slow downloads from the host run as may."""
        with self._changes:
            return sum(one.is_slow for one in self._running if one.host == host) >= MOST_SLOW_PER_HOST

    def look(self) -> None:
        """Have those that take long stand aside, and break off slow ones that are too many."""
        now = time.monotonic()
        with self._changes:
            long = [one for one in self._running if now - one.limit.began > LONG_SECONDS]
            slow: Counter[str] = Counter()
            for one in long:
                one.is_aside = one.is_aside or one.stand_aside()
                rate = one.limit.received / (now - one.limit.began)
                one.is_slow = rate < SLOW_BYTES_PER_SECOND
                slow[one.host] += one.is_slow
                if one.is_slow and (not one.is_aside or slow[one.host] > MOST_SLOW_PER_HOST):
                    one.limit.break_off(PUT_OFF)

    def _look_after(self) -> None:
        while True:
            time.sleep(LOOKED_EVERY_SECONDS)
            try:
                self.look()
            except Exception:
                log.exception("looking after the downloads failed")
