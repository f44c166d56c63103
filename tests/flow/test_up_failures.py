"""`mmsvault up` where a part cannot start or ends for good: the others go on, and it is said why."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from mmsvault.sample import media
from mmsvault.sample.notices import lower_case_xml
from mmsvault.sample.provider import SampleProvider
from tests.flow.test_archive import notice
from tests.house import House
from tests.servers import end, until


@contextmanager
def up(house: House) -> Iterator["subprocess.Popen[bytes]"]:
    """Run `mmsvault up` until the end of the block; ready once its receiver is."""
    with house.log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "mmsvault.cli", "up"], env=house.env, stdout=output, stderr=output
        )
    try:
        until(
            lambda: receives(house) or process.poll() is not None, seconds=60, what="the receiver answering"
        )
        assert process.poll() is None, house.log.read_text()
        yield process
    finally:
        end(process)


def receives(house: House) -> bool:
    try:
        return httpx.get(f"{house.receiver}/readyz", timeout=2, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def says(house: House, words: str, *, seconds: float = 30) -> None:
    until(lambda: words in house.log.read_text(), seconds=seconds, what=f"{words!r} being said")


def test_a_taken_port_of_the_receiver_ends_it_at_once_and_names_who_has_it(tmp_path: Path) -> None:
    house = House(tmp_path)
    with socket.create_server(("127.0.0.1", house.receiver_port)):
        done = house.call("up")
    assert done.returncode == 2
    assert f"MMSVAULT_RECEIVER_PORT: port {house.receiver_port} of 127.0.0.1 is taken by" in done.stderr
    assert f"(process {os.getpid()})" in done.stderr
    assert not house.processes("-m ")


@pytest.mark.parametrize("program", ["receiver", "dashboard"])
def test_a_program_of_its_own_says_who_has_its_port(tmp_path: Path, program: str) -> None:
    house = House(tmp_path)
    port = {"receiver": house.receiver_port, "dashboard": house.dashboard_port}[program]
    with socket.create_server(("127.0.0.1", port)):
        done = house.call(program)
    assert done.returncode == 2
    assert f"MMSVAULT_{program.upper()}_PORT: port {port} of 127.0.0.1 is taken by" in done.stderr
    assert "Traceback" not in done.stderr


def test_with_the_port_of_the_dashboard_taken_messages_are_archived_and_it_starts_once_it_is_free(
    tmp_path: Path, provider: SampleProvider
) -> None:
    house = House(tmp_path, {"MMSVAULT_WORKERS": "1"})
    with socket.create_server(("127.0.0.1", house.dashboard_port)) as other, up(house):
        says(house, f"MMSVAULT_DASHBOARD_PORT: port {house.dashboard_port} of 127.0.0.1 is taken by")
        assert f"(process {os.getpid()})" in house.log.read_text()
        provider.send(house.postbacks, notice("no-dashboard", provider.offer(media.drawing(0))))
        house.archived("sinch-no-dashboard")
        other.close()
        until(house.is_ready, seconds=90, what="the dashboard being there")
        says(house, "MMS Vault is ready.")
        assert "Traceback" not in house.log.read_text()


def test_with_the_port_of_the_metrics_taken_the_sweep_goes_on(
    tmp_path: Path, provider: SampleProvider
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        house = House(tmp_path, {"MMSVAULT_WORKERS": "1", "MMSVAULT_METRICS_PORT": str(port)})
        with up(house):
            says(house, f"MMSVAULT_METRICS_PORT: port {port} of 127.0.0.1 is taken by")
            provider.send(house.postbacks, notice("no-metrics", provider.offer(media.drawing(0))))
            house.archived("sinch-no-metrics")
            assert house.processes("-m worker sweep")


def test_without_its_queue_server_it_keeps_postbacks_in_the_spool(tmp_path: Path) -> None:
    house = House(tmp_path, {"MMSVAULT_WORKERS": "1"})
    in_the_way = house.settings.data_dir / "redis" / "queue.sock" / "a folder where its socket should be"
    in_the_way.mkdir(parents=True)
    with up(house):
        body = lower_case_xml(notice("spooled", "http://127.0.0.1:9/none.jpg"))
        assert httpx.post(house.postbacks, content=body, trust_env=False).status_code == 200
        says(house, "redis ended (exit code 1); starting it again in 0.5 s")
        assert list(house.settings.spool_dir.iterdir())
        until(house.is_ready, what="the dashboard being there all the same")


def test_a_dashboard_that_never_works_is_named_with_its_reason_and_the_rest_goes_on(
    tmp_path: Path, provider: SampleProvider
) -> None:
    house = House(tmp_path, {"MMSVAULT_WORKERS": "1", **broken(tmp_path, "dashboard/gate.py")})
    with up(house):
        says(house, "dashboard ended (exit code 1); starting it again in 1 s")
        says(house, "dashboard: The disk is full. Free space")
        provider.send(house.postbacks, notice("broken", provider.offer(media.drawing(0))))
        house.archived("sinch-broken")


def broken(folder: Path, module: str) -> dict[str, str]:
    """Return an environment in which a module of ours cannot be loaded by any program."""
    name = module.removesuffix(".py").replace("/", ".")
    (folder / "sitecustomize.py").write_text(
        "import importlib.abc, sys\n"
        "class Broken(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name == {name!r}:\n"
        "            raise OSError('The disk is full.')\n"
        "sys.meta_path.insert(0, Broken())\n"
    )
    return {"PYTHONPATH": str(folder)}


def test_a_receiver_that_is_killed_once_a_second_is_back_within_two_seconds_each_time(tmp_path: Path) -> None:
    house = House(tmp_path, {"MMSVAULT_WORKERS": "1"})
    with up(house):
        for _ in range(6):
            until(lambda: receives(house), what="the receiver being back")
            for process in house.processes("-m receiver"):
                os.kill(process, signal.SIGKILL)
            until(lambda: not receives(house), what="the receiver being away")
        until(lambda: receives(house), what="the receiver being back")
        said = [line for line in house.log.read_text().splitlines() if "receiver ended" in line]
    pauses = [float(line.split(" in ")[1].split()[0]) for line in said if " in " in line]
    assert len(said) == 6
    assert max(pauses) == 2


def test_a_folder_that_cannot_be_written_to_is_refused_in_a_sentence(tmp_path: Path) -> None:
    house = House(tmp_path)
    lock = house.settings.data_dir / "up.lock"
    lock.mkdir()
    done = house.call("up")
    assert done.returncode == 2
    assert done.stderr.startswith("MMSVAULT_DATA_DIR: ")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("redirected", "env"),
    [
        ("> /dev/full 2>&1", {}),
        (">&- 2>&- <&-", {}),
        ("| true", {}),
        ('> "$LOG" 2>&1', {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}),
        ('> "$LOG" 2>&1', {"PYTHONIOENCODING": "latin-1", "LANG": "xx"}),
    ],
)
def test_whatever_its_streams_and_its_locale_are_every_part_runs(
    tmp_path: Path, redirected: str, env: dict[str, str]
) -> None:
    house = House(tmp_path, {"MMSVAULT_WORKERS": "1", **env, "LOG": str(tmp_path / "up.log")})
    house.log.touch()
    process = subprocess.Popen(
        ["/bin/bash", "-c", f'"$@" {redirected}', "bash", sys.executable, "-m", "mmsvault.cli", "up"],
        env=house.env,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        until(house.is_ready, seconds=90, what="the vault being ready")
        until(lambda: house.processes("-m worker archive"), what="a worker being there")
        assert "Traceback" not in house.log.read_text()
    finally:
        for supervisor in house.processes("mmsvault.cli up"):
            os.kill(supervisor, signal.SIGTERM)
        process.wait(60)
    until(lambda: not house.processes("-m "), what="every part having ended")
