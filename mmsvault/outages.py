"""A server that is away or full is waited for, with the job in hand.

So an outage takes no jobs from the queue and uses no attempts up: every worker stands still with
the one job that met it, says so, and goes on when everything answers again. A job that keeps
failing although everything answers is let go, to be taken up again by the sweep.
"""

import contextvars
import tempfile
import time
from collections.abc import Callable
from functools import partial

import structlog

from mmsvault.catalog import writes
from mmsvault.core.activity import mark
from mmsvault.errors import UnavailableError
from mmsvault.vault import Vault

log = structlog.get_logger(__name__)

FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 10.0
RUNS_THOUGH_ALL_ANSWERS = 3
ROOM_BYTES = 1 << 20
"""A file of a message is about this large; where it finds no room, the bucket counts as full."""


def patient(vault: Vault, task: Callable[..., None]) -> Callable[..., None]:
    """Return the task as one that waits while a server is away, and then runs again."""
    return partial(_run_by_itself, vault, task)


def check(vault: Vault) -> None:
    """Raise UnavailableError unless catalog, bucket and disk take something in now."""
    writes.check(vault.catalog)
    vault.bucket.check(ROOM_BYTES)
    try:
        vault.settings.temporary_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=vault.settings.temporary_dir) as file:
            file.write(bytes(ROOM_BYTES))
            file.flush()
    except OSError as error:
        raise UnavailableError(f"The disk takes no download: {error}.") from error


def _run_by_itself(vault: Vault, task: Callable[..., None], *arguments: object) -> None:
    """Run a job in a context of its own, in which even waiting is about its message."""
    contextvars.copy_context().run(_run, vault, task, *arguments)


def _run(vault: Vault, task: Callable[..., None], *arguments: object) -> None:
    for run in range(1, RUNS_THOUGH_ALL_ANSWERS + 1):
        try:
            task(*arguments)
        except UnavailableError as error:
            if run == RUNS_THOUGH_ALL_ANSWERS:
                raise
            log.warning("waiting for a server, with the job in hand", reason=str(error))
            _wait(vault)
        else:
            return


def _wait(vault: Vault) -> None:
    pause = FIRST_PAUSE_SECONDS
    while True:
        time.sleep(pause)
        mark()
        try:
            check(vault)
        except UnavailableError as error:
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
            log.warning("still waiting", reason=str(error))
        else:
            return
