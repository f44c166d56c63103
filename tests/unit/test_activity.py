import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mmsvault.core.activity import Activity, mark
from mmsvault.queueing.heartbeat import FOLDER, OLD_SECONDS, Heartbeat, find_problems
from mmsvault.steps import step


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_what_gets_no_further_within_its_limit_hangs_until_it_does(clock: Clock) -> None:
    activity = Activity(clock)
    with activity.watched("a job", seconds=10):
        clock.seconds = 10
        assert activity.hanging() == ""
        clock.seconds = 10.1
        assert activity.hanging() == "a job"
        mark()
        assert activity.hanging() == ""
    clock.seconds = 99
    assert activity.hanging() == ""


def test_each_step_of_a_job_is_a_step_further(clock: Clock) -> None:
    activity = Activity(clock)
    with activity.watched("a job", seconds=10):
        for _ in range(3):
            clock.seconds += 8
            with step("test"):
                assert activity.hanging() == ""


def test_a_job_that_hangs_is_found_beside_others_that_go_on(clock: Clock) -> None:
    activity = Activity(clock)
    with activity.watched("the first", seconds=10):
        clock.seconds = 8
        with activity.watched("the second", seconds=10):
            clock.seconds = 12
            mark()
            assert activity.hanging() == "the first"


def test_a_worker_with_a_job_that_hangs_gives_no_sign_of_life(tmp_path: Path, clock: Clock) -> None:
    activity, heartbeat = Activity(clock), Heartbeat(tmp_path, job="archive")
    heartbeat.begin()
    assert heartbeat.beat(activity) == ""
    assert find_problems(tmp_path) == []
    with activity.watched("job 7", seconds=10):
        clock.seconds = 11
        grow_old(tmp_path, os.getpid())
        assert heartbeat.beat(activity) == "job 7"
        (problem,) = find_problems(tmp_path)
    assert f"The worker of archive (process {os.getpid()}) has given no sign of life for " in problem
    heartbeat.beat(activity)
    assert find_problems(tmp_path) == []


def grow_old(data_dir: Path, process: int) -> None:
    """Make a sign of life as old as that of a process that was stopped for a while."""
    path = data_dir / FOLDER / f"{socket.gethostname()}.{process}"
    at = path.stat().st_mtime - OLD_SECONDS - 1
    os.utime(path, (at, at))


@pytest.fixture
def other() -> Iterator["subprocess.Popen[bytes]"]:
    process = subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE)
    yield process
    process.kill()
    process.wait()
    assert process.stdin
    process.stdin.close()


def test_one_worker_does_not_hide_that_another_is_stopped(
    tmp_path: Path, other: "subprocess.Popen[bytes]", monkeypatch: pytest.MonkeyPatch
) -> None:
    Heartbeat(tmp_path, job="archive").begin()
    Heartbeat(tmp_path, job="archive").beat()
    with monkeypatch.context() as patched:
        patched.setattr(os, "getpid", lambda: other.pid)
        Heartbeat(tmp_path, job="archive").beat()
    other.send_signal(signal.SIGSTOP)
    grow_old(tmp_path, other.pid)
    (problem,) = find_problems(tmp_path)
    assert f"(process {other.pid})" in problem


def test_who_ended_is_none_that_hangs_and_with_nobody_there_it_is_said(
    tmp_path: Path, other: "subprocess.Popen[bytes]", monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(os, "getpid", lambda: other.pid)
        Heartbeat(tmp_path, job="archive").begin()
    grow_old(tmp_path, other.pid)
    other.kill()
    other.wait()
    assert find_problems(tmp_path) == [
        "No worker runs here. Start one with `mmsvault worker`, or all with `mmsvault up`."
    ]


def test_a_process_that_has_the_number_of_one_that_ended_is_no_worker(tmp_path: Path) -> None:
    Heartbeat(tmp_path, job="archive").begin()
    Heartbeat(tmp_path, job="archive").beat()
    path = tmp_path / FOLDER / f"{socket.gethostname()}.{os.getpid()}"
    path.write_text(json.dumps({"job": "archive", "started": "1"}))
    assert "No worker runs here" in find_problems(tmp_path)[0]


def test_other_hosts_are_none_of_our_business_and_old_files_go(tmp_path: Path) -> None:
    (tmp_path / FOLDER).touch()  # as earlier versions had it
    Heartbeat(tmp_path, job="archive").begin()
    for name, age in (("elsewhere.7", 100), ("long-ago.7", 100_000)):
        path = tmp_path / FOLDER / name
        path.write_text("{}")
        at = path.stat().st_mtime - age
        os.utime(path, (at, at))
    Heartbeat(tmp_path, job="archive").begin()
    Heartbeat(tmp_path, job="archive").beat()
    assert find_problems(tmp_path) == []
    assert {path.name for path in (tmp_path / FOLDER).iterdir()} == {
        "elsewhere.7",
        f"{socket.gethostname()}.{os.getpid()}",
    }


def test_who_ends_leaves_no_sign_and_one_that_others_removed_is_no_fault(tmp_path: Path) -> None:
    heart = Heartbeat(tmp_path, job="archive")
    heart.begin()
    for _ in range(2):
        heart.end()
        assert list((tmp_path / FOLDER).iterdir()) == []
