"""What the receiver counts, for Prometheus; docs/metrics.md lists it."""

import threading
from collections import Counter as Tally
from collections.abc import Mapping
from functools import partial
from typing import get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from mmsvault.errors import UnavailableError
from mmsvault.queueing.intake import Intake, Place

REFUSALS = ("token", "signature", "network")


class Metrics:
    """The receiver's own registry, so that two receivers in one process do not meet."""

    def __init__(self, intake: Intake) -> None:
        self.registry = CollectorRegistry()
        keeps = Gauge(
            "mmsvault_receiver_keeps",
            "1 for the place (queue or spool) that the next postback goes to",
            ["place"],
            registry=self.registry,
        )
        for place in get_args(Place):
            keeps.labels(place).set_function(partial(_is_now, intake, place))
        spooled = Gauge(
            "mmsvault_spooled_receipts", "Receipts in the spool, not yet in the queue", registry=self.registry
        )
        spooled.set_function(lambda: intake.spooled)
        self._answers = Counter(
            "mmsvault_postbacks",
            "Postbacks by the HTTP status they were answered with",
            ["status"],
            registry=self.registry,
        )
        self._by_status: dict[int, Counter] = {}
        self._seconds = Histogram(
            "mmsvault_postback_seconds", "Time from a postback to its answer", registry=self.registry
        )

        self._refused = Counter(
            "mmsvault_postbacks_refused",
            "Postbacks refused, by what was wrong: token, signature, network",
            ["reason"],
            registry=self.registry,
        )
        for reason in REFUSALS:
            self._refused.labels(reason)  # a rate needs a zero to begin with
        self._untold: Tally[str] = Tally()
        self._lock = threading.Lock()

    def refused(self, reason: str) -> None:
        """Count one postback that may not come in, by what was wrong, one of REFUSALS."""
        self._refused.labels(reason).inc()
        with self._lock:
            self._untold[reason] += 1

    def take_refused(self) -> Mapping[str, int]:
        """Return what was refused since this was called last."""
        with self._lock:
            untold, self._untold = self._untold, Tally()
        return untold

    def give_back_refused(self, untold: Mapping[str, int]) -> None:
        """Take back what could not be told."""
        with self._lock:
            self._untold.update(untold)

    def answered(self, status: int, *, seconds: float) -> None:
        """Count one postback and how long it took."""
        if (counted := self._by_status.get(status)) is None:
            counted = self._by_status[status] = self._answers.labels(str(status))
        counted.inc()
        self._seconds.observe(seconds)


def _is_now(intake: Intake, place: Place) -> float:
    try:
        return float(intake.place() == place)
    except UnavailableError:
        return 0.0
