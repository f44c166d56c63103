"""Keeping receipts in a real Redis and beside it, and finding the jobs that nobody works on."""

import asyncio
import json
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from redis import Redis
from rq import Queue
from rq.executions import Execution
from rq.job import JobStatus

from mmsvault.embedded.servers import redis_part
from mmsvault.errors import ConfigurationError, UnavailableError
from mmsvault.message import Receipt, utc_now
from mmsvault.queueing import leftovers, workers
from mmsvault.queueing.connection import WAITAOF_SINCE, connect_to_answer, needs_waitaof
from mmsvault.queueing.durable import DurableQueue, Kept
from mmsvault.queueing.intake import Intake
from mmsvault.queueing.jobs import ARCHIVE_RECEIPT, enqueue, open_queue
from mmsvault.queueing.leftovers import Leftovers
from mmsvault.queueing.spool import Spool
from mmsvault.queueing.workers import QueueWorker
from mmsvault.settings import Settings
from tests.servers import redis_server, running, until


@pytest.fixture(scope="module", params=["embedded", "real"])
def redis_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Redis as the vault embeds it, and Debian's."""
    folder = tmp_path_factory.mktemp("queue")
    if request.param == "real":
        with redis_server(folder) as url:
            yield url
        return
    settings = Settings.load(data_dir=folder)
    part = redis_part(settings)
    with running(part.command, log=folder / "out.log", answers=part.ready):
        yield settings.effective_redis_url


@pytest.fixture
def redis(redis_url: str) -> Iterator["Redis"]:
    with connect_to_answer(redis_url) as connection:
        connection.config_set("maxmemory", 0)
        connection.flushall()
        yield connection


@pytest.fixture
def queue(redis: "Redis") -> Queue:
    return open_queue(redis)


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool")


def kept(number: int = 0) -> Kept:
    return Receipt.of(f"<{number}/>".encode(), provider="sinch").model_dump(mode="json")


def ids(queue: Queue) -> list[str]:
    return [job.args[0]["id"] for job in queue.get_jobs()]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--appendonly", "no"), "forgets on a crash; set `appendonly yes`"),
        (("--appendonly", "yes", "--appendfsync", "everysec"), "set `appendfsync always`"),
        (("--appendonly", "yes", "--appendfsync", "no"), "set `appendfsync always`"),
        (
            ("--appendonly", "yes", "--appendfsync", "always", "--no-appendfsync-on-rewrite", "yes"),
            "set `no-appendfsync-on-rewrite no`",
        ),
        (
            ("--appendonly", "yes", "--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"),
            "set `maxmemory-policy noeviction`",
        ),
    ],
)  # fmt: skip
def test_a_redis_that_cannot_promise_durability_is_refused_with_what_to_change(
    tmp_path: Path, options: tuple[str, ...], said: str
) -> None:
    with (
        redis_server(tmp_path, *options) as url,
        connect_to_answer(url) as connection,
        pytest.raises(ConfigurationError, match=said),
    ):
        needs_waitaof(connection)


def test_a_redis_that_writes_at_once_is_taken_old_or_new(tmp_path: Path, redis: "Redis") -> None:
    with redis_server(tmp_path) as url, connect_to_answer(url) as connection:
        assert not needs_waitaof(connection)
    assert not needs_waitaof(redis)


def test_where_the_configuration_is_hidden_waitaof_has_to_do(
    redis: "Redis", redis_url: str, queue: Queue
) -> None:
    redis.execute_command("ACL", "SETUSER", "guest", "on", "nopass", "~*", "+@all", "-config")
    scheme, _, rest = redis_url.partition("://")
    with connect_to_answer(f"{scheme}://guest:any@{rest.rpartition('@')[2]}") as connection:
        version = str(redis.info("server")["redis_version"])
        if tuple(map(int, version.split(".")[:2])) < WAITAOF_SINCE:
            with pytest.raises(ConfigurationError, match="does not tell when it writes"):
                needs_waitaof(connection)
        else:
            assert needs_waitaof(connection)
            DurableQueue(open_queue(connection)).keep([kept(), kept()])
            assert len(ids(queue)) == 2


def test_spooled_receipts_are_drained_in_the_order_in_which_they_came(spool: Spool, queue: Queue) -> None:
    receipts = [kept(number) for number in range(250)]
    for receipt in reversed(receipts):
        spool.keep([receipt])
    assert len(spool) == 250
    assert spool.drain(DurableQueue(queue).keep) == 250
    assert len(spool) == 0
    assert ids(queue) == [receipt["id"] for receipt in receipts]


def test_what_the_queue_does_not_take_stays_in_the_spool(spool: Spool, queue: Queue) -> None:
    spool.keep([kept(number) for number in range(3)])
    queue.connection.config_set("maxmemory", 1)
    with pytest.raises(UnavailableError, match="Redis is full"):
        spool.drain(DurableQueue(queue).keep)
    assert len(spool) == 3


def test_a_damaged_file_in_the_spool_is_put_aside_and_the_others_go_on(
    spool: Spool, queue: Queue, tmp_path: Path
) -> None:
    spool.keep([kept()])
    (tmp_path / "spool" / "0.json").write_bytes(b'{"id"')
    assert spool.drain(DurableQueue(queue).keep) == 1
    assert [path.name for path in (tmp_path / "spool").iterdir()] == ["0.damaged"]


def test_two_drainers_at_once_hand_each_receipt_over_once(spool: Spool, tmp_path: Path) -> None:
    spool.keep([kept(number) for number in range(3)])
    taken: list[Kept] = []

    def take(receipts: Sequence[Kept]) -> None:
        taken.extend(receipts)
        assert Spool(tmp_path / "spool").drain(taken.extend) == 0

    assert spool.drain(take) == 3
    assert len(taken) == 3


def intake_of(queue: Queue, spool: Spool) -> Intake:
    return Intake(DurableQueue(queue), spool)


def test_receipts_that_come_at_once_share_writes_and_each_is_kept(queue: Queue, spool: Spool) -> None:
    receipts = [Receipt.of(b"<x/>", provider="sinch") for _ in range(500)]
    before = queue.connection.info("commandstats").get("cmdstat_exec", {"calls": 0})["calls"]

    async def keep() -> None:
        async with intake_of(queue, spool) as intake:
            await asyncio.gather(*(intake.keep(receipt) for receipt in receipts))

    asyncio.run(keep())
    waits = queue.connection.info("commandstats")["cmdstat_exec"]["calls"] - before
    assert 1 < waits <= 10
    assert sorted(ids(queue)) == sorted(receipt.id for receipt in receipts)


FAULTS: dict[str, Callable[["Redis"], None]] = {
    "out of memory": lambda redis: redis.config_set("maxmemory", 1),
    "read-only": lambda redis: redis.replicaof("127.0.0.1", 1),
    "without its log": lambda redis: redis.config_set("appendonly", "no"),
    "writing later": lambda redis: redis.config_set("appendfsync", "everysec"),
    "writing later during a rewrite": lambda redis: redis.config_set("no-appendfsync-on-rewrite", "yes"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_while_the_queue_takes_nothing_receipts_go_to_the_spool_and_come_back(
    redis: "Redis", queue: Queue, spool: Spool, fault: str
) -> None:
    receipts = [Receipt.of(b"<x/>", provider="sinch") for _ in range(20)]

    async def keep() -> None:
        async with intake_of(queue, spool) as intake:
            await intake.keep(receipts[0])
            assert intake.place() == "queue"
            FAULTS[fault](redis)
            await asyncio.gather(*(intake.keep(receipt) for receipt in receipts[1:]))
            assert intake.place() == "spool"
            assert intake.spooled == 19
            redis.replicaof("NO", "ONE")
            redis.config_set("maxmemory", 0)
            redis.config_set("appendonly", "yes")
            redis.config_set("appendfsync", "always")
            redis.config_set("no-appendfsync-on-rewrite", "no")
            await asyncio.to_thread(until, lambda: intake.place() == "queue")
            assert intake.spooled == 0

    asyncio.run(keep())
    assert sorted(set(ids(queue))) == sorted(receipt.id for receipt in receipts)


def test_a_redis_that_hangs_delays_one_batch_and_no_more(
    queue: Queue, spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = int(queue.connection.info("server")["process_id"])
    tried: list[int] = []
    keep_in_queue = DurableQueue.keep

    def counted(self: DurableQueue, receipts: Sequence[Kept]) -> None:
        tried.append(len(receipts))
        keep_in_queue(self, receipts)

    async def keep() -> None:
        async with intake_of(queue, spool) as intake:
            os.kill(server, signal.SIGSTOP)
            await intake.keep(Receipt.of(b"<x/>", provider="sinch"))
            await asyncio.gather(*(intake.keep(Receipt.of(b"<x/>", provider="sinch")) for _ in range(50)))

    monkeypatch.setattr(DurableQueue, "keep", counted)
    try:
        asyncio.run(keep())
    finally:
        os.kill(server, signal.SIGCONT)
    assert tried == [1], "only the first batch waits for the server"
    assert len(spool) == 51


def test_when_neither_the_queue_nor_the_spool_keeps_everyone_who_waits_hears_it(
    queue: Queue, tmp_path: Path
) -> None:
    (tmp_path / "spool").write_text("a file where the folder should be")
    queue.connection.config_set("maxmemory", 1)

    async def keep() -> list[object]:
        async with intake_of(queue, Spool(tmp_path / "spool")) as intake:
            waiting = (intake.keep(Receipt.of(b"<x/>", provider="sinch")) for _ in range(20))
            heard: list[object] = list(await asyncio.gather(*waiting, return_exceptions=True))
            with pytest.raises(UnavailableError):
                intake.place()
            return heard

    assert all(isinstance(one, UnavailableError) for one in asyncio.run(keep()))


def worker_of(
    queue: Queue, redis_url: str, task: Callable[[object], None], *, at_once: int = 1
) -> QueueWorker:
    return QueueWorker(
        queue.name,
        redis_url=redis_url,
        connection=queue.connection,
        tasks={ARCHIVE_RECEIPT: task},
        at_once=at_once,
    )


def test_a_worker_has_several_jobs_in_hand_and_no_more_than_it_may(queue: Queue, redis_url: str) -> None:
    met, most, in_hand = threading.Barrier(3), [0], [0]

    def meet(_argument: object) -> None:
        in_hand[0] += 1
        most.append(in_hand[0])
        met.wait(30)  # for two others: one after the other, they would never meet
        in_hand[0] -= 1

    for number in range(9):
        enqueue(queue, ARCHIVE_RECEIPT, kept(number))
    worker_of(queue, redis_url, meet, at_once=3).work(burst=True)
    assert max(most) == 3
    assert queue.failed_job_registry.count == 0
    assert queue.connection.keys("rq:job:*") == []


def test_a_worker_begins_no_more_jobs_than_it_may_have_in_hand(queue: Queue, redis_url: str) -> None:
    begun: list[object] = []
    fourth, released = threading.Event(), threading.Event()

    def work(argument: object) -> None:
        begun.append(argument)
        if len(begun) == 3:
            assert not fourth.wait(0.3)
            released.set()
        elif len(begun) > 3:
            fourth.set()
        assert released.wait(30)

    for number in range(6):
        enqueue(queue, ARCHIVE_RECEIPT, kept(number))
    worker_of(queue, redis_url, work, at_once=3).work(burst=True)
    assert len(begun) == 6
    assert queue.failed_job_registry.count == 0


def test_every_job_in_hand_is_said_to_be_alive(
    queue: Queue, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "BEAT_SECONDS", 1)
    met = threading.Barrier(2)

    def ends() -> dict[bytes, float]:
        return dict(queue.connection.zrange(queue.started_job_registry.key, 0, -1, withscores=True))

    def last(_argument: object) -> None:
        met.wait(30)
        first = ends()
        assert len(first) == 2
        until(
            lambda: all(end > first.get(name, end) for name, end in ends().items()),
            what="every job being said to be alive",
        )
        met.wait(30)

    for number in range(2):
        enqueue(queue, ARCHIVE_RECEIPT, kept(number))
    worker_of(queue, redis_url, last, at_once=2).work(burst=True)
    assert queue.failed_job_registry.count == 0


def fail(_argument: object) -> None:
    raise UnavailableError("no")


def test_a_failed_job_is_queued_again_after_pauses_that_grow(queue: Queue, redis_url: str) -> None:
    enqueue(queue, ARCHIVE_RECEIPT, kept())
    left = Leftovers(queue)
    now = utc_now()
    for wait in (leftovers.FIRST_WAIT, 2 * leftovers.FIRST_WAIT, 4 * leftovers.FIRST_WAIT):
        worker_of(queue, redis_url, fail).work(burst=True)
        assert queue.failed_job_registry.count == 1
        assert left.requeue(now=now + wait * 0.9) == 0
        assert left.requeue(now=now + wait * 1.5) == 1
        assert queue.count == 1


def test_a_job_whose_worker_was_killed_between_taking_and_starting_is_queued_again(queue: Queue) -> None:
    enqueue(queue, ARCHIVE_RECEIPT, kept())
    queue.connection.lmove(queue.key, queue.intermediate_queue_key)
    left = Leftovers(queue)
    assert left.requeue(now=utc_now()) == 0, "it may be about to start"
    assert left.requeue(now=utc_now()) == 1
    assert queue.count == 1
    assert queue.intermediate_queue.get_job_ids() == []
    assert left.requeue(now=utc_now()) == 0


def test_a_job_that_is_in_no_list_is_found_and_queued_again(queue: Queue) -> None:
    enqueue(queue, ARCHIVE_RECEIPT, kept(1))
    enqueue(queue, ARCHIVE_RECEIPT, kept(2))
    queue.connection.lpop(queue.key)
    left = Leftovers(queue)
    assert left.requeue_stranded(now=utc_now()) == 0, "it may be on its way"
    assert left.requeue_stranded(now=utc_now() + leftovers.STRANDED_AFTER * 2) == 1
    assert queue.count == 2


def test_a_job_of_another_queue_is_left_to_that_queue(queue: Queue) -> None:
    other = open_queue(queue.connection, "exports")
    enqueue(other, ARCHIVE_RECEIPT, kept())
    queue.connection.lpop(other.key)
    later = utc_now() + leftovers.STRANDED_AFTER * 2
    assert Leftovers(queue).requeue_stranded(now=later) == 0
    assert (queue.count, other.count) == (0, 0)
    assert Leftovers(other).requeue_stranded(now=later) == 1


def begun(queue: Queue, *, seconds_left: int) -> str:
    """Have a job in the hand of a worker that says no more that it is alive; return its id."""
    enqueue(queue, ARCHIVE_RECEIPT, kept())
    (job,) = queue.get_jobs()
    queue.connection.lmove(queue.key, queue.intermediate_queue_key)
    job.set_status(JobStatus.STARTED)
    with queue.connection.pipeline() as pipeline:
        execution = Execution.create(job, 60, pipeline=pipeline, worker_name="gone")
        pipeline.execute()
    ends_at = utc_now().timestamp() + seconds_left
    queue.connection.zadd(queue.started_job_registry.key, {execution.composite_key: ends_at})
    return str(job.id)


def test_a_job_that_a_worker_has_begun_is_not_taken_from_it(queue: Queue) -> None:
    begun(queue, seconds_left=60)
    left = Leftovers(queue)
    assert [left.requeue(now=utc_now()) for _ in range(3)] == [0, 0, 0]
    assert queue.count == 0


def test_a_job_whose_worker_was_killed_is_queued_again(queue: Queue) -> None:
    identity = begun(queue, seconds_left=-5)
    queue.connection.delete(queue.intermediate_queue_key)
    left, now = Leftovers(queue), utc_now()
    left.requeue(now=now)
    assert queue.started_job_registry.get_job_ids(cleanup=False) == []
    left.requeue(now=now + 2 * leftovers.LONGEST_WAIT)
    assert queue.job_ids == [identity]


def test_while_very_many_jobs_wait_they_are_not_all_read_for_one_in_no_list(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    enqueue(queue, ARCHIVE_RECEIPT, kept())
    queue.connection.lpop(queue.key)
    for _ in range(3):
        enqueue(queue, ARCHIVE_RECEIPT, kept())
    left, later = Leftovers(queue), utc_now() + leftovers.STRANDED_AFTER * 2
    monkeypatch.setattr(leftovers, "MOST_LOOKED_THROUGH", 2)
    assert left.requeue_stranded(now=later) == 0
    queue.connection.lpop(queue.key)
    assert left.requeue_stranded(now=later) == 2, "both that are in no list by now"


def test_a_worker_runs_nothing_but_the_tasks_that_it_was_started_with(queue: Queue, redis_url: str) -> None:
    ran: list[object] = []
    enqueue(queue, "os.system", "true")
    receipt = kept()
    enqueue(queue, ARCHIVE_RECEIPT, receipt)
    worker_of(queue, redis_url, ran.append).work(burst=True)
    assert ran == [json.loads(json.dumps(receipt))]
    assert queue.failed_job_registry.count == 1


def test_spool_files_sort_by_the_time_of_their_receipts(spool: Spool, tmp_path: Path) -> None:
    now = utc_now()
    for hours in (3, 1, 2):
        receipt = Receipt(provider="sinch", body=b"PHgvPg==", received_at=now + timedelta(hours=hours))
        spool.keep([receipt.model_dump(mode="json")])
    names = sorted(path.name for path in (tmp_path / "spool").iterdir())
    times = [json.loads((tmp_path / "spool" / name).read_bytes())["received_at"] for name in names]
    assert times == sorted(times)
