"""Connections that a stranger's address may lead to: to public networks only, and for so long only.

A name is resolved once, every address of it is checked, and the connection goes to the checked
address. So there is no moment between the check and the connection in which the name could point
elsewhere.
"""

import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import httpcore
import httpx

from mmsvault.errors import RefusedFetchError

MOST_CONNECTIONS = 32

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_UNICAST = ipaddress.ip_network("2000::/3")
"""All of IPv6 that is given out for public use (RFC 4291, 2.4): what lies beside it is refused."""
_NOT_FOR_FILES = tuple(
    ipaddress.ip_network(network)
    for network in (
        "168.63.129.16/32",  # Azure's own services, at a public address
        "192.0.0.0/24",  # IETF protocol assignments, Oracle's metadata among them
        "192.31.196.0/24",  # AS112
        "192.88.99.0/24",  # relays of 6to4
        "192.175.48.0/24",  # AS112
        "2001::/23",  # Teredo, ORCHID, benchmarks
        "2620:4f:8000::/48",  # AS112
        "3fff::/20",  # documentation
    )
)
_ISATAP = 0x5EFE


class GuardedTransport(httpx.HTTPTransport):
    """httpx's transport over a pool that connects to public and `private_networks` only."""

    def __init__(self, private_networks: Sequence[Network]) -> None:
        super().__init__(trust_env=False)
        self._pool.close()
        # httpx has no parameter for it; the attribute has had this name since 0.18.
        self._pool = httpcore.ConnectionPool(
            ssl_context=ssl.create_default_context(),
            max_connections=MOST_CONNECTIONS,
            max_keepalive_connections=MOST_CONNECTIONS,
            keepalive_expiry=30,
            network_backend=_GuardedBackend(private_networks),
        )


class _GuardedBackend(httpcore.SyncBackend):
    """Connects to addresses that it has checked itself."""

    def __init__(self, private_networks: Sequence[Network]) -> None:
        self._private_networks = private_networks

    def connect_tcp(self, host: str, port: int, *args: Any, **kwargs: Any) -> httpcore.NetworkStream:
        addresses = _resolve(host, port)
        for address in addresses:
            if not is_allowed(address, self._private_networks):
                raise RefusedFetchError(
                    f"Refused: {host} is at {address}, inside a network that is not public."
                )
        failure: Exception | None = None
        for address in addresses:  # a route that is down must not hide one that is up
            try:
                return _BoundedStream(super().connect_tcp(str(address), port, *args, **kwargs))
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure or httpcore.ConnectError(f"{host} has no address")

    def connect_unix_socket(self, path: str, *_args: Any, **_kwargs: Any) -> httpcore.NetworkStream:
        raise RefusedFetchError(f"Refused: {path} is not on the network.")


class _Limit(threading.local):
    ends: float | None = None


_limit = _Limit()


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Let whatever this thread reads or writes on guarded connections fail after `seconds` in all.

    A server that sends a byte now and then would otherwise never meet a time limit.
    """
    _limit.ends = time.monotonic() + seconds
    try:
        yield
    finally:
        _limit.ends = None


class _BoundedStream(httpcore.NetworkStream):
    """A connection that keeps to `within`."""

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _bounded(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _bounded(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        bounded = _bounded(timeout, httpcore.ConnectTimeout)
        return _BoundedStream(self._stream.start_tls(ssl_context, server_hostname, bounded))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _bounded(timeout: float | None, error: type[Exception]) -> float | None:
    if _limit.ends is None:
        return timeout
    left = _limit.ends - time.monotonic()
    if left <= 0:
        raise error
    return left if timeout is None else min(timeout, left)


def _resolve(host: str, port: int) -> list[Address]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise httpcore.ConnectError(f"the name {host} is not known ({error})") from error
    return list(dict.fromkeys(ipaddress.ip_address(entry[4][0]) for entry in found))


def is_allowed(address: Address, private_networks: Sequence[Network]) -> bool:
    """Return whether a file may be fetched from `address`, seen through IPv6's ways to write IPv4."""
    if any(address in network for network in private_networks):
        return True
    if isinstance(address, ipaddress.IPv6Address):
        inner = _inner(address)
        if inner is not None:
            return is_allowed(inner, private_networks)
        if address not in _UNICAST:
            return False
    if any(address in network for network in _NOT_FOR_FILES):
        return False
    return address.is_global and not address.is_multicast


def _inner(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """Return the IPv4 address that a connection to this one would end at, if there is one."""
    if address in _NAT64 or (int(address) >> 32) & 0xFFFF == _ISATAP:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour
