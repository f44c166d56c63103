"""What a download may do and take, whatever a server answers: where it goes on, leads to, and ends."""

import hashlib
import io
import random
import socket
import ssl
import threading
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest

from mmsvault.errors import FetchError, RefusedFetchError, TransientFetchError
from mmsvault.fetching import Fetched, Fetcher, download, downloads, guard, limits
from mmsvault.fetching.downloads import PUT_OFF
from tests.integration.test_redis import certificates
from tests.raw_server import RawServer, answer, lines
from tests.servers import until

LOOPBACK = (ip_network("127.0.0.1/32"),)
MAX_BYTES = 100_000
FILE = bytes(range(256)) * 40
HALF = len(FILE) // 2
ETAG = 'ETag: "one"'
PARTIAL = "HTTP/1.1 206 Partial Content"
FOUND = "HTTP/1.1 302 Found"


@pytest.fixture
def server() -> Iterator[RawServer]:
    with RawServer() as running:
        yield running


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every name under `test` be at 127.0.0.1."""
    resolved = guard._resolve
    monkeypatch.setattr(
        guard,
        "_resolve",
        lambda host, port: [ip_address("127.0.0.1")] if host.endswith("test") else resolved(host, port),
    )


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, str]:
    """Give a server's side of TLS, and the file of the authority that it is proved by."""
    proof, certificate, key = certificates(tmp_path_factory.mktemp("tls"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context, proof


def made(*hosts: str, max_bytes: int = MAX_BYTES, **more: Any) -> Fetcher:
    return Fetcher(max_bytes=max_bytes, hosts=hosts, private_networks=LOOPBACK, **more)


def got(url: str, *hosts: str, into: io.BytesIO | None = None, **more: Any) -> tuple[bytes, Fetched]:
    """Return the bytes, which must be those that were counted and hashed, and what was told of them."""
    fetcher, file = made(*hosts, **more), into or io.BytesIO()
    try:
        told = fetcher.fetch(url, file, stand_aside=lambda: True)
    finally:
        fetcher.close()
    data = file.getvalue()
    assert (told.size, told.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    return data, told


def refused(url: str, *hosts: str, **more: Any) -> FetchError:
    with pytest.raises(FetchError) as caught:
        got(url, *hosts, **more)
    return caught.value


def cut_off(body: bytes = FILE, *fields: str, at: int = HALF) -> bytes:
    """Return the beginning of an answer that says how long the whole is."""
    return answer(body[:at], f"Content-Length: {len(body)}", *fields, length=False)


def rest(
    start: int = HALF, *, body: bytes = FILE, told: str = "", fields: tuple[str, ...] = (ETAG,)
) -> bytes:
    told = told or f"Content-Range: bytes {start}-{len(body) - 1}/{len(body)}"
    return answer(body[start:], told, *fields, status=PARTIAL)


NOT_THE_REST = {
    "from a byte too early": rest(HALF - 1),
    "from a byte too late": rest(HALF + 1),
    "from the beginning": rest(0),
    "without saying from where": rest(told="X-None: 1"),
    "in another unit": rest(told=f"Content-Range: items {HALF}-{len(FILE) - 1}/{len(FILE)}"),
    "to before the end": answer(
        FILE[HALF:-1], f"Content-Range: bytes {HALF}-{len(FILE) - 2}/{len(FILE)}", ETAG, status=PARTIAL
    ),
    "of a size that is not told": rest(told=f"Content-Range: bytes {HALF}-{len(FILE) - 1}/*"),
    "of a file of another size": answer(
        FILE[HALF:-9], f"Content-Range: bytes {HALF}-{len(FILE) - 10}/{len(FILE) - 9}", ETAG, status=PARTIAL
    ),
    "of another file": rest(fields=('ETag: "other"',)),
    "shorter than it says": answer(
        FILE[HALF:-1], f"Content-Range: bytes {HALF}-{len(FILE) - 1}/{len(FILE)}", ETAG, status=PARTIAL
    ),
    "longer than it says": answer(
        FILE[HALF:] + b"more",
        f"Content-Range: bytes {HALF}-{len(FILE) - 1}/{len(FILE)}",
        ETAG,
        status=PARTIAL,
    ),
}


@pytest.mark.parametrize("name", NOT_THE_REST)
def test_bytes_that_are_not_the_rest_of_the_file_are_never_put_behind_its_beginning(
    server: RawServer, name: str
) -> None:
    url = server.answer(cut_off(FILE, ETAG), NOT_THE_REST[name], answer(FILE))
    assert isinstance(refused(url), TransientFetchError)
    assert len(server.requests["/a"]) == 2
    assert got(url)[0] == FILE


@pytest.mark.parametrize("fields", [(ETAG,), ()], ids=["with the validator again", "without it"])
def test_the_rest_is_asked_for_under_the_condition_that_the_file_is_the_same(
    server: RawServer, fields: tuple[str, ...]
) -> None:
    url = server.answer(cut_off(FILE, ETAG), rest(fields=fields))
    assert got(url)[0] == FILE
    first, second = server.requests["/a"]
    assert "range:" not in first
    assert f"range: bytes={HALF}-" in second
    assert 'if-range: "one"' in second


@pytest.mark.parametrize("other", [b"short", FILE[::-1] + b"longer"], ids=["shorter", "longer"])
def test_a_file_that_has_changed_replaces_all_that_had_come(server: RawServer, other: bytes) -> None:
    url = server.answer(cut_off(FILE, ETAG), answer(other, 'ETag: "other"', "X-Which: other"))
    data, told = got(url)
    assert data == other
    assert told.headers["x-which"] == "other"


def test_a_file_that_has_changed_to_one_without_a_validator_is_not_gone_on_with(server: RawServer) -> None:
    other = FILE[::-1]
    url = server.answer(cut_off(FILE, ETAG), cut_off(other, at=HALF + 5), rest(HALF + 5, body=FILE))
    assert "broke off" in refused(url).reason
    assert len(server.requests["/a"]) == 2


def test_a_rest_that_brings_nothing_more_ends_the_attempt(server: RawServer) -> None:
    nothing = answer(
        b"", f"Content-Range: bytes {HALF}-{len(FILE) - 1}/{len(FILE)}", ETAG, "Content-Length: 9",
        status=PARTIAL, length=False,
    )  # fmt: skip
    url = server.answer(cut_off(FILE, ETAG), nothing)
    assert "broke off" in refused(url).reason
    assert len(server.requests["/a"]) == 2


def test_a_download_goes_on_five_times_and_not_for_ever(server: RawServer) -> None:
    def piece(start: int) -> bytes:
        told = f"Content-Range: bytes {start}-{len(FILE) - 1}/{len(FILE)}"
        length = f"Content-Length: {len(FILE) - start}"
        return answer(FILE[start : start + 10], told, length, ETAG, status=PARTIAL, length=False)

    url = server.answer(cut_off(FILE, ETAG, at=10), *(piece(10 * number) for number in range(1, 20)))
    assert "broke off" in refused(url).reason
    assert len(server.requests["/a"]) == 1 + 5


@pytest.mark.parametrize("told", [len(FILE) - 1, len(FILE) + 1])
def test_a_body_of_another_length_than_it_says_never_passes_for_the_file(
    server: RawServer, told: int
) -> None:
    url = server.answer(answer(FILE, f"Content-Length: {told}", length=False))
    if told > len(FILE):
        assert "broke off" in refused(url).reason
    else:
        assert got(url)[0] == FILE[:told], "as HTTP says: what follows is no part of it"


# Where a download may go.


def test_only_the_listed_hosts_are_asked(server: RawServer) -> None:
    url = server.answer(answer(FILE))
    error = refused(url, "m.example", "localhost")
    assert isinstance(error, RefusedFetchError)
    assert error.reason == "Refused: 127.0.0.1 is not among MMSVAULT_FETCH_HOSTS."
    assert server.connections == 0
    assert got(url, "127.0.0.1")[0] == FILE


@pytest.mark.parametrize("redirects", [1, 2])
def test_a_redirect_leads_to_no_host_that_is_not_listed(server: RawServer, redirects: int) -> None:
    url = server.answer(answer(b"", "Location: /1", status=FOUND))
    for number in range(1, redirects):
        server.answer(answer(b"", f"Location: /{number + 1}", status=FOUND), path=f"/{number}")
    there = f"Location: http://localhost:{server.port}/there"
    server.answer(answer(b"", there, status=FOUND), path=f"/{redirects}")
    server.answer(answer(FILE), path="/there")
    assert "localhost is not among MMSVAULT_FETCH_HOSTS" in refused(url, "127.0.0.1").reason
    assert not server.requests["/there"]


@pytest.mark.usefixtures("names")
@pytest.mark.parametrize(
    ("listed", "host", "is_asked"),
    [
        (".files.test", "a.files.test", True),
        (".files.test", "a.b.files.test", True),
        (".files.test", "files.test", False),
        (".files.test", "otherfiles.test", False),
        ("files.test", "files.test", True),
        ("files.test", "a.files.test", False),
        ("files.test", "otherfiles.test", False),
        ("Files.Test", "files.test", True),
        (".Files.Test", "A.files.TEST", True),
    ],
)
def test_a_listed_host_stands_for_itself_and_a_dot_for_all_beneath(
    server: RawServer, listed: str, host: str, *, is_asked: bool
) -> None:
    url = server.answer(answer(FILE)).replace("127.0.0.1", host)
    if is_asked:
        assert got(url, listed)[0] == FILE
    else:
        assert isinstance(refused(url, listed), RefusedFetchError)
    assert bool(server.connections) == is_asked


def test_a_password_is_given_to_listed_hosts_only(server: RawServer) -> None:
    url = server.answer(answer(FILE)).replace("http://", "http://me:secret@")
    error = refused(url)
    assert isinstance(error, RefusedFetchError)
    assert error.reason.startswith("Refused: the address carries a password; name 127.0.0.1 in")
    assert server.connections == 0
    assert got(url, "127.0.0.1")[0] == FILE
    assert "authorization: Basic bWU6c2VjcmV0" in server.requests["/a"][0]


def test_a_password_that_a_redirect_brings_is_given_to_listed_hosts_only(server: RawServer) -> None:
    there = f"Location: http://me:secret@127.0.0.1:{server.port}/b"
    server.answer(answer(FILE), path="/b")
    url = server.answer(answer(b"", there, status=FOUND))
    assert "carries a password" in refused(url).reason
    assert not server.requests["/b"]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_every_kind_of_redirect_is_followed_and_its_own_body_is_not_the_file(
    server: RawServer, status: int
) -> None:
    server.answer(answer(FILE), path="/b")
    url = server.answer(answer(b"moved", "Location: /b", status=f"HTTP/1.1 {status} X"))
    assert got(url)[0] == FILE


@pytest.mark.parametrize("status", [204, 300, 304, 305, 400, 402, 404, 410, 429, 500, 503])
def test_an_answer_that_is_no_file_and_no_redirect_is_a_failure_with_its_status(
    server: RawServer, status: int
) -> None:
    server.answer(answer(FILE), path="/b")
    url = server.answer(answer(b"", "Location: /b", status=f"HTTP/1.1 {status} X"))
    error = refused(url)
    assert (type(error), error.status) == (TransientFetchError, status)
    assert not server.requests["/b"]


def test_as_many_redirects_as_may_be_are_followed_and_not_one_more(server: RawServer) -> None:
    for number in range(download.MOST_REDIRECTS + 1):
        server.answer(answer(b"", f"Location: /{number + 1}", status=FOUND), path=f"/{number}")
    last = server.answer(answer(FILE), path=f"/{download.MOST_REDIRECTS + 1}")
    assert "more than 5 redirects" in refused(last.replace("/6", "/0")).reason
    assert not server.requests["/6"]
    assert got(last.replace("/6", "/1"))[0] == FILE


def test_a_secure_address_leads_to_no_other_kind(
    server: RawServer, authority: tuple[ssl.SSLContext, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    context, proof = authority
    monkeypatch.setenv("SSL_CERT_FILE", proof)
    plain = server.answer(answer(FILE))
    with RawServer(context) as secure:
        url = secure.answer(answer(b"", f"Location: {plain}", status=FOUND))
        assert "a secure address led to one that is not" in refused(url).reason
        assert server.connections == 0
        secure.answer(answer(FILE), path="/b")
        assert got(server.answer(answer(b"", f"Location: {url[:-2]}/b", status=FOUND)))[0] == FILE


@pytest.mark.usefixtures("names")
def test_a_certificate_of_another_host_is_not_taken(
    authority: tuple[ssl.SSLContext, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    context, proof = authority
    monkeypatch.setenv("SSL_CERT_FILE", proof)
    with RawServer(context) as secure:
        url = secure.answer(answer(FILE))
        assert got(url)[0] == FILE
        assert "cannot be trusted" in refused(url.replace("127.0.0.1", "other.test")).reason
        assert len(secure.requests["/a"]) == 1


# How much it may take, and how long.


def test_a_file_is_as_large_as_the_settings_allow_and_not_a_byte_larger(server: RawServer) -> None:
    url = server.answer(answer(FILE))
    assert got(url, max_bytes=len(FILE))[0] == FILE
    assert "larger than" in refused(url, max_bytes=len(FILE) - 1).reason


@pytest.mark.parametrize("length", [True, False], ids=["with a length", "without one"])
def test_no_more_of_a_file_is_kept_than_the_settings_allow(server: RawServer, *, length: bool) -> None:
    url, into = server.answer(answer(bytes(20 * MAX_BYTES), length=length)), io.BytesIO()
    assert isinstance(refused(url, into=into), RefusedFetchError)
    assert len(into.getvalue()) <= MAX_BYTES


def test_a_server_that_says_nothing_is_given_up(server: RawServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "SILENCE_SECONDS", 0.2)
    ended = threading.Event()
    try:
        url = server.answer(lambda _connection: ended.wait(20) and None)
        assert "said nothing" in refused(url).reason
    finally:
        ended.set()


@pytest.mark.parametrize("head", [b"", lines(["HTTP/1.1 200 OK", "Content-Length: 90000", ""])])
def test_over_tls_a_trickle_meets_the_limit_of_the_whole(
    authority: tuple[ssl.SSLContext, str], monkeypatch: pytest.MonkeyPatch, head: bytes
) -> None:
    context, proof = authority
    monkeypatch.setenv("SSL_CERT_FILE", proof)
    monkeypatch.setattr(download, "WHOLE_SECONDS", 0.3)
    with RawServer(context) as secure:
        url = secure.answer(secure.trickle(head or b"HTTP/1.1 200 OK\r\nX-One: "))
        assert "took longer than" in refused(url).reason


def test_over_tls_a_trickle_meets_the_least_pace(
    authority: tuple[ssl.SSLContext, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    context, proof = authority
    monkeypatch.setenv("SSL_CERT_FILE", proof)
    monkeypatch.setattr(limits, "PACE_SECONDS", 0.2)
    with RawServer(context) as secure:
        url = secure.answer(secure.trickle(lines(["HTTP/1.1 200 OK", "Content-Length: 90000", ""])))
        assert "too slow" in refused(url).reason


def test_a_server_that_never_begins_with_tls_meets_the_limit_of_the_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(download, "WHOLE_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://127.0.0.1:{silent.getsockname()[1]}/a"
        assert "took longer than" in refused(url).reason


def test_what_is_urgent_may_stay_as_slow_as_it_began(
    server: RawServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "PACE_SECONDS", 0.1)
    monkeypatch.setattr(limits, "PACE_BYTES", (1, 1 << 30))
    monkeypatch.setattr(download, "WHOLE_SECONDS", 0.6)
    fetcher = made()
    url = server.answer(server.trickle(lines(["HTTP/1.1 200 OK", ""]), pause_seconds=0.02))
    for is_urgent, reason in ((False, "too slow"), (True, "took longer than")):
        with pytest.raises(TransientFetchError, match=reason):
            fetcher.fetch(url, io.BytesIO(), is_urgent=is_urgent)
    fetcher.close()


def test_a_limit_ends_with_its_download(server: RawServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "WHOLE_SECONDS", 0.2)
    assert got(server.answer(answer(FILE)))[0] == FILE
    assert limits.left(1000) == 1000


def test_slow_downloads_of_a_host_beyond_their_number_are_broken_off_while_they_wait(
    server: RawServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "LONG_SECONDS", 0.05)
    monkeypatch.setattr(downloads, "LOOKED_EVERY_SECONDS", 0.05)
    monkeypatch.setattr(downloads, "MOST_SLOW_PER_HOST", 1)
    fetcher, errors = made(), list[FetchError]()
    ended = threading.Event()
    silent = server.answer(
        lambda connection: connection.sendall(b"HTTP/1.1 200 OK\r\n\r\na") or ended.wait(30)
    )

    def fetch() -> None:
        try:
            fetcher.fetch(silent, io.BytesIO(), stand_aside=lambda: True)
        except FetchError as error:
            errors.append(error)

    first, second = threading.Thread(target=fetch), threading.Thread(target=fetch)
    try:
        assert not fetcher.is_crowded(silent)
        first.start()
        until(lambda: fetcher.is_crowded(silent), what="the host being crowded")
        assert not fetcher.is_crowded("http://other.example/a")
        assert not fetcher.is_crowded("no address")
        second.start()
        second.join(20)
        assert [error.reason for error in errors] == [PUT_OFF]
        assert first.is_alive()
    finally:
        ended.set()
        first.join()
        fetcher.close()
    assert not fetcher.is_crowded(silent)


# What is told of it.


def test_what_is_kept_of_an_answers_head_is_bounded_and_holds_no_secret(server: RawServer) -> None:
    fields = [f"X-{number}: {number}" for number in range(70)]
    kinds = ["Set-Cookie: a=b", "Set-Cookie2: a=b", "WWW-Authenticate: Basic", "Proxy-Authenticate: Basic"]
    told = got(server.answer(answer(FILE, *kinds, "X-Long: " + "a" * 5000, *fields)))[1]
    assert len(told.headers) <= 50
    assert not any("cookie" in name or "authenticate" in name for name in told.headers)
    assert len(told.headers["x-long"]) == 1000
    long = got(server.answer(answer(FILE, "Content-Type: image/" + "a" * 5000), path="/b"))[1]
    assert len(long.declared_type) == 200


@pytest.mark.parametrize("seconds", [-3600, 0])
def test_a_pause_until_a_moment_that_has_passed_is_none_at_all(server: RawServer, seconds: int) -> None:
    at = format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)
    error = refused(server.answer(answer(b"", f"Retry-After: {at}", status="HTTP/1.1 503 X")))
    assert error.retry_after == timedelta(0)


@pytest.mark.parametrize("status", [500, 200])
def test_another_reading_of_an_address_is_tried_only_where_the_first_is_refused(
    server: RawServer, status: int
) -> None:
    first = answer(FILE, status=f"HTTP/1.1 {status} X") if status == 500 else cut_off()
    server.answer(first, path="/a?x=1&y=2")
    url = server.answer(answer(FILE), path="/a?x=1&amp;y=2")
    if status == 500:
        assert got(url)[0] == FILE
    else:
        assert "broke off" in refused(url).reason
    assert len(server.requests["/a?x=1&amp;y=2"]) == (status == 500)


def test_an_idle_connection_is_not_used_again_after_a_while(
    server: RawServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, fetcher = server.answer(answer(FILE)), made()
    for _ in range(2):
        fetcher.fetch(url, io.BytesIO())
    assert server.connections == 1
    monkeypatch.setattr("mmsvault.fetching.client.KEPT_SECONDS", -1)
    fetcher.fetch(url, io.BytesIO())
    assert server.connections == 2
    fetcher.close()


def test_a_packed_file_leaves_nothing_of_its_packing_behind(server: RawServer, tmp_path: Path) -> None:
    dense = random.Random(1).randbytes(500)
    packer = zlib.compressobj(0, wbits=31)
    packed = packer.compress(dense) + packer.flush()
    assert len(packed) > len(dense)
    url = server.answer(answer(packed, "Content-Encoding: gzip"))
    with (tmp_path / "file").open("w+b") as file:
        fetcher = made()
        fetcher.fetch(url, file)
        fetcher.close()
    assert (tmp_path / "file").read_bytes() == dense
