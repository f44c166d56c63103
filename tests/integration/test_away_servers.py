"""Every command says within seconds which server is away, and what to start or to look at."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from tests.integration.test_commands import Said, call
from tests.servers import free_port

pytestmark = pytest.mark.timeout(30)  # each command; they took minutes

COMMANDS = (
    "search",
    "show sinch-1",
    "status",
    "senders",
    "keywords",
    "tag sinch-1 --add a",
    "note sinch-1 text",
    "name 14085550123 Anna",
    "searches list",
    "verify",
    "rebuild",
    "requeue sinch-1",
    "hold sinch-1",
    "delete sinch-1 --yes",
    "retire",
    "erase 14085550123 --yes",
    "user list",
    "audit list",
    "audit verify",
    "doctor",
)


@pytest.fixture
def black_hole() -> Iterator[int]:
    """A port that answers nothing at all, not even that it takes a connection: its queue is full."""
    with ExitStack() as stack:
        server = stack.enter_context(closing(socket.socket()))
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        port = server.getsockname()[1]
        for _ in range(4):
            filling = stack.enter_context(closing(socket.socket()))
            filling.setblocking(False)
            filling.connect_ex(("127.0.0.1", port))
        yield port


def use_servers(monkeypatch: pytest.MonkeyPatch, folder: Path, port: int) -> None:
    monkeypatch.chdir(folder)
    for name, value in {
        "DATA_DIR": str(folder / "vault"),
        "REDIS_URL": f"redis://127.0.0.1:{port}/0",
        "DATABASE_URL": f"postgresql://vault@127.0.0.1:{port}/vault",
        "S3_ENDPOINT": f"http://127.0.0.1:{port}",
        "S3_ACCESS_KEY": "tests",
        "S3_SECRET_KEY": "tests-secret",
    }.items():
        monkeypatch.setenv(f"MMSVAULT_{name}", value)


def check(monkeypatch: pytest.MonkeyPatch, capsys: Said, command: str) -> None:
    assert call(monkeypatch, *command.split()) == 1
    answer = capsys.readouterr()
    said = answer.out + answer.err
    assert "Traceback" not in said
    assert "PostgreSQL" in said


@pytest.mark.parametrize("command", COMMANDS)
def test_with_servers_that_swallow_everything_each_command_says_so_within_seconds(
    monkeypatch: pytest.MonkeyPatch, capsys: Said, tmp_path: Path, black_hole: int, command: str
) -> None:
    use_servers(monkeypatch, tmp_path, black_hole)
    check(monkeypatch, capsys, command)


@pytest.mark.parametrize("command", ["search", "status", "verify", "doctor"])
def test_with_servers_that_refuse_each_command_says_so_at_once(
    monkeypatch: pytest.MonkeyPatch, capsys: Said, tmp_path: Path, command: str
) -> None:
    use_servers(monkeypatch, tmp_path, free_port())
    check(monkeypatch, capsys, command)


@pytest.mark.parametrize("command", ["status", "replay /etc/hostname"])
def test_with_nothing_running_it_is_said_how_to_start_it(
    monkeypatch: pytest.MonkeyPatch, capsys: Said, tmp_path: Path, command: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MMSVAULT_DATA_DIR", str(tmp_path / "vault"))
    assert call(monkeypatch, *command.split()) == 1
    assert capsys.readouterr().err == (
        f"The queue cannot be reached: no vault runs in {tmp_path / 'vault'}. "
        "Start it with `mmsvault up`, or set MMSVAULT_DATA_DIR.\n"
    )


@pytest.mark.parametrize("command", ["status", "replay /etc/hostname"])
def test_with_only_the_queue_swallowing_everything_its_setting_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: Said, tmp_path: Path, black_hole: int, command: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MMSVAULT_DATA_DIR", str(tmp_path / "vault"))
    monkeypatch.setenv("MMSVAULT_REDIS_URL", f"redis://127.0.0.1:{black_hole}/0")
    assert call(monkeypatch, *command.split()) == 1
    assert "the Redis of MMSVAULT_REDIS_URL does not answer" in capsys.readouterr().err
