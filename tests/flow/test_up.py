"""`mmsvault up` as its operator meets it: starting, ending, starting again, and bad settings."""

import os
import signal
import subprocess
from pathlib import Path

import httpx
import pytest

from mmsvault.sample import media
from mmsvault.sample.provider import SampleProvider
from tests.flow.test_archive import archived, notice
from tests.house import House
from tests.servers import free_port, redis_server, until

PARTS = (
    "valkey-server",
    "rclone",
    "-m receiver",
    "-m worker archive",
    "-m worker exports",
    "-m worker sweep",
    "-m worker workers",
    "-m dashboard",
)


def test_a_second_start_finds_the_data_of_the_first_and_both_end_cleanly(
    tmp_path: Path, provider: SampleProvider
) -> None:
    house = House(tmp_path)
    with house.up() as first:
        provider.send(house.postbacks, notice("kept", provider.offer(media.drawing(0))))
        message = archived(house, "sinch-kept")
    assert first.returncode == 0
    with house.up() as second:
        assert house.json("show", "sinch-kept") == message
    assert second.returncode == 0
    assert not any(house.processes(part) for part in PARTS)
    log = house.log.read_text()
    assert "Traceback" not in log
    assert "Warning" not in log


def test_whoever_finds_it_ready_finds_catalog_and_bucket(tmp_path: Path) -> None:
    house = House(tmp_path, {"MMSVAULT_WORKERS": "1"})
    with house.up():
        (tmp_path / "vault" / "bucket" / "mms-vault").rmdir()  # there, and empty
        assert house.json("search", "") == {"total": 0, "messages": [], "next": None}


def test_it_is_ready_and_keeps_postbacks_while_the_bucket_is_away(tmp_path: Path) -> None:
    away = {"MMSVAULT_S3_ENDPOINT": f"http://127.0.0.1:{free_port()}"}
    keys = {"MMSVAULT_S3_ACCESS_KEY": "tests", "MMSVAULT_S3_SECRET_KEY": "tests-secret"}
    house = House(tmp_path, {"MMSVAULT_WORKERS": "1", **away, **keys})
    with house.up():
        assert httpx.post(house.postbacks, content=b"<x/>", trust_env=False).status_code == 200
    assert "Until then, what comes in waits." in house.log.read_text()


def test_a_part_that_ends_is_started_again_and_it_is_said(tmp_path: Path, provider: SampleProvider) -> None:
    house = House(tmp_path)
    with house.up():
        for part in PARTS:
            for process in house.processes(part):
                os.kill(process, signal.SIGKILL)
        until(
            lambda: house.is_ready() and all(house.processes(part) for part in PARTS),
            what="every part running again",
        )
        assert "receiver ended (killed by SIGKILL); starting it again" in house.log.read_text()
        provider.send(house.postbacks, notice("after", provider.offer(media.drawing(0))))
        archived(house, "sinch-after")


def test_a_worker_that_is_killed_is_replaced_and_so_are_all_when_their_sandbox_is(
    tmp_path: Path, provider: SampleProvider
) -> None:
    house = House(tmp_path)
    with house.up():
        until(lambda: len(house.processes("-m worker archive")) == 2, what="both workers being there")
        first, second = house.processes("-m worker archive")
        os.kill(first, signal.SIGKILL)
        until(
            lambda: (
                '"how": "killed by SIGKILL"' in house.log.read_text()
                and len(house.processes("-m worker archive")) == 2
            ),
            what="another worker being there",
        )
        assert second in house.processes("-m worker archive")
        (server,) = house.processes("multiprocessing.forkserver")
        os.kill(server, signal.SIGKILL)
        until(
            lambda: "workers ended (exit code 1)" in house.log.read_text(),
            what="the workers being started again",
        )
        provider.send(house.postbacks, notice("after", provider.offer(media.drawing(0))))
        archived(house, "sinch-after")
        assert house.archived("sinch-after").media[0].thumbnail_key


def test_when_up_is_killed_its_parts_end_with_it(tmp_path: Path) -> None:
    house = House(tmp_path)
    with house.up() as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
        until(lambda: not any(house.processes(part) for part in PARTS), what="every part ending")


def test_a_second_vault_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    house = House(tmp_path)
    with house.up() as process:
        refused = house.call("up")
    assert refused.returncode == 1
    assert f"runs in {tmp_path / 'vault'} already (process {process.pid})" in refused.stderr


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("MMSVAULT_RETENTION_DAYS", "soon", "MMSVAULT_RETENTION_DAYS: "),
        ("MMSVAULT_REDIS_ULR", "redis://127.0.0.1", "did you mean MMSVAULT_REDIS_URL?"),
        ("MMSVAULT_DATABASE_URL", "mysql://127.0.0.1/x", "MMSVAULT_DATABASE_URL: "),
    ],
)
@pytest.mark.parametrize("command", ["up", "status", "worker"])
def test_a_setting_that_cannot_work_is_named_without_a_traceback(
    tmp_path: Path, command: str, name: str, value: str, said: str
) -> None:
    done = House(tmp_path, {name: value}).call(command)
    assert done.returncode == 2
    told = done.stdout + done.stderr
    assert said in told
    assert "Traceback" not in told


def test_a_redis_that_forgets_on_a_crash_is_refused(tmp_path: Path) -> None:
    with redis_server(tmp_path, "--appendonly", "no") as url:
        done = House(tmp_path, {"MMSVAULT_REDIS_URL": url}).call("receiver")
    assert done.returncode == 2
    assert "MMSVAULT_REDIS_URL: this Redis forgets on a crash; set `appendonly yes`" in done.stderr


def test_help_is_there_for_every_command(tmp_path: Path) -> None:
    house = House(tmp_path)
    told = house.call("--help").stdout
    for command in ("up", "demo", "receiver", "worker", "dashboard", "search", "show", "status"):
        assert command in told
        helped: subprocess.CompletedProcess[str] = house.call(command, "--help")
        assert helped.returncode == 0
        assert "Usage" in helped.stdout
