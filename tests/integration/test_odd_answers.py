"""Answers that strict parsers refuse, or that lie: the file is taken where its bytes are whole."""

import gzip
import hashlib
import io
import re
import socket
import ssl
import subprocess
import sys
import zlib
from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from mmsvault.errors import PermanentFetchError, RefusedFetchError, TransientFetchError
from mmsvault.fetching import Fetched, Fetcher, download, guard
from mmsvault.media.answers import is_known
from mmsvault.sample import media
from tests.integration.test_redis import certificates
from tests.raw_server import RawServer, answer, chunked, lines

LOOPBACK = ip_network("127.0.0.1/32")
MAX_BYTES = 2 << 20
PICTURE = media.drawing(0).data
ODD = bytes(range(256)) * 40


@pytest.fixture
def server() -> Iterator[RawServer]:
    with RawServer() as running:
        yield running


@pytest.fixture
def fetcher() -> Iterator[Fetcher]:
    made = Fetcher(max_bytes=MAX_BYTES, hosts=(), private_networks=(LOOPBACK,), knows=is_known)
    yield made
    made.close()


def got(fetcher: Fetcher, url: str) -> tuple[bytes, Fetched]:
    """Return the bytes, whose size and hash must be those that were told, and what was told."""
    into = io.BytesIO()
    done = fetcher.fetch(url, into)
    assert (done.size, done.sha256) == (len(into.getvalue()), hashlib.sha256(into.getvalue()).hexdigest())
    return into.getvalue(), done


WHOLE = {
    "spaces before the colons": lines(
        ["HTTP/1.1 200 OK", "Content-Type : image/jpeg", f"Content-Length\t: {len(ODD)}", ""]
    )
    + ODD,
    "a folded line": answer(ODD, "X-One: a", "  b"),
    "a folded line before all others": answer(ODD, " X-One: a"),
    "bare line feeds": answer(ODD, "X-One: a", end="\n"),
    "no ASCII in a value": answer(ODD, b'Content-Disposition: attachment; filename="\xfc\xff.jpg"'),
    "no ASCII in a name": answer(ODD, b"X-\xfc: 1"),
    "an empty name": answer(ODD, ": 1"),
    "a line without a colon": answer(ODD, "hello there"),
    "a NUL and a carriage return in values": answer(ODD, b"X-One: a\0b", b"X-Two: a\rb"),
    "brackets in a name": answer(ODD, "X[a](b): 1"),
    "a line of 100,000 characters": answer(ODD, "X-One: " + "a" * 100_000),
    "500 lines": answer(ODD, *(f"X-{number}: 1" for number in range(500))),
    "chunked twice in one line": answer(chunked(ODD), "Transfer-Encoding: chunked, chunked", length=False),
    "chunked twice in two lines": answer(
        chunked(ODD), "Transfer-Encoding: chunked", "Transfer-Encoding: Chunked", length=False
    ),
    "identity": answer(ODD, "Transfer-Encoding: identity"),
    "identity and chunked": answer(chunked(ODD), "Transfer-Encoding: identity, chunked", length=False),
    "chunked and a length": answer(
        chunked(ODD), "Transfer-Encoding: chunked", "Content-Length: 5", length=False
    ),
    "a length twice in two lines": answer(ODD, f"Content-Length: {len(ODD)}"),
    "a length twice in one line": answer(ODD, f"Content-Length: {len(ODD)}, {len(ODD)}", length=False),
    "no reason": answer(ODD, status="HTTP/1.1 200"),
    "lower case": answer(ODD, status="http/1.1 200 ok"),
    "another version": answer(ODD, status="HTTP/1.2 200 OK"),
    "HTTP/1.0 without a length": answer(ODD, status="HTTP/1.0 200 OK", length=False),
    "HTTP/1.1 without a length": answer(ODD, length=False),
    "an early hint before it": b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + answer(ODD),
    "an empty line before it": b"\r\n\r\n" + answer(ODD),
    "cookies that are none": answer(ODD, b"Set-Cookie: \xff;;;=\x01", "Set-Cookie: "),
    "201": answer(ODD, status="HTTP/1.1 201 Created"),
    "203": answer(ODD, status="HTTP/1.1 203 Non-Authoritative Information"),
    "206 with all bytes": answer(
        ODD, f"Content-Range: bytes 0-{len(ODD) - 1}/{len(ODD)}", status="HTTP/1.1 206 Partial Content"
    ),
    "unknown encodings that change nothing": answer(ODD, "Content-Encoding: identity, none"),
}


@pytest.mark.parametrize("name", WHOLE)
def test_a_file_that_is_whole_is_taken_whatever_its_head_looks_like(
    server: RawServer, fetcher: Fetcher, name: str
) -> None:
    assert got(fetcher, server.answer(WHOLE[name]))[0] == ODD


NOT_WHOLE = {
    "shorter than its length": answer(ODD[:-1], f"Content-Length: {len(ODD)}", length=False),
    "without its last chunk": answer(chunked(ODD, last=False), "Transfer-Encoding: chunked", length=False),
    "a chunk of negative size": answer(
        b"-64\r\n" + ODD + b"\r\n0\r\n\r\n", "Transfer-Encoding: chunked", length=False
    ),
    "lengths that differ": answer(ODD, f"Content-Length: {len(ODD) - 1}"),
    "a length that is none": answer(ODD, "Content-Length: many", length=False),
    "an encoding that nobody knows": answer(ODD, "Transfer-Encoding: br, chunked", length=False),
    "206 with a part": answer(
        ODD, f"Content-Range: bytes 0-{len(ODD) - 1}/{len(ODD) + 1}", status="HTTP/1.1 206 Partial Content"
    ),
    "206 with a range of another length": answer(
        ODD[:-5], f"Content-Range: bytes 0-{len(ODD) - 1}/{len(ODD)}", status="HTTP/1.1 206 Partial Content"
    ),
    "206 with a total that is not known": answer(
        ODD, f"Content-Range: bytes 0-{len(ODD) - 1}/*", status="HTTP/1.1 206 Partial Content"
    ),
    "lines that end in carriage returns only": b"HTTP/1.1 200 OK\rContent-Length: 9\r\rGIF\0\n\nbody",
    "no empty line behind the head": b"HTTP/1.1 200 OK\r\nX-One: a\r\nGIF\0: \n\nbody",
    "a line of the body in the head": b"HTTP/1.1 200 OK\r\nX-One: a\r\nhello\n\nbody",
    "a redirect to an address that cannot be read": answer(
        b"", "Location: http://[zz/x", status="HTTP/1.1 302 Found"
    ),
    "a redirect to a port that is none": answer(
        b"", "Location: http://127.0.0.1:99999/", status="HTTP/1.1 302 Found"
    ),
    "a redirect to what is not on the web": answer(
        b"", "Location: ftp://a.example/", status="HTTP/1.1 302 Found"
    ),
    "204": answer(b"", status="HTTP/1.1 204 No Content"),
    "no HTTP": b"220 ready\r\n\r\n" + ODD,
    "a head without an end": b"HTTP/1.1 200 OK\r\n" + b"X-More: 1\r\n" * 40_000,
    "nothing at all": b"",
}


@pytest.mark.parametrize("name", NOT_WHOLE)
def test_a_file_that_may_not_be_whole_is_not_taken(server: RawServer, fetcher: Fetcher, name: str) -> None:
    with pytest.raises(TransientFetchError) as caught:
        fetcher.fetch(server.answer(NOT_WHOLE[name]), io.BytesIO())
    assert not isinstance(caught.value, PermanentFetchError)
    assert re.fullmatch(r"The [A-Za-z0-9 ,.:;']+\.", caught.value.reason), caught.value.reason


def test_a_connection_is_kept_after_an_odd_head(server: RawServer, fetcher: Fetcher) -> None:
    url = server.answer(answer(ODD, "X-One : a", "hello", "X-Two: b"))
    for _ in range(5):
        assert got(fetcher, url)[0] == ODD
    assert server.connections == 1


def test_no_cookie_is_taken_and_none_is_sent(server: RawServer, fetcher: Fetcher) -> None:
    url = server.answer(answer(ODD, "Set-Cookie: session=1; Path=/"))
    headers = got(fetcher, url)[1].headers
    got(fetcher, url)
    assert not any("cookie" in request.lower() for request in server.requests["/a"])
    assert "set-cookie" not in headers


def test_a_login_in_an_address_never_leaves_its_host(server: RawServer) -> None:
    fetcher = Fetcher(max_bytes=MAX_BYTES, hosts=("127.0.0.1", "localhost"), private_networks=(LOOPBACK,))
    moved = server.answer(
        answer(b"", f"Location: http://localhost:{server.port}/b", status="HTTP/1.1 302 Found")
    )
    server.answer(answer(ODD), path="/b")
    assert got(fetcher, moved.replace("http://", "http://me:secret@"))[0] == ODD
    assert "authorization: Basic bWU6c2VjcmV0" in server.requests["/a"][0]
    assert "authorization" not in server.requests["/b"][0]
    fetcher.close()


@pytest.mark.parametrize(
    ("locations", "path"),
    [
        (("/b", "/c"), "/b"),
        (("", "/b"), "/b"),
        (("b",), "/b"),
        (("?x=1",), "/a?x=1"),
        (("/b c.jpg",), "/b%20c.jpg"),
        (("/grüße".encode(),), "/gr%C3%BC%C3%9Fe"),
        (("//127.0.0.1:{port}/b",), "/b"),
        (("  /b  ",), "/b"),
    ],
)
def test_redirects_lead_where_they_mean_to(
    server: RawServer, fetcher: Fetcher, locations: tuple[str | bytes, ...], path: str
) -> None:
    fields = [
        b"Location: " + (one if isinstance(one, bytes) else one.replace("{port}", str(server.port)).encode())
        for one in locations
    ]
    server.answer(answer(ODD), path=path)
    assert got(fetcher, server.answer(answer(b"", *fields, status="HTTP/1.1 302 Found")))[0] == ODD


@pytest.mark.parametrize(
    ("written", "path"),
    [
        ("/a b.jpg?x=1 2", "/a%20b.jpg?x=1%202"),
        ("/grüße.jpg", "/gr%C3%BC%C3%9Fe.jpg"),
        ("/100%.jpg", "/100%25.jpg"),
        ("/a?x=1&amp;y=2", "/a?x=1&y=2"),
        ("/a?x=1&amp;amp;y=2", "/a?x=1&y=2"),
        ("/a?x=1&#38;y=2", "/a?x=1&y=2"),
        ("/a?x=1&amp;y=2", "/a?x=1&amp;y=2"),
        (" /a\n", "/a"),
    ],
)
def test_addresses_are_asked_for_as_they_are_meant(
    server: RawServer, fetcher: Fetcher, written: str, path: str
) -> None:
    server.answer(answer(ODD), path=path)
    assert got(fetcher, f"http://127.0.0.1:{server.port}{written.lstrip(' ')}")[0] == ODD


def deflated(data: bytes, *, bits: int) -> bytes:
    packer = zlib.compressobj(wbits=bits)
    return packer.compress(data) + packer.flush()


PACKED = {
    "gzip": gzip.compress(ODD),
    "x-gzip": gzip.compress(ODD),
    "gzip;q=1": gzip.compress(ODD),
    " GZIP ": gzip.compress(ODD[:100]) + gzip.compress(ODD[100:]),
    "identity, gzip": gzip.compress(ODD),
    "deflate": deflated(ODD, bits=15),
    "Deflate": deflated(ODD, bits=-15),
}


@pytest.mark.parametrize("encoding", PACKED)
def test_one_layer_is_unpacked(server: RawServer, fetcher: Fetcher, encoding: str) -> None:
    url = server.answer(answer(PACKED[encoding], f"Content-Encoding: {encoding}"))
    assert got(fetcher, url)[0] == ODD


@pytest.mark.parametrize("encoding", ["gzip", "gzip, gzip", "br", "aws-chunked", "utf-8", "deflate", "zstd"])
@pytest.mark.parametrize("body", [PICTURE, "Grüße\n".encode() * 99], ids=["picture", "text"])
def test_a_file_that_is_one_by_its_own_look_is_never_unpacked(
    server: RawServer, fetcher: Fetcher, encoding: str, body: bytes
) -> None:
    assert got(fetcher, server.answer(answer(body, f"Content-Encoding: {encoding}")))[0] == body


@pytest.mark.parametrize("encoding", ["gzip, gzip", "br", "zstd", "compress", "gzip, deflate"])
def test_what_is_packed_in_stacked_or_unknown_ways_is_told_of(
    server: RawServer, fetcher: Fetcher, encoding: str
) -> None:
    packed = gzip.compress(gzip.compress(ODD))
    body, told = got(fetcher, server.answer(answer(packed, f"Content-Encoding: {encoding}")))
    assert body == packed
    assert told.packed == f"The provider's answer is packed in a way that is not read ({encoding})."


@pytest.mark.parametrize("cut", [slice(0, -9), slice(0, 20)])
def test_a_packed_file_that_is_not_whole_is_not_taken(
    server: RawServer, fetcher: Fetcher, cut: slice
) -> None:
    url = server.answer(answer(gzip.compress(ODD)[cut], "Content-Encoding: gzip"))
    with pytest.raises(TransientFetchError, match="packed, and broken"):
        fetcher.fetch(url, io.BytesIO())


def test_a_packed_file_that_grows_beyond_the_limit_is_refused_in_little_memory(server: RawServer) -> None:
    bomb = gzip.compress(bytes(400 << 20))
    once = server.answer(answer(bomb, "Content-Encoding: gzip"))
    twice = server.answer(answer(gzip.compress(bomb), "Content-Encoding: gzip, gzip"), path="/twice")
    code = f"""
import io, resource
from ipaddress import ip_network
from mmsvault.errors import RefusedFetchError
from mmsvault.fetching import Fetcher
from mmsvault.media.answers import is_known

networks = [ip_network("127.0.0.1/32")]
fetcher = Fetcher(max_bytes={MAX_BYTES}, hosts=(), private_networks=networks, knows=is_known)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
assert fetcher.fetch({twice!r}, io.BytesIO()).packed
try:
    fetcher.fetch({once!r}, io.BytesIO())
    raise SystemExit("not refused")
except RefusedFetchError:
    pass
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 20_000, "kilobytes"


def over_tls(folder: Path) -> tuple[RawServer, str]:
    """Return a server with a certificate of an authority of its own, and the authority's file."""
    authority, certificate, key = certificates(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return RawServer(context), authority


def test_over_tls_certificates_are_proved_and_limits_and_odd_heads_are_the_same(
    tmp_path: Path, fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, authority = over_tls(tmp_path)
    with made as server:
        url = server.answer(answer(ODD, "X-One : a"))
        with pytest.raises(TransientFetchError, match=r"certificate cannot be trusted: [a-z -]+\."):
            fetcher.fetch(url, io.BytesIO())
        monkeypatch.setenv("SSL_CERT_FILE", authority)
        trusting = Fetcher(max_bytes=MAX_BYTES, hosts=(), private_networks=(LOOPBACK,))
        for _ in range(3):
            assert got(trusting, url)[0] == ODD
        assert server.connections == 2, "one of them was refused"
        plain = server.answer(
            answer(b"", f"Location: http://127.0.0.1:{server.port}/a", status="HTTP/1.1 302 Found"), path="/b"
        )
        with pytest.raises(RefusedFetchError, match="a secure address led to one that is not"):
            trusting.fetch(plain, io.BytesIO())
        monkeypatch.setattr(download, "WHOLE_SECONDS", 1)
        endless = server.answer(server.trickle(lines(["HTTP/1.1 200 OK", ""])), path="/c")
        with pytest.raises(TransientFetchError, match="took longer than"):
            trusting.fetch(endless, io.BytesIO())
        trusting.close()


def test_other_ports_of_public_hosts_are_refused_at_every_redirect(
    server: RawServer, fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolved = guard._resolve
    public = ip_address("93.184.215.14")
    monkeypatch.setattr(
        guard, "_resolve", lambda host, port: [public] if "public" in host else resolved(host, port)
    )
    for port in (22, 8080, 6379):
        with pytest.raises(RefusedFetchError, match=rf"port {port} of public\.example"):
            fetcher.fetch(f"http://public.example:{port}/a", io.BytesIO())
    moved = answer(b"", "Location: http://public.example:8080/b", status="HTTP/1.1 302 Found")
    with pytest.raises(RefusedFetchError, match="MMSVAULT_FETCH_PORTS"):
        fetcher.fetch(server.answer(moved), io.BytesIO())


def test_ports_that_are_listed_may_be_fetched_from(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[tuple[str, int]] = []

    def connect(address: tuple[str, int], _timeout: float) -> socket.socket:
        tried.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(guard, "_resolve", lambda _host, _port: [ip_address("93.184.215.14")])
    monkeypatch.setattr(socket, "create_connection", connect)
    fetcher = Fetcher(max_bytes=MAX_BYTES, hosts=(), private_networks=(), ports=(8443,))
    for address in ("http://a.example/", "https://a.example/", "http://a.example:8443/"):
        with pytest.raises(TransientFetchError, match="could not be reached"):
            fetcher.fetch(address, io.BytesIO())
    assert [port for _, port in tried] == [80, 443, 8443]
