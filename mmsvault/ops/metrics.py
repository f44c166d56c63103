"""The conditions in Prometheus's form, for rules that depend on a setting."""

from collections.abc import Callable, Iterator

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from mmsvault.ops.conditions import judge
from mmsvault.ops.facts import Facts


class ConditionCollector(Collector):
    """Judges anew at each scrape what `gather` returns. What is not known is left out."""

    def __init__(self, gather: Callable[[], Facts]) -> None:
        self._gather = gather

    def collect(self) -> Iterator[Metric]:
        """Give the level of each condition, and the room on the disk."""
        facts = self._gather()
        found = GaugeMetricFamily(
            "mmsvault_condition", "0 while all is well, else how much is wrong", labels=["condition"]
        )
        for finding in judge(facts):
            found.add_metric([finding.condition.id], finding.answer.level)
        yield found
        if facts.host:
            yield GaugeMetricFamily(
                "mmsvault_disk_free_bytes",
                "Free bytes of the disk of the data directory, or of the embedded bucket where that has less",
                value=facts.host.free_bytes,
            )
