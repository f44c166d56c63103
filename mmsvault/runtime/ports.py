"""Whether a program can listen on its port, and if not, which program has it and which setting helps."""

import errno
import pwd
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from mmsvault.errors import ConfigurationError
from mmsvault.settings.sources import PREFIX

PROC = Path("/proc")
_NOT_HERE = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
"""As of one of the two addresses of `localhost` on a machine without IPv6."""
_LISTENS = "0A"
"""The state of a listening socket in /proc/net/tcp (proc_pid_net(5))."""
_STATE, _LOCAL, _USER, _INODE = 3, 1, 7, 9
"""Columns there."""


def check(host: str, port: int, *, program: str) -> None:
    """Raise ConfigurationError where nothing can listen on `host` and `port` now.

    `program` is how the names of its two settings begin, such as RECEIVER.
    """
    problem, is_there = None, False
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise _refusal(error, host, port, program) from error
    for family, kind, protocol, _, address in found:
        try:
            _bind(family, kind, protocol, address)
        except OSError as error:
            if error.errno not in _NOT_HERE:
                raise _refusal(error, host, port, program) from error
            problem = error
        else:
            is_there = True
    if problem and not is_there:
        raise _refusal(problem, host, port, program) from problem


def _bind(family: int, kind: int, protocol: int, address: Any) -> None:
    with socket.socket(family, kind, protocol) as probe:
        # As the servers themselves do: what a program that ended leaves behind is in nobody's way.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        probe.bind(address)


def _refusal(error: OSError, host: str, port: int, program: str) -> ConfigurationError:
    port_setting, host_setting = f"{PREFIX}{program}_PORT", f"{PREFIX}{program}_HOST"
    if error.errno == errno.EADDRINUSE:
        return ConfigurationError(
            port_setting,
            f"port {port} of {host} is taken by {holder(port)}; end that program, or set another port here.",
        )
    if error.errno == errno.EACCES:
        return ConfigurationError(
            port_setting, f"this user may not listen on port {port}; set one from 1024 on."
        )
    return ConfigurationError(host_setting, f"this machine has no address {host!r}; set one that it has.")


def holder(port: int) -> str:
    """Return which program listens on a TCP port, in words; where it is not told, whose it is."""
    for inode, user in _listeners(port):
        for process in PROC.glob("[0-9]*"):
            with suppress(OSError):
                if any(link.readlink() == Path(f"socket:[{inode}]") for link in (process / "fd").iterdir()):
                    return f"{_name(process)} (process {process.name})"
        with suppress(KeyError):
            return f"a program of the user {pwd.getpwuid(user).pw_name}"
    return "another program"


def _listeners(port: int) -> Iterator[tuple[str, int]]:
    """Give inode and user of each socket that listens on the port."""
    for table in ("tcp", "tcp6"):
        with suppress(OSError):
            for line in (PROC / "net" / table).read_text(encoding="ascii").splitlines()[1:]:
                columns = line.split()
                if columns[_STATE] == _LISTENS and int(columns[_LOCAL].rpartition(":")[2], 16) == port:
                    yield columns[_INODE], int(columns[_USER])


def _name(process: Path) -> str:
    """Return what a person calls the program; of an interpreter, what it runs."""
    words = (process / "cmdline").read_text(encoding="utf-8", errors="replace").split("\0")
    if "-m" in words[:-1]:
        return words[words.index("-m") + 1]
    return (process / "comm").read_text(encoding="utf-8", errors="replace").strip()
