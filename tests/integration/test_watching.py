"""What is told to those who watch, and the files that watch it: rules and dashboard know no other names."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from redis import Redis
from redis.exceptions import RedisError

from mmsvault import archiving
from mmsvault.catalog.verdicts import Extent
from mmsvault.integrity.remembering import remember
from mmsvault.integrity.verifying import Report
from mmsvault.message import Receipt, utc_now
from mmsvault.ops.gather import Gatherer
from mmsvault.ops.metrics import ConditionCollector
from mmsvault.queueing import figures
from mmsvault.queueing.connection import connect_to_answer
from mmsvault.queueing.durable import DurableQueue
from mmsvault.queueing.intake import Intake
from mmsvault.queueing.jobs import ARCHIVE_RECEIPT, enqueue, open_queue
from mmsvault.queueing.spool import Spool
from mmsvault.sample.notices import lower_case_xml
from mmsvault.sample.provider import SampleProvider
from mmsvault.steps import COUNTED, Counts, step
from mmsvault.watching import VaultCollector, counted
from receiver.metrics import Metrics
from tests.integration.archive import Archive, embedded_bucket, notice, opened, picture
from tests.servers import free_port, redis_server, require
from worker.metrics import answering

ROOT = Path(__file__).parents[2]
WATCHED = (
    ROOT / "deploy/prometheus/alerts.yml",
    ROOT / "deploy/grafana/dashboards/mms-vault.json",
    ROOT / "deploy/kubernetes/scaling.yaml",
)
NOW = utc_now()
Told = dict[tuple[str, str], float]


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    folder = tmp_path_factory.mktemp("watching")
    with (
        embedded_bucket(folder) as env,
        redis_server(folder) as redis_url,
        SampleProvider() as provider,
        opened(
            {**env, "MMSVAULT_REDIS_URL": redis_url},
            bucket="watched",
            catalog=f"sqlite:///{folder / 'catalog.sqlite'}",
            provider=provider,
        ) as made,
    ):
        yield made


def told(archive: Archive) -> Told:
    """Return the numbers by name and labels."""
    families = text_string_to_metric_families(scraped(archive))
    return {
        (sample.name, ",".join(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def scraped(archive: Archive) -> str:
    registry = CollectorRegistry(auto_describe=False)
    url = archive.vault.settings.effective_redis_url
    with connect_to_answer(url) as connection:
        registry.register(VaultCollector(archive.vault, connection, swept_at=lambda: NOW))
        registry.register(ConditionCollector(Gatherer(archive.vault, connection)))
        return generate_latest(registry).decode()


def tell(archive: Archive, counts: Counts = COUNTED, *, worker: str = "tests") -> None:
    figures.tell(archive.vault.redis, counts, queue_name="archive", worker=worker, now=utc_now())


def test_what_happens_to_messages_is_counted_by_state_step_and_reason(archive: Archive) -> None:
    tell(archive)
    before = told(archive)
    run = archiving.tasks(archive.vault)[ARCHIVE_RECEIPT]
    for name, failures in (("here", ()), ("missing", (404, 404, 404))):
        url = archive.provider.offer(picture(), failures=failures)
        receipt = Receipt.of(lower_case_xml(notice(name, url, timestamp=NOW)), provider="sinch")
        run(receipt.model_dump(mode="json"))
    run(Receipt.of(b"no postback", provider="sinch").model_dump(mode="json"))
    tell(archive)
    after = told(archive)

    def more(name: str, labels: str = "") -> float:
        return after[name, labels] - before.get((name, labels), 0)

    assert more("mmsvault_messages", "archived") == 1
    assert more("mmsvault_files", "stored") == more("mmsvault_files", "pending") == 1
    assert more("mmsvault_receipts", "quarantined") == 1
    assert more("mmsvault_receipts", "message") == 2
    assert more("mmsvault_quarantine_waiting") == 1
    assert after["mmsvault_quarantine_newest_timestamp_seconds", ""] >= NOW.timestamp()
    assert more("mmsvault_attempts_total", "stored,") == more("mmsvault_attempts_total", "pending,404") == 1
    assert more("mmsvault_archived_bytes_total") == len(picture().data) == more("mmsvault_stored_bytes")
    assert more("mmsvault_step_seconds_count", "receipt") == 3
    for name in ("record", "message", "download", "finish"):
        assert more("mmsvault_step_seconds_count", name) == 2, name
    assert more("mmsvault_step_seconds_count", "inspect") == more("mmsvault_step_seconds_count", "store") == 1
    assert (
        after["mmsvault_step_seconds_bucket", "+Inf,receipt"]
        == after["mmsvault_step_seconds_count", "receipt"]
    )
    assert after["mmsvault_step_seconds_sum", "download"] > 0
    deadline = after["mmsvault_nearest_deadline_timestamp_seconds", ""]
    assert deadline == pytest.approx((NOW + timedelta(days=30)).timestamp(), abs=1)
    assert after["mmsvault_server_up", "catalog"] == after["mmsvault_server_up", "bucket"] == 1


def test_the_oldest_job_gives_the_queues_age_though_urgent_ones_stand_before_it(archive: Archive) -> None:
    queue = open_queue(archive.vault.redis)
    enqueue(queue, ARCHIVE_RECEIPT, {"old": 1})
    (old,) = queue.get_jobs()
    archive.vault.redis.hset(old.key, "enqueued_at", f"{utc_now() - timedelta(minutes=9):%Y-%m-%dT%H:%M:%SZ}")
    for _ in range(3):
        enqueue(queue, ARCHIVE_RECEIPT, {"urgent": 1}, at_front=True)
    try:
        assert 530 < told(archive)["mmsvault_queue_age_seconds", "archive"] < 600
        assert told(archive)["mmsvault_queue_jobs", "archive"] == 4
    finally:
        queue.empty()
    assert told(archive)["mmsvault_queue_age_seconds", "archive"] == 0


def test_workers_on_all_hosts_are_summed_and_those_that_ended_are_not_alive(archive: Archive) -> None:
    lost = "mmsvault_attempts_total", "lost,410"
    before = told(archive).get(lost, 0.0)  # what other tests of this process had counted
    hosts = [Counts(), Counts()]
    for number, counts in enumerate(hosts):
        counts.add("attempt", "lost", "410", by=number + 1)
        tell(archive, counts, worker=f"host-{number}")
    after = told(archive)
    assert after[lost] - before == 3
    alive = after["mmsvault_workers", "archive"]
    figures.leave(archive.vault.redis, queue_name="archive", worker="host-1")
    assert told(archive)["mmsvault_workers", "archive"] == alive - 1
    later = utc_now() + timedelta(minutes=1)
    assert figures.workers_alive(archive.vault.redis, now=later)["archive"] == 0


def test_the_user_of_few_rights_may_tell_and_be_asked(archive: Archive) -> None:
    guide = (ROOT / "docs/real-servers.md").read_text()
    (line,) = re.findall(r"^user vault (.*)$", guide, re.MULTILINE)
    url = archive.vault.settings.effective_redis_url
    archive.vault.redis.execute_command("ACL", "SETUSER", "vault", *line.replace("PASSWORD", "few").split())
    counts = Counts()
    counts.add_seconds("tests", 0.1)
    with connect_to_answer(url.replace("//", "//vault:few@")) as connection:
        figures.tell(connection, counts, queue_name="exports", worker="few", now=utc_now())
        assert figures.told(connection)["step|tests|sum"] == pytest.approx(0.1)
        assert figures.workers_alive(connection, now=utc_now())["exports"] == 1
        assert figures.ages(connection, now=utc_now())
        assert figures.lengths(connection)
        assert connection.time()
        figures.leave(connection, queue_name="exports", worker="few")


def test_what_redis_does_not_take_is_told_later() -> None:
    counts = Counts()
    counts.add("bytes", by=7)
    counts.add_seconds("download", 0.2)
    with (
        connect_to_answer(f"redis://127.0.0.1:{free_port()}") as nobody,
        pytest.raises(RedisError),
    ):
        figures.tell(nobody, counts, queue_name="archive", worker="tests", now=NOW)
    assert counts.take() == ({"bytes": 7, "step|download|0.25": 1}, {"step|download|sum": 0.2})


def test_a_step_that_fails_is_measured_as_well() -> None:
    tried = COUNTED.take()
    with pytest.raises(ValueError, match="broken"), step("tests"):
        raise ValueError("broken")
    numbers, seconds = COUNTED.take()
    assert sum(value for name, value in numbers.items() if name.startswith("step|tests|")) == 1
    assert seconds["step|tests|sum"] > 0
    COUNTED.give_back(*tried)


def test_a_server_that_is_away_is_said_and_the_rest_is_told(archive: Archive) -> None:
    registry = CollectorRegistry(auto_describe=False)
    nobody = Redis(port=free_port(), socket_connect_timeout=1)
    registry.register(VaultCollector(archive.vault, nobody, swept_at=lambda: NOW))
    said = generate_latest(registry).decode()
    assert 'mmsvault_server_up{server="queue"} 0.0' in said
    assert "mmsvault_messages{" in said
    assert "mmsvault_queue_jobs{" not in said


def test_the_sweep_answers_for_itself_and_says_when_it_hangs(archive: Archive) -> None:
    settings = archive.vault.settings.model_copy(update={"metrics_port": free_port()})
    watched = Archive(type(archive.vault)(settings), archive.provider)
    came_round: list[datetime] = [utc_now()]
    address = f"http://127.0.0.1:{settings.metrics_port}"
    with answering(watched.vault, swept_at=lambda: NOW, came_round_at=lambda: came_round[0]):
        assert "mmsvault_messages{" in httpx.get(f"{address}/metrics", trust_env=False).text
        assert httpx.get(f"{address}/healthz", trust_env=False).status_code == 200
        assert httpx.get(f"{address}/other", trust_env=False).status_code == 404
        came_round[0] -= timedelta(hours=1)
        assert httpx.get(f"{address}/healthz", trust_env=False).status_code == 503
    watched.vault.close()


def names_told(archive: Archive) -> set[str]:
    """Return the names of everything that receiver and sweep tell."""
    remember(archive.vault, Report(), extent=Extent.PART, began_at=NOW)
    metrics = Metrics(Intake(DurableQueue(open_queue(archive.vault.redis)), Spool(Path("spool"))))
    metrics.answered(200, seconds=0.1)
    said = scraped(archive) + generate_latest(metrics.registry).decode()
    return {family.name for family in text_string_to_metric_families(said) if "_created" not in family.name}


def test_the_reference_of_metrics_has_every_one_and_no_other(archive: Archive) -> None:
    reference = (ROOT / "docs/metrics.md").read_text()
    documented = set(re.findall(r"^\| `(mmsvault_\w+)", reference, re.MULTILINE))
    assert {name.removesuffix("_total") for name in documented} == names_told(archive)


@pytest.mark.parametrize("path", WATCHED, ids=lambda path: path.name)
def test_rules_and_dashboard_ask_for_what_is_told(archive: Archive, path: Path) -> None:
    asked = set(re.findall(r"\bmmsvault_\w+", path.read_text()))
    endings = re.compile(r"_(total|bucket|sum|count)$")
    assert {endings.sub("", name) for name in asked} <= names_told(archive)
    assert asked


def promtool(*words: str, said: str | None = None) -> None:
    """Run Prometheus's own checker; what it does not like fails the test."""
    found = shutil.which("promtool")
    require("promtool", found=found)
    folder = ROOT / "deploy/prometheus"
    done = subprocess.run(
        [str(found), *words], cwd=folder, input=said, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_rules_fire_when_they_should_and_not_before() -> None:
    promtool("check", "rules", "alerts.yml")
    promtool("check", "config", "--syntax-only", "prometheus.yml")  # its secrets are elsewhere
    promtool("test", "rules", "alerts_test.yml")


def test_metrics_are_told_as_prometheus_wants_them(archive: Archive) -> None:
    promtool("check", "metrics", said=scraped(archive))


def test_every_panel_asks_for_what_prometheus_understands(tmp_path: Path) -> None:
    dashboard: dict[str, Any] = json.loads(WATCHED[1].read_text())
    asked = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    rules = [{"record": f"panel:{number}", "expr": expression} for number, expression in enumerate(asked)]
    path = tmp_path / "rules.yml"
    path.write_text(json.dumps({"groups": [{"name": "panels", "rules": rules}]}))
    promtool("check", "rules", str(path))


def test_nothing_counted_is_no_error() -> None:
    assert [family.name for family in counted({})] == [
        "mmsvault_attempts",
        "mmsvault_archived_bytes",
        "mmsvault_step_seconds",
    ]
