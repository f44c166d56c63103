"""How requests that wait at the same time share a write, and what each of them hears of it."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import pytest

from mmsvault.errors import ConfigurationError, UnavailableError
from mmsvault.message import Receipt
from mmsvault.queueing import intake as intakes
from mmsvault.queueing.durable import DurableQueue, Kept
from mmsvault.queueing.intake import Intake
from mmsvault.queueing.spool import Spool

Patch = pytest.MonkeyPatch


class Queue(DurableQueue):
    """A queue in memory: it writes when `may_write` is set, and fails as it is told to."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.failure: Exception | None = None
        self.may_write = threading.Event()
        self.may_write.set()
        self.is_writing = threading.Event()

    def check(self) -> None:
        if self.failure:
            raise self.failure

    def keep(self, receipts: Sequence[Kept]) -> None:
        self.is_writing.set()
        assert self.may_write.wait(20)
        if self.failure:
            raise self.failure
        self.batches.append([receipt["id"] for receipt in receipts])

    @property
    def kept(self) -> list[str]:
        return [identity for batch in self.batches for identity in batch]


@pytest.fixture
def queue() -> Queue:
    return Queue()


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool")


def receipts(count: int, *, size: int = 60) -> list[Receipt]:
    return [Receipt.of(bytes([number]) * size, provider="sinch") for number in range(count)]


def run(queue: Queue, spool: Spool, work: Callable[[Intake], Awaitable[None]]) -> None:
    async def begun() -> None:
        async with asyncio.timeout(20), Intake(queue, spool) as intake:
            await work(intake)

    asyncio.run(begun())


async def stopped(queue: Queue, intake: Intake, first: Receipt) -> "asyncio.Task[None]":
    """Begin to keep a receipt, and return while the thread that writes it stands still."""
    queue.may_write.clear()
    queue.is_writing.clear()
    begun = asyncio.create_task(intake.keep(first))
    assert await asyncio.to_thread(queue.is_writing.wait, 20)
    return begun


async def waiting(intake: Intake, several: Sequence[Receipt]) -> "list[asyncio.Task[None]]":
    """Have requests wait behind the one that is written."""
    tasks = [asyncio.create_task(intake.keep(receipt)) for receipt in several]
    await asyncio.sleep(0)  # each begins
    return tasks


@pytest.mark.parametrize("failure", [None, UnavailableError("no"), RuntimeError("odd")])
def test_what_was_written_or_refused_waits_no_more(
    queue: Queue, spool: Spool, monkeypatch: Patch, failure: Exception | None
) -> None:
    monkeypatch.setattr(intakes, "MOST_WAITING_BYTES", 100)
    queue.failure = failure if isinstance(failure, RuntimeError) else None

    async def work(intake: Intake) -> None:
        queue.failure = failure
        for receipt in receipts(10):
            if isinstance(failure, RuntimeError):
                with pytest.raises(RuntimeError, match="odd"):
                    await intake.keep(receipt)
            else:
                await intake.keep(receipt)

    if isinstance(failure, RuntimeError):
        monkeypatch.setattr(Intake, "look_after", lambda _: None)
    run(queue, spool, work)
    assert len(queue.kept) == (0 if failure else 10)
    assert len(spool) == (10 if isinstance(failure, UnavailableError) else 0)


def test_more_than_may_wait_is_refused_and_what_waits_is_kept(
    queue: Queue, spool: Spool, monkeypatch: Patch
) -> None:
    monkeypatch.setattr(intakes, "MOST_WAITING_BYTES", 100)
    one, two, three, later = receipts(4)

    async def work(intake: Intake) -> None:
        begun = await stopped(queue, intake, one)
        (second,) = await waiting(intake, [two])
        with pytest.raises(UnavailableError, match="More postbacks come in"):
            await intake.keep(three)
        queue.may_write.set()
        await asyncio.gather(begun, second)
        await intake.keep(later)

    run(queue, spool, work)
    assert queue.kept == [one.id, two.id, later.id]


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_request_that_is_given_up_takes_no_other_of_its_batch_along(
    queue: Queue, spool: Spool, monkeypatch: Patch, number: int
) -> None:
    monkeypatch.setattr(intakes, "MOST_WAITING_BYTES", 180)
    first, *others, later = receipts(5)

    async def work(intake: Intake) -> None:
        begun = await stopped(queue, intake, first)
        tasks = await waiting(intake, others)
        tasks[number].cancel()
        await asyncio.sleep(0)
        queue.may_write.set()
        heard = await asyncio.gather(begun, *tasks, return_exceptions=True)
        assert [isinstance(one, asyncio.CancelledError) for one in heard[1:]] == [
            place == number for place in range(3)
        ]
        assert [one for one in heard if one is not None] == [heard[1 + number]]
        await asyncio.gather(*(intake.keep(one) for one in (later, *receipts(3))))

    run(queue, spool, work)
    assert [len(batch) for batch in queue.batches] == [1, 3, 4]
    assert queue.kept[:4] == [one.id for one in (first, *others)], "its receipt is kept as well"


def test_a_request_that_is_given_up_while_it_is_written_takes_no_other_along(
    queue: Queue, spool: Spool
) -> None:
    first, *others = receipts(3)

    async def work(intake: Intake) -> None:
        begun = await stopped(queue, intake, first)
        tasks = await waiting(intake, others)
        begun.cancel()
        await asyncio.sleep(0)
        queue.may_write.set()
        await asyncio.gather(*tasks)
        assert begun.cancelled()

    run(queue, spool, work)
    assert queue.kept == [one.id for one in (first, *others)]


def test_whoever_waits_for_a_batch_that_fails_hears_it_though_one_was_given_up(
    queue: Queue, tmp_path: Path
) -> None:
    (tmp_path / "spool").write_text("a file where the folder should be")
    first, *others = receipts(4)

    async def work(intake: Intake) -> None:
        begun = await stopped(queue, intake, first)
        tasks = await waiting(intake, others)
        tasks[1].cancel()
        await asyncio.sleep(0)
        queue.failure = UnavailableError("Redis is away")
        queue.may_write.set()
        heard = await asyncio.gather(begun, *tasks, return_exceptions=True)
        assert [type(one) for one in heard] == [
            UnavailableError,
            UnavailableError,
            asyncio.CancelledError,
            UnavailableError,
        ]

    run(queue, Spool(tmp_path / "spool"), work)
    assert queue.kept == []


def test_of_many_that_wait_each_is_written_once_in_order_and_so_many_at_once(
    queue: Queue, spool: Spool, monkeypatch: Patch
) -> None:
    monkeypatch.setattr(intakes, "MOST_AT_ONCE", 4)
    first, *others = receipts(12)

    async def work(intake: Intake) -> None:
        begun = await stopped(queue, intake, first)
        tasks = await waiting(intake, others)
        queue.may_write.set()
        await asyncio.gather(begun, *tasks)

    run(queue, spool, work)
    assert queue.kept == [one.id for one in (first, *others)]
    assert [len(batch) for batch in queue.batches] == [1, 4, 4, 3]


def test_a_batch_that_the_queue_does_not_take_goes_to_the_spool_whole_before_anyone_hears(
    queue: Queue, spool: Spool
) -> None:
    several = receipts(3)

    async def work(intake: Intake) -> None:
        queue.failure = UnavailableError("Redis is away")
        await asyncio.gather(*(intake.keep(one) for one in several))
        assert intake.place() == "spool"
        assert intake.spooled == 3

    run(queue, spool, work)
    assert queue.kept == []


@pytest.mark.parametrize(
    "failure", [UnavailableError("away"), ConfigurationError("REDIS_URL", "it forgets on a crash")]
)
def test_what_is_in_the_spool_goes_to_a_queue_that_keeps_and_to_no_other(
    queue: Queue, spool: Spool, failure: Exception
) -> None:
    several = receipts(3)
    intake = Intake(queue, spool)
    queue.failure = failure
    intake.look_after()
    assert intake.place() == "spool", "also while there is nothing to bring back"
    spool.keep([one.model_dump(mode="json") for one in several])
    intake.look_after()
    assert (intake.place(), len(spool), queue.kept) == ("spool", 3, [])
    queue.failure = None
    intake.look_after()
    assert (intake.place(), len(spool)) == ("queue", 0)
    assert sorted(queue.kept) == sorted(one.id for one in several)


def test_a_look_that_fails_in_an_unknown_way_is_not_the_last(
    queue: Queue, spool: Spool, monkeypatch: Patch
) -> None:
    monkeypatch.setattr(intakes, "LOOKED_AFTER_SECONDS", 0.001)
    looks: list[int] = []
    looked_thrice = threading.Event()

    def look(_: Intake) -> None:
        looks.append(1)
        if len(looks) == 2:
            raise RuntimeError("odd")
        if len(looks) > 2:
            looked_thrice.set()

    monkeypatch.setattr(Intake, "look_after", look)

    async def work(_: Intake) -> None:
        assert await asyncio.to_thread(looked_thrice.wait, 20)

    run(queue, spool, work)


def test_the_end_waits_for_what_is_being_written(queue: Queue, spool: Spool) -> None:
    (one,) = receipts(1)

    async def begun() -> None:
        async with asyncio.timeout(20), Intake(queue, spool) as intake:
            task = await stopped(queue, intake, one)
            asyncio.get_running_loop().call_later(0.01, queue.may_write.set)
        assert task.done()
        await task

    asyncio.run(begun())
    assert queue.kept == [one.id]
