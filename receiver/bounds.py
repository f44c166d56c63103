"""HTTP with bounds: a request that is too long in its head, or comes too slowly, ends the connection.

uvicorn's parser bounds neither. The length of a body has bounds of its own (see `postbacks`), and
uvicorn closes a connection that stays idle between two requests. A request that is here whole as it
arrives, as nearly all are, costs no timer.
"""

import asyncio
from collections.abc import Mapping
from enum import Enum
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MOST_HEAD_BYTES = 32 << 10
SECONDS_FOR_A_HEAD = 10
SECONDS_FOR_A_BODY = 20
_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
_TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class Awaited(Enum):
    """What is still to come of a request."""

    HEAD = "head"
    BODY = "body"
    NOTHING = "nothing"


_SECONDS: Mapping[Awaited, int] = {Awaited.HEAD: SECONDS_FOR_A_HEAD, Awaited.BODY: SECONDS_FOR_A_BODY}


class BoundedProtocol(HttpToolsProtocol):
    """A connection whose heads are bounded in bytes, and whose requests in time."""

    _awaited = Awaited.HEAD
    _head_bytes = 0
    """Of a head that is still coming."""
    _timed = Awaited.NOTHING
    """What the timer, if there is one, is for."""
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first head, for so long."""
        super().connection_made(transport)
        self._time()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._awaited = Awaited.NOTHING
        self._time()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Hand on what came, but for a head without an end."""
        is_more_of_it = self._awaited is Awaited.HEAD
        super().data_received(data)
        if is_more_of_it and self._awaited is Awaited.HEAD:
            self._head_bytes += len(data)
            if self._head_bytes > MOST_HEAD_BYTES:
                self._end(_TOO_LARGE)
        if self._awaited is not self._timed:
            self._time()

    def on_message_begin(self) -> None:
        """Wait for the rest of the head."""
        super().on_message_begin()
        if self._awaited is not Awaited.HEAD:
            self._awaited, self._head_bytes = Awaited.HEAD, 0

    def on_headers_complete(self) -> Any:
        """Wait for the body."""
        self._awaited = Awaited.BODY
        return super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Wait for nothing more."""
        self._awaited = Awaited.NOTHING
        super().on_message_complete()

    def _time(self) -> None:
        """Set the timer for what is awaited now."""
        if self._timer is not None:
            self._timer.cancel()
        seconds = _SECONDS.get(self._awaited)
        self._timer = None if seconds is None else self.loop.call_later(seconds, self._run_out)
        self._timed = self._awaited

    def _run_out(self) -> None:
        """End what came too slowly; a request that was refused before its end has its answer already."""
        is_answered = self._awaited is Awaited.BODY and self.cycle.response_started
        self._end(b"" if is_answered else _TOO_SLOW)

    def _end(self, answer: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(answer)
            self.transport.close()
