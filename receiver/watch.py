"""The receiver looks at its own machine, and says in Redis that it is alive and what it refused.

It is the part that lives when all others are dead. So it tells operators of what it sees: no worker, no
sweep, a spool in use, a full disk. What the sweep sees as well is sent once, see `mmsvault.ops.alerts`.
"""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from redis import Redis
from redis.exceptions import RedisError

from mmsvault.errors import UnavailableError
from mmsvault.message import utc_now
from mmsvault.ops.facts import Facts
from mmsvault.ops.host_facts import host_facts
from mmsvault.ops.ledgers import RedisLedger
from mmsvault.ops.queue_facts import queue_facts
from mmsvault.ops.repeat import repeated
from mmsvault.queueing import receivers
from mmsvault.queueing.connection import connect_to_answer
from mmsvault.queueing.intake import Intake
from mmsvault.settings import Settings
from receiver.metrics import Metrics

EVERY_SECONDS = 15.0


class Watch:
    """What this receiver sees. `metrics` has counted what it refused."""

    def __init__(self, settings: Settings, intake: Intake, metrics: Metrics) -> None:
        self._settings = settings
        self._intake = intake
        self._metrics = metrics

    def facts(self, connection: "Redis") -> Facts:
        """Return what is known here. Whether the queue is away is for the sweep to tell of."""
        now = utc_now()
        try:
            queue = queue_facts(connection, now=now)
        except RedisError:
            queue = None
        return Facts(
            settings=self._settings,
            now=now,
            queue=queue,
            host=host_facts(self._settings, keeps_nothing=self._keeps_nothing()),
        )

    def host_facts(self) -> Facts:
        """Return what is known of this machine alone, for its own `/metrics`."""
        host = host_facts(self._settings, keeps_nothing=self._keeps_nothing())
        return Facts(settings=self._settings, now=utc_now(), host=host)

    def report(self, connection: "Redis") -> None:
        """Say in Redis that it is alive, and what it refused; while Redis is away that is kept for later."""
        refused = self._metrics.take_refused()
        try:
            receivers.tell(connection, receiver=socket.gethostname(), refused=refused, now=utc_now())
        except RedisError:
            self._metrics.give_back_refused(refused)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Look until the end of the block."""
        with connect_to_answer(self._settings.effective_redis_url) as connection:
            tell = self._teller(connection)

            def look() -> None:
                self.report(connection)
                tell()

            with repeated(look, name="watch", every_seconds=EVERY_SECONDS):
                yield

    def _teller(self, connection: "Redis") -> Callable[[], None]:
        if not (self._settings.alert_webhook or self._settings.alert_email):
            return lambda: None
        from mmsvault.ops.alerts import Alerter  # noqa: PLC0415 - what sends takes memory

        return Alerter(self._settings, lambda: self.facts(connection), (RedisLedger(connection),)).look

    def _keeps_nothing(self) -> str:
        try:
            self._intake.place()
        except UnavailableError as error:
            return str(error)
        return ""
