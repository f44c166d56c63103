"""How what is due goes back into the queue, on each database and a real queue."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, event, text

from mmsvault.archive import retries
from mmsvault.archive.retries import FEWEST_JOBS, Retries
from mmsvault.catalog import due, queries, writes
from mmsvault.catalog.connection import reading
from mmsvault.errors import OvertakenError, TransientFetchError
from mmsvault.exporting import working
from mmsvault.fetching import backpressure
from mmsvault.fetching.backpressure import FAILURES, PROBES, host_of
from mmsvault.message import MediaItem, Message, Receipt, utc_now
from mmsvault.ops.gather import archive_facts
from mmsvault.queueing.jobs import ARCHIVE_RECEIPT, enqueue_all
from mmsvault.settings import Settings
from mmsvault.sweeping import Sweeper
from mmsvault.vault import Vault
from tests.servers import redis_server

URL = "http://m.example/a"
LARGE_TABLES = (
    *("messages", "media", "receipts", "attempts", "postbacks", "recipients", "trail"),
    *("exports", "scheduled_messages", "counts"),
)


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with redis_server(tmp_path_factory.mktemp("queue")) as url:
        yield url


@pytest.fixture
def vault(request: pytest.FixtureRequest, catalog: Engine, tmp_path: Path, redis_url: str) -> Iterator[Vault]:
    url = catalog.url.render_as_string(hide_password=False)
    given = getattr(request, "param", {})
    made = Vault(Settings.load(data_dir=tmp_path, redis_url=redis_url, database_url=url, **given))
    made.redis.flushall()
    yield made
    made.close()


def enter(vault: Vault, name: str, *, hours_left: float, url: str = URL) -> None:
    """Record a message whose file is due."""
    now = utc_now()
    message = Message(
        id=name, provider="sinch", tracking_id=name, sender="1", to=("2",), received_at=now, recorded_at=now,
        deadline_at=now + timedelta(hours=hours_left), prefix=f"messages/{name}/",
        media=(MediaItem(position=0, url=url, next_attempt_at=now),),
    )  # fmt: skip
    writes.record(vault.catalog, message, Receipt.of(name.encode(), provider="sinch"))


def enter_many(vault: Vault, count: int, *, hours_left: float) -> list[str]:
    """Record that many, the one with the farthest deadline first; return them in the order of deadlines."""
    names = [f"due-{number:03}" for number in range(count)]
    for number in reversed(range(count)):
        enter(vault, names[number], hours_left=hours_left + number / 1000)
    return names


def queued(vault: Vault) -> list[str]:
    return [job.args[0] for job in vault.queue.get_jobs()]


def work_off(vault: Vault, count: int) -> list[str]:
    """Take the first jobs from the queue, as workers do."""
    ids = vault.queue.get_job_ids(0, count)
    taken = [job.args[0] for job in vault.queue.get_jobs(0, count)]
    for one in ids:
        vault.redis.lrem(vault.queue.key, 1, one)
    return taken


def test_the_nearest_deadline_comes_first_and_before_everything_else_under_a_day(vault: Vault) -> None:
    vault.queue.enqueue_call("waiting", args=("waiting",))
    for name, hours in (("far", 700), ("near", 20), ("farther", 710), ("nearest", 2)):
        enter(vault, name, hours_left=hours)
    feeding = Retries(vault, vault.queue)
    assert feeding.feed() == 4
    assert queued(vault) == ["nearest", "near", "waiting", "far", "farther"]
    assert feeding.feed() == 0, "they are looked at again only after a while"


def test_a_sweep_that_another_one_has_followed_postpones_nothing_and_feeds_no_more(vault: Vault) -> None:
    feeding = Retries(vault, vault.queue)
    enter(vault, "first", hours_left=700)
    assert feeding.feed() == 1
    enter(vault, "second", hours_left=700)
    newer = writes.next_fence(vault.catalog)
    with pytest.raises(OvertakenError):
        feeding.feed()
    assert due.is_any(vault.catalog, now=utc_now()), "it is left to the newer one"
    assert feeding.feed() == 0
    writes.postpone(vault.catalog, ["second"], until=utc_now(), fence=newer)


def test_a_message_that_was_recorded_and_never_finished_is_taken_up(vault: Vault) -> None:
    enter(vault, "recorded", hours_left=700)
    assert queries.due(vault.catalog, now=utc_now(), limit=9)
    assert Retries(vault, vault.queue).feed() == 1
    assert queued(vault) == ["recorded"]


def test_a_backlog_is_fed_until_nothing_is_due_nearest_deadline_first_and_never_much_at_once(
    vault: Vault,
) -> None:
    names = enter_many(vault, 200, hours_left=700)
    feeding = Retries(vault, vault.queue)
    drained: list[str] = []
    while feeding.feed():
        assert vault.queue.count <= FEWEST_JOBS
        assert feeding.feed() == 0, "the queue is full"
        drained += work_off(vault, FEWEST_JOBS * 3 // 4)
    assert drained + work_off(vault, FEWEST_JOBS) == names
    assert not feeding.is_busy


def test_what_comes_in_new_waits_for_no_more_than_a_turn_of_what_is_urgent(vault: Vault) -> None:
    enter_many(vault, 200, hours_left=3)
    with vault.redis.pipeline() as pipeline:
        enqueue_all(vault.queue, ARCHIVE_RECEIPT, (f"new-{n:03}" for n in range(200)), pipeline=pipeline)
        pipeline.execute()
    feeding = Retries(vault, vault.queue)
    turn = FEWEST_JOBS
    for number in range(2):
        assert feeding.feed() == turn
        assert all(name.startswith("due-") for name in work_off(vault, turn)), "what is urgent goes ahead"
        assert feeding.feed() == 0, "now it is the others' turn"
        fresh = work_off(vault, turn)
        assert fresh == [f"new-{n:03}" for n in range(number * turn, number * turn + turn)]


def test_files_that_are_not_urgent_wait_behind_a_long_queue_of_new_messages(vault: Vault) -> None:
    enter_many(vault, 3, hours_left=700)
    with vault.redis.pipeline() as pipeline:
        enqueue_all(vault.queue, ARCHIVE_RECEIPT, (f"new-{n}" for n in range(100)), pipeline=pipeline)
        pipeline.execute()
    feeding = Retries(vault, vault.queue)
    assert feeding.feed() == 0
    work_off(vault, 90)
    assert feeding.feed() == 3
    assert queued(vault)[:10] == [f"new-{n}" for n in range(90, 100)]


def test_one_of_several_sweeps_feeds_the_queue_until_nothing_is_due(vault: Vault) -> None:
    enter_many(vault, 100, hours_left=700)
    first, second = Retries(vault, vault.queue), Retries(vault, vault.queue)
    assert first.feed()
    assert second.feed() == 0
    work_off(vault, FEWEST_JOBS)
    assert second.feed() == 0
    assert first.feed()
    work_off(vault, FEWEST_JOBS)
    assert first.feed() == 0, "nothing is due"
    enter(vault, "later", hours_left=700)
    assert second.feed() == 1


def test_a_host_that_is_away_is_probed_and_what_is_for_others_goes_on(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retries, "PAGE", 32)  # so that there is much behind a page
    monkeypatch.setattr(backpressure, "KNOWN_FOR_SECONDS", 0)
    enter_many(vault, 150, hours_left=500)
    enter(vault, "other", hours_left=700, url="http://other.example/a")
    for _ in range(FAILURES):
        vault.hosts.note_failure(host_of(URL), TransientFetchError("No answer."))
    feeding = Retries(vault, vault.queue)
    feeding.feed()
    assert queued(vault) == ["other"], "it was asked a moment ago"
    vault.redis.delete(f"{backpressure.KEYS}{host_of(URL)}:paused")
    assert feeding.feed() == PROBES
    work_off(vault, 99)
    vault.hosts.note_answer(host_of(URL))
    assert feeding.feed() == FEWEST_JOBS, "it is back"


@pytest.mark.parametrize("vault", [{"retry_rate": 10}], indirect=True)
def test_no_host_is_asked_for_more_files_a_second_than_the_settings_say(vault: Vault) -> None:
    enter_many(vault, 40, hours_left=500)
    for number in range(5):
        enter(vault, f"other-{number}", hours_left=700, url="http://other.example/a")
    feeding = Retries(vault, vault.queue)
    feeding.feed()
    assert sorted(queued(vault))[:10] == [f"due-{number:03}" for number in range(10)]
    assert [name for name in queued(vault) if name.startswith("other")] == [f"other-{n}" for n in range(5)]
    assert len(queued(vault)) == 15


def test_what_a_worker_has_in_hand_is_not_queued(vault: Vault) -> None:
    enter(vault, "in hand", hours_left=700)
    writes.take_lease(vault.catalog, "in hand", token="t", now=utc_now(), span=timedelta(minutes=1))
    assert Retries(vault, vault.queue).feed() == 0
    assert due.make_ready(vault.catalog, now=utc_now(), limit=9) == 0


def test_a_sweep_reads_no_table_of_messages_from_end_to_end(vault: Vault) -> None:
    """What it asks is answered from indexes, of what is due only."""
    vault.bucket.make()
    sweeper = Sweeper(vault, vault.queue)
    sweeper.sweep()  # the first one reads the register of exports whole, to keep it in the bucket
    enter_many(vault, 3, hours_left=500)
    asked: dict[str, object] = {}

    def note(_connection: object, _cursor: object, statement: str, given: object, *_: object) -> None:
        if statement.startswith(("SELECT", "UPDATE")):
            asked[statement] = given

    event.listen(vault.catalog, "before_cursor_execute", note)
    sweeper.sweep()
    work_off(vault, 9)
    sweeper.sweep()
    working.sweep(vault, vault.redis)
    archive_facts(vault, now=utc_now())
    event.remove(vault.catalog, "before_cursor_execute", note)
    assert any("preview_due_at" in statement for statement in asked)
    assert any("beat_at" in statement for statement in asked)
    assert any("deadline_at" in statement for statement in asked)
    for statement, given in asked.items():
        plan = explain(vault.catalog, statement, given)
        for table in LARGE_TABLES:
            assert f"SCAN {table}" not in plan, statement
            assert f"Seq Scan on {table}" not in plan, statement


def explain(engine: Engine, statement: str, given: object) -> str:
    with reading(engine) as connection:
        if engine.dialect.name == "postgresql":  # tables this small are read whole if there is a choice
            connection.execute(text("SET LOCAL enable_seqscan = off"))
        how = "EXPLAIN" if engine.dialect.name == "postgresql" else "EXPLAIN QUERY PLAN"
        rows = connection.exec_driver_sql(f"{how} {statement}", given)  # type: ignore[arg-type]  # as it was given
        return "\n".join(str(row[-1]) for row in rows)


def test_ready_messages_are_read_in_the_order_of_an_index(vault: Vault) -> None:
    enter_many(vault, 3, hours_left=500)
    due.make_ready(vault.catalog, now=utc_now(), limit=9)
    asked: dict[str, object] = {}

    def note(_connection: object, _cursor: object, statement: str, given: object, *_: object) -> None:
        asked[statement] = given

    event.listen(vault.catalog, "before_cursor_execute", note)
    due.ready(vault.catalog, now=utc_now(), limit=2)
    event.remove(vault.catalog, "before_cursor_execute", note)
    statement = next(one for one in asked if "ORDER BY messages.deadline_at" in one)
    with vault.catalog.begin() as connection:
        if vault.catalog.dialect.name == "postgresql":
            connection.execute(text("ANALYZE messages"))
    plan = explain(vault.catalog, statement, asked[statement])
    assert "ix_messages_due_at_deadline_at_place" in plan
    assert "TEMP B-TREE" not in plan
    assert "Sort" not in plan


def test_the_nearest_deadlines_of_a_backlog_are_chosen_before_all_of_it_is_marked(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retries, "MADE_READY_AT_ONCE", 10)
    monkeypatch.setattr(retries, "SECONDS_TO_MAKE_READY", 0)
    names = enter_many(vault, 100, hours_left=700)  # the farthest deadline is due first
    Retries(vault, vault.queue).feed()
    assert queued(vault)[:50] == names[:50]
