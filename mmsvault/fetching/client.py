"""The HTTP client of downloads: urllib3's connections and pools, over guarded and bounded sockets.

Nothing is followed, tried again, unpacked or remembered here: no redirects, no repeats, no encodings,
no cookies, no proxies from the environment. docs/decisions/0131 says why it is this one.
"""

import socket
import ssl
import time
from collections.abc import Callable, Mapping
from typing import Any, cast

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.response import BaseHTTPResponse
from urllib3.util import Timeout

from mmsvault.fetching.address import Address
from mmsvault.fetching.limits import BoundedSocket

MOST_HOSTS, MOST_CONNECTIONS = 64, 32
"""Connections that are kept: to so many hosts, and so many to each."""
KEPT_SECONDS = 30
"""A connection that was idle for longer is not used again: the server may be about to close it."""

Connect = Callable[[str, int], socket.socket]
"""Returns a connection to a host at a port, or raises FetchError."""


class Client:
    """Asks for files over connections that `connect` makes. Safe to use from many threads."""

    def __init__(self, connect: Connect, *, silence_seconds: float) -> None:
        self._pools = urllib3.PoolManager(
            MOST_HOSTS, maxsize=MOST_CONNECTIONS, ssl_context=ssl.create_default_context(), retries=False
        )
        self._pools.pool_classes_by_scheme = {"http": _http_pool(connect), "https": _https_pool(connect)}
        self._timeout = Timeout(connect=silence_seconds, read=silence_seconds)

    def get(self, address: Address, headers: Mapping[str, str]) -> BaseHTTPResponse:
        """Return the answer, its body not yet read. Raises urllib3's HTTPError, or FetchError."""
        pool = self._pools.connection_from_host(address.host, address.port, scheme=address.scheme)
        return pool.urlopen(
            "GET",
            address.target,
            headers=headers,
            redirect=False,
            retries=False,
            timeout=self._timeout,
            preload_content=False,
            decode_content=False,
        )

    def close(self) -> None:
        """Close the connections that were kept."""
        self._pools.clear()


class _Bounded:
    """What both kinds of connection do in their own way."""

    _connect: Connect
    _used_at = 0.0
    sock: Any

    def _new_conn(self) -> socket.socket:
        connection = cast("HTTPConnection", self)
        return self._connect(connection.host, connection.port)

    def connect(self) -> None:
        super().connect()  # type: ignore[misc]  # the other base has it
        self.sock = BoundedSocket(self.sock)
        self._used_at = time.monotonic()

    def request(self, *args: Any, **kwargs: Any) -> None:
        if self.sock is not None and time.monotonic() - self._used_at > KEPT_SECONDS:
            cast("HTTPConnection", self).close()
        super().request(*args, **kwargs)  # type: ignore[misc]  # the other base has it
        self._used_at = time.monotonic()


def _http_pool(connect_to: Connect) -> type[urllib3.HTTPConnectionPool]:
    class Connection(_Bounded, HTTPConnection):
        _connect = staticmethod(connect_to)

    class Pool(urllib3.HTTPConnectionPool):
        ConnectionCls = Connection

    return Pool


def _https_pool(connect_to: Connect) -> type[urllib3.HTTPSConnectionPool]:
    class Connection(_Bounded, HTTPSConnection):
        _connect = staticmethod(connect_to)

    class Pool(urllib3.HTTPSConnectionPool):
        ConnectionCls = Connection

    return Pool
