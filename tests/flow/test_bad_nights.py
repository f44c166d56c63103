"""Power cuts that leave damaged files, and copies from another hour put back: what became of the messages."""

import os
import shutil
import signal
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mmsvault.sample.provider import SampleProvider
from tests.flow.fault_table import FaultTable, expect
from tests.flow.site import Site
from tests.flow.traffic import Traffic, counted, settled
from tests.servers import until

full = pytest.mark.faults
PROGRAMS = ("valkey-server", "rclone", "-m receiver", "-m worker", "-m dashboard", "-m mmsvault")
HALF_A_TRANSACTION = b"*1\r\n$5\r\nMULTI\r\n*4\r\n$4\r\nHSET\r\n$12\r\nrq:job:halfw"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with Site(tmp_path) as made:
        yield made


@contextmanager
def cut_off(site: Site) -> Iterator[None]:
    """Run a vault, and kill all of it at the end of the block as a power cut does."""
    with site.up() as process:
        yield
        os.kill(process.pid, signal.SIGKILL)
        until(lambda: not any(map(site.processes, PROGRAMS)), what="everything being gone")


def interrupted(site: Site, met: Traffic) -> None:
    """Have messages come in, and cut everything off while more of them do."""
    with met.flowing(), cut_off(site):
        until(lambda: len(met.sent) > 30 and met.archived() > 10, seconds=60, what="messages coming in")


def data(site: Site) -> Path:
    return site.folder / "vault"


def append(path: Path, more: bytes) -> None:
    with path.open("ab") as file:
        file.write(more)


def incr(site: Site) -> Path:
    return max(data(site).glob("redis/appendonlydir/*.incr.aof"))


def wal(site: Site) -> Path:
    return data(site) / "catalog.sqlite-wal"


def zero_last_frames(path: Path) -> None:
    """Zero what a disk that lies about fsync has not kept."""
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(size - size // 8)
        file.write(bytes(size // 8))


def cut_last_frames(path: Path) -> None:
    size = path.stat().st_size
    os.truncate(path, size - size // 8 - 1000)


DAMAGE: dict[str, Callable[[Site], None]] = {
    "zeros at the end of the AOF": lambda site: append(incr(site), bytes(4096)),
    "AOF cut within a write": lambda site: append(incr(site), HALF_A_TRANSACTION),
    "zeros behind the end of the SQLite WAL": lambda site: append(wal(site), bytes(8192)),
    "zeros over the last eighth of the SQLite WAL": lambda site: zero_last_frames(wal(site)),
    "SQLite WAL cut by an eighth": lambda site: cut_last_frames(wal(site)),
    "SQLite WAL missing": lambda site: wal(site).unlink(),
    "zeros over the second half of the SQLite catalog": lambda site: zero_half(data(site) / "catalog.sqlite"),
}


def zero_half(path: Path) -> None:
    half = path.stat().st_size // 2
    with path.open("r+b") as file:
        file.seek(half)
        file.write(bytes(half))


@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    "damage",
    [
        pytest.param("zeros at the end of the AOF", id="everyday"),
        *(pytest.param(name, id=name.replace(" ", "-"), marks=full) for name in DAMAGE),
    ],
)
def test_a_power_cut_that_damages_a_file_costs_no_message(
    site: Site, provider: SampleProvider, table: FaultTable, damage: str
) -> None:
    met = Traffic(site, provider, f"power cut, {damage}")
    interrupted(site, met)
    DAMAGE[damage](site)
    with site.up():
        met.send()
        expect(table, settled([met]))


@full
@pytest.mark.timeout(400)
@pytest.mark.parametrize("part", ["redis", "catalog.sqlite"])
def test_an_older_copy_of_the_queue_or_of_the_catalog_costs_no_message(
    site: Site, provider: SampleProvider, table: FaultTable, tmp_path: Path, part: str
) -> None:
    called = {"redis": "older AOF, newer catalog", "catalog.sqlite": "older catalog, newer bucket"}[part]
    met = Traffic(site, provider, called)
    interrupted(site, met)
    older = tmp_path / "older"
    keep_copy(data(site) / part, older)
    with site.up():
        for _ in range(10):
            met.send()
        settled([met])
    put_back(older, data(site) / part)
    with site.up():
        met.send()
        expect(table, settled([met]))


@full
@pytest.mark.timeout(400)
def test_what_an_older_bucket_lacks_is_told_by_verify_and_fetched_again(
    site: Site, provider: SampleProvider, table: FaultTable, tmp_path: Path
) -> None:
    met = Traffic(site, provider, "older bucket, newer catalog, then `verify --repair`")
    with site.up():
        for _ in range(5):
            met.send()
        settled([met])
    bucket, older = data(site) / "bucket", tmp_path / "older"
    keep_copy(bucket, older)
    with site.up():
        for _ in range(5):
            met.send()
        settled([met])
    put_back(older, bucket)
    with site.up():
        told = site.call("verify", "--json")
        assert told.returncode == 1
        assert all(sent.id in told.stdout for sent in met.sent[5:])
        assert not any(sent.id in told.stdout for sent in met.sent[:5])
        site.call("verify", "--repair")
        until(lambda: counted([met])[0].archived == 10, seconds=90, what="all of it being fetched again")
        expect(table, settled([met]))


@full
@pytest.mark.timeout(400)
def test_under_a_umask_that_closes_nothing_no_file_is_open_to_others(
    site: Site, provider: SampleProvider, table: FaultTable
) -> None:
    met = Traffic(site, provider, "umask 000")
    before = os.umask(0)
    try:
        with site.up():
            for _ in range(5):
                met.send()
            rows = settled([met])
            made = [path for path in (data(site), *data(site).rglob("*")) if not path.is_symlink()]
            open_to_others = [path for path in made if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)]
    finally:
        os.umask(before)
    assert open_to_others == []
    expect(table, rows)


def keep_copy(path: Path, copy: Path) -> None:
    if path.is_dir():
        shutil.copytree(path, copy, ignore=shutil.ignore_patterns("*.sock"))
        return
    copy.mkdir()
    for one in path.parent.glob(f"{path.name}*"):
        shutil.copy2(one, copy)


def put_back(copy: Path, path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
        shutil.copytree(copy, path)
        return
    for one in path.parent.glob(f"{path.name}*"):
        one.unlink()
    for one in copy.iterdir():
        shutil.copy2(one, path.parent)
