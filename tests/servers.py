"""Real servers as child processes on loopback, each on a free port and ended by its process id."""

import contextlib
import fcntl
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from time import monotonic, sleep
from typing import TypeVar

import httpx
import psycopg
import pytest
from sqlalchemy.engine import make_url

T = TypeVar("T")


PORTS = range(20_000, 32_000)
"""What tests listen on: below the ports that the system gives to connections, which come and go."""


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that nobody listens on, and that no other test is given at the time.

    Every run of tests on this machine takes the next one: what is free now may be somebody's otherwise
    before a server of the test listens on it.
    """
    turn = Path(tempfile.gettempdir()) / f"mmsvault-tests-port-{os.geteuid()}"
    with turn.open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        while True:
            file.seek(0)
            port = PORTS[(int(file.read() or 0) + 1 - PORTS.start) % len(PORTS)]
            file.truncate(0)
            file.write(str(port))
            file.flush()
            with contextlib.suppress(OSError), socket.socket() as probe:
                probe.bind(("127.0.0.1", port))
                return port


def require(name: str, *, found: object) -> None:
    """Skip without `name`; fail instead where MMSVAULT_TEST_REQUIRE lists it."""
    if found:
        return
    if name in os.environ.get("MMSVAULT_TEST_REQUIRE", "").replace(",", " ").split():
        pytest.fail(f"{name} is required by MMSVAULT_TEST_REQUIRE and is not on this machine")
    pytest.skip(f"{name} is not on this machine")


def patience() -> float:
    """Return how many times as long a wait may take as on a quick machine that does nothing else.

    It grows with what the machine has to do, up to a bound. A wait ends as soon as it is met, so that only
    a failure takes longer. MMSVAULT_TEST_PATIENCE sets it.
    """
    given = os.environ.get("MMSVAULT_TEST_PATIENCE")
    return float(given) if given else 3 * min(max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1)), 4.0)


def quiet_seconds() -> float:
    """Return after how long without any movement nothing more is to come: the sweep was there meanwhile."""
    given = os.environ.get("MMSVAULT_TEST_QUIET_SECONDS")
    return float(given) if given else 15 * patience()


def until(condition: Callable[[], T], *, seconds: float = 30, what: str = "the condition") -> T:
    """Return the first true answer of `condition`, asked again and again.

    Fail after `seconds` and more, as the machine's `patience` is.
    """
    began = monotonic()
    while True:
        answer = condition()
        if answer:
            return answer
        waited = monotonic() - began
        if waited > seconds * patience():
            pytest.fail(f"{what} was not met within {waited:.0f} s; last answer: {answer!r}")
        sleep(0.05)


def listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


@contextlib.contextmanager
def running(
    command: Sequence[str],
    *,
    log: Path,
    port: int = 0,
    answers: Callable[[], bool] | None = None,
    env: Mapping[str, str] | None = None,
    user: str | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server until the end of the block; ready once it listens on `port`, or as `answers` says."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=output, env={**os.environ, **(env or {})}, user=user
        )
    try:
        ready = answers or partial(listens, port)
        until(lambda: ready() or process.poll() is not None, what=f"{command[0]} listening")
        assert process.poll() is None, log.read_text(errors="replace")[-2000:]
        yield process
    finally:
        end(process)


def end(process: subprocess.Popen[bytes], *, number: int = signal.SIGTERM, seconds: float = 40) -> None:
    """End a process and wait for it, by force where it does not listen."""
    if process.poll() is None:
        process.send_signal(number)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextlib.contextmanager
def redis_server(folder: Path, *options: str) -> Iterator[str]:
    """Run Debian's redis-server and give its URL. Without options it is as durable as it can be."""
    binary = shutil.which("redis-server")
    require("redis", found=binary)
    port = free_port()
    durable = options or ("--appendonly", "yes", "--appendfsync", "always")
    command = [str(binary), "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", ""]
    with running([*command, *durable], log=folder / "redis.log", port=port):
        yield f"redis://127.0.0.1:{port}/0"


def prepare_minio(
    folder: Path, port: int, *, drives: int = 1
) -> tuple[list[str], dict[str, str], dict[str, str]]:
    """Return MinIO's command, its environment, and the settings of a bucket on it."""
    binary = shutil.which("minio") or shutil.which("minio", path=str(Path("~/go/bin").expanduser()))
    require("minio", found=binary)
    keys = {"MINIO_ROOT_USER": "tests-access", "MINIO_ROOT_PASSWORD": "tests-secret-key"}
    address = f"127.0.0.1:{port}"
    places = [folder / "minio"] if drives == 1 else [folder / f"drive{n}" for n in range(1, drives + 1)]
    return (
        [str(binary), "server", "--quiet", "--address", address, *map(str, places)],
        # Several drives of a test are folders of one disk, which MinIO takes only under the last name.
        {**keys, "MINIO_UPDATE": "off", "MINIO_BROWSER": "off", "MINIO_CI_CD": "on"},
        {
            "MMSVAULT_S3_ENDPOINT": f"http://{address}",
            "MMSVAULT_S3_ACCESS_KEY": keys["MINIO_ROOT_USER"],
            "MMSVAULT_S3_SECRET_KEY": keys["MINIO_ROOT_PASSWORD"],
        },
    )


@contextlib.contextmanager
def minio_server(
    folder: Path, *, drives: int = 1, env: Mapping[str, str] | None = None
) -> Iterator[dict[str, str]]:
    """Run MinIO and give the settings of a bucket on it."""
    port = free_port()
    command, own, bucket = prepare_minio(folder, port, drives=drives)
    with running(command, log=folder / "minio.log", port=port, env={**own, **(env or {})}):
        until(lambda: takes_objects(port), what="MinIO being ready")
        yield bucket


def takes_objects(port: int) -> bool:
    with contextlib.suppress(httpx.HTTPError):
        health = f"http://127.0.0.1:{port}/minio/health/cluster"
        return httpx.get(health, timeout=2, trust_env=False).status_code == 200
    return False


def open_to_others(folder: Path) -> None:
    """Let a server of another user through pytest's own folders, which are for their owner only."""
    temporary = Path(tempfile.gettempdir()).resolve()
    for above in (folder, *folder.parents):
        if above != temporary and above.is_relative_to(temporary):
            above.chmod(above.stat().st_mode | 0o011)


def prepare_postgresql(
    folder: Path, options: Mapping[str, str] | None = None
) -> tuple[str, list[str], str | None]:
    """Make a PostgreSQL of its own; return the URL of an empty database, the command, and its user."""
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    initdb = shutil.which("initdb") or (str(installed[-1] / "initdb") if installed else None)
    require("postgresql", found=initdb and Path(initdb).exists())
    user = "postgres" if os.geteuid() == 0 else None
    data = folder / "postgresql"
    data.mkdir()
    if user:
        shutil.chown(data, user)
        open_to_others(folder)
    making = [str(initdb), "-D", str(data), "-U", "tests", "-A", "trust", "-E", "UTF8", "--no-sync"]
    subprocess.run(making, user=user, check=True, capture_output=True, cwd="/")
    port = free_port()
    server = [str(Path(str(initdb)).with_name("postgres")), "-D", str(data), "-p", str(port)]
    local = ["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]
    more = [word for name, value in (options or {}).items() for word in ("-c", f"{name}={value}")]
    return f"postgresql://tests@127.0.0.1:{port}/postgres", [*server, *local, *more], user


@contextlib.contextmanager
def postgresql_server(folder: Path, options: Mapping[str, str] | None = None) -> Iterator[str]:
    """Run a PostgreSQL of its own, as a user without rights, and give the URL of an empty database."""
    url, command, user = prepare_postgresql(folder, options)
    port = int(make_url(url).port or 0)
    with running(command, log=folder / "postgresql.log", port=port, user=user):
        until(lambda: takes_connections(url), what="PostgreSQL taking connections")
        yield url


def takes_connections(url: str) -> bool:
    # It listens a moment before it is ready.
    with contextlib.suppress(psycopg.OperationalError), psycopg.connect(url):
        return True
    return False
