"""What the receiver counts, for Prometheus; docs/metrics.md lists it."""

from prometheus_client import CollectorRegistry, Counter, Histogram


class Metrics:
    """The receiver's own registry, so that two receivers in one process do not meet."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._answers = Counter(
            "mmsvault_postbacks",
            "Postbacks by the HTTP status they were answered with",
            ["status"],
            registry=self.registry,
        )
        self._seconds = Histogram(
            "mmsvault_postback_seconds", "Time from a postback to its answer", registry=self.registry
        )

    def answered(self, status: int, *, seconds: float) -> None:
        """Count one postback and how long it took."""
        self._answers.labels(str(status)).inc()
        self._seconds.observe(seconds)
