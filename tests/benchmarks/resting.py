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
from tests.benchmarks import ground
from tests.benchmarks.ground import Ratio
from tests.benchmarks.receiving import POSTBACK
from tests.flow.site import family
from tests.house import House

BATCH = 200
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
    """Return what a waiting receipt weighs, and the rate of keeping more over an empty queue's."""
    weight = Ratio(f"backlog of {waiting:,}: Redis memory a receipt beyond its body, KB", "<= 1.5")
    rate = Ratio(f"backlog of {waiting:,}: keeping rate / that of an empty queue", ">= 0.9")
    with ground.site(folder) as made, Redis.from_url(made.settings.effective_redis_url) as redis:
        queue = DurableQueue(open_queue(redis))
        batch = [Receipt.of(POSTBACK, provider="sinch").model_dump(mode="json") for _ in range(BATCH)]

        def keep(batches: int) -> float:
            began = time.perf_counter()
            for _ in range(batches):
                queue.keep(batch)
            return batches * BATCH / (time.perf_counter() - began)

        keep(10)
        empty = []
        for _ in range(rounds):
            redis.execute_command("FLUSHDB", "SYNC")  # or it would go on freeing memory for a while
            empty.append(keep(20))
        redis.execute_command("FLUSHDB", "SYNC")
        before = _kept_bytes(redis)
        keep(waiting // BATCH)
        used = _kept_bytes(redis) - before
        weight.rounds.append((used / redis.llen("rq:queue:archive") - len(POSTBACK)) / 1000)
        rate.rounds.extend(keep(20) / one for one in empty)
    return [weight, rate]


def _kept_bytes(redis: "Redis") -> int:
    """Return the memory of Redis without the buffers of those who talk to it and of its log."""
    memory = redis.info("memory")
    buffers = ("mem_clients_normal", "mem_aof_buffer")
    return int(memory["used_memory"]) - sum(int(memory[name]) for name in buffers)
