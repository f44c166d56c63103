"""`python -m mmsvault.cli.catalog_recovery`: makes the catalog again from the bucket, for `up`.

Postbacks are kept meanwhile, and workers wait: one that met a message whose row is not there yet would fetch
its files again. Servers that are away are waited for.
"""

import time

import structlog

from mmsvault.catalog.sqlite_file import have_rebuilt, wants_rebuild
from mmsvault.errors import UnavailableError
from mmsvault.integrity.rebuilding import Rebuilt, rebuild
from mmsvault.settings import Settings
from mmsvault.starting import start
from mmsvault.vault import Vault

log = structlog.get_logger(__name__)

PAUSE_SECONDS = 2
SECONDS_BETWEEN_NEWS = 5.0
MOST_PROBLEMS_NAMED = 20


def recover(settings: Settings) -> None:
    """Make the catalog again, saying how far it is."""
    path = settings.catalog_file
    log.warning("rebuilding the catalog from the bucket; workers wait", reason=wants_rebuild(path))
    vault = Vault(settings)
    try:
        rebuilt = _rebuilt(vault)
    finally:
        vault.close()
    for problem in rebuilt.problems[:MOST_PROBLEMS_NAMED]:
        log.warning("not entered as it stands", key=problem.key, problem=problem.problem)
    have_rebuilt(path)
    log.warning("the catalog is rebuilt", messages=rebuilt.messages, problems=len(rebuilt.problems))


def _rebuilt(vault: Vault) -> Rebuilt:
    while True:
        try:
            vault.prepare()
            return rebuild(vault, progress=_News().tell)
        except UnavailableError as error:
            log.warning("waiting for a server", reason=str(error))
            time.sleep(PAUSE_SECONDS)


class _News:
    """Says now and then how many messages are read."""

    def __init__(self) -> None:
        self._read = 0
        self._told_at = time.monotonic()

    def tell(self, more: int) -> None:
        """Take note of that many more messages."""
        self._read += more
        if time.monotonic() - self._told_at > SECONDS_BETWEEN_NEWS:
            self._told_at = time.monotonic()
            log.warning("rebuilding the catalog", messages=self._read)


if __name__ == "__main__":
    start(recover)
