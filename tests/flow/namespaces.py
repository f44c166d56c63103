"""Hosts of their own on this machine: network namespaces on one bridge, in a namespace of its own too.

Nothing of their traffic reaches this machine's own network. The addresses are of RFC 2544, which sets
them aside for tests of networks.
"""

import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ParamSpec, TypeVar

from tests import servers

P = ParamSpec("P")
T = TypeVar("T")

NETWORK = "198.18.0.0/24"
HUB_ADDRESS = "198.18.0.1"
_CLONE_NEWNET = 0x40000000


class Host:
    """A namespace with an address; what is called in it, and what that starts, lives there."""

    def __init__(self, name: str, address: str) -> None:
        self.name = name
        self.address = address
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name, initializer=self._enter)

    def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a function in the host; sockets, threads and processes that it makes stay there."""
        return self._thread.submit(function, *args, **kwargs).result()

    def start(
        self, name: str, command: list[str], *, env: dict[str, str], log: Path, user: str | None = None
    ) -> None:
        """Start a program in the host."""

        def begin() -> "subprocess.Popen[bytes]":
            with (log / f"{self.name}-{name}.log").open("ab") as output:
                return subprocess.Popen(
                    command, env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=output, user=user,
                    cwd="/" if user else None, start_new_session=True,
                )  # fmt: skip

        self.processes[name] = self.call(begin)

    def kill(self) -> None:
        """End everything in the host at once, as when its power goes."""
        found = subprocess.run(
            ["ip", "netns", "pids", self.name],  # noqa: S607
            capture_output=True,
            text=True,
            check=True,
        )
        for process in map(int, found.stdout.split()):
            if process != os.getpid():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
        for one in self.processes.values():
            one.wait()
        self.processes.clear()

    def close(self) -> None:
        for one in reversed(self.processes.values()):
            servers.end(one, seconds=10)
        self._thread.shutdown()

    def _enter(self) -> None:
        with Path(f"/run/netns/{self.name}").open() as entered:
            if ctypes.CDLL(None, use_errno=True).setns(entered.fileno(), _CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), f"no way into {self.name}")


class Net:
    """The hub, where the servers are, and hosts that can be cut off from it."""

    def __init__(self, mark: str) -> None:
        self._mark = mark
        self.hosts: list[Host] = []
        self.hub = self._add("hub", HUB_ADDRESS)
        self._ip("-n", self.hub.name, "link", "add", "br0", "type", "bridge")
        self._ip("-n", self.hub.name, "addr", "add", f"{HUB_ADDRESS}/24", "dev", "br0")
        self._ip("-n", self.hub.name, "link", "set", "br0", "up")

    def add(self, name: str) -> Host:
        """Make a host and plug it in."""
        number = len(self.hosts)
        host = self._add(name, f"198.18.0.{10 + number}")
        port = self._port(host)
        self._ip("-n", self.hub.name, "link", "add", port, "type", "veth", "peer", "eth0", "netns", host.name)
        self._ip("-n", self.hub.name, "link", "set", port, "master", "br0", "up")
        self._ip("-n", host.name, "addr", "add", f"{host.address}/24", "dev", "eth0")
        self._ip("-n", host.name, "link", "set", "eth0", "up")
        return host

    def cut_off(self, host: Host) -> None:
        """Pull the host's cable."""
        self._ip("-n", self.hub.name, "link", "set", self._port(host), "down")

    def plug_in(self, host: Host) -> None:
        """Put the cable back."""
        self._ip("-n", self.hub.name, "link", "set", self._port(host), "up")

    def close(self) -> None:
        for host in reversed(self.hosts):
            host.close()
            self._ip("netns", "del", host.name)

    def _add(self, name: str, address: str) -> Host:
        whole = f"mmsvault-{self._mark}-{name}"
        self._ip("netns", "add", whole)
        self._ip("-n", whole, "link", "set", "lo", "up")
        self.hosts.append(Host(whole, address))
        return self.hosts[-1]

    def _port(self, host: Host) -> str:
        return f"port{self.hosts.index(host)}"

    def _ip(self, *words: str) -> None:
        subprocess.run(["ip", *words], check=True, capture_output=True)  # noqa: S607


@contextlib.contextmanager
def net() -> Iterator[Net]:
    """Give a network of one's own; skip where this machine cannot make one."""
    servers.require("netns", found=_can_make())
    made = Net(str(os.getpid()))
    try:
        yield made
    finally:
        made.close()


def _can_make() -> bool:
    if os.geteuid() != 0 or not shutil.which("ip"):
        return False
    name = f"mmsvault-{os.getpid()}-probe"
    words = (
        ("netns", "add", name),
        ("-n", name, "link", "add", "br0", "type", "bridge"),
        ("netns", "del", name),
    )
    return all(
        subprocess.run(["ip", *one], check=False, capture_output=True).returncode == 0  # noqa: S607
        for one in words
    )
