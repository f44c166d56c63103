"""The sweep as a program: one at a time for all hosts, under a lock in Redis."""

import signal
import threading

import structlog
from redis.exceptions import LockError, RedisError

from mmsvault.errors import UnavailableError
from mmsvault.sweeping import SWEEP_SECONDS, sweep
from mmsvault.vault import Vault

log = structlog.get_logger(__name__)

LOCK = "mmsvault:sweep"
LOCK_SECONDS = 60


def keep_sweeping(vault: Vault) -> None:
    """Sweep now and then until SIGTERM; a server that is away is met again next time."""
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: ended.set())
    while not ended.is_set():
        try:
            sweep_once(vault)
        except (UnavailableError, RedisError) as error:
            log.warning("sweep put off", reason=str(error))
        ended.wait(SWEEP_SECONDS)


def sweep_once(vault: Vault) -> None:
    """Sweep, unless another host is at it."""
    lock = vault.redis.lock(LOCK, timeout=LOCK_SECONDS)
    if not lock.acquire(blocking=False):
        return
    try:
        sweep(vault)
    finally:
        try:
            lock.release()
        except LockError:  # it took longer than the lock holds; the next sweep starts afresh
            log.warning("sweep outlived its lock", seconds=LOCK_SECONDS)
