"""The throttle: no password or code is looked at before its try is counted, and few at the same time.

What may be tried at all stands in the catalog (`mmsvault.catalog.tries`). Here is what keeps a flood
cheap: what is refused is remembered for some seconds, and only so many tries are under way, in all and
under one key; whoever comes then is told at once to come back, and waits for nobody.
"""

from asyncio import Lock
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from math import ceil
from time import monotonic
from typing import ParamSpec, TypeVar

import structlog
from anyio import CapacityLimiter, to_thread
from cachetools import TTLCache
from sqlalchemy import Engine

from mmsvault.catalog import tries
from mmsvault.catalog.tries import Limit, Limits
from mmsvault.clients import caller_network
from mmsvault.message import utc_now

log = structlog.get_logger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

OF_NAME_AT_ADDRESS = Limit(free=5)
OF_NAME = Limit(free=20)
OF_ADDRESS = Limit(free=100, forgiven_every=timedelta(minutes=1), is_shared=True)
"""Far more than of a name: many people may share an address."""
OF_BROWSER = Limit(free=10)
"""A browser in which this person has logged in before. It is counted by itself, so nobody else's tries,
at the name or from the address, keep it out."""
OF_ACCOUNT = Limit(free=5)
"""Passwords and codes of somebody who is logged in already, or had the right password."""

HASHES_AT_ONCE = 2
"""Each takes 64 MiB for a moment."""
UNDER_WAY = 16
"""Tries at the same time, of browsers that are known and of others each."""
UNDER_WAY_OF_KEY, UNDER_WAY_OF_SHARED_KEY = 2, 4
"""Of these one is looked at, and the others wait: a flood at one name or from one address leaves room for
whoever logs in beside it."""
REMEMBERED_SECONDS, MOST_REMEMBERED = 10, 20_000
BUSY_SECONDS = 1


class WaitError(Exception):
    """This try is not looked at. `is_limit` is whether there were too many; else too many at once."""

    def __init__(self, seconds: int, *, is_limit: bool) -> None:
        super().__init__(f"wait {seconds} s")
        self.seconds = seconds
        self.is_limit = is_limit

    @property
    def said(self) -> str:
        """What a person is told."""
        if self.is_limit:
            return f"Too many wrong tries. Try again in {self.seconds:,} seconds."
        return "Many people log in at this moment. Try again in a second."

    @property
    def status(self) -> int:
        """The status of HTTP."""
        return 429 if self.is_limit else 503


def login_limits(name: str, source: str, browser: str | None) -> Limits:
    """Return what a password for a name is counted under; `browser` is the id of one that is known."""
    if browser:
        return {f"browser {browser} {name}": OF_BROWSER}
    network = caller_network(source)
    return {
        f"pair {network} {name}": OF_NAME_AT_ADDRESS,
        f"name {name}": OF_NAME,
        f"address {network}": OF_ADDRESS,
    }


def code_limits(name: str, browser: str | None) -> Limits:
    """Return what a code is counted under, of somebody who had the right password."""
    return {f"code {browser or '*'} {name}": OF_ACCOUNT}


def account_limits(name: str) -> Limits:
    """Return what the password of somebody who is logged in is counted under."""
    return {f"account {name}": OF_ACCOUNT}


class Throttle:
    """What all logins of this process go through."""

    def __init__(self, catalog: Engine) -> None:
        self._catalog = catalog
        self._hashing = CapacityLimiter(HASHES_AT_ONCE)
        self._refused: TTLCache[str, float] = TTLCache(MOST_REMEMBERED, REMEMBERED_SECONDS)
        self._under_way: Counter[str] = Counter()
        self._turns: dict[str, Lock] = {}

    async def attempt(
        self, limits: Limits, look: Callable[[], T | None], *, is_known: bool = False
    ) -> T | None:
        """Count a try, then return what `look` finds of it; what it finds takes the try back.

        `look` runs in a thread, few at a time. Raises WaitError, and then nothing was looked at.
        """
        room = "known browsers" if is_known else "others"
        self._refuse_early(limits, room)
        keys = [room, *limits]
        self._under_way.update(keys)
        try:
            async with AsyncExitStack() as turns:
                for key in sorted(limits):  # in one order, so that no two wait for each other
                    await turns.enter_async_context(self._turns.setdefault(key, Lock()))
                waits, found = await self.hashed(lambda: self._count_and_look(limits, look))
        finally:
            self._leave(keys)
        if waits:
            raise self._waiting(waits)
        return found

    async def hashed(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what `work` does in a thread; it takes a core for a moment, so few do at a time."""
        return await to_thread.run_sync(lambda: work(*args, **kwargs), limiter=self._hashing)

    def _leave(self, keys: Sequence[str]) -> None:
        self._under_way.subtract(keys)
        for key in keys:
            if not self._under_way[key]:
                del self._under_way[key]
                self._turns.pop(key, None)

    def _refuse_early(self, limits: Limits, room: str) -> None:
        """Raise WaitError for what needs no look into the catalog to be refused."""
        left = max((self._refused.get(key, 0.0) for key in limits), default=0.0) - monotonic()
        if left > 0:
            raise WaitError(ceil(left), is_limit=True)
        if self._under_way[room] >= UNDER_WAY or any(
            self._under_way[key] >= (UNDER_WAY_OF_SHARED_KEY if limit.is_shared else UNDER_WAY_OF_KEY)
            for key, limit in limits.items()
        ):
            raise WaitError(BUSY_SECONDS, is_limit=False)

    def _count_and_look(
        self, limits: Limits, look: Callable[[], T | None]
    ) -> tuple[dict[str, datetime], T | None]:
        # In one go: each change of thread waits for whatever a flood has the event loop do.
        if waits := tries.take(self._catalog, limits, now=utc_now()):
            return waits, None
        found = look()
        if found is not None:
            tries.take_back(self._catalog, limits)
        return {}, found

    def _waiting(self, waits: dict[str, datetime]) -> WaitError:
        """Remember for how long these keys are refused, and return what is raised."""
        now = utc_now()
        for key, until in waits.items():
            self._refused[key] = monotonic() + (until - now).total_seconds()
        seconds = max(1, ceil((max(waits.values()) - now).total_seconds()))
        log.warning("too many tries to log in", keys=sorted(waits), wait_seconds=seconds)
        return WaitError(seconds, is_limit=True)
