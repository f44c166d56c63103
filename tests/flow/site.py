"""A vault in parts: each a process of its own that a test starts, freezes and kills."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Self

import httpx
from redis import Redis
from redis.exceptions import RedisError

from mmsvault.embedded import servers as embedded
from tests import servers
from tests.house import House
from tests.servers import end, free_port, until

ROOT = Path(__file__).parents[2]
EMBEDDED, REAL = "embedded", "real"
SERVERS = ("redis", "bucket", "postgresql")
REDIS_PASSWORD = "redis-of-the-tests"


@dataclass(frozen=True)
class Server:
    """How a server is started, and whether it is this one that answers on its port."""

    command: Sequence[str]
    answers: Callable[[], bool]
    env: Mapping[str, str] = field(default_factory=dict)
    user: str | None = None


class Site(House):
    """Parts by name; whatever still runs at the end of the block is ended."""

    def __init__(self, folder: Path, env: Mapping[str, str] | None = None) -> None:
        super().__init__(folder, env)
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self._servers: dict[str, Server] = {}
        self.traffic: list[Any] = []
        """All `Traffic` that goes to this site."""
        self.known: set[str] = set()
        """The ids of all messages that were sent to it or entered in it."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for name in sorted(self.running, key=lambda name: name in SERVERS):
            with contextlib.suppress(ProcessLookupError):
                self.signal(name, signal.SIGCONT)
            end(self.running[name], seconds=10)

    @property
    def is_real(self) -> bool:
        """Whether the servers are those of a larger installation."""
        return "postgresql" in self._servers

    def start_servers(self, kind: str) -> None:
        """Start the servers that `up` brings, or real ones."""
        if kind == REAL:
            self.start_real_servers()
        else:
            self.start_embedded_servers()

    def start_embedded_servers(self) -> None:
        """Start Redis and the bucket as `up` does."""
        self.choose_ports()
        for part in embedded.embedded_servers(self.settings):
            assert part.ready
            self._servers[part.name] = Server(part.command, part.ready, part.env)
            self.start_server(part.name)

    def start_real_servers(self) -> None:
        """Start Debian's Redis, MinIO and PostgreSQL, and have the vault use them."""
        url, command, user = servers.prepare_postgresql(self.folder)
        self._servers["postgresql"] = Server(command, partial(servers.takes_connections, url), user=user)
        redis_url = self._prepare_redis()
        port = free_port()
        minio, keys, bucket = servers.prepare_minio(self.folder, port)
        self._servers["bucket"] = Server(minio, partial(servers.takes_objects, port), keys)
        self.env |= {"MMSVAULT_DATABASE_URL": url, "MMSVAULT_REDIS_URL": redis_url, **bucket}
        for name in self._servers:
            self.start_server(name)

    def _prepare_redis(self) -> str:
        binary = shutil.which("redis-server")
        servers.require("redis", found=binary)
        port = free_port()
        durable = "--save", "", "--appendonly", "yes", "--appendfsync", "always", "--dir", str(self.folder)
        own = "--port", str(port), "--bind", "127.0.0.1", "--requirepass", REDIS_PASSWORD
        url = f"redis://:{REDIS_PASSWORD}@127.0.0.1:{port}/0"
        self._servers["redis"] = Server([str(binary), *own, *durable], partial(_answers, url))
        return url

    def add_server(self, name: str, server: Server) -> None:
        """Start one more server; `away`, `kill` and `frozen` know it then."""
        self._servers[name] = server
        self.start_server(name)

    def start_server(self, name: str) -> None:
        """Start a server, again where it was killed; ready once it answers, and nobody else in its place."""
        server = self._servers[name]

        def started() -> bool:
            if name not in self.running or self.running[name].poll() is not None:
                if server.user:  # another run of pytest may have closed them again
                    servers.open_to_others(self.folder)
                self._start(name, server.command, env=server.env, user=server.user)
            return server.answers() and self.running[name].poll() is None

        until(started, what=f"{name} answering")

    def receiver_part(self, *flaws: str) -> subprocess.Popen[bytes]:
        process = self.start("receiver", "receiver", *flaws)
        until(lambda: self.keeps() or process.poll() is not None, what="the receiver answering")
        return process

    def start(
        self, name: str, program: str, *flaws: str, env: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """Start one of the vault's programs, `worker archive` for example, with flaws of `kill_at`."""
        words = program.split()
        wrapped = ["tests.flow.kill_at", *flaws, "--", *words] if flaws else words
        return self._start(name, [sys.executable, "-m", *wrapped], env=env)

    def kill(self, name: str) -> None:
        """Kill a part with all its processes, as the kernel does when memory is short."""
        self.signal(name, signal.SIGKILL)
        self.running.pop(name).wait()

    @contextlib.contextmanager
    def away(self, name: str) -> Iterator[None]:
        """Have a server killed meanwhile; the embedded bucket is files, whose folder is away."""
        folder = self.settings.embedded_bucket_dir
        if name != "bucket" or folder is None:
            self.kill(name)
            yield
            self.start_server(name)
            return
        elsewhere = folder.rename(folder.with_name("elsewhere"))
        folder.touch()  # or a worker that starts would make it anew
        yield
        folder.unlink()
        elsewhere.rename(folder)

    def signal(self, name: str, number: int) -> None:
        for process in family(self.running[name].pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, number)

    @contextlib.contextmanager
    def frozen(self, name: str) -> Iterator[None]:
        self.signal(name, signal.SIGSTOP)
        try:
            yield
        finally:
            self.signal(name, signal.SIGCONT)

    def keeps(self) -> str:
        """Return where the receiver keeps postbacks now, the empty string for nowhere."""
        with contextlib.suppress(httpx.HTTPError):
            answer = self._ask_receiver("/readyz")
            return str(answer.json().get("keeps", ""))
        return ""

    def metrics(self) -> str:
        return self._ask_receiver("/metrics").text

    def _ask_receiver(self, path: str) -> httpx.Response:
        token = {"Authorization": f"Bearer {self.settings.effective_metrics_token}"}
        return httpx.get(f"{self.receiver}{path}", headers=token, timeout=5, trust_env=False)

    def _start(
        self,
        name: str,
        command: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        user: str | None = None,
    ) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("ab") as output:
            process = subprocess.Popen(
                command,
                cwd="/" if user else ROOT,
                env={**self.env, **(env or {})},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                user=user,
                start_new_session=True,
            )
        self.running[name] = process
        return process


def _answers(redis_url: str) -> bool:
    with contextlib.suppress(RedisError), Redis.from_url(redis_url, socket_timeout=2) as redis:
        return bool(redis.ping())
    return False


def family(process: int) -> list[int]:
    """Return the process and everything that descends from it, wherever it has moved itself."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parent = int(entry.read_text().rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(entry.parent.name))
    found = [process]
    for one in found:  # grows while it is walked
        found.extend(children.get(one, []))
    return found
