"""From the queue to the bucket: two workers of ours, and peers that do the same steps by hand."""

import asyncio
import contextlib
import json
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from minio import Minio
from redis import Redis

from mmsvault.catalog import totals
from mmsvault.message import Receipt, utc_now
from mmsvault.queueing.durable import DurableQueue
from mmsvault.queueing.jobs import open_queue
from mmsvault.sample.media import photograph
from mmsvault.sample.notices import Notice, lower_case_xml
from mmsvault.vault import Vault
from tests.benchmarks import ground
from tests.benchmarks.ground import Ratio
from tests.flow.site import Site
from tests.servers import free_port, listens, minio_server, until

PROCESSES = 2
BATCH = 200
PICTURE_SIZE = (1600, 1200)
NOTICE = Notice("", "+14085550123", "28444", datetime(2026, 11, 1, 18, 30, tzinfo=UTC), keyword="HARBOR")


@dataclass(frozen=True)
class Work:
    """One message to be archived."""

    name: str
    url: str
    postback: bytes


@dataclass(frozen=True)
class Contender:
    """`submit` hands messages over; `done` tells how many were archived since the beginning."""

    name: str
    submit: Callable[[Sequence[Work]], None]
    done: Callable[[], int]

    def rate(self, works: Sequence[Work]) -> float:
        """Return the messages a second, from handing them over to the last one archived."""
        before = self.done()
        began = time.perf_counter()
        self.submit(works)
        until(lambda: self.done() >= before + len(works), seconds=170, what=f"{self.name} having archived")
        return len(works) / (time.perf_counter() - began)


class Provider:
    """The sample picture, about 300 KB, at an address of its own for every message."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._count = 0

    def works(self, count: int, *, latency_ms: int = 0) -> list[Work]:
        made = []
        for _ in range(count):
            self._count += 1
            name = f"MMS_MO_bench{self._count:08d}"
            url = f"http://127.0.0.1:{self._port}/{latency_ms}/{name}.jpg"
            made.append(Work(name, url, lower_case_xml(replace(NOTICE, tracking_id=name, urls=(url,)))))
        return made


@contextlib.contextmanager
def provider(folder: Path) -> Iterator[Provider]:
    """Run the provider as a process of its own."""
    port, picture = free_port(), folder / "picture.jpg"
    picture.write_bytes(photograph(1, size=PICTURE_SIZE).data)
    command = ["-m", "tests.benchmarks.slow_provider", str(port), str(picture)]
    with ground.process(command, log=folder / "provider.log"):
        until(lambda: listens(port), what="the provider listening")
        yield Provider(port)


@contextlib.contextmanager
def ours(made: Site, *, processes: int = PROCESSES) -> Iterator[Contender]:
    """Run the crew as `up` does; receipts are handed over as the receiver does."""
    made.env["MMSVAULT_WORKERS"] = str(processes)
    with made.vault() as vault:
        vault.prepare()
        made.start("workers", "worker workers")
        queue = DurableQueue(open_queue(vault.redis))

        def submit(works: Sequence[Work]) -> None:
            for start in range(0, len(works), BATCH):
                receipts = [
                    Receipt.of(one.postback, provider="sinch") for one in works[start : start + BATCH]
                ]
                queue.keep([receipt.model_dump(mode="json") for receipt in receipts])

        try:
            yield Contender("ours", submit, lambda: _archived(vault))
        finally:
            made.kill("workers")


def _archived(vault: Vault) -> int:
    return totals.counts(vault.catalog, at_risk_before=utc_now()).messages["archived"]


@contextlib.contextmanager
def peers(made: Site, folder: Path, *, processes: int = PROCESSES) -> Iterator[list[Contender]]:
    """Run every peer on the vault's own bucket server, each idle until its turn."""
    address, secure = made.settings.bucket_address
    access_key, secret_key = made.settings.bucket_keys
    Minio(address, access_key=access_key, secret_key=secret_key, secure=secure).make_bucket("peers")
    with contextlib.ExitStack() as stack:
        redis_url = stack.enter_context(ground.ordinary_redis(folder))
        listed = []
        for number, (name, open_peer) in enumerate(_PEERS.items(), start=1):
            env = {
                "BENCH_S3": address,
                "BENCH_S3_KEY": access_key,
                "BENCH_S3_SECRET": secret_key,
                "BENCH_DONE": str(folder / f"done-{number}"),
                "BENCH_REDIS": f"{redis_url}/{number}",
            }
            log = folder / f"peer-{number}.log"
            submit = open_peer(_Place(stack, env, log, processes))
            listed.append(Contender(name, submit, lambda path=Path(env["BENCH_DONE"]): _size(path)))
        yield listed


def _size(path: Path) -> int:
    with contextlib.suppress(FileNotFoundError):
        return path.stat().st_size
    return 0


@dataclass(frozen=True)
class _Place:
    """Where a peer runs."""

    stack: contextlib.ExitStack
    env: Mapping[str, str]
    log: Path
    processes: int

    def run(self, *arguments: str, talks: bool = False) -> subprocess.Popen[bytes]:
        return self.stack.enter_context(ground.process(arguments, log=self.log, env=self.env, talks=talks))


Submit = Callable[[Sequence[Work]], None]


def _arguments(work: Work) -> tuple[str, str, str]:
    return work.name, work.url, work.postback.decode()


def _loop(place: _Place) -> Submit:
    loops = [place.run("-m", "tests.benchmarks.peers.loop", talks=True) for _ in range(place.processes)]

    def submit(works: Sequence[Work]) -> None:
        for at, one in enumerate(loops):
            assert one.stdin
            mine = works[at :: len(loops)]
            one.stdin.write("".join(json.dumps(_arguments(work)) + "\n" for work in mine).encode())
            one.stdin.flush()

    return submit


def _celery(place: _Place) -> Submit:
    from celery import Celery  # noqa: PLC0415 - needed for this peer alone

    quiet = ("--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel=WARNING")
    program = ("-m", "celery", "-A", "tests.benchmarks.peers.with_celery", "worker", "--pool=prefork")
    place.run(*program, f"--concurrency={place.processes}", *quiet)
    app = Celery("peers", broker=place.env["BENCH_REDIS"])

    def submit(works: Sequence[Work]) -> None:
        for work in works:
            app.send_task("archive", _arguments(work), ignore_result=True)

    return submit


def _arq(place: _Place) -> Submit:
    from arq import create_pool  # noqa: PLC0415 - needed for this peer alone
    from arq.connections import RedisSettings  # noqa: PLC0415

    for _ in range(place.processes):
        place.run("-m", "arq", "tests.benchmarks.peers.with_arq.WorkerSettings")

    async def submit_all(works: Sequence[Work]) -> None:
        pool = await create_pool(RedisSettings.from_dsn(place.env["BENCH_REDIS"]))
        for work in works:
            await pool.enqueue_job("archive", *_arguments(work))
        await pool.aclose()

    return lambda works: asyncio.run(submit_all(works))


def _stock(kind: str, place: _Place) -> Submit:
    from rq import Queue  # noqa: PLC0415 - needed for these peers alone

    queue = Queue("peers", connection=Redis.from_url(place.env["BENCH_REDIS"]))
    for _ in range(place.processes):
        place.run("-m", "tests.benchmarks.peers.with_rq", kind, "peers")

    def submit(works: Sequence[Work]) -> None:
        for work in works:
            queue.enqueue("tests.benchmarks.peers.steps.archive", *_arguments(work))

    return submit


_PEERS: Mapping[str, Callable[[_Place], Submit]] = {
    "bare loop": _loop,
    "Celery": _celery,
    "arq": _arq,
    "RQ Worker": lambda place: _stock("Worker", place),
    "RQ SimpleWorker": lambda place: _stock("SimpleWorker", place),
}
_TARGETS = {"bare loop": ">= 0.75"}


def measure(folder: Path, *, rounds: int, messages: int, on_minio: bool = False) -> list[Ratio]:
    """Return our rate over that of each peer, all taking turns, on the embedded bucket or on MinIO."""
    where = "pipeline on MinIO" if on_minio else "pipeline"
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        env = stack.enter_context(minio_server(folder)) if on_minio else {}
        made = stack.enter_context(ground.site(folder, env))
        served = stack.enter_context(provider(folder))
        contenders = [
            stack.enter_context(ours(made)),
            *stack.enter_context(peers(made, folder)),
        ]
        for one in contenders:  # to start and warm up
            one.rate(served.works(min(messages, 30)))
        ratios = {
            one.name: Ratio(f"{where} / {one.name}", _TARGETS.get(one.name, "> 1")) for one in contenders[1:]
        }
        for at in range(rounds):
            order = contenders if at % 2 == 0 else contenders[::-1]
            rates = {one.name: one.rate(served.works(messages)) for one in order}
            ground.say(", ".join(f"{name} {rate:.1f}" for name, rate in sorted(rates.items())) + " a second")
            for name, ratio in ratios.items():
                ratio.rounds.append(rates["ours"] / rates[name])
                ratio.note = f"{rates['ours']:.1f} and {rates[name]:.1f} a second in the last round"
    return list(ratios.values())


def measure_waiting(folder: Path, *, rounds: int, workers: int = 16, latency_ms: int = 500) -> list[Ratio]:
    """Return our rate with a slow provider over that of one loop that waits for each file."""
    ratio = Ratio(f"provider's latency {latency_ms} ms, {workers} workers / one sequential loop", ">= 10")
    with contextlib.ExitStack() as stack:
        made = stack.enter_context(ground.site(folder))
        served = stack.enter_context(provider(folder))
        loop = stack.enter_context(peers(made, folder, processes=1))[0]
        mine = stack.enter_context(ours(made, processes=workers))
        for one in (mine, loop):
            one.rate(served.works(workers * 2 if one is mine else 1))
        for _ in range(rounds):
            mine_rate = mine.rate(served.works(workers * 6, latency_ms=latency_ms))
            loop_rate = loop.rate(served.works(5, latency_ms=latency_ms))
            ratio.rounds.append(mine_rate / loop_rate)
            ratio.note = f"{mine_rate:.1f} and {loop_rate:.2f} a second in the last round"
    return [ratio]
