"""The limits of connections, on real sockets, with time limits of a moment."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from ipaddress import ip_network

import pytest
import uvicorn
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from mmsvault import http_limits
from mmsvault.http_limits import ConnectionLimits, State, limited_protocol
from tests.servers import free_port, until

PROXY = ip_network("127.0.0.1/32")
WHOLE = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\nbody"
HALF_BODY = WHOLE[:-2]
HALF_HEAD = WHOLE[:20]


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the body, or with megabytes, or once the test lets it."""
    request = Request(scope, receive)
    body = await request.body()
    if scope["path"] == "/large":
        body = bytes(8 << 20)
    if scope["path"] == "/headers":
        body = repr(request.scope["headers"]).encode()
    if scope["path"] == "/slow":
        await asyncio.to_thread(LET_GO.wait)
    await PlainTextResponse(body)(scope, receive, send)


LET_GO = threading.Event()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the time limits be over in a moment."""
    monkeypatch.setattr(http_limits, "CHECK_SECONDS", 0.05)
    monkeypatch.setattr(http_limits, "MIN_READ_SECONDS", 0.5)
    for state in http_limits._SECONDS:
        monkeypatch.setitem(http_limits._SECONDS, state, 0.3)


@contextmanager
def server(limits: ConnectionLimits) -> Iterator[int]:
    """Give the port of a server with these limits."""
    port = free_port()
    config = uvicorn.Config(
        app,
        port=port,
        http=limited_protocol(limits),
        lifespan="off",
        log_config=None,
        timeout_keep_alive=60,
        timeout_graceful_shutdown=1,
    )
    running = uvicorn.Server(config)
    thread = threading.Thread(target=running.run)
    thread.start()
    try:
        until(lambda: running.started, what="the server listening")
        yield port
    finally:
        running.should_exit = True
        thread.join()


def connect(port: int, sent: bytes = b"") -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=30)
    connection.sendall(sent)
    return connection


def rest(connection: socket.socket) -> bytes:
    """Return what comes until the other side closes."""
    said = b""
    try:
        while more := connection.recv(1 << 16):
            said += more
    except ConnectionResetError:
        pass
    return said


def is_open(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        return connection.recv(1 << 16, socket.MSG_PEEK) != b""
    except BlockingIOError:
        return True
    except ConnectionResetError:
        return False
    finally:
        connection.settimeout(30)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (b"", b"HTTP/1.1 408"),
        (b"\r\n", b"HTTP/1.1 408"),
        (HALF_HEAD, b"HTTP/1.1 408"),
        (HALF_BODY, b"HTTP/1.1 408"),
        (WHOLE, b"HTTP/1.1 200"),
        (WHOLE + b"\r\n", b"HTTP/1.1 200"),
        (WHOLE + b"\r\n\r\n\r\n", b"HTTP/1.1 200"),
        (WHOLE + HALF_HEAD, b"HTTP/1.1 200"),
        (WHOLE + HALF_BODY, b"HTTP/1.1 200"),
        (b"GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n", b"HTTP/1.1 200"),
        (b"CONNECT x:1 HTTP/1.1\r\nhost: x\r\n\r\n", b"HTTP/1.1 "),
        (b"no http at all\r\n\r\n", b"HTTP/1.1 400"),
    ],
    ids=repr,
)
def test_every_kind_of_silence_ends(sent: bytes, said: bytes) -> None:
    with server(ConnectionLimits()) as port, connect(port, sent) as connection:
        assert rest(connection).startswith(said)


@pytest.mark.usefixtures("quick")
def test_line_ends_do_not_keep_a_connection() -> None:
    with server(ConnectionLimits()) as port, connect(port, WHOLE) as connection:
        until(lambda: _sends(connection, b"\r\n"), seconds=10, what="the connection being closed")


def _sends(connection: socket.socket, data: bytes) -> bool:
    """Send; return whether the other side is gone."""
    try:
        connection.sendall(data)
    except OSError:
        return True
    return False


@pytest.mark.usefixtures("quick")
def test_a_client_that_does_not_take_its_answer_is_cut_off() -> None:
    limits = ConnectionLimits()
    with server(limits) as port, socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", port))
        connection.sendall(b"GET /large HTTP/1.1\r\nhost: x\r\n\r\n")
        until(lambda: limits._connections, what="the connection being there")
        until(lambda: not limits._connections, seconds=10, what="the connection being cut off")


@pytest.mark.usefixtures("quick")
def test_an_answer_that_takes_long_is_not_cut_off() -> None:
    LET_GO.clear()
    with server(ConnectionLimits()) as port, connect(port, WHOLE.replace(b"/ ", b"/slow ")) as connection:
        with pytest.raises(TimeoutError):
            _wait(connection, seconds=1)
        LET_GO.set()
        assert connection.recv(100).startswith(b"HTTP/1.1 200")


def _wait(connection: socket.socket, *, seconds: float) -> None:
    connection.settimeout(seconds)
    try:
        connection.recv(1)
    finally:
        connection.settimeout(30)


CHUNKED = b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n4\r\nbody\r\n"


@pytest.mark.parametrize(
    ("begun", "more"),
    [
        (b"0\r\n", b"a: b\r\n" * 1000),
        (b"0\r\na: ", b"b" * 8000),
        (b"4;", b"a=b;" * 2000),
        (b"4;a=", b"b" * 8000),
    ],
    ids=["trailers", "one long trailer", "extensions of a chunk", "one long extension"],
)
def test_what_comes_beside_a_body_is_bounded(begun: bytes, more: bytes) -> None:
    with server(ConnectionLimits()) as port, connect(port, CHUNKED + begun) as connection:
        refused = not any(_sends(connection, more) for _ in range(4))
        until(
            lambda: _sends(connection, more), seconds=10, what="it being closed, before a body's time is up"
        )
        assert refused, "it is closed only beyond the limit"


def test_trailers_are_no_headers() -> None:
    trailed = CHUNKED.replace(b"POST /", b"POST /headers") + b"0\r\nx-forwarded-for: 203.0.113.9\r\n\r\n"
    with server(ConnectionLimits()) as port, connect(port, trailed) as connection:
        answer = connection.recv(1000)
        assert answer.startswith(b"HTTP/1.1 200")
        assert b"x-forwarded-for" not in answer


def test_many_small_chunks_are_a_body() -> None:
    chunks = b"1\r\nx\r\n" * (http_limits.MAX_HEAD_BYTES // 2)
    with server(ConnectionLimits()) as port, connect(port, CHUNKED) as connection:
        connection.sendall(chunks + b"0\r\n\r\n")
        assert connection.recv(1000).startswith(b"HTTP/1.1 200")


def test_requests_that_are_sent_ahead_are_bounded() -> None:
    LET_GO.clear()
    with server(ConnectionLimits()) as port, connect(port, WHOLE.replace(b"/ ", b"/slow ")) as connection:
        connection.sendall(WHOLE * (http_limits.MAX_PIPELINED + 5))
        until(lambda: not is_open(connection), what="the connection being closed")
        LET_GO.set()


@pytest.mark.parametrize("sent", [b"", HALF_HEAD, HALF_BODY, WHOLE], ids=repr)
def test_at_the_limit_the_oldest_idle_connection_goes_and_new_ones_are_answered(sent: bytes) -> None:
    with server(ConnectionLimits(max_connections=20, max_per_source=100)) as port, ExitStack() as held:
        silent = [held.enter_context(connect(port, sent)) for _ in range(20)]
        until(lambda: all(is_open(one) for one in silent), what="all being connected")
        for number in range(5):
            with connect(port, WHOLE) as honest:
                assert honest.recv(100).startswith(b"HTTP/1.1 200")
            until(lambda: _ended(silent, sent) >= 1, what="an old one being closed")
            assert is_open(silent[-1]), number


def _ended(connections: list[socket.socket], sent: bytes) -> int:
    if sent == WHOLE:  # its answer is there to be read
        for one in connections:
            one.setblocking(False)
            with suppress(OSError):
                one.recv(1 << 16)
    return sum(not is_open(one) or _was_told(one) for one in connections)


def _was_told(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        return connection.recv(100, socket.MSG_PEEK).startswith(b"HTTP/1.1 408")
    except OSError:
        return False
    finally:
        connection.settimeout(30)


def test_what_is_being_answered_is_never_closed_for_others() -> None:
    LET_GO.clear()
    with server(ConnectionLimits(max_connections=10, max_per_source=5)) as port, ExitStack() as held:
        slow = WHOLE.replace(b"/ ", b"/slow ")
        busy = [held.enter_context(connect(port, slow)) for _ in range(8)]
        with ExitStack() as more:
            for _ in range(10):
                more.enter_context(connect(port))
            LET_GO.set()
            assert all(one.recv(100).startswith(b"HTTP/1.1 200") for one in busy)


def test_one_address_may_not_take_all_connections() -> None:
    limits = ConnectionLimits(max_connections=100, max_per_source=10)
    with server(limits) as port, ExitStack() as held:
        for _ in range(40):
            held.enter_context(connect(port, HALF_BODY))
        until(lambda: _open(limits) <= 10, what="the oldest of the address being closed")
        with connect(port, WHOLE) as honest:
            assert honest.recv(100).startswith(b"HTTP/1.1 200")


def _open(limits: ConnectionLimits) -> int:
    return sum(one.state is not State.CLOSING for one in list(limits._connections))


@pytest.mark.parametrize(
    ("addresses", "is_one"),
    [
        ([f"2001:db8:1:2::{number:x}" for number in range(1, 41)], True),
        ([f"2001:db8:1:{number:x}::1" for number in range(1, 41)], False),
        (["::ffff:203.0.113.9", "203.0.113.9"] * 20, True),
    ],
    ids=["one network of 64 bits", "a network each", "an address in both writings"],
)
def test_addresses_of_one_owner_are_bounded_together(addresses: list[str], *, is_one: bool) -> None:
    limits = ConnectionLimits(max_connections=100, max_per_source=10, trusted_proxies=[PROXY])
    with server(limits) as port, ExitStack() as held:
        for address in addresses:
            named = HALF_BODY.replace(b"host: x", b"host: x\r\nx-forwarded-for: " + address.encode())
            held.enter_context(connect(port, named))
        until(lambda: len(limits._by_source) == (1 if is_one else 40), what="all being counted")
        until(lambda: _open(limits) == (10 if is_one else 40), what="those of one owner being bounded")


def test_behind_a_trusted_proxy_the_forwarded_address_is_the_one_that_is_bounded() -> None:
    def forwarded(address: str, sent: bytes) -> bytes:
        return sent.replace(b"host: x", b"host: x\r\nx-forwarded-for: " + address.encode())

    limits = ConnectionLimits(max_connections=100, max_per_source=10, trusted_proxies=[PROXY])
    with server(limits) as port, ExitStack() as held:
        others = [held.enter_context(connect(port, forwarded("203.0.113.7", HALF_BODY))) for _ in range(5)]
        until(lambda: _open(limits) == 5, what="the others being there")
        for _ in range(40):
            held.enter_context(connect(port, forwarded("203.0.113.9", HALF_BODY)))
        until(lambda: _bodies(limits, "203.0.113.9") == 10, what="the oldest of the address being closed")
        assert all(is_open(one) for one in others)
        assert _bodies(limits, "203.0.113.7") == 5
        idle = [held.enter_context(connect(port, forwarded("203.0.113.8", WHOLE))) for _ in range(30)]
        assert all(one.recv(100).startswith(b"HTTP/1.1 200") for one in idle)
        until(
            lambda: not _bodies(limits, "203.0.113.8"), what="a proxy's idle connections counting for nobody"
        )


def _bodies(limits: ConnectionLimits, source: str) -> int:
    return sum(one.state is not State.CLOSING for one in list(limits._by_source.get(source, ())))


def test_a_header_of_somebody_else_names_no_address() -> None:
    limits = ConnectionLimits(trusted_proxies=[ip_network("192.0.2.1/32")])
    claimed = HALF_BODY.replace(b"host: x", b"host: x\r\nx-forwarded-for: 203.0.113.9")
    with server(limits) as port, connect(port, claimed):
        until(lambda: _bodies(limits, "127.0.0.1"), what="the connection counting for its peer")
        assert not _bodies(limits, "203.0.113.9")
