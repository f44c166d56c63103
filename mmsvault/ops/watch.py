"""Who looks at the whole vault and tells operators: the sweep, and a worker in its stead.

It is done from a thread of its own, so that a sweep that waits for a server, or hangs, is told of.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from redis import Redis
from redis.exceptions import RedisError

from mmsvault.ops.alerts import Alerter
from mmsvault.ops.catalog_ledger import CatalogLedger
from mmsvault.ops.gather import Gatherer
from mmsvault.ops.ledgers import RedisLedger
from mmsvault.ops.repeat import repeated
from mmsvault.queueing.connection import connect_to_answer
from mmsvault.vault import Vault

EVERY_SECONDS = 15.0
EVERY_SECONDS_IN_STEAD = 60.0
WATCHED = "mmsvault:watched"
"""A key in Redis that is there while a sweep looks."""
WATCHED_SECONDS = 60


@contextmanager
def watched(vault: Vault, *, in_stead: bool = False) -> Iterator[None]:
    """Look until the end of the block; `in_stead`: only while no sweep does. Nothing where nobody is told."""
    settings = vault.settings
    if not (settings.alert_webhook or settings.alert_email):
        yield
        return
    with connect_to_answer(settings.effective_redis_url) as connection:
        look = Look(vault, connection, in_stead=in_stead)
        seconds = EVERY_SECONDS_IN_STEAD if in_stead else EVERY_SECONDS
        with repeated(look, name="watch", every_seconds=seconds):
            yield


class Look:
    """One look at the whole vault, and whoever is to know of it is told."""

    def __init__(self, vault: Vault, connection: "Redis", *, in_stead: bool) -> None:
        shared = (RedisLedger(connection), CatalogLedger(vault.catalog))
        self._alerter = Alerter(vault.settings, Gatherer(vault, connection), shared)
        self._connection = connection
        self._in_stead = in_stead

    def __call__(self) -> None:
        """Look, unless another program does already."""
        try:
            if self._in_stead:
                if self._connection.exists(WATCHED):
                    return
            else:
                self._connection.set(WATCHED, 1, ex=WATCHED_SECONDS)
        except RedisError:  # it is told of like anything else
            pass
        self._alerter.look()
