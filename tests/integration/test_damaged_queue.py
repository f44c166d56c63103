"""The embedded queue started after its files were damaged, with the real server."""

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from redis import Redis

from mmsvault.embedded.append_only_file import FOLDER, MANIFEST
from mmsvault.embedded.queue_server import PID_FILE
from mmsvault.embedded.servers import redis_part
from mmsvault.settings import Settings
from tests.servers import until

INCREMENT, BASE = "appendonly.aof.1.incr.aof", "appendonly.aof.1.base.aof"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.load(data_dir=tmp_path / "vault")


@contextmanager
def queue(settings: Settings, *, ends_by: signal.Signals = signal.SIGKILL) -> Iterator[Redis]:
    """Run the embedded server, started anew as the supervisor does where it ends by itself."""
    part = redis_part(settings)
    assert part.ready
    running: list[subprocess.Popen[bytes]] = []

    def ready() -> bool:
        if not running or running[-1].poll() is not None:
            running.append(subprocess.Popen(part.command, stdout=subprocess.DEVNULL))
        return bool(part.ready and part.ready())

    until(ready, what="the queue answering")
    try:
        with Redis.from_url(settings.effective_redis_url) as redis:
            yield redis
    finally:
        os.kill(running[-1].pid, ends_by)
        running[-1].wait()


def files(settings: Settings) -> Path:
    return settings.data_dir / "redis" / FOLDER


def kept_aside(settings: Settings) -> list[str]:
    return sorted(path.name for path in settings.data_dir.glob("redis/damaged-*/*"))


def said(settings: Settings) -> str:
    return (settings.data_dir / "redis" / "server.log").read_text()


def fill(settings: Settings, *, count: int = 30) -> None:
    with queue(settings) as redis:
        for number in range(count):
            with redis.pipeline() as pipeline:
                pipeline.hset(f"job:{number}", mapping={"data": f"{number}-" * 40})
                pipeline.rpush("list", number)
                pipeline.execute()


def append(data: bytes) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        with path.open("ab") as file:
            file.write(data)

    return damage


@pytest.mark.parametrize(
    "tail",
    [
        pytest.param(b"\0" * 4096, id="zeros"),
        pytest.param(b"*1\r\n$5\r\nMULTI\r\n*3\r\n$5\r\nRPUSH\r\n$4\r\nlis", id="half a transaction"),
        pytest.param(os.urandom(3000), id="rubbish"),
    ],
)
def test_what_a_power_cut_leaves_at_the_end_is_cut_off_and_all_before_it_is_there(
    settings: Settings, tail: bytes
) -> None:
    fill(settings)
    append(tail)(files(settings) / INCREMENT)
    damaged = (files(settings) / INCREMENT).read_bytes()
    with queue(settings) as redis:
        assert redis.llen("list") == 30
        redis.set("after", "1")
    with queue(settings) as redis:  # and it is right from then on
        assert redis.get("after") == b"1"
    assert kept_aside(settings) == [INCREMENT]
    assert next(settings.data_dir.glob(f"redis/damaged-*/{INCREMENT}")).read_bytes() == damaged
    assert f"{len(tail):,} of its" in said(settings)
    assert "the file as it was is kept as" in said(settings)


def test_a_file_that_is_damaged_in_the_middle_keeps_both_sides(settings: Settings) -> None:
    fill(settings)
    path = files(settings) / INCREMENT
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 300] = bytes(300)
    path.write_bytes(data)
    with queue(settings) as redis:
        assert 26 <= redis.llen("list") < 30
        assert redis.exists("job:0", "job:29") == 2


@pytest.mark.parametrize(
    "manifest", [None, b"", b"\0" * 88, b"file appendonly.aof.1.base.aof seq 1 type b\n"]
)
def test_without_its_list_of_files_the_queue_is_made_of_the_files(
    settings: Settings, manifest: bytes | None
) -> None:
    fill(settings)
    (files(settings) / MANIFEST).unlink()
    if manifest is not None:
        (files(settings) / MANIFEST).write_bytes(manifest)
    with queue(settings) as redis:
        assert redis.llen("list") == 30
    assert "list of the queue's append-only files was made anew" in said(settings)


@pytest.mark.parametrize(
    "damage", [append(b"\0" * 100), lambda path: path.unlink()], ids=["zeros", "missing"]
)
def test_a_damaged_base_does_not_take_the_rest_with_it(
    settings: Settings, damage: Callable[[Path], None]
) -> None:
    fill(settings)
    damage(files(settings) / BASE)
    with queue(settings) as redis:
        assert redis.llen("list") == 30


def test_a_damaged_snapshot_of_an_earlier_version_is_set_aside(settings: Settings) -> None:
    with queue(settings) as redis:
        redis.config_set("aof-use-rdb-preamble", "yes")
        redis.rpush("list", "old")
        redis.bgrewriteaof()
        until(lambda: any(files(settings).glob("*.base.rdb")), what="the snapshot being there")
        until(lambda: not redis.info("persistence")["aof_rewrite_in_progress"], what="the rewrite ending")
        redis.rpush("list", "new")
    base = next(files(settings).glob("*.base.rdb"))
    whole = base.read_bytes()
    with queue(settings) as redis:
        assert redis.lrange("list", 0, -1) == [b"old", b"new"]
    base.write_bytes(whole[:-20] + bytes(20))
    with queue(settings) as redis:
        assert redis.lrange("list", 0, -1) == [b"new"]
    assert kept_aside(settings) == [base.name]
    assert "the queue's snapshot, is damaged and was left out" in said(settings)


def test_files_that_the_server_cannot_read_at_all_are_set_aside_and_it_starts_empty(
    settings: Settings,
) -> None:
    fill(settings)
    append(b"*1\r\n$7\r\nUNHEARD\r\n")(files(settings) / INCREMENT)
    with queue(settings) as redis:
        assert redis.llen("list") == 0
    assert INCREMENT in kept_aside(settings)
    assert "It starts empty" in said(settings)


def test_after_a_clean_end_nothing_is_looked_at(settings: Settings) -> None:
    with queue(settings, ends_by=signal.SIGTERM) as redis:
        redis.set("kept", "1")
    assert not (settings.data_dir / "redis" / PID_FILE).exists()
    with queue(settings) as redis:
        assert redis.get("kept") == b"1"
    assert kept_aside(settings) == []


def test_files_from_before_there_was_a_pid_file_are_put_in_order_at_the_second_start(
    settings: Settings,
) -> None:
    fill(settings)
    (settings.data_dir / "redis" / PID_FILE).unlink()
    append(b"\0" * 10)(files(settings) / INCREMENT)
    with queue(settings) as redis:
        assert redis.llen("list") == 30


def test_a_queue_without_any_files_starts(settings: Settings) -> None:
    fill(settings)
    shutil.rmtree(files(settings))
    with queue(settings) as redis:
        assert redis.llen("list") == 0
