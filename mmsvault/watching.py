"""What there is to watch of a vault, in Prometheus's form: docs/metrics.md lists it.

The archive's own numbers come from the catalog, the queues' and the workers' from Redis, so it is
the same whoever tells it. A server that is away leaves its numbers out, and says so.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector
from redis import Redis
from redis.exceptions import RedisError

from mmsvault.attempts import REASONS_NOT_ALLOWED
from mmsvault.bucket import PROBE_KEY
from mmsvault.catalog import quarantine, totals, verdicts
from mmsvault.errors import NotFoundError, UnavailableError
from mmsvault.message import utc_now
from mmsvault.queueing import figures
from mmsvault.steps import ATTEMPT, BOUNDS_SECONDS, BYTES, SEPARATOR, STEP
from mmsvault.vault import Vault


class VaultCollector(Collector):
    """Asks catalog, queue and bucket anew at each scrape. `connection` is one that fails soon."""

    def __init__(self, vault: Vault, connection: "Redis", *, swept_at: Callable[[], datetime]) -> None:
        self._vault = vault
        self._connection = connection
        self._swept_at = swept_at

    def collect(self) -> Iterator[Metric]:
        """Give everything that can be told now."""
        up = GaugeMetricFamily("mmsvault_server_up", "1 while the server answers", labels=["server"])
        for server, ask in (("catalog", self._catalog), ("queue", self._queue), ("bucket", self._bucket)):
            try:
                families = list(ask())
            except (UnavailableError, NotFoundError, RedisError):
                up.add_metric([server], 0)
            else:
                up.add_metric([server], 1)
                yield from families
        yield up
        yield _gauge(
            "mmsvault_sweep_timestamp_seconds",
            "When the last sweep of this process ended",
            self._swept_at().timestamp(),
        )

    def _catalog(self) -> Iterator[Metric]:
        counts = totals.counts(self._vault.catalog, at_risk_before=utc_now() + totals.AT_RISK)
        yield _gauges("mmsvault_messages", "Messages by state", "state", counts.messages)
        yield _gauges("mmsvault_files", "Files by state", "state", counts.media)
        receipts = {name: number for name, number in counts.receipts.items() if name != "total"}
        receipts["message"] = counts.receipts["total"] - sum(receipts.values())
        yield _gauges("mmsvault_receipts", "Postbacks kept, by what came of them", "outcome", receipts)
        yield _gauge("mmsvault_stored_bytes", "Bytes of all originals", counts.bytes)
        yield _gauge(
            "mmsvault_files_at_risk", "Files that wait with under a day to their deadline", counts.at_risk
        )
        yield _gauge(
            "mmsvault_files_not_allowed",
            "Files that wait because the provider refuses them to this server (401 or 403)",
            totals.waiting_for(self._vault.catalog, REASONS_NOT_ALLOWED),
        )
        waiting = quarantine.waiting(self._vault.catalog)
        yield _gauge(
            "mmsvault_quarantine_waiting", "Postbacks in quarantine, not understood yet", waiting.count
        )
        newest = waiting.newest.kept_at if waiting.newest else None
        nearest = totals.nearest_deadline_at(self._vault.catalog)
        for name, meaning, at in (
            ("nearest_deadline", "The nearest deadline of a file that waits", nearest),
            ("quarantine_newest", "When the newest postback was put into quarantine", newest),
            ("oldest_waiting", "When the oldest message that waits came in", counts.oldest_pending_at),
        ):
            if at:
                yield _gauge(f"mmsvault_{name}_timestamp_seconds", meaning, at.timestamp())
        found = verdicts.latest(self._vault.catalog)
        if found:
            times = {one.extent.value: one.ended_at.timestamp() for one in found}
            yield _gauges("mmsvault_verify_timestamp_seconds", "When verify last ended", "extent", times)
            failing = verdicts.failing(found)
            problems = failing.problems if failing else 0
            yield _gauge("mmsvault_verify_problems", "What it found wrong and not right since", problems)

    def _queue(self) -> Iterator[Metric]:
        now = utc_now()
        waiting = {name: age.total_seconds() for name, age in figures.ages(self._connection, now=now).items()}
        jobs, alive = figures.lengths(self._connection), figures.workers_alive(self._connection, now=now)
        yield _gauges("mmsvault_queue_jobs", "Jobs waiting, in hand or failed", "queue", jobs)
        yield _gauges("mmsvault_queue_age_seconds", "How long the oldest job has waited", "queue", waiting)
        yield _gauges("mmsvault_workers", "Workers that are alive", "queue", alive)
        yield from counted(figures.told(self._connection))

    def _bucket(self) -> Iterator[Metric]:
        with suppress(NotFoundError):  # an answer
            self._vault.bucket.look_up(PROBE_KEY)
        yield from ()


def counted(told: Mapping[str, float]) -> Iterator[Metric]:
    """Give what the workers have counted."""
    attempts = CounterMetricFamily(
        "mmsvault_attempts", "Attempts at a file, by outcome and reason", labels=["outcome", "reason"]
    )
    steps: dict[str, dict[str, float]] = {}
    for name, number in sorted(told.items()):
        kind, *rest = name.split(SEPARATOR)
        if kind == ATTEMPT:
            attempts.add_metric(rest, number)
        elif kind == STEP:
            steps.setdefault(rest[0], {})[rest[1]] = number
    yield attempts
    fetched = CounterMetricFamily("mmsvault_archived_bytes", "Bytes of originals that workers have stored")
    fetched.add_metric([], told.get(BYTES, 0))
    yield fetched
    seconds = HistogramMetricFamily("mmsvault_step_seconds", "How long the steps took", labels=["step"])
    for step, found in steps.items():
        seconds.add_metric([step], _cumulative(found), found.get("sum", 0))
    yield seconds


def _cumulative(found: Mapping[str, float]) -> list[tuple[str, float]]:
    buckets, total = [], 0.0
    for bound in (*BOUNDS_SECONDS, float("inf")):
        total += found.get(str(bound), 0)
        buckets.append(("+Inf" if bound == float("inf") else str(bound), total))
    return buckets


def _gauge(name: str, meaning: str, value: float) -> Metric:
    return GaugeMetricFamily(name, meaning, value=value)


def _gauges(name: str, meaning: str, label: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(name, meaning, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family
