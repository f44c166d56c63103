"""What a vault costs while nothing comes in, how soon it is there, and what waiting receipts weigh."""

import os
import subprocess
import sys
import time
from pathlib import Path

from redis import Redis

from mmsvault.message import Receipt
from mmsvault.queueing.durable import DurableQueue
from mmsvault.queueing.jobs import open_queue
from tests.benchmarks import ground, load
from tests.benchmarks.ground import Ratio
from tests.benchmarks.receiving import POSTBACK
from tests.flow.site import family
from tests.house import House

BATCH = 200
BATCHES_A_TURN = 50
SECONDS_A_TURN = 2
SETTLE_SECONDS = 20


def measure_idle(folder: Path, *, rounds: int, seconds: float) -> list[Ratio]:
    """Return memory and processor time of all processes of `up`, with as many workers as it starts itself."""
    memory = Ratio("idle: all processes of `up` together, MB", "< 600")
    busy = Ratio("idle: processor time, % of one core", "< 3")
    folder.mkdir(parents=True)
    house = House(folder)
    del house.env["MMSVAULT_WORKERS"]
    with house.up() as process:
        time.sleep(SETTLE_SECONDS)
        for _ in range(rounds):
            whole = family(process.pid)
            before, began = ground.processor_seconds(whole), time.monotonic()
            time.sleep(seconds)
            used = ground.processor_seconds(whole) - before
            busy.rounds.append(100 * used / (time.monotonic() - began))
            memory.rounds.append(ground.memory_bytes(whole) / 1e6)
        memory.note = f"{len(whole)} processes, {house.settings.workers} workers"
    return [memory, busy]


def measure_start(folder: Path, *, rounds: int) -> list[Ratio]:
    """Return the time from `up` to ready over that of importing Streamlit, in turns."""
    ratio = Ratio("start: `up` to ready / importing Streamlit", "<= 3")
    for at in range(rounds + 1):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", "import streamlit"], check=True, env={**os.environ})
        imported = time.perf_counter() - began
        place = folder / str(at)
        place.mkdir(parents=True)
        began = time.perf_counter()
        with House(place).up():
            ready = time.perf_counter() - began
        if at:  # the first was to warm up
            ratio.rounds.append(ready / imported)
            ratio.note = f"{ready:.1f} s and {imported:.1f} s in the last round"
    return [ratio]


def measure_backlog(folder: Path, *, waiting: int, rounds: int) -> list[Ratio]:
    """Return what a waiting receipt weighs, and rates of keeping more over those of an empty queue, in turns.

    The receiver's rate is what a provider sees; that of the queue alone, in full batches, shows what Redis
    itself takes longer for.
    """
    weight = Ratio(f"backlog of {waiting:,}: Redis memory a receipt beyond its body, KB", "<= 1.5")
    received = Ratio(f"backlog of {waiting:,}: receiver's rate / with an empty queue", ">= 0.9")
    rate = Ratio(f"backlog of {waiting:,}: rate of the queue alone / that of an empty one", "")
    with (
        ground.site(folder / "full") as full,
        ground.site(folder / "empty") as empty,
        Redis.from_url(full.settings.effective_redis_url) as with_backlog,
        Redis.from_url(empty.settings.effective_redis_url) as without,
    ):
        _keep(with_backlog, 10)
        with_backlog.execute_command("FLUSHDB", "SYNC")
        before = _kept_bytes(with_backlog)
        _keep(with_backlog, waiting // BATCH)
        used = _kept_bytes(with_backlog) - before
        weight.rounds.append((used / with_backlog.llen("rq:queue:archive") - len(POSTBACK)) / 1000)
        sites = {with_backlog: full, without: empty}
        for made in sites.values():
            made.receiver_part()
        for at in range(rounds + 1):
            without.execute_command("FLUSHDB", "SYNC")  # or it would go on freeing memory for a while
            order = (without, with_backlog) if at % 2 else (with_backlog, without)
            rates = {one: _keep(one, BATCHES_A_TURN) for one in order}
            posts = {
                one: load.most(sites[one].postbacks, POSTBACK, seconds=SECONDS_A_TURN, folder=folder)
                for one in order
            }
            if at:  # the first was to warm up
                for ratio, found in ((received, posts), (rate, rates)):
                    ratio.rounds.append(found[with_backlog] / found[without])
                    ratio.note = f"{found[with_backlog]:,.0f} a second in the last round"
    return [weight, received, rate]


def _keep(redis: "Redis", batches: int) -> float:
    """Have so many batches of receipts kept; return receipts a second."""
    queue = DurableQueue(open_queue(redis))
    batch = [Receipt.of(POSTBACK, provider="sinch").model_dump(mode="json") for _ in range(BATCH)]
    began = time.perf_counter()
    for _ in range(batches):
        queue.keep(batch)
    return batches * BATCH / (time.perf_counter() - began)


def _kept_bytes(redis: "Redis") -> int:
    """Return the memory of Redis without the buffers of those who talk to it and of its log."""
    memory = redis.info("memory")
    buffers = ("mem_clients_normal", "mem_aof_buffer")
    return int(memory["used_memory"]) - sum(int(memory[name]) for name in buffers)
