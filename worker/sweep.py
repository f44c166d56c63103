"""The sweep as a program: one at a time for all hosts, under a lock in Redis.

The lock saves work and is not what safety rests on: a sweep that outlives it is told so by its
fencing token, which the catalog gives out.
"""

import signal
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime

import structlog
from redis import Redis
from redis.exceptions import LockError, RedisError

from mmsvault.alerting import Alerter
from mmsvault.core.activity import ACTIVITY, mark
from mmsvault.errors import ConfigurationError, OvertakenError, UnavailableError
from mmsvault.exporting import working
from mmsvault.message import utc_now
from mmsvault.queueing.connection import connect_to_answer
from mmsvault.queueing.jobs import open_queue
from mmsvault.sweeping import SWEPT, Sweeper
from mmsvault.vault import Vault
from worker.metrics import STUCK_AFTER, answering

log = structlog.get_logger(__name__)

SWEEP_SECONDS = 15
LOCK = "mmsvault:sweep"
LOCK_SECONDS = 60
EPOCH = datetime.fromtimestamp(0, UTC)


@dataclass
class Rounds:
    """When the last sweep ended well, and when the last one ended at all."""

    ended_at: datetime = EPOCH
    came_round_at: datetime = field(default_factory=utc_now)


def keep_sweeping(vault: Vault) -> None:
    """Sweep now and then until SIGTERM; a server that is away is met again next time."""
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: ended.set())
    swept = Rounds()
    with (
        connect_to_answer(vault.settings.effective_redis_url) as connection,
        ACTIVITY.watched("the sweep", seconds=STUCK_AFTER.total_seconds()),
        answering(vault, swept_at=lambda: swept.ended_at, came_round_at=lambda: swept.came_round_at),
    ):
        sweeper, alerter = Sweeper(vault, open_queue(connection)), Alerter(vault)
        while not ended.is_set():
            try:
                sweeper.drain_spool()
                sweep_alone(sweeper, connection, alerter)
                working.sweep(vault, connection)
                swept.ended_at = utc_now()
            except (UnavailableError, ConfigurationError, RedisError) as error:
                log.warning("sweep put off", reason=str(error))
            except OvertakenError as error:
                log.warning("sweep broken off", reason=str(error))
            except OSError:
                log.exception("sweep broken off")
            swept.came_round_at = utc_now()
            mark()
            ended.wait(SWEEP_SECONDS)


def sweep_alone(sweeper: Sweeper, connection: "Redis", alerter: Alerter) -> None:
    """Sweep, unless another host is at it."""
    lock = connection.lock(LOCK, timeout=LOCK_SECONDS)
    if not lock.acquire(blocking=False):
        return
    try:
        sweeper.sweep()
        connection.set(SWEPT, utc_now().isoformat())
        alerter.look()
    finally:
        try:
            lock.release()
        except LockError:  # it took longer than the lock holds; the next sweep starts afresh
            log.warning("sweep outlived its lock", seconds=LOCK_SECONDS)
