"""What is due goes back into the queue: nearest deadline first, and never much of it at once.

After an outage there may be hundreds of thousands of files to fetch. The workers are kept busy with a few
seconds' worth of them, until nothing is due. So what comes in new waits for those seconds at the most,
the nearest deadline is chosen anew every time, and what a queue loses is little.

What has under a day left goes ahead of everything that waits, but takes turns with it: after so many of
them, as many of the others.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog
from redis.exceptions import LockError
from rq import Queue

from mmsvault.catalog import due, totals, writes
from mmsvault.catalog.due import Due
from mmsvault.errors import OvertakenError
from mmsvault.fetching.backpressure import NOT_PUT_OFF_WITHIN, host_of
from mmsvault.message import utc_now
from mmsvault.queueing import figures
from mmsvault.queueing.jobs import ARCHIVE_MESSAGE, ARCHIVE_QUEUE, enqueue_all
from mmsvault.vault import Vault

log = structlog.get_logger(__name__)

JOBS_A_WORKER = 16
"""So many jobs wait in the queue for each worker: a second or two of its work."""
FEWEST_JOBS, MOST_JOBS = 64, 1000
REQUEUED_AFTER = timedelta(minutes=5)
"""A message whose job got lost on the way is looked at again after this."""
LOOKED_AT_AGAIN_AFTER = timedelta(minutes=5)
"""What waits for a host that is away makes room for others, which have a later deadline, for so long."""
PAGE, MOST_PAGES = 1000, 5
LOOKS_FURTHER_EVERY_SECONDS = 1.0
MADE_READY_AT_ONCE, NEAREST_LOOKED_AT = 2000, 5000
SECONDS_TO_MAKE_READY = 0.5
LOCK = "mmsvault:retries"
LOCK_SECONDS = 15
LOCK_RENEWED_EVERY_SECONDS = 4


@dataclass
class Rates:
    """How many attempts at each host may still be made now, at `per_second`; 0 is no limit."""

    per_second: int
    clock: Callable[[], float] = time.monotonic
    _left: dict[str, tuple[float, float]] = field(default_factory=dict)

    def left(self, host: str) -> float:
        """Return how many, up to those of one second."""
        if not self.per_second:
            return float("inf")
        now = self.clock()
        left, at = self._left.get(host, (float(self.per_second), now))
        return min(left + (now - at) * self.per_second, float(self.per_second))

    def take(self, taken: Counter[str]) -> None:
        """Count attempts that are made now."""
        if not self.per_second:
            return
        now = self.clock()
        # What was not asked for a second is full again, and need not be remembered.
        self._left = {host: one for host, one in self._left.items() if now - one[1] < 1}
        for host, count in taken.items():
            self._left[host] = self.left(host) - count, now


class Retries:
    """Feeds the queue; one for all hosts feeds it at a time. Safe to use from several threads."""

    def __init__(self, vault: Vault, queue: Queue) -> None:
        self._vault = vault
        self._queue = queue
        self._hosts = vault.hosts
        self._rates = Rates(vault.settings.retry_rate)
        self._lock = queue.connection.lock(LOCK, timeout=LOCK_SECONDS, thread_local=False)
        self._renewed_at = 0.0
        self._fence: int | None = None
        self._turn_ends_with = ""
        self._looked_further_at = float("-inf")
        self.is_busy = False
        """Whether there may be more to do at once."""
        self._one_at_a_time = threading.Lock()

    def feed(self) -> int:
        """Put some of what is due into the queue, where it has room, and return how many messages.

        Raises UnavailableError when the catalog is away, RedisError when the queue is, and
        OvertakenError when another sweep has begun.
        """
        with self._one_at_a_time:
            self.is_busy = False
            if not due.is_any(self._vault.catalog, now=utc_now()):
                self._let_go()
                return 0
            if not self._is_mine():
                return 0
            try:
                return self._feed(utc_now())
            except OvertakenError:
                self._fence = None
                raise

    def close(self) -> None:
        """Let another sweep feed the queue from now on."""
        with self._one_at_a_time:
            self._let_go()

    def _feed(self, now: datetime) -> int:
        self._make_ready(now)
        waiting = self._queue.count
        workers = figures.workers_alive(self._queue.connection, now=now)[ARCHIVE_QUEUE]
        most = min(max(FEWEST_JOBS, JOBS_A_WORKER * workers), MOST_JOBS)
        goes_ahead = self._is_turn_over()
        if waiting < most // 2:
            chosen = self._choose(now, most - waiting)
        elif goes_ahead:
            chosen = self._choose(now, most, before=now + totals.AT_RISK)
        else:
            self.is_busy = True
            return 0
        self.is_busy = bool(chosen) or waiting >= most // 2
        if chosen:
            self._enqueue(chosen, now, waiting=waiting, goes_ahead=goes_ahead)
            ids = [one.id for one in chosen]
            writes.postpone(
                self._vault.catalog, ids, until=now + REQUEUED_AFTER, fence=self._fence or 0, forced=False
            )
        return len(chosen)

    def _make_ready(self, now: datetime) -> None:
        """Mark what has become due: of very much the nearest deadlines first, the rest over several calls."""
        began = time.monotonic()
        catalog, is_first = self._vault.catalog, True
        while due.make_ready(catalog, now=now, limit=MADE_READY_AT_ONCE) == MADE_READY_AT_ONCE:
            if is_first:
                due.make_nearest_ready(catalog, now=now, looked_at=NEAREST_LOOKED_AT)
            if time.monotonic() - began > SECONDS_TO_MAKE_READY:
                break
            is_first = False

    def _choose(self, now: datetime, room: int, *, before: datetime | None = None) -> list[Due]:
        """Return up to `room` ready messages that may be asked for now, nearest deadline first."""
        chosen: list[Due] = []
        taken: Counter[str] = Counter()
        last, size = None, room
        for _ in range(MOST_PAGES):
            page = due.ready(self._vault.catalog, now=now, limit=size, after=last, before=before)
            away = []
            for one in page:
                hosts = {host_of(url) for url in one.urls}
                is_near = one.deadline_at - now < NOT_PUT_OFF_WITHIN
                if not is_near and any(self._is_away(host, taken[host]) for host in hosts):
                    away.append(one.id)
                elif len(chosen) < room and all(taken[host] + 1 <= self._rates.left(host) for host in hosts):
                    chosen.append(one)
                    taken.update(hosts)
            if len(page) < size or len(chosen) >= room or not self._may_look_further(is_first=last is None):
                break
            if size == PAGE and away:  # what stands behind them may be for other hosts
                until = now + LOOKED_AT_AGAIN_AFTER
                due.put_off(self._vault.catalog, away, now=now, until=until)
            last, size = page[-1], PAGE
        self._rates.take(taken)
        return chosen

    def _may_look_further(self, *, is_first: bool) -> bool:
        """Return whether to look at what stands behind that which has to wait: now and then."""
        now = time.monotonic()
        if is_first and now - self._looked_further_at < LOOKS_FURTHER_EVERY_SECONDS:
            return False
        self._looked_further_at = now
        return True

    def _is_away(self, host: str, taken: int) -> bool:
        allowance = self._hosts.allowance(host)
        return allowance is not None and taken >= allowance

    def _enqueue(self, chosen: Sequence[Due], now: datetime, *, waiting: int, goes_ahead: bool) -> None:
        urgent = [one.id for one in chosen if goes_ahead and one.deadline_at - now < totals.AT_RISK]
        others = [one.id for one in chosen[len(urgent) :]]
        turn = min(len(urgent), waiting)
        behind = self._queue.get_job_ids(turn - 1, 1) if turn else []
        with self._queue.connection.pipeline() as pipeline:
            if urgent:
                ahead = enqueue_all(self._queue, ARCHIVE_MESSAGE, urgent, at_front=True, pipeline=pipeline)
                self._turn_ends_with = (behind or ahead[-1:])[0]
            if others:
                enqueue_all(self._queue, ARCHIVE_MESSAGE, others, pipeline=pipeline)
            pipeline.execute()

    def _is_turn_over(self) -> bool:
        """Return whether as many others were taken from the queue as were put ahead of them last time."""
        if self._turn_ends_with:
            place = self._queue.connection.lpos(self._queue.key, self._turn_ends_with, maxlen=4 * MOST_JOBS)
            if place is None:
                self._turn_ends_with = ""
        return not self._turn_ends_with

    def _is_mine(self) -> bool:
        """Return whether this one feeds the queue: whoever began does, until nothing is due."""
        now = time.monotonic()
        if self._fence is not None and now - self._renewed_at < LOCK_RENEWED_EVERY_SECONDS:
            return True
        try:
            if self._fence is None:
                if not self._lock.acquire(blocking=False):
                    return False
                self._fence = writes.next_fence(self._vault.catalog)
            else:
                self._lock.reacquire()
        except LockError:  # it ran out meanwhile
            self._fence = None
            return False
        self._renewed_at = now
        return True

    def _let_go(self) -> None:
        if self._fence is None:
            return
        self._fence = None
        try:
            self._lock.release()
        except LockError:
            log.info("the lock of the retries ran out before it was let go")
