"""The sweep as a program: one at a time for all hosts, under a lock in Redis.

The lock saves work and is not what safety rests on: a sweep that outlives it is told so by its
fencing token, which the catalog gives out.
"""

import signal
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

import structlog
from redis import Redis
from redis.exceptions import LockError, RedisError

from mmsvault.archive.retries import Retries
from mmsvault.core.activity import ACTIVITY, mark
from mmsvault.errors import ConfigurationError, OvertakenError, UnavailableError
from mmsvault.exporting import working
from mmsvault.integrity import recovery
from mmsvault.message import utc_now
from mmsvault.ops.watch import watched
from mmsvault.queueing.connection import connect_to_answer, unavailable
from mmsvault.queueing.figures import SWEPT
from mmsvault.queueing.jobs import open_queue
from mmsvault.sweeping import Sweeper
from mmsvault.vault import Vault
from worker.metrics import STUCK_AFTER, answering

log = structlog.get_logger(__name__)

SWEEP_SECONDS = 15
FEED_SECONDS, LOOK_SECONDS = 0.25, 1.0
"""So often the queue is fed while something is due, and looked for what is due otherwise."""
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
        watched(vault),
    ):
        sweeper = Sweeper(vault, open_queue(connection))
        is_filled_up = False
        feeding = threading.Thread(target=keep_feeding, args=(sweeper.retries, ended), name="feeding")
        feeding.start()
        while not ended.is_set():
            try:
                sweeper.drain_spool()
                if not is_filled_up:
                    recovery.fill_up(vault)
                    is_filled_up = True
                sweep_alone(sweeper, connection)
                working.sweep(vault, connection)
                swept.ended_at = utc_now()
            except RedisError as error:
                log.warning("sweep put off", reason=str(unavailable(error)))
            except (UnavailableError, ConfigurationError) as error:
                log.warning("sweep put off", reason=str(error))
            except OvertakenError as error:
                log.warning("sweep broken off", reason=str(error))
            except OSError:
                log.exception("sweep broken off")
            swept.came_round_at = utc_now()
            mark()
            ended.wait(SWEEP_SECONDS)
        feeding.join()


def keep_feeding(retries: Retries, ended: threading.Event) -> None:
    """Keep the workers busy with what is due until the end, whatever else the sweep is at."""
    said = ""
    pause = LOOK_SECONDS
    while not ended.wait(pause):
        try:
            retries.feed()
            said, pause = "", FEED_SECONDS if retries.is_busy else LOOK_SECONDS
        except (UnavailableError, ConfigurationError, RedisError, OvertakenError) as error:
            if not said:
                log.warning("what is due is put off", reason=str(error))
            said, pause = str(error), SWEEP_SECONDS
        except Exception:
            log.exception("what is due is put off")
            pause = SWEEP_SECONDS
    with suppress(RedisError):
        retries.close()


def sweep_alone(sweeper: Sweeper, connection: "Redis") -> None:
    """Sweep, unless another host is at it."""
    lock = connection.lock(LOCK, timeout=LOCK_SECONDS)
    if not lock.acquire(blocking=False):
        return
    try:
        sweeper.sweep()
        connection.set(SWEPT, utc_now().isoformat())
    finally:
        try:
            lock.release()
        except LockError:  # it took longer than the lock holds; the next sweep starts afresh
            log.warning("sweep outlived its lock", seconds=LOCK_SECONDS)
