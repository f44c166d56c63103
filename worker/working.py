"""One worker of a queue, or the sweep, as a program."""

import time
from collections.abc import Mapping

import structlog
from redis.exceptions import RedisError
from rq.exceptions import StopRequested

from mmsvault import archiving, previewing
from mmsvault.core.activity import ACTIVITY, mark
from mmsvault.errors import UnavailableError
from mmsvault.exporting import working as exporting
from mmsvault.ops.watch import watched
from mmsvault.queueing.connection import unavailable
from mmsvault.queueing.figures import SWEEP
from mmsvault.queueing.heartbeat import LOOP_SECONDS
from mmsvault.queueing.jobs import ARCHIVE_QUEUE
from mmsvault.queueing.workers import QueueWorker
from mmsvault.settings import Settings
from mmsvault.steps import traced
from mmsvault.vault import Vault
from worker.sweep import keep_sweeping
from worker.telling import telling

log = structlog.get_logger(__name__)

PAUSE_SECONDS = 2
JOBS_AT_ONCE: Mapping[str, int] = {ARCHIVE_QUEUE: 4}
"""Of one worker: while one is decoded, others wait for providers, bucket and disk. Exports go one by one."""


def run(settings: Settings, *, job: str) -> None:
    """Open the vault and work until SIGTERM."""
    work(Vault(settings), job)


def work(vault: Vault, job: str) -> None:
    """Work until SIGTERM, in a vault that nothing else has used yet."""
    settings = vault.settings
    try:
        with traced(settings.tracing_url, program=job), telling(settings, job):
            with ACTIVITY.watched("the start", seconds=LOOP_SECONDS):
                prepare(vault)
                vault.open()
            if job == SWEEP:
                keep_sweeping(vault)
            else:
                with watched(vault, in_stead=True):
                    keep_working(vault, job)
    finally:
        vault.close()


def keep_working(vault: Vault, queue_name: str) -> None:
    """Work on the queue's jobs until SIGTERM; a queue that is away for long is waited for."""
    with ACTIVITY.watched("looking for jobs", seconds=LOOP_SECONDS):
        _keep_working(vault, queue_name)


def _keep_working(vault: Vault, queue_name: str) -> None:
    while True:
        mark()
        try:
            worker = QueueWorker(
                queue_name,
                redis_url=vault.settings.effective_redis_url,
                connection=vault.redis,
                tasks={**archiving.tasks(vault), **previewing.tasks(vault), **exporting.tasks(vault)},
                at_once=JOBS_AT_ONCE.get(queue_name, 1),
            )
            worker.work(logging_level="WARNING")
        except StopRequested:  # asked to end while it was between two jobs
            return
        except RedisError as error:
            log.warning("waiting for the queue", reason=str(unavailable(error)))
        else:
            if worker.asked_to_end:
                return
            log.warning("the worker stopped; it begins again")
        time.sleep(PAUSE_SECONDS)


def prepare(vault: Vault) -> None:
    """Make the bucket and the catalog where they are not there yet; wait while a server is away."""
    while True:
        mark()
        try:
            vault.prepare()
        except UnavailableError as error:
            log.warning("waiting for a server", reason=str(error))
            time.sleep(PAUSE_SECONDS)
        else:
            return
