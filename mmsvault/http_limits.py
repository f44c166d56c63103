"""HTTP connections with limits, for every server of the vault that strangers reach.

uvicorn bounds neither the head of a request nor the time that a client takes for it, keeps a connection
whose client sends nothing but line ends between two requests, and refuses new connections at its limit.
Here every state of a connection has a time limit, a look at all of them each second enforces it, and at
the limit of connections the one that is idle for longest makes room. A request that arrives whole, as
nearly all do, costs no timer.
"""

import asyncio
import logging
import sys
from collections.abc import Sequence
from enum import Enum
from typing import Any

import structlog
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from mmsvault.clients import Network, caller_network, client_address, is_within

log = structlog.get_logger(__name__)

MAX_CONNECTIONS = 1000
MAX_CONNECTIONS_PER_SOURCE = 500
"""Of one address, of IPv6 one network of 64 bits; one that is being answered is never closed for it."""
MAX_HEAD_BYTES = 32 << 10
"""Of a body, as much may come in a row that is none of its content: trailers, extensions of chunks."""
HEAD_SECONDS = 10
BODY_SECONDS = 20
IDLE_SECONDS = 10
"""Between two requests, whatever is sent that begins none."""
CLOSE_SECONDS = 5
"""For the client to take the rest of an answer that ends its connection."""
MIN_READ_BYTES, MIN_READ_SECONDS = 16 << 10, 30
"""A client that takes less than this of its answer in that time is cut off."""
MAX_PIPELINED = 8
"""Requests that may be sent ahead while one is answered; browsers and providers send none."""
CHECK_SECONDS = 1.0
WARNING_SECONDS = 60
RESERVED_FILES = 200
"""Descriptors kept free for everything but connections."""

_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
_TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 30\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
)


class State(Enum):
    """What a connection waits for."""

    IDLE = "the next request"
    HEAD = "the rest of a head"
    BODY = "the rest of a body"
    ANSWER = "the vault's answer"
    UPGRADED = "messages of a WebSocket"
    CLOSING = "the end of the connection"


_SECONDS = {
    State.IDLE: IDLE_SECONDS,
    State.HEAD: HEAD_SECONDS,
    State.BODY: BODY_SECONDS,
    State.CLOSING: CLOSE_SECONDS,
}
_IDLE, _HEAD, _BODY, _ANSWER, _CLOSING = (
    *(State.IDLE, State.HEAD, State.BODY, State.ANSWER, State.CLOSING),
)  # to look one up in its enumeration takes longer than all else that is done with it
_WAITS_FOR_CLIENT = (_IDLE, _HEAD, _BODY)


class ConnectionLimits:
    """All connections of one server.

    `trusted_proxies` may name the address that a request comes from (X-Forwarded-For).
    """

    def __init__(
        self,
        *,
        max_connections: int = MAX_CONNECTIONS,
        max_per_source: int = MAX_CONNECTIONS_PER_SOURCE,
        trusted_proxies: Sequence[Network] = (),
    ) -> None:
        self._max_connections = min(max_connections, _available_files())
        self._max_per_source = max_per_source
        self._trusted_proxies = trusted_proxies
        self._connections: dict[LimitedProtocol, None] = {}
        self._by_source: dict[str, dict[LimitedProtocol, None]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._warned_at: float | None = None

    def add(self, connection: "LimitedProtocol") -> None:
        """Take a new connection in; at the limit the one that is idle for longest goes."""
        if len(self._connections) >= self._max_connections and not self._make_room(self._connections):
            connection.end(_FULL)
            return
        self._connections[connection] = None
        peer = connection.peer
        if not is_within(peer, self._trusted_proxies):
            self.assign(connection, peer)
        if self._timer is None:
            self._timer = connection.loop.call_later(CHECK_SECONDS, self._check, connection.loop)

    def remove(self, connection: "LimitedProtocol") -> None:
        """Forget a connection, which may be forgotten already."""
        self._connections.pop(connection, None)
        self._leave_source(connection)

    def assign(self, connection: "LimitedProtocol", source: str) -> None:
        """Count a connection as one of the address `source`, whose idlest goes where they are too many."""
        source = caller_network(source)
        if connection not in self._connections or connection.source == source:
            return
        self._leave_source(connection)
        others = self._by_source.setdefault(source, {})
        if len(others) >= self._max_per_source:
            self._make_room(others)
        others[connection] = None
        connection.source = source

    def assign_forwarded(self, connection: "LimitedProtocol", headers: list[tuple[bytes, bytes]]) -> None:
        """Count a request that a trusted proxy brings as one of the address that it names."""
        if not self._trusted_proxies or not is_within(connection.peer, self._trusted_proxies):
            return
        forwarded = b",".join(value for name, value in headers if name == b"x-forwarded-for")
        source = client_address(connection.peer, forwarded.decode("latin-1"), self._trusted_proxies)
        if source != connection.peer:
            self.assign(connection, source)

    def release(self, connection: "LimitedProtocol") -> None:
        """Count a proxy's connection for nobody until its next request."""
        if connection.source not in ("", caller_network(connection.peer)):
            self._leave_source(connection)

    def _leave_source(self, connection: "LimitedProtocol") -> None:
        others = self._by_source.get(connection.source)
        if others is not None:
            others.pop(connection, None)
            if not others:
                del self._by_source[connection.source]
        connection.source = ""

    def _make_room(self, among: dict["LimitedProtocol", None]) -> bool:
        """Close the connection that waits for its client for longest; return whether there was one."""
        idle = [one for one in among if one.makes_room]
        if not idle:
            return False
        oldest = min(idle, key=lambda one: one.since)
        now = oldest.loop.time()
        if self._warned_at is None or now - self._warned_at > WARNING_SECONDS:
            self._warned_at = now
            log.warning(
                "connections at their limit; the idlest are closed",
                connections=len(self._connections),
                source=oldest.source,
            )
        oldest.end(_TOO_SLOW)
        return True

    def _check(self, loop: asyncio.AbstractEventLoop) -> None:
        """End what has passed its time limit."""
        now = loop.time()
        for connection in list(self._connections):
            connection.check(now)
        if self._connections:
            self._timer = loop.call_later(CHECK_SECONDS, self._check, loop)
        else:
            self._timer = None


def limited_protocol(limits: ConnectionLimits) -> type["LimitedProtocol"]:
    """Return the protocol class of a server whose connections `limits` holds, for uvicorn's `http=`."""
    logging.getLogger("uvicorn.error").addFilter(_concerns_operator)
    return type("LimitedProtocol", (LimitedProtocol,), {"limits": limits})


def _concerns_operator(record: logging.LogRecord) -> bool:
    """Leave out what any stranger can have written into the log, a line a request."""
    return not str(record.msg).startswith(
        ("Invalid HTTP request", "Unsupported upgrade request", "No supported WebSocket library")
    )


class LimitedProtocol(HttpToolsProtocol):
    """One connection. `state` says what it waits for, `since` the loop's time at which that began."""

    limits: ConnectionLimits
    state = State.HEAD
    since = 0.0
    source = ""
    """The network that it counts for; empty for one of a trusted proxy between two requests."""
    _running: RequestResponseCycle | None = None
    """The request that is being answered; `cycle` is the newest that was sent."""
    _arrived_bytes = 0
    """How many came the last time."""
    _bare_bytes = 0
    """How many came since the head began, or ended, or since something of the body came."""
    _now = 0.0
    """The loop's time as it was last read."""
    _unsent = (0.0, 0)
    """Since when the answer waits for its client, and how many bytes of it waited then."""

    @property
    def peer(self) -> str:
        """The address at the other end."""
        return self.client[0] if self.client else ""

    @property
    def makes_room(self) -> bool:
        """Whether it may be closed for another one: its client is slow, or sends requests ahead."""
        if self.state is State.ANSWER:
            return self.flow.write_paused or bool(self.pipeline)
        return self.state in _WAITS_FOR_CLIENT

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first head."""
        super().connection_made(transport)
        self._now = self.loop.time()
        self._enter(_HEAD)
        self.limits.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self.limits.remove(self)
        self._disconnect()
        super().connection_lost(exc)

    # What follows is called for every request: the clock is read once for all that arrives together.

    def data_received(self, data: bytes) -> None:
        """Hand on what came, but for a head or trailers without an end."""
        if self.state is _CLOSING:
            return
        self._now = self.loop.time()
        self._arrived_bytes = len(data)
        self._bare_bytes += self._arrived_bytes
        super().data_received(data)
        if self._bare_bytes > MAX_HEAD_BYTES and self.state in (_HEAD, _BODY):
            self.end(_TOO_LARGE)

    def on_message_begin(self) -> None:
        """Wait for the rest of the head."""
        super().on_message_begin()
        self._bare_bytes = self._arrived_bytes
        if self.state is not _HEAD:
            self._enter(_HEAD)

    def on_headers_complete(self) -> Any:
        """Wait for the body."""
        self._enter(_BODY)
        self._bare_bytes = 0
        self.limits.assign_forwarded(self, self.headers)
        if self.cycle is None or self.cycle.response_complete:
            super().on_headers_complete()
            self._running = self.cycle
        elif len(self.pipeline) < MAX_PIPELINED:
            super().on_headers_complete()
        else:
            self.end(b"")
        if not self.parser.should_upgrade():
            self.headers = []  # trailers come after what was decided by the head, and are none of it

    def on_body(self, body: bytes) -> None:
        """Hand on what came of a body, unless the connection has ended."""
        self._bare_bytes = 0
        if self.state is not _CLOSING:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Wait for the answer, which may be there already."""
        super().on_message_complete()
        self._enter(_IDLE if self.cycle is not None and self.cycle.response_complete else _ANSWER)

    def on_response_complete(self) -> None:
        """Wait for the next request, unless one is here or this one goes on."""
        if self.pipeline:
            self._running = self.pipeline[-1][0]
        super().on_response_complete()
        if self.state is _ANSWER and (self.cycle is None or self.cycle.response_complete):
            self._now = self.loop.time()
            self._enter(_IDLE)
            self.limits.release(self)

    def handle_websocket_upgrade(self) -> None:
        """Leave the connection to the WebSocket's own limits; it still counts."""
        self._enter(State.UPGRADED)
        super().handle_websocket_upgrade()

    def check(self, now: float) -> None:
        """End the connection where it has passed its time limit."""
        self._now = now
        if self.transport.is_closing():
            if self.state is State.UPGRADED:
                self.limits.remove(self)
                return
            if self.state is not State.CLOSING:
                self._enter(State.CLOSING)
        if now - self.since > _SECONDS.get(self.state, now):
            if self.state is State.CLOSING:
                self.transport.abort()
            else:
                self.end(_TOO_SLOW)
        elif self.state is State.ANSWER:
            self._check_reading(now)

    def end(self, answer: bytes) -> None:
        """Send `answer`, unless another one stands or none is due, and close."""
        if not self.transport.is_closing():
            if self._is_answer_due():
                self.transport.write(answer)
            self.transport.close()
        self._disconnect()
        self._now = self.loop.time()
        self._enter(_CLOSING)

    def _is_answer_due(self) -> bool:
        if self.state is State.BODY:
            return not self.cycle.response_started and not self.pipeline
        return self.state is State.HEAD and (self.cycle is None or self.cycle.response_complete)

    def _disconnect(self) -> None:
        """Tell the application that nobody waits for its answer any more."""
        for cycle in (self._running, self.cycle):
            if cycle is not None and not cycle.response_complete:
                cycle.disconnected = True
                cycle.message_event.set()

    def _check_reading(self, now: float) -> None:
        """Cut off a client that takes its answer too slowly."""
        if not self.flow.write_paused:
            self._unsent = (0.0, 0)
            return
        since, unsent = self._unsent
        left = self.transport.get_write_buffer_size()
        if not since:
            self._unsent = (now, left)
        elif now - since > MIN_READ_SECONDS:
            if unsent - left < MIN_READ_BYTES:
                self._disconnect()
                self.transport.abort()
            self._unsent = (now, left)

    def _enter(self, state: State) -> None:
        if self.state is not _CLOSING:  # which nothing ends but the end itself
            self.state, self.since = state, self._now


def _available_files() -> int:
    """Return how many connections the process may have open, having asked for as many as it may."""
    if sys.platform == "win32":
        return MAX_CONNECTIONS
    import resource  # noqa: PLC0415 - not on every platform

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_CONNECTIONS + RESERVED_FILES
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    return MAX_CONNECTIONS if soft == resource.RLIM_INFINITY else max(soft - RESERVED_FILES, 10)
