"""Each condition brought about on real servers, and told by webhook and mail, by whoever is alive."""

import asyncio
import json
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import generate_latest
from redis import Redis
from sqlalchemy import Engine

from mmsvault import diagnosis
from mmsvault.catalog import entering, key_values, source_activity
from mmsvault.catalog.connection import migrate, writing
from mmsvault.message import Message, Receipt, utc_now
from mmsvault.ops import gather, host_facts
from mmsvault.ops.alerts import Alerter
from mmsvault.ops.conditions import judge
from mmsvault.ops.ledgers import RedisLedger
from mmsvault.ops.watch import WATCHED, Look
from mmsvault.queueing import figures, receivers
from mmsvault.queueing.connection import connect_to_answer
from mmsvault.queueing.durable import DurableQueue
from mmsvault.queueing.intake import Intake
from mmsvault.queueing.jobs import open_queue
from mmsvault.queueing.spool import Spool
from mmsvault.settings import Settings
from mmsvault.steps import Counts
from mmsvault.vault import Vault
from receiver import watch as receiver_watch
from receiver.metrics import Metrics
from tests.house import House
from tests.operators import Hook, Letters, hook, mail_server
from tests.servers import free_port, redis_server, running, until

__all__ = ["hook"]

Patch = pytest.MonkeyPatch
NUMBER = "12025550145"


@pytest.fixture
def redis_url(tmp_path: Path) -> Iterator[str]:
    (tmp_path / "redis").mkdir()
    with redis_server(tmp_path / "redis") as url:
        yield url


@pytest.fixture
def mailed(hook: str) -> Iterator[tuple[dict[str, Any], Letters]]:
    """Settings for a webhook and a mail server, and the letters that come."""
    with mail_server() as (letters, port):
        yield (
            {
                "alert_webhook": hook,
                "alert_email": "ops@example.org",
                "smtp_url": f"smtp://127.0.0.1:{port}",
            },
            letters,
        )


@pytest.fixture
def later(monkeypatch: Patch) -> Callable[[float], None]:
    """Set the clock of those who look so many minutes ahead."""

    def ahead(minutes: float) -> None:
        for module in (gather, receiver_watch):
            monkeypatch.setattr(module, "utc_now", lambda: utc_now() + timedelta(minutes=minutes))

    return ahead


@contextmanager
def opened(folder: Path, *, is_made: bool = True, **settings: Any) -> Iterator[Vault]:
    vault = Vault(Settings.load(data_dir=folder / "vault", receiver_port=free_port(), **settings))
    if is_made:
        vault.prepare()
    try:
        yield vault
    finally:
        vault.close()


@contextmanager
def looking(vault: Vault, *, in_stead: bool = False) -> Iterator[Callable[[], None]]:
    """Give what looks at the whole vault, as the sweep or a worker does."""
    with connect_to_answer(vault.settings.effective_redis_url) as connection:
        yield Look(vault, connection, in_stead=in_stead)


@contextmanager
def receiver_of(settings: Settings) -> Iterator[tuple[Callable[[], None], Intake, Metrics]]:
    """Give what a receiver looks with at its machine and Redis, its intake, and what it counts."""
    with connect_to_answer(settings.effective_redis_url) as connection:
        intake = Intake(DurableQueue(open_queue(connection)), Spool(settings.spool_dir))
        metrics = Metrics(intake)
        seen = receiver_watch.Watch(settings, intake, metrics)
        alerter = Alerter(settings, lambda: seen.facts(connection), (RedisLedger(connection),))

        def look() -> None:
            seen.report(connection)
            alerter.look()

        yield look, intake, metrics


def told() -> list[tuple[str, str]]:
    """Return what came by webhook since the last call."""
    found = [(one["alert"], one["state"]) for one in Hook.posted]
    Hook.posted.clear()
    return found


def alive(redis_url: str, *, seconds_ahead: float = 0) -> None:
    """Say that worker and sweep are alive, and that a sweep has just ended."""
    with Redis.from_url(redis_url) as connection:
        now = utc_now() + timedelta(seconds=seconds_ahead)
        for name in ("archive", "sweep"):
            figures.tell(connection, Counts(), queue_name=name, worker="tests", now=now)
        connection.set(figures.SWEPT, now.isoformat())


def test_a_redis_that_is_away_is_told_by_the_sweep(
    tmp_path: Path, mailed: tuple[dict[str, Any], Letters], later: Callable[[float], None]
) -> None:
    told_by, letters = mailed
    with ExitStack() as servers:
        url = servers.enter_context(redis_server(tmp_path))
        with opened(tmp_path, redis_url=url, **told_by) as vault, looking(vault) as look:
            alive(url)
            look()
            assert told() == []
            servers.close()
            look()
            assert told() == [], "not at once"
            later(3)
            look()
            look()
            assert told() == [("queue_away", "begun")]
    (letter,) = letters.received
    assert " ".join(str(letter["Subject"]).split()) == (
        "MMS Vault: The queue does not answer: postbacks are kept in the receivers' spools."
    )


@pytest.mark.parametrize("server", ["catalog", "bucket"])
def test_a_catalog_or_bucket_that_is_away_is_told_and_so_is_that_it_is_back(
    tmp_path: Path,
    redis_url: str,
    mailed: tuple[dict[str, Any], Letters],
    later: Callable[[float], None],
    server: str,
) -> None:
    told_by, letters = mailed
    folder = tmp_path / "mounted"
    if server == "catalog":
        told_by["database_url"] = f"sqlite:///{folder / 'catalog.sqlite'}"
    with opened(tmp_path, is_made=False, redis_url=redis_url, **told_by) as vault, looking(vault) as look:
        if server == "bucket":
            migrate(vault.catalog)
        else:
            vault.bucket.make()
        alive(redis_url)
        look()
        later(3)
        alive(redis_url, seconds_ahead=180)
        look()
        look()
        assert told() == [(f"{server}_away", "begun")]
        if server == "bucket":
            vault.bucket.make()
        else:
            folder.mkdir()
            migrate(vault.catalog)
        look()
        assert told() == [(f"{server}_away", "over")]
        assert [letter["Subject"] for letter in letters.received][-1].endswith(f"The {server} answers.")
        assert str(tmp_path) not in "".join(str(letter.get_payload()) for letter in letters.received)


def test_a_dead_sweep_and_no_worker_are_told_by_a_receiver_and_by_nobody_else_again(
    tmp_path: Path,
    redis_url: str,
    mailed: tuple[dict[str, Any], Letters],
    later: Callable[[float], None],
) -> None:
    told_by, letters = mailed
    away = Settings.load(data_dir=tmp_path / "receiver", redis_url=redis_url, **told_by)
    with (
        receiver_of(away) as (look_here, _, _),
        opened(tmp_path, redis_url=redis_url, **told_by) as vault,
        looking(vault, in_stead=True) as look_in_stead,
    ):
        look_here()
        look_in_stead()
        assert told() == []
        later(3)
        look_here()
        assert told() == [("no_sweep", "begun"), ("no_worker", "begun")]
        look_in_stead()
        assert told() == []
        alive(redis_url, seconds_ahead=180)
        look_in_stead()
        look_here()
        assert told() == [("no_sweep", "over"), ("no_worker", "over")]
    assert len(letters.received) == 4


def test_a_worker_looks_at_the_archive_only_while_no_sweep_does(
    tmp_path: Path, redis_url: str, hook: str
) -> None:
    with (
        opened(tmp_path, redis_url=redis_url, alert_webhook=hook, alert_backup_days=1) as vault,
        looking(vault, in_stead=True) as look,
        Redis.from_url(redis_url) as connection,
    ):
        connection.set(WATCHED, 1)
        look()
        assert told() == []
        connection.delete(WATCHED)
        look()
        assert told() == [("backup_old", "begun")]


def test_a_receiver_that_is_gone_is_told_by_the_sweep(
    tmp_path: Path, redis_url: str, hook: str, later: Callable[[float], None]
) -> None:
    with (
        opened(tmp_path, redis_url=redis_url, alert_webhook=hook) as vault,
        looking(vault) as look,
        receiver_of(vault.settings) as (report, _, _),
    ):
        alive(redis_url)
        look()
        assert told() == [], "no receiver was ever there"
        report()
        look()
        assert told() == []
        later(3)
        alive(redis_url, seconds_ahead=180)
        look()
        assert told() == [("no_receiver", "begun")]


def test_a_spool_in_use_is_told_by_its_receiver_while_redis_is_away(
    tmp_path: Path, mailed: tuple[dict[str, Any], Letters], later: Callable[[float], None]
) -> None:
    told_by, letters = mailed
    settings = Settings.load(data_dir=tmp_path, redis_url=f"redis://127.0.0.1:{free_port()}", **told_by)
    with receiver_of(settings) as (look, intake, _):

        async def keep() -> None:
            async with intake:
                await intake.keep(Receipt.of(b"<a/>", provider="sinch"))

        asyncio.run(keep())
        look()
        assert told() == []
        later(6)
        look()
        look()
        assert told() == [("spool", "begun")]
        assert "1 receipt waits for" in str(letters.received[0]["Subject"])
        for path in settings.spool_dir.glob("*.json"):
            path.unlink()
        later(30)
        look()
        assert told() == [], "alone, it says nothing of it for an hour"
        later(70)
        look()
        assert told() == [("spool", "over")]


def test_a_disk_that_is_nearly_full_is_told_once_by_all_programs_of_a_machine(
    tmp_path: Path, redis_url: str, hook: str
) -> None:
    short = {"alert_disk_low_bytes": 1 << 60, "alert_disk_full_bytes": 1 << 59}
    with (
        opened(tmp_path, redis_url=redis_url, alert_webhook=hook, **short) as vault,
        looking(vault) as look,
        receiver_of(vault.settings) as (look_here, _, _),
    ):
        alive(redis_url)
        look()
        look_here()
        assert told() == [("disk_full", "begun"), ("disk_low", "begun")]
        checks = {one.check: one for one in diagnosis.examine(vault)}
        assert checks["folder"].state is diagnosis.State.WRONG


def test_wrong_tokens_are_counted_by_the_receiver_and_told(tmp_path: Path, redis_url: str, hook: str) -> None:
    port = free_port()
    env = {
        "MMSVAULT_DATA_DIR": str(tmp_path / "vault"),
        "MMSVAULT_REDIS_URL": redis_url,
        "MMSVAULT_RECEIVER_PORT": str(port),
        "MMSVAULT_POSTBACK_TOKEN": "a-token-of-the-tests",
        "MMSVAULT_METRICS_TOKEN": "metrics",
        "MMSVAULT_ALERT_WEBHOOK": hook,
    }
    with running([sys.executable, "-m", "receiver"], log=tmp_path / "log", port=port, env=env):
        address = f"http://127.0.0.1:{port}"
        for _ in range(5):
            refused = httpx.post(f"{address}/postbacks/sinch/wrong", content=b"<a/>", trust_env=False)
            assert refused.status_code == 401
        alive(redis_url)
        until(lambda: Hook.posted, seconds=90, what="an alert")
        seen = httpx.get(
            f"{address}/metrics", headers={"authorization": "Bearer metrics"}, trust_env=False
        ).text
    (posted,) = Hook.posted
    assert posted["alert"] == "postbacks_refused"
    assert posted["details"] == "By what was wrong: token 5."
    assert "a-token-of-the-tests" not in json.dumps(posted)
    assert 'mmsvault_postbacks_refused_total{reason="token"} 5.0' in seen
    assert 'mmsvault_condition{condition="disk_full"}' in seen
    assert (tmp_path / "log").read_text().count("Traceback") == 0


def test_refusals_are_kept_while_redis_is_away_and_forgotten_after_an_hour(
    tmp_path: Path, redis_url: str
) -> None:
    nobody = Settings.load(data_dir=tmp_path, redis_url=f"redis://127.0.0.1:{free_port()}")
    with receiver_of(nobody) as (look, _, metrics):
        metrics.refused("signature")
        look()
        assert metrics.take_refused() == {"signature": 1}
        assert 'reason="signature"} 1.0' in generate_latest(metrics.registry).decode()
    now = utc_now()
    with Redis.from_url(redis_url) as connection:
        for _ in range(2):
            receivers.tell(connection, receiver="a", refused={"token": 2}, now=now)
        receivers.tell(connection, receiver="b", refused={"token": 1, "network": 1}, now=now)
        assert receivers.refused_lately(connection, now=now) == {"token": 5, "network": 1}
        assert receivers.refused_lately(connection, now=now + timedelta(hours=1, minutes=1)) == {}


def messages_in(engine: Engine, hours: list[datetime], *, begin: int = 0) -> None:
    with writing(engine) as connection:
        for number, at in enumerate(hours, start=begin):
            name = f"sinch-{number}"
            message = Message(
                id=name, provider="sinch", tracking_id=name, sender="1", to=(NUMBER,), received_at=at,
                recorded_at=at, deadline_at=at, prefix=f"messages/{name}/", media=(),
            )  # fmt: skip
            assert entering.insert_whole(connection, message)


def watch_since(engine: Engine, *, hours: int, now: datetime) -> None:
    for back in range(hours, -1, -1):
        source_activity.count_new(engine, now=now - timedelta(hours=back))


def count_all(engine: Engine, *, now: datetime) -> None:
    until(
        lambda: source_activity.count_new(engine, now=now) or source_activity.active_hours(engine, now=now),
        what="the count",
    )


def test_a_source_that_misses_its_hours_is_told_by_its_last_digits_on_each_database(
    catalog: Engine, tmp_path: Path
) -> None:
    now = datetime(2026, 3, 10, 12, 20, tzinfo=UTC)
    hours = [now - timedelta(hours=back) for back in range(20 * 24, 4, -1)]
    messages_in(catalog, hours)
    url = catalog.url.render_as_string(hide_password=False)
    with opened(tmp_path, is_made=False, database_url=url) as vault:
        assert gather.silences(vault, now=now) is None, "nothing is counted yet"
        watch_since(vault.catalog, hours=5, now=now)
        count_all(vault.catalog, now=now)
        (found,) = gather.silences(vault, now=now) or ()
        assert (found.name, found.hours) == ("sinch *********45", 4)
        now += timedelta(minutes=5)
        messages_in(vault.catalog, [now - timedelta(minutes=2)], begin=len(hours))
        count_all(vault.catalog, now=now)
        assert gather.silences(vault, now=now) == ()
        facts = replace(gather.gather(vault), archive=gather.archive_facts(vault, now=now), now=now)
        assert [one.condition.id for one in judge(facts) if one.condition.id == "source_silent"]


def test_a_vault_that_was_off_calls_no_source_silent_when_it_is_back(catalog: Engine, tmp_path: Path) -> None:
    off_at = datetime(2026, 3, 10, 12, 20, tzinfo=UTC)
    messages_in(catalog, [off_at - timedelta(hours=back) for back in range(20 * 24, 0, -1)])
    count_all(catalog, now=off_at)
    now = off_at + timedelta(hours=30)
    url = catalog.url.render_as_string(hide_password=False)
    with opened(tmp_path, is_made=False, database_url=url, alert_silent_hours=3) as vault:
        count_all(vault.catalog, now=now)
        assert gather.silences(vault, now=now) == ()
        for _ in range(4):
            now += timedelta(hours=1)
            count_all(vault.catalog, now=now)
        (found,) = gather.silences(vault, now=now) or ()
        assert found.hours > 30


def test_each_message_is_counted_once_and_hours_of_a_month_ago_are_forgotten(
    catalog: Engine,
) -> None:
    now = datetime(2026, 3, 10, 12, 20, tzinfo=UTC)
    hours = [now - timedelta(hours=back) for back in range(12, 0, -1)]
    messages_in(catalog, [*hours, hours[0] + timedelta(minutes=1)])
    for _ in range(3):
        count_all(catalog, now=now)
    with catalog.connect() as connection:
        table = source_activity.source_hours
        counted = table.select().where(table.c.provider != "").order_by(table.c.hour)
        rows = connection.execute(counted).all()
    assert [row.messages for row in rows] == [2] + [1] * 11
    later = now + timedelta(days=40)

    def is_empty() -> bool:
        source_activity.count_new(catalog, now=later)
        with catalog.connect() as connection:
            return not connection.execute(counted).all()

    until(is_empty, what="old hours forgotten")


def test_a_set_number_of_hours_is_told_whatever_is_usual(tmp_path: Path) -> None:
    now = utc_now()
    with opened(tmp_path, alert_silent_hours=3, alert_silent_by_habit=False) as vault:
        messages_in(vault.catalog, [now - timedelta(hours=back) for back in range(15, 4, -1)])
        watch_since(vault.catalog, hours=5, now=now)
        count_all(vault.catalog, now=now)
        (found,) = gather.silences(vault, now=now) or ()
        assert found.hours in (3, 4)


def test_status_and_doctor_tell_of_an_old_backup(tmp_path: Path, redis_url: str) -> None:
    with opened(tmp_path, redis_url=redis_url) as vault:
        key_values.put(vault.catalog, key_values.BACKUP_FINISHED_AT, "2026-01-05T02:00:00Z")
    house = House(tmp_path, {"MMSVAULT_REDIS_URL": redis_url})
    answer = json.loads(house.call("status", "--json").stdout)
    found = {one["id"]: one for one in answer["conditions"]}
    assert found["backup_old"]["summary"] == "The last backup is old: it is of 2026-01-05 02:00 UTC."
    assert found["no_worker"]["severity"] == "page"
    findings = json.loads(house.call("doctor", "--json").stdout)["findings"]
    assert "backup_old" in {one["condition"] for one in findings}


def test_a_spool_is_counted_only_so_far(tmp_path: Path, monkeypatch: Patch) -> None:
    monkeypatch.setattr(host_facts, "SPOOLED_COUNTED_TO", 3)
    settings = Settings.load(data_dir=tmp_path)
    assert host_facts.host_facts(settings).spooled == 0
    settings.spool_dir.mkdir(exist_ok=True)
    for number in range(5):
        (settings.spool_dir / f"{number}.json").write_text("{}")
    assert host_facts.host_facts(settings).spooled == 3


def test_a_server_that_hangs_is_away_and_is_asked_once(
    tmp_path: Path, redis_url: str, hook: str, monkeypatch: Patch, later: Callable[[float], None]
) -> None:
    released, asked = threading.Event(), []

    def hang(*_: object, **__: object) -> None:
        asked.append(1)
        released.wait()

    with (
        opened(tmp_path, redis_url=redis_url, alert_webhook=hook) as vault,
        looking(vault) as look,
    ):
        monkeypatch.setattr(gather, "SECONDS_FOR_AN_ANSWER", 0.5)
        monkeypatch.setattr(gather, "archive_facts", hang)
        try:
            alive(redis_url)
            look()
            later(3)
            alive(redis_url, seconds_ahead=180)
            look()
            assert told() == [("catalog_away", "begun")]
            assert len(asked) == 1
        finally:
            released.set()


@pytest.mark.parametrize("job", ["sweep", "archive"])
def test_the_sweep_tells_and_a_worker_in_its_stead(
    tmp_path: Path, redis_url: str, hook: str, job: str
) -> None:
    env = {
        "MMSVAULT_DATA_DIR": str(tmp_path / "vault"),
        "MMSVAULT_REDIS_URL": redis_url,
        "MMSVAULT_RECEIVER_PORT": str(free_port()),
        "MMSVAULT_ALERT_WEBHOOK": hook,
        "MMSVAULT_ALERT_DISK_LOW_BYTES": str(1 << 60),
    }
    command = [sys.executable, "-m", "worker", job]
    with running(command, log=tmp_path / "log", env=env, answers=lambda: True):
        until(lambda: Hook.posted, seconds=90, what="an alert")
    assert told() == [("disk_low", "begun")]
    assert "Traceback" not in (tmp_path / "log").read_text()
