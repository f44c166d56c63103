"""Hosts of files that are away: all workers together ask one of them now and then, and no more.

What is known of a host is in Redis, shared by every worker and the sweep. It is a few keys that end by
themselves: where Redis is away or empty, no host counts as away, and every attempt is made.
"""

import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import structlog
from redis.exceptions import RedisError

from mmsvault.errors import FetchError, PermanentFetchError, RefusedFetchError
from mmsvault.fetching import address
from mmsvault.fetching.downloads import PUT_OFF

if TYPE_CHECKING:
    from redis import Redis

log = structlog.get_logger(__name__)

KEYS = "mmsvault:host:"
FAILURES = 5
"""A host that has failed so often in a row, with no answer of use in between, is away."""
SUCCESS_COUNTS_SECONDS = 5.0
"""A failure counts only where this process has had no answer from the host for so long."""
PROBES = 4
"""Attempts that are made at once at a host that is away, after each pause."""
PROBE_SECONDS = 45
"""A probe that has not come back by then is given up: its worker may have been killed."""
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 15.0
LONGEST_ASKED_PAUSE_SECONDS = 300.0
"""A host may ask for a longer pause (Retry-After), up to this."""
FORGOTTEN_AFTER_SECONDS = 3600
_BEGINNING = re.compile(r"https?://[^/?#\\\s]+(?=[/?#])", re.IGNORECASE)
"""Of an address, all that says where the host is: to read it takes long, and most files have few hosts."""
NOT_PUT_OFF_WITHIN = timedelta(hours=1)
"""With less than this to its deadline, a file is asked for even from a host that is away."""
KNOWN_FOR_SECONDS = 1.0
MOST_REMEMBERED = 1000


@dataclass(frozen=True)
class _State:
    failures: int
    is_paused: bool
    probes: int
    read_at: float

    @property
    def is_away(self) -> bool:
        return self.failures >= FAILURES


class Hosts:
    """What is known of the hosts. Safe to use from many threads; `connection` is one that fails soon."""

    def __init__(self, connection: "Redis", *, clock: Callable[[], float] = time.monotonic) -> None:
        self._connection = connection
        self._clock = clock
        self._known: dict[str, _State] = {}
        self._answered_at: dict[str, float] = {}
        self._changes = threading.Lock()

    def close(self) -> None:
        """Close the connections that were kept."""
        self._connection.close()

    def allowance(self, host: str) -> int | None:
        """Return how many attempts may be made at the host now; None where it is not away."""
        state = self._state(host)
        if not state.is_away:
            return None
        return 0 if state.is_paused else max(0, PROBES - state.probes)

    def may_ask(self, host: str) -> bool:
        """Return whether to make an attempt at the host now; at one that is away it is a probe then."""
        state = self._state(host)
        if not state.is_away:
            return True
        if state.is_paused or state.probes >= PROBES:
            return False
        try:
            with self._connection.pipeline() as pipeline:
                pipeline.incr(_key(host, "probes"))
                pipeline.expire(_key(host, "probes"), PROBE_SECONDS, nx=True)
                return bool(pipeline.execute()[0] <= PROBES)
        except RedisError:
            return True

    def note_answer(self, host: str) -> None:
        """Note that the host has answered: all that waits for it may go on."""
        with self._changes:
            _make_room(self._answered_at)
            self._answered_at[host] = self._clock()
            known = self._known.get(host)
            if known and known.failures:
                del self._known[host]
        if known and known.failures:
            try:
                self._connection.delete(*(_key(host, name) for name in ("failures", "paused", "probes")))
            except RedisError:
                return
            if known.is_away:
                log.info("a host of files is back", host=host)

    def note_failure(self, host: str, error: FetchError) -> None:
        """Note that an attempt has failed; it counts where the host is at fault, and not one file."""
        if not _is_hosts_fault(error):
            self.note_answer(host)
            return
        with self._changes:
            answered_at = self._answered_at.get(host)
            self._known.pop(host, None)
        if answered_at is not None and self._clock() - answered_at < SUCCESS_COUNTS_SECONDS:
            return
        asked = error.retry_after.total_seconds() if error.retry_after else 0.0
        try:
            self._count_failure(host, asked_seconds=asked)
        except RedisError:
            log.info("not noted that a host of files has failed: the queue is away", host=host)

    def _count_failure(self, host: str, *, asked_seconds: float) -> None:
        with self._connection.pipeline() as pipeline:
            pipeline.incr(_key(host, "failures"))
            pipeline.expire(_key(host, "failures"), FORGOTTEN_AFTER_SECONDS)
            failures = int(pipeline.execute()[0])
        if failures < FAILURES:
            return
        own = min(FIRST_PAUSE_SECONDS * 2 ** min(failures - FAILURES, 10), LONGEST_PAUSE_SECONDS)
        pause = max(own, min(asked_seconds, LONGEST_ASKED_PAUSE_SECONDS))
        with self._connection.pipeline() as pipeline:
            pipeline.set(_key(host, "paused"), 1, px=round(1000 * pause))
            pipeline.delete(_key(host, "probes"))
            pipeline.execute()
        if failures == FAILURES:
            log.warning("a host of files is away: it is asked now and then until it answers", host=host)

    def _state(self, host: str) -> _State:
        with self._changes:
            known = self._known.get(host)
        now = self._clock()
        if known and now - known.read_at < KNOWN_FOR_SECONDS:
            return known
        names = ("failures", "paused", "probes")
        try:
            found: Any = self._connection.mget([_key(host, name) for name in names])
            failures, paused, probes = found
            state = _State(int(failures or 0), paused is not None, int(probes or 0), now)
        except RedisError:
            state = _State(0, is_paused=False, probes=0, read_at=now)
        with self._changes:
            _make_room(self._known)
            self._known[host] = state
        return state


def host_of(url: str) -> str:
    """Return host and port of a file's address; empty where it is none."""
    beginning = _BEGINNING.match(url)
    return _host_at(beginning[0] if beginning else url)


@lru_cache(MOST_REMEMBERED)
def _host_at(url: str) -> str:
    try:
        place = address.read(url)
    except PermanentFetchError:
        return ""
    return f"{place.host}:{place.port}"


def _is_hosts_fault(error: FetchError) -> bool:
    if isinstance(error, RefusedFetchError | PermanentFetchError) or error.reason == PUT_OFF:
        return False
    status = error.status
    return (
        status is None or status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.TOO_MANY_REQUESTS
    )


def _key(host: str, name: str) -> str:
    return f"{KEYS}{host}:{name}"


def _make_room(remembered: dict[str, Any]) -> None:
    if len(remembered) >= MOST_REMEMBERED:
        remembered.clear()
