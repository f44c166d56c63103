"""Every fault, and what became of the messages that met it. `make test-faults` writes the table."""

import os
import random
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from mmsvault.catalog import language, queries
from mmsvault.catalog.connection import migrate
from mmsvault.queueing.jobs import ARCHIVE_QUEUE
from mmsvault.queueing.spool import Spool
from mmsvault.sample import faults, media
from mmsvault.sample.media import SampleFile
from mmsvault.sample.provider import SampleProvider
from tests.flow.fault_table import FaultTable, expect
from tests.flow.kill_at import POINTS
from tests.flow.site import EMBEDDED, REAL, SERVERS, Site
from tests.flow.traffic import Traffic, settled
from tests.servers import require, until
from worker.working import JOBS_AT_ONCE

full = pytest.mark.faults
AWAY_SECONDS = 60
HANGING_SECONDS = 30
EVERYDAY = (
    "receiver-after-enqueue",
    "worker-after-row",
    "worker-after-original",
    "worker-after-attempts",
    "sweep-after-drain",
)
EVERY_SERVER = (
    (EMBEDDED, "redis"),
    (EMBEDDED, "bucket"),
    (REAL, "redis"),
    (REAL, "bucket"),
    (REAL, "postgresql"),
)


@pytest.fixture(params=[EMBEDDED])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    with Site(tmp_path) as made:
        made.start_servers(request.param)
        with made.vault() as vault:  # so that the accounts can be asked for from the start
            migrate(vault.catalog)
        yield made


def work(site: Site, *, workers: int = 2) -> None:
    """Start what archives: a sweep that comes round often, and workers."""
    site.start("sweep", "worker sweep", "--often")
    for number in range(workers):
        site.start(f"worker-{number}", "worker archive")


@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    ("site", "points"),
    [
        pytest.param(EMBEDDED, EVERYDAY, id="everyday"),
        pytest.param(REAL, tuple(POINTS), id="all-real"),
        pytest.param(EMBEDDED, tuple(POINTS), id="all", marks=full),
    ],
    indirect=["site"],
)
def test_killed_at_any_point_of_the_story_nothing_is_lost_and_nothing_doubled(
    site: Site, provider: SampleProvider, table: FaultTable, points: tuple[str, ...]
) -> None:
    site.receiver_part()
    traffic = []
    for point in points:
        fault = f"kill -9 of the {point.replace('-', ' ')}"
        met = Traffic(site, provider, f"{fault}, on real servers" if site.is_real else fault)
        traffic.append(met)
        program = point.partition("-")[0]
        {"receiver": kill_receiver, "worker": kill_worker, "sweep": kill_sweep}[program](site, met, point)
    work(site)
    expect(table, settled(traffic))


def kill_worker(site: Site, met: Traffic, point: str) -> None:
    for _ in range(3):
        met.send()
    died(site.start("flawed", "worker archive", "--point", point))


def kill_receiver(site: Site, met: Traffic, point: str) -> None:
    site.kill("receiver")
    if point == "receiver-after-spool":
        site.kill("redis")
    flawed = site.receiver_part("--point", point)
    sender = threading.Thread(target=met.send)
    sender.start()
    died(flawed)
    site.receiver_part()
    sender.join()
    for _ in range(2):
        met.send()
    if point == "receiver-after-spool":
        site.start_server("redis")


def kill_sweep(site: Site, met: Traffic, point: str) -> None:
    if point == "sweep-after-drain":
        site.kill("redis")
        for _ in range(3):
            met.send()
        until(lambda: site.keeps() == "spool", what="the receiver saying so")
        assert 'mmsvault_receiver_keeps{place="spool"} 1.0' in site.metrics()
        assert "mmsvault_spooled_receipts 3.0" in site.metrics()
        site.kill("receiver")  # or it would drain the spool itself
        site.start_server("redis")
        assert len(Spool(site.settings.spool_dir)) == 3
        died(site.start("flawed", "worker sweep", "--often", "--point", point))
        site.receiver_part()
        return
    worker = site.start("worker-first", "worker archive")
    for _ in range(3):
        met.send(answers=(faults.refused(500),))
    died(site.start("flawed", "worker sweep", "--often", "--point", point))
    assert worker.poll() is None
    site.kill("worker-first")


@pytest.mark.timeout(400)
@pytest.mark.parametrize("site", [REAL], indirect=True)
def test_each_real_server_killed_under_load_until_that_is_noticed_costs_no_message(
    site: Site, provider: SampleProvider, table: FaultTable
) -> None:
    def one_after_the_other() -> None:
        for server in SERVERS:
            noticed = NOTICED[server](site)
            with site.away(server):
                until(noticed, what=f"{server} being missed")
            archived = met.archived()
            until(lambda: met.archived() > archived, what="messages flowing through")  # noqa: B023 - asked at once

    met = Traffic(site, provider, "kill -9 of each real server under load, until that is noticed")
    met_under_load(site, met, table, one_after_the_other)
    assert all(part.poll() is None for part in site.running.values()), "every worker outlived it"


def waiting(site: Site) -> int:
    """Return how often workers have said that they wait for a server."""
    logs = (site.folder / f"{name}.log" for name in site.running if name.startswith("worker"))
    return sum(log.read_text().count("waiting for a server") for log in logs)


def a_worker_waits(site: Site) -> Callable[[], bool]:
    before = waiting(site)
    return lambda: waiting(site) > before


NOTICED: dict[str, Callable[[Site], Callable[[], bool]]] = {
    "redis": lambda site: lambda: site.keeps() == "spool",
    "bucket": a_worker_waits,
    "postgresql": a_worker_waits,
}


def died(process: subprocess.Popen[bytes]) -> None:
    until(lambda: process.poll() is not None, seconds=60, what="the process meeting its point")
    assert process.returncode == -signal.SIGKILL


@full
@pytest.mark.timeout(400)
@pytest.mark.parametrize(("site", "server"), EVERY_SERVER, indirect=["site"])
def test_a_server_killed_under_load_and_away_for_a_while_costs_no_message(
    site: Site, provider: SampleProvider, table: FaultTable, server: str
) -> None:
    def away() -> None:
        with site.away(server):
            pause(AWAY_SECONDS)

    what = "folder of the" if (server, site.is_real) == ("bucket", False) else "kill -9 of the"
    fault = f"{what} {named(site, server)} under load, away for {AWAY_SECONDS} s"
    met_under_load(site, Traffic(site, provider, fault), table, away)
    assert all(part.poll() is None for part in site.running.values()), "every worker outlived it"


@full
@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    ("site", "server"), [one for one in EVERY_SERVER if one != (EMBEDDED, "bucket")], indirect=["site"]
)
def test_a_server_that_hangs_for_half_a_minute_costs_no_message(
    site: Site, provider: SampleProvider, table: FaultTable, server: str
) -> None:
    def hanging() -> None:
        with site.frozen(server):
            pause(HANGING_SECONDS)

    fault = f"{named(site, server)} stopped (SIGSTOP) for {HANGING_SECONDS} s under load"
    met_under_load(site, Traffic(site, provider, fault), table, hanging)


def named(site: Site, server: str) -> str:
    return server if site.is_real else f"embedded {server}"


def met_under_load(site: Site, met: Traffic, table: FaultTable, fault: Callable[[], None]) -> None:
    """Bring the fault about while messages come in, and account for them once they flow again."""
    site.receiver_part()
    work(site)
    with met.flowing():
        until(lambda: met.archived() > 10, what="messages flowing through")
        fault()
        sent = len(met.sent)
        until(lambda: len(met.sent) > sent + 10, what="messages flowing again")
    expect(table, settled([met]))
    assert all(sent.status == 200 for sent in met.sent)


@full
def test_a_full_disk_under_the_spool_is_said_and_what_was_answered_stays(
    site: Site, provider: SampleProvider, table: FaultTable
) -> None:
    met = Traffic(site, provider, "disk full under the spool, Redis away")
    with small_disk(site.settings.spool_dir):
        site.receiver_part()
        site.kill("redis")
        until(lambda: met.send(attempts_apart=0.01) == 503, what="the disk being full")
        assert site.keeps() == ""
        assert any(sent.status == 200 for sent in met.sent)
        site.start_server("redis")
        until(lambda: site.keeps() == "queue", what="the queue keeping again")
        assert met.send() == 200
        work(site)
        row = settled([met])[0]
    expect(table, [row])


@full
def test_a_full_bucket_stops_the_workers_and_uses_no_attempts_up(
    site: Site, provider: SampleProvider, table: FaultTable
) -> None:
    met = Traffic(site, provider, "bucket's disk full, then larger")
    folder = site.settings.data_dir / "bucket"
    site.kill("bucket")  # its files are the vault's, which goes on without it
    shutil.rmtree(folder)
    with small_disk(folder, kibibytes=2048):
        site.receiver_part()
        work(site, workers=1)
        for number in range(8):
            noise = random.Random(number).randbytes(600_000)
            met.send(files=[SampleFile("noise.bin", "application/octet-stream", noise)])
        log = site.folder / "worker-0.log"
        until(lambda: "waiting for a server, with the job in hand" in log.read_text(), what="it being said")
        until(lambda: "still waiting" in log.read_text(), what="the worker standing still")
        with site.vault() as vault:
            waiting = queries.search(vault.catalog, language.parse("state:pending")).messages
        assert sum(len(message.attempts) for message in waiting) == 0
        assert len(waiting) <= JOBS_AT_ONCE[ARCHIVE_QUEUE], "no other job is taken meanwhile"
        enlarge(folder)
        rows = settled([met])
    expect(table, rows)


@contextmanager
def small_disk(folder: Path, *, kibibytes: int = 64) -> Iterator[None]:
    """Mount a small file system."""
    mount, umount = shutil.which("mount"), shutil.which("umount")
    require("mount", found=mount and umount and os.geteuid() == 0)
    folder.mkdir()
    done = subprocess.run(
        [str(mount), "-t", "tmpfs", "-o", f"size={kibibytes}k", "tmpfs", str(folder)], check=False
    )
    require("mount", found=done.returncode == 0)  # a container may not let even root do so
    try:
        yield
    finally:
        subprocess.run([str(umount), "--lazy", str(folder)], check=True)


def enlarge(folder: Path) -> None:
    subprocess.run([str(shutil.which("mount")), "-o", "remount,size=64m", str(folder)], check=True)


@full
@pytest.mark.timeout(300)
def test_a_clock_that_jumps_by_an_hour_and_back_costs_no_message(
    site: Site, provider: SampleProvider, table: FaultTable, tmp_path: Path
) -> None:
    clock = tmp_path / "clock"
    clock.write_text("0")
    site.receiver_part("--clock", str(clock))
    site.start("sweep", "worker sweep", "--often", "--clock", str(clock))
    site.start("worker-0", "worker archive", "--clock", str(clock))
    met = []
    for said, seconds in (("forward", "3600"), ("back again", "0"), ("back", "-3600")):
        one = Traffic(site, provider, f"clock moved by an hour, {said}")
        met.append(one)
        for _ in range(3):
            one.send(answers=(faults.refused(503),))
        one.send()
        clock.write_text(seconds)
    threading.Timer(20, clock.write_text, ("3700",)).start()  # what was planned by a clock ahead is due then
    expect(table, settled(met, seconds=120))


PROVIDER_FAULTS = {
    "answers 500 for a while": (faults.refused(500),) * 3,
    "drops the connection half-way": (faults.broken_off(),) * 2,
    "closes the connection without a word": (faults.reset,) * 2,
    "sends bodies without their last chunk": (faults.unfinished_chunks,) * 2,
    "serves 404 until later": (faults.refused(404),) * 3,
    "refuses (403) until later": (faults.refused(403),) * 2,
    "asks for a pause of 3 s (429)": (faults.refused(429, retry_after="3"),),
    "stalls at one byte a second": (faults.trickled(seconds=20),),
    "stalls for good, then is right": (faults.trickled(seconds=3000),),
    "changes bytes between attempts": (faults.half_of_another(media.drawing(7)), faults.refused(500)),
}
PROVIDER_EVERYDAY = (
    "serves 404 until later",
    "drops the connection half-way",
    "changes bytes between attempts",
)


@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    ("site", "names"),
    [
        pytest.param(EMBEDDED, PROVIDER_EVERYDAY, id="everyday"),
        pytest.param(REAL, PROVIDER_EVERYDAY, id="everyday-real"),
        pytest.param(EMBEDDED, tuple(PROVIDER_FAULTS), id="all", marks=full),
    ],
    indirect=["site"],
)
def test_whatever_the_provider_does_its_files_are_archived_once_it_serves_them(
    site: Site, provider: SampleProvider, table: FaultTable, names: tuple[str, ...]
) -> None:
    site.receiver_part()
    work(site)
    traffic = [Traffic(site, provider, f"the provider {name}") for name in names]
    everyday = names is PROVIDER_EVERYDAY
    for name, met in zip(names, traffic, strict=True):
        answers = PROVIDER_FAULTS[name]
        for _ in range(1 if everyday or "stalls" in name else 3):
            met.send(answers=answers[:1] if everyday else answers)
    if not everyday:
        redirected = Traffic(site, provider, "the provider redirects")
        for _ in range(3):
            there = provider.offer(text := media.text("Elsewhere"))
            redirected.send(answers=(faults.moved_to(there),), files=(text,))
        traffic.append(redirected)
    expect(table, settled(traffic, seconds=240))


def pause(seconds: float) -> None:
    """Let real time pass: the fault is that it does."""
    with suppress(TimeoutError):
        threading.Event().wait(seconds)
