"""Limits on what a stranger's server may take of time and memory, for every byte of a connection.

A download has so long in all, and has to come on at a least rate, which rises; both count from its
first byte to its last, redirects, heads and trailers included. Another thread may break it off.
"""

import io
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from mmsvault.errors import TransientFetchError
from mmsvault.fetching.head import HeadReader

PACE_SECONDS = 60
PACE_BYTES = (16 << 10, 64 << 10, 256 << 10)
"""What must come in the first, the second and every later PACE_SECONDS: a server that sends less is given
up until the next attempt."""
BUFFER_BYTES = 1 << 16


class Limit:
    """How long one thread may go on reading and writing, in all, and how fast it must come on.

    Another thread may `break_off` what it reads.
    """

    def __init__(self, seconds: float, *, pace_rises: bool = True) -> None:
        self.began = time.monotonic()
        self.ends = self.began + seconds
        self.received = 0
        """Bytes that have come since the beginning."""
        self._least = PACE_BYTES if pace_rises else PACE_BYTES[:1]
        self._paces = 0
        self._paced_at, self._paced = self.began, 0
        self._broken_off = ""
        self._socket: socket.socket | None = None

    def left(self, seconds: float | None) -> float:
        """Return for how long to wait at most, at most `seconds`. Raises TimeoutError at the end."""
        left = self.ends - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left if seconds is None else min(seconds, left)

    def uses(self, connection: socket.socket) -> None:
        """Note the connection that is read from, and stop here where the download was broken off."""
        self._socket = connection
        if self._broken_off:
            raise TransientFetchError(self._broken_off)

    def count(self, size: int) -> None:
        """Count bytes that came. Raises TransientFetchError where too few have, or it was broken off."""
        self.received += size
        if self._broken_off:
            raise TransientFetchError(self._broken_off)
        now = time.monotonic()
        if now - self._paced_at <= PACE_SECONDS:
            return
        least = self._least[min(self._paces, len(self._least) - 1)]
        if self.received - self._paced < least:
            raise TransientFetchError(
                f"The provider is too slow: it sent fewer than {least:,} bytes in {PACE_SECONDS} s.",
                status=200,
            )
        self._paces += 1
        self._paced_at, self._paced = now, self.received

    def break_off(self, reason: str) -> None:
        """Have the reading end with `reason`, also while it waits."""
        self._broken_off = reason
        if self._socket is not None:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)

    @property
    def broken_off(self) -> str:
        """Why another thread broke it off; mostly nothing."""
        return self._broken_off


class _Current(threading.local):
    limit: Limit | None = None


_current = _Current()


@contextmanager
def within(seconds: float, *, pace_rises: bool = True) -> Iterator[Limit]:
    """Let whatever this thread reads or writes on guarded connections fail after `seconds` in all.

    A server that sends a byte now and then would otherwise never meet a time limit.
    """
    limit = _current.limit = Limit(seconds, pace_rises=pace_rises)
    try:
        yield limit
    finally:
        _current.limit = None


def left(seconds: float | None) -> float | None:
    """Return for how long this thread may wait at most. Raises TimeoutError where its time is over."""
    return _current.limit.left(seconds) if _current.limit else seconds


class BoundedSocket:
    """A connection that keeps to `within`; it has what `http.client` uses of a socket."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._timeout: float | None = None

    def settimeout(self, seconds: float | None) -> None:
        """Set how long one read or write may take."""
        self._timeout = seconds

    def gettimeout(self) -> float | None:
        """Return how long one read or write may take."""
        return self._timeout

    def fileno(self) -> int:
        """Return the descriptor, to see whether something has come."""
        return self._connection.fileno()

    def sendall(self, data: Any) -> None:
        """Send all of it."""
        self._connection.settimeout(left(self._timeout))
        self._connection.sendall(data)

    def makefile(self, *_: Any, **__: Any) -> io.BufferedReader:
        """Return a file to read the next answer from; it keeps the connection open after `close`."""
        return io.BufferedReader(_AnswerReader(self._connection, self._wait), BUFFER_BYTES)

    def _wait(self) -> None:
        """Set the time that the next read may take."""
        if _current.limit:
            _current.limit.uses(self._connection)
        self._connection.settimeout(left(self._timeout))

    def shutdown(self, how: int) -> None:
        """End one or both directions."""
        self._connection.shutdown(how)

    def close(self) -> None:
        """Let go of it."""
        self._connection.close()


class _AnswerReader(io.RawIOBase):
    """The bytes of one answer as they come, within the limits, its head put in order."""

    def __init__(self, connection: socket.socket, wait: Callable[[], None]) -> None:
        self._raw = connection.makefile("rb", buffering=0)
        self._wait = wait
        self._head: HeadReader | None = HeadReader()
        self._given = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while self._head and not self._given:
            room = bytearray(BUFFER_BYTES)
            came = self._receive_into(room)
            self._given = self._head.take(bytes(room[:came]))
            if self._given or not came:
                self._head = None
        if not self._given:
            return self._receive_into(buffer)
        size = min(len(buffer), len(self._given))
        buffer[:size], self._given = self._given[:size], self._given[size:]
        return size

    def readall(self) -> bytes:
        raise OSError("an answer is never read whole into memory")

    def close(self) -> None:
        self._raw.close()
        super().close()

    def _receive_into(self, buffer: Any) -> int:
        self._wait()
        size = self._raw.readinto(buffer) or 0
        if _current.limit:
            _current.limit.count(size)
        return size
