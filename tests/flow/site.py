"""A vault in parts: each a process of its own that a test starts, freezes and kills."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Self

import httpx
from sqlalchemy.engine import make_url

from mmsvault.embedded import servers as embedded
from mmsvault.settings.generated import free_port
from tests import servers
from tests.house import House
from tests.servers import end, listens, until

ROOT = Path(__file__).parents[2]
SERVERS = ("redis", "bucket", "postgresql")


class Site(House):
    """Parts by name; whatever still runs at the end of the block is ended."""

    def __init__(self, folder: Path, env: Mapping[str, str] | None = None) -> None:
        super().__init__(folder, env)
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self.ports: dict[str, int] = {}
        self._commands: dict[str, tuple[list[str], Mapping[str, str], str | None]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for name in sorted(self.running, key=lambda name: name in SERVERS):
            with contextlib.suppress(ProcessLookupError):
                self.signal(name, signal.SIGCONT)
            end(self.running[name], seconds=10)

    def start_embedded_servers(self) -> None:
        """Start Redis and the bucket as `up` does."""
        settings = self.settings
        self.ports |= {"redis": settings.generated.redis_port, "bucket": settings.generated.s3_port}
        for part in embedded.embedded_servers(settings):
            self._commands[part.name] = ([*part.command], part.env, None)
            self.start_server(part.name)

    def start_real_servers(self) -> None:
        """Start Debian's Redis, MinIO and PostgreSQL, and have the vault use them."""
        url, command, user = servers.prepare_postgresql(self.folder)
        self.ports["postgresql"] = int(make_url(url).port or 0)
        self._commands["postgresql"] = (command, {}, user)
        redis = shutil.which("redis-server")
        servers.require("redis", found=redis)
        self.ports["redis"] = free_port()
        durable = "--save", "", "--appendonly", "yes", "--appendfsync", "always", "--dir", str(self.folder)
        self._commands["redis"] = (
            [str(redis), "--port", str(self.ports["redis"]), "--bind", "127.0.0.1", *durable],
            {},
            None,
        )
        self.ports["bucket"] = free_port()
        minio, keys, bucket = servers.prepare_minio(self.folder, self.ports["bucket"])
        self._commands["bucket"] = (minio, keys, None)
        self.env |= {
            "MMSVAULT_DATABASE_URL": url,
            "MMSVAULT_REDIS_URL": f"redis://127.0.0.1:{self.ports['redis']}/0",
            **bucket,
        }
        for name in self._commands:
            self.start_server(name)

    def start_server(self, name: str) -> None:
        """Start a server, again where it was killed; ready once it listens."""
        command, env, user = self._commands[name]

        def started() -> bool:
            if name not in self.running or self.running[name].poll() is not None:
                if user:  # another run of pytest may have closed them again
                    servers.open_to_others(self.folder)
                self._start(name, command, env=env, user=user)
            return listens(self.ports[name])

        until(started, what=f"{name} listening")

    def receiver_part(self, *flaws: str) -> subprocess.Popen[bytes]:
        process = self.start("receiver", "receiver", *flaws)
        until(lambda: self.keeps() or process.poll() is not None, what="the receiver answering")
        return process

    def start(self, name: str, program: str, *flaws: str) -> subprocess.Popen[bytes]:
        """Start one of the vault's programs, `worker archive` for example, with flaws of `kill_at`."""
        words = program.split()
        wrapped = ["tests.flow.kill_at", *flaws, "--", *words] if flaws else words
        return self._start(name, [sys.executable, "-m", *wrapped])

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
            answer = httpx.get(f"{self.receiver}/readyz", timeout=5, trust_env=False)
            return str(answer.json().get("keeps", ""))
        return ""

    def metrics(self) -> str:
        return httpx.get(f"{self.receiver}/metrics", timeout=5, trust_env=False).text

    def _start(
        self, name: str, command: list[str], *, env: Mapping[str, str] | None = None, user: str | None = None
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
