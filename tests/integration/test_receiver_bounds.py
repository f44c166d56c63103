"""The receiver as a process, on a socket: what is too long, too slow or no HTTP at all."""

import contextlib
import random
import socket
import sys
import time
from collections.abc import Iterator

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mmsvault.http_limits import BODY_SECONDS, HEAD_SECONDS, MAX_HEAD_BYTES
from tests.integration.test_hostile_input import json_attacks, keep_count, xml_attacks
from tests.servers import free_port, running

TOKEN, OLDER = "tests-token-of-today", "tests-token-of-before"
WATCHER = "tests-token-of-metrics"
METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "CONNECT", "x")
SENT: list[str] = []
"""Every fuzzed request and byte string that was sent."""


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A receiver whose queue is away: it keeps what it takes in its spool."""
    folder, number = tmp_path_factory.mktemp("receiver"), free_port()
    env = {
        "MMSVAULT_DATA_DIR": str(folder / "vault"),
        "MMSVAULT_RECEIVER_PORT": str(number),
        "MMSVAULT_POSTBACK_TOKEN": TOKEN,
        "MMSVAULT_POSTBACK_TOKENS_OLD": f"{OLDER}, another-one",
        "MMSVAULT_METRICS_TOKEN": WATCHER,
    }
    with running([sys.executable, "-m", "receiver"], log=folder / "log", port=number, env=env):
        yield number
    said = (folder / "log").read_text()
    assert "Traceback" not in said
    assert TOKEN not in said
    assert "secret body" not in said


def post(port: int, token: str, body: bytes, **headers: str) -> httpx.Response:
    url = f"http://127.0.0.1:{port}/postbacks/sinch/{token}"
    return httpx.post(url, content=body, headers=headers, timeout=60, trust_env=False)


def answer(port: int, *pieces: bytes, seconds: float = 30) -> bytes:
    """Send raw bytes, and return all that comes until the other side closes or is silent for long."""
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as connection:
        said = b""
        with contextlib.suppress(OSError):
            for piece in pieces:
                connection.sendall(piece)
            while more := connection.recv(65536):
                said += more
        return said


def test_several_tokens_are_taken_while_one_is_replaced(port: int) -> None:
    assert [post(port, token, b"secret body").status_code for token in (TOKEN, OLDER, "another-one")] == [
        200
    ] * 3
    assert [post(port, token, b"secret body").status_code for token in ("x", OLDER[:-1])] == [401] * 2


def test_no_answer_names_the_server_or_its_version(port: int) -> None:
    for path in ("/", "/healthz", "/postbacks/sinch/x", "/docs", "/openapi.json"):
        said = httpx.get(f"http://127.0.0.1:{port}{path}", trust_env=False).headers
        assert not {"server", "x-powered-by", "via"} & set(said), path


def test_strangers_learn_neither_counts_nor_where_postbacks_are_kept(port: int) -> None:
    for header in ({}, {"authorization": "Bearer wrong"}, {"authorization": f"Basic {WATCHER}"}):
        said = httpx.get(f"http://127.0.0.1:{port}/metrics", headers=header, trust_env=False)
        assert said.status_code == 401
        assert "mmsvault_" not in said.text
        ready = httpx.get(f"http://127.0.0.1:{port}/readyz", headers=header, trust_env=False)
        assert (ready.status_code, ready.json()) == (200, {"ready": True})


def test_who_has_the_metrics_token_learns_both(port: int) -> None:
    header = {"authorization": f"Bearer {WATCHER}"}
    counts = httpx.get(f"http://127.0.0.1:{port}/metrics", headers=header, trust_env=False)
    assert "mmsvault_spooled_receipts" in counts.text
    ready = httpx.get(f"http://127.0.0.1:{port}/readyz", headers=header, trust_env=False)
    assert ready.json() == {"ready": True, "keeps": "spool"}


def test_a_head_that_is_too_long_is_refused(port: int) -> None:
    line = b"x-padding: " + b"a" * 1000 + b"\r\n"
    pieces = [b"POST /postbacks/sinch HTTP/1.1\r\nhost: x\r\n", *[line] * (MAX_HEAD_BYTES // 1000 + 20)]
    said = answer(port, *pieces)
    assert said.startswith(b"HTTP/1.1 431") or not said, "a reset may swallow the answer"
    assert httpx.get(f"http://127.0.0.1:{port}/healthz", trust_env=False).status_code == 200


def test_who_sends_slowly_is_cut_off_and_does_not_stop_others(port: int) -> None:
    began = time.monotonic()
    halves = [socket.create_connection(("127.0.0.1", port)) for _ in range(20)]
    head = f"POST /postbacks/sinch/{TOKEN} HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n".encode()
    for number, connection in enumerate(halves):
        connection.sendall(head + b"half" * (number % 2))
    refused = socket.create_connection(("127.0.0.1", port))
    refused.sendall(head.replace(TOKEN.encode(), b"wrong"))
    said = b""
    while not said.endswith(b"}"):  # of its body
        said += refused.recv(1000)
    assert said.startswith(b"HTTP/1.1 401")
    refused.sendall(b"half")  # it goes on all the same
    silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(100)]
    for number, connection in enumerate(silent):
        connection.sendall(b"POST / HTTP/1.1\r\nx: y" if number % 2 else b"")
    assert post(port, TOKEN, b"meanwhile").status_code == 200
    for connection in silent:
        connection.settimeout(60)
        assert connection.recv(100).startswith(b"HTTP/1.1 408")
        connection.close()
    assert time.monotonic() - began >= HEAD_SECONDS - 1
    for number, connection in enumerate(halves):
        if number < 10:
            connection.close()  # broken off, and nothing in the log
            continue
        connection.settimeout(60)
        assert connection.recv(100).startswith(b"HTTP/1.1 408")
        connection.close()
    assert time.monotonic() - began >= BODY_SECONDS - 1
    refused.settimeout(60)
    assert refused.recv(1000) == b"", "one request has one answer"
    refused.close()


def test_kept_connections_and_pipelined_requests_still_work(port: int) -> None:
    one = f"POST /postbacks/sinch/{TOKEN} HTTP/1.1\r\nhost: x\r\ncontent-length: 40000\r\n\r\n".encode()
    last = b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    assert answer(port, (one + b"a" * 40000) * 3 + last).count(b"HTTP/1.1 200") == 4


def test_attacks_are_kept_as_they_are_and_never_read(port: int) -> None:
    attacks = [*xml_attacks("http://127.0.0.1:1").values(), *json_attacks().values()]
    attacks = [body for body in attacks if len(body) < 1 << 20]
    with httpx.Client(trust_env=False, timeout=60) as client:
        url = f"http://127.0.0.1:{port}/postbacks/sinch/{TOKEN}"
        for body in random.Random(7).sample(attacks, 200):
            SENT.append("attack")
            assert client.post(url, content=body).status_code == 200
    assert post(port, TOKEN, bytes((1 << 20) + 1)).status_code == 413


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    method=st.sampled_from(METHODS),
    path=st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=60),
    under=st.sampled_from(["/", "/postbacks/", "/postbacks/sinch/", f"/postbacks/sinch/{TOKEN}", "/metrics"]),
    headers=st.lists(
        st.tuples(st.text("abcXYZ-", min_size=1, max_size=9), st.binary(max_size=40)), max_size=5
    ),
    body=st.binary(max_size=200),
)
def test_no_request_is_answered_with_500_or_not_at_all(
    *, port: int, method: str, path: str, under: str, headers: list[tuple[str, bytes]], body: bytes
) -> None:
    SENT.append(method)
    lines = [b"%s %s HTTP/1.1" % (method.encode(), (under + path).encode()), b"host: x", b"connection: close"]
    lines += [name.encode() + b": " + value.translate(None, b"\r\n") for name, value in headers]
    lines += [b"content-length: %d" % len(body), b"", body]
    said = answer(port, b"\r\n".join(lines))
    assert said.startswith(b"HTTP/1.1 "), said[:100]
    assert not said.startswith(b"HTTP/1.1 5"), said[:100]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(min_size=1, max_size=300))
def test_bytes_that_are_no_http_are_answered_or_cut_off(port: int, data: bytes) -> None:
    SENT.append("bytes")
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionResetError):
            assert not connection.recv(100).startswith(b"HTTP/1.1 5")


def test_as_many_fuzzed_requests_were_sent_as_the_page_says() -> None:
    """It counts what the tests above sent: run the whole file."""
    keep_count("requests and byte strings to the receiver (fuzzed)", len(SENT))
