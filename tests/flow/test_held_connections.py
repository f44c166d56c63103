"""Thousands of held connections against receiver and dashboard; `make attacks` writes the figures."""

import contextlib
import resource
import socket
import time
from collections.abc import Iterator

import httpx
import pytest

from mmsvault.catalog import people
from mmsvault.catalog.people import Role
from tests.flow.attack_table import record
from tests.flow.site import Site
from tests.servers import until

HELD = 2000
FEWER = 1100
"""More than a server holds; enough for every day."""
TRIES = 5
PASSWORD = "a long enough password"
SECONDS = 1.0
"""What a postback may take meanwhile."""

_GET = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"
_LOGIN = b"POST /login HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-www-form-urlencoded\r\n"
KINDS = {
    "nothing sent": b"",
    "line ends only": b"\r\n\r\n",
    "half a head": _LOGIN,
    "half a body": _LOGIN + b"content-length: 100\r\n\r\nname=",
    "half a body, in chunks": _LOGIN + b"transfer-encoding: chunked\r\n\r\n5\r\nname=\r\n",
    "a whole request, then nothing": _GET,
    "a whole request, then a line end": _GET + b"\r\n",
    "a whole request, then half a head": _GET + _LOGIN,
    "fifty requests, no answer taken": _GET * 50,
    "an upgrade that never comes": _GET.replace(
        b"\r\n\r\n", b"\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n"
    ),
    "no HTTP": b"\x16\x03\x01\x02\x00\x01",
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Receiver and dashboard; what is kept is not worked on."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 2 * HELD)), hard))
    with Site(tmp_path_factory.mktemp("site")) as site:
        site.start_embedded_servers()
        with site.vault() as vault:
            vault.prepare()
            people.add(vault.catalog, "anna", role=Role.ADMIN, password=PASSWORD)
        site.receiver_part()
        site.start("dashboard", "dashboard")
        until(site.is_ready, seconds=60, what="both answering")
        yield site
        for name in ("receiver", "dashboard"):
            log = (site.folder / f"{name}.log").read_text()
            assert "Traceback" not in log, log[-3000:]
            assert log.count("\n") < HELD, log[-3000:]


def hold(port: int, sent: bytes, count: int) -> list[socket.socket]:
    """Open so many connections, send this on each, and keep them."""
    held = []
    for _ in range(count):
        connection = socket.create_connection(("127.0.0.1", port), timeout=10)
        with contextlib.suppress(OSError):
            connection.sendall(sent)
        held.append(connection)
    return held


def slowest_postback(site: Site) -> float:
    """Return the seconds that the slowest of some postbacks took, each on a connection of its own."""
    slowest = 0.0
    for _ in range(TRIES):
        began = time.monotonic()
        assert httpx.post(site.postbacks, content=b"<x/>", trust_env=False, timeout=30).status_code == 200
        slowest = max(slowest, time.monotonic() - began)
    return slowest


def log_in(site: Site) -> float:
    """Return the seconds that a login by the page took."""
    began = time.monotonic()
    given = {"name": "anna", "password": PASSWORD}
    answer = httpx.post(f"{site.dashboard}/login", data=given, trust_env=False, timeout=30)
    assert (answer.status_code, answer.headers.get("location")) == (303, "/"), answer.text
    return time.monotonic() - began


@pytest.mark.parametrize("kind", ["half a body", "a whole request, then a line end"])
def test_held_connections_keep_nobody_out(site: Site, kind: str) -> None:
    held = hold(site.receiver_port, KINDS[kind], FEWER) + hold(site.dashboard_port, KINDS[kind], FEWER)
    try:
        slowest_postback(site)
        log_in(site)
    finally:
        for connection in held:
            connection.close()


@pytest.mark.attacks
@pytest.mark.timeout(900)
def test_two_thousand_held_connections_of_every_kind(site: Site) -> None:
    is_slow = []
    for kind, sent in KINDS.items():
        held = hold(site.receiver_port, sent, HELD)
        slowest_postback(site)  # the whole requests among them are answered first
        postback = slowest_postback(site)
        for connection in held:
            connection.close()
        held = hold(site.dashboard_port, sent, HELD)
        login = log_in(site)
        for connection in held:
            connection.close()
        record(
            f"{HELD:,} held connections of one address to each: {kind}",
            outcome="the idlest make room",
            others=f"slowest of {TRIES} postbacks 200 in {postback:.3f} s; a login in {login:.2f} s",
        )
        is_slow += [kind] if postback > SECONDS else []
    assert not is_slow
