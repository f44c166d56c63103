"""What strangers may send, by the hundred: nothing is reached, run or lost, and nothing hangs.

The counts stand in docs/security.md: a test fails where the two differ, and writes them anew with
MMSVAULT_TEST_WRITE=1.
"""

import functools
import gzip
import io
import ipaddress
import json
import os
import re
import socket
import threading
import time
import unicodedata
import xml.sax.saxutils
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path

import pytest

from mmsvault.errors import FetchError, NotUnderstoodError
from mmsvault.fetching import Fetcher
from mmsvault.message import Message, Receipt
from mmsvault.postbacks import OtherNotice, message_id, understand
from mmsvault.sample import faults, media
from mmsvault.sample.provider import SampleProvider
from tests import corpora

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs" / "security.md"
LONGEST_SECONDS = 20
"""For one case, on a machine that has much else to do."""
MONTH = timedelta(days=30)


def keep_count(what: str, number: int) -> None:
    """Hold the count in docs/security.md to what was tried."""
    line = re.compile(rf"^\| {re.escape(what)} \| ([\d,]+) \|", re.MULTILINE)
    text = DOCS.read_text()
    found = line.search(text)
    assert found, what
    if os.environ.get("MMSVAULT_TEST_WRITE"):
        DOCS.write_text(text[: found.start(1)] + f"{number:,}" + text[found.end(1) :])
    else:
        assert found[1] == f"{number:,}", what


def understood(body: bytes) -> Message | OtherNotice | str:
    """Return what came of a postback, or the reason why it is not understood; nothing else may come."""
    began = time.monotonic()
    try:
        return understand(Receipt.of(body, provider="sinch"), retention=MONTH)
    except NotUnderstoodError as error:
        return str(error)
    finally:
        assert time.monotonic() - began < LONGEST_SECONDS, body[:100]


def xml_attacks(canary: str) -> dict[str, bytes]:
    """Return bodies that make careless parsers reach out, swell or stop."""
    inside = "<postback><code>N401</code><tracking-id>x</tracking-id><from>{}</from></postback>"
    swelling = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    quadratic = f'<!ENTITY a "{"a" * 100_000}">'
    attacks = {
        "billion laughs": f'<!DOCTYPE p [<!ENTITY l0 "lol">{swelling}]>' + inside.format("&l9;"),
        "quadratic blow-up": f"<!DOCTYPE p [{quadratic}]>" + inside.format("&a;" * 5000),
        "recursive entity": '<!DOCTYPE p [<!ENTITY a "&b;"><!ENTITY b "&a;">]>' + inside.format("&a;"),
        "inner DTD alone": "<!DOCTYPE p [<!ELEMENT p ANY>]>" + inside.format("1"),
        "default attributes": '<!DOCTYPE p [<!ATTLIST from x CDATA "y">]>' + inside.format("1"),
        "no such entity": inside.format("&nobody;"),
        "deep nesting": "<postback>" + "<a>" * 100_000 + "</a>" * 100_000 + "</postback>",
        "deep nesting, never closed": "<postback>" + "<a>" * 200_000,
        "a million attributes": "<postback " + " ".join(f'a{n}=""' for n in range(1_000_000)) + "/>",
        "the same attribute twice": '<postback a="1" a="2"/>',
        "a very long name": f"<{'a' * 500_000}/>",
        "a very long text": inside.format("1" * 900_000),
        "a hundred thousand files": "<postback><content>" + "<file/>" * 100_000 + "</content></postback>",
        "CDATA in CDATA": inside.format("<![CDATA[<![CDATA[]]>]]>"),
        "a processing instruction": "<?php system('id') ?>" + inside.format("1"),
        "a stylesheet": f'<?xml-stylesheet href="{canary}/s.xsl"?>' + inside.format("1"),
        "a schema location": f'<postback xmlns:x="http://www.w3.org/2001/XMLSchema-instance" '
        f'x:schemaLocation="{canary} {canary}/s.xsd"/>',
        "an undeclared prefix": "<a:postback/>",
        "NUL as text": inside.format("\0"),
        "NUL as reference": inside.format("&#0;"),
        "a control character": inside.format("&#1;"),
        "half a surrogate pair": inside.format("&#xD800;"),
        "beyond Unicode": inside.format("&#x110000;"),
        "XML 1.1": '<?xml version="1.1"?>' + inside.format("&#1;"),
        "XML 9": '<?xml version="9.0"?>' + inside.format("1"),
        "two roots": "<postback/><postback/>",
        "text behind the root": "<postback/>x",
        "no end": "<postback><code>N401",
        "a comment without end": "<postback><!-- ",
        "an empty root": "<>",
    }
    for scheme in ("file:///etc/passwd", f"{canary}/x", "ftp://127.0.0.1/x", "gopher://127.0.0.1/x",
                   "php://filter/x", "expect://id", "jar:file:///x!/y", "data:text/plain,x", "netdoc:///etc",
                   "file:///dev/random"):  # fmt: skip
        for kind in ("SYSTEM", 'PUBLIC "-//x//y"'):
            attacks[f"external entity {kind} {scheme}"] = (
                f'<!DOCTYPE p [<!ENTITY x {kind} "{scheme}">]>' + inside.format("&x;")
            )
            attacks[f"parameter entity {kind} {scheme}"] = (
                f'<!DOCTYPE p [<!ENTITY % x {kind} "{scheme}"> %x;]>' + inside.format("1")
            )
            attacks[f"external DTD {kind} {scheme}"] = f'<!DOCTYPE p {kind} "{scheme}">' + inside.format("1")
        for parse in ("xml", "text"):
            included = (
                f'<i:include xmlns:i="http://www.w3.org/2001/XInclude" href="{scheme}" parse="{parse}"/>'
            )
            attacks[f"XInclude {parse} {scheme}"] = inside.format(included)
    bodies = {name: text.encode("utf-8", "surrogatepass") for name, text in attacks.items()}
    for encoding in ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-7", "cp037", "utf-8-sig", "latin-1"):
        for declared in ("", encoding, "utf-8", "UTF-7", "ucs-4", "no-such-encoding", "idna", "rot13"):
            head = f'<?xml version="1.0" encoding="{declared}"?>' if declared else ""
            evil = '<!DOCTYPE p [<!ENTITY x SYSTEM "file:///etc/passwd">]>' + inside.format("&x;")
            bodies[f"{encoding} declared as {declared or 'nothing'}"] = (head + evil).encode(encoding)
    return bodies


def test_xml_attacks_reach_nothing_and_end_soon() -> None:
    with canary() as (port, reached):
        attacks = xml_attacks(f"http://127.0.0.1:{port}")
        for name, body in attacks.items():
            came = understood(body)
            assert "root:" not in str(came), name
            if isinstance(came, Message):
                literal = ("", "1", "<![CDATA[]]>", "&nobody;", "\ufffd", "1" * len(came.sender))
                assert came.sender in literal, name
        assert not reached
    keep_count("XML attacks", len(attacks))


def json_attacks() -> dict[str, bytes]:
    attacks = dict(corpora.odd_json())
    within = '{"postback":{"code":"N401","tracking-id":"x","from":%s}}'
    own = {
        "100,000 arrays": "[" * 100_000,
        "arrays and objects": '[{"":' * 50_000,
        "closed nesting": "[" * 100_000 + "]" * 100_000,
        "a number of a million digits": within % ("1" * 900_000),
        "a number beyond a double": within % "1e999999",
        "minus zero": within % "-0",
        "NaN": within % "NaN",
        "Infinity": within % "-Infinity",
        "the same key twice": '{"code":"N401","code":"N102","tracking-id":"a","tracking-id":"b"}',
        "a hundred thousand keys": "{" + ",".join(f'"k{n}":1' for n in range(60_000)) + "}",
        "__proto__": '{"__proto__":{"x":1},"code":"N401","tracking-id":"x"}',
        "half a surrogate pair": within % r'"\ud800"',
        "NUL": within % r'"\u0000"',
        "a list as code": '{"code":["N401",["N401"]],"tracking-id":{"a":"b"}}',
        "lists everywhere": '{"code":"N401","tracking-id":["x"],"content":[[[]]],"copyto":[{"number":[1]}]}',
        "true as a number": within % "true",
        "UTF-16": "",
    }
    attacks |= {name: text.encode() for name, text in own.items()}
    attacks["UTF-16"] = (within % '"1"').encode("utf-16")
    for name, body in list(attacks.items()):  # the same where a field is
        attacks[f"{name} as a field"] = b'{"code":"N401","tracking-id":"x","from":' + body + b"}"
    return attacks


def test_json_attacks_are_understood_or_refused_with_a_reason() -> None:
    attacks = json_attacks()
    for name, body in attacks.items():
        came = understood(body)
        assert isinstance(came, OtherNotice | Message) or came, name
        if isinstance(came, Message):
            came.as_record().decode()
    keep_count("JSON attacks", len(attacks))


def paths() -> list[str]:
    dots = [
        "..",
        ".",
        "../../etc/passwd",
        "..\\..\\boot.ini",
        "/etc/passwd",
        "//x",
        "a/../b",
        "....//",
        "~root",
    ]
    odd = ["a\0b", "a\nb", "a\rb", "CON", "nul.txt",
           "a" * 10_240, "é" * 5000, "\ud800", " ", "%2e%2e%2f",
           "\u2025/", "．．／", "*", "?", "a:b", "|id", "$(id)", "`id`", "; id", "-rf", "--",
           "<x>", '"', "'"]  # fmt: skip
    made = [*dots, *odd, *(f"{one}/{two}" for one in dots for two in odd[:12])]
    return made + [chr(number) for number in range(1, 128)]


def test_a_tracking_id_never_leaves_its_folder() -> None:
    tried = [*paths(), *filter(None, corpora.naughty_strings())]
    ids = {message_id("sinch", one) for one in tried}
    assert len(ids) == len(set(tried))
    for one in ids:
        assert re.fullmatch(r"sinch-[A-Za-z0-9_~-]+", one), one
        assert len(one) <= 130
    keep_count("tracking ids as paths", len(set(tried)))


def test_naughty_strings_in_every_field_are_kept_as_text() -> None:
    strings, kept = corpora.naughty_strings(), 0
    fields = ("from", "to", "keyword", "operator-id", "timestamp", "message-subject", "tracking-id")
    for text in strings:
        for field in fields:
            given = {"code": "N401", "tracking-id": "x", field: text}
            as_json = understood(json.dumps(given).encode())
            clean = "".join(one for one in text if unicodedata.category(one) != "Cc" or one in "\t\n\r")
            inner = "".join(f"<{k}>{xml.sax.saxutils.escape(given[k])}</{k}>" for k in given)
            as_xml = understood(f"<postback>{inner}</postback>".encode("utf-8", "surrogatepass"))
            for came in (as_json, as_xml):
                if isinstance(came, Message):
                    came.as_record().decode()
            if field == "message-subject" and text == clean:
                assert isinstance(as_json, Message)
                assert as_json.subject == text.strip()
                kept += 1
    assert kept > len(strings) / 2
    keep_count("naughty strings in every field", len(strings) * len(fields) * 2)


@contextmanager
def canary() -> Iterator[tuple[int, list[str]]]:
    """Listen on loopback, IPv4 and IPv6, and remember who comes."""
    reached: list[str] = []
    with socket.socket() as four, socket.socket(socket.AF_INET6) as six:
        four.bind(("127.0.0.1", 0))
        port = four.getsockname()[1]
        with suppress(OSError):
            six.bind(("::1", port))
            six.listen()
        four.listen()

        def wait(listening: socket.socket) -> None:
            with suppress(OSError):
                while True:
                    _, who = listening.accept()
                    reached.append(str(who))

        for listening in (four, six):
            threading.Thread(target=wait, args=(listening,), daemon=True).start()
        yield port, reached
        for listening in (four, six):
            with suppress(OSError):
                listening.shutdown(socket.SHUT_RDWR)


def writings(address: str) -> set[str]:
    """Return ways to write an IPv4 address that some resolver, browser or library takes."""
    parsed = ipaddress.IPv4Address(address)
    number, parts = int(parsed), address.split(".")
    tail, low = int(parsed) & 0xFFFFFF, int(parsed) & 0xFFFF
    pair = f"{number >> 16:x}:{number & 0xFFFF:x}"
    return {
        address, f"{number}", f"{number:#x}", f"0{number:o}", f"{parts[0]}.{tail}",
        f"{parts[0]}.{parts[1]}.{low}",
        ".".join(f"{int(one):#x}" for one in parts), ".".join(f"0{int(one):o}" for one in parts),
        ".".join(f"{int(one):03d}" for one in parts), f"{address}.", f"{parts[0]}.{tail:#x}",
        f"[::ffff:{address}]", f"[::ffff:{pair}]", f"[::{address}]", f"[::{pair}]", f"[::ffff:0:{pair}]",
        f"[64:ff9b::{address}]", f"[64:ff9b:1::{pair}]", f"[2002:{pair}::]", f"[2002:{pair}::1]",
        f"[2001:470:1::5efe:{pair}]", f"[2001:470:1::200:5efe:{pair}]", f"[2001:0:{pair}::1]",
        address.translate(str.maketrans("0123456789", "０１２３４５６７８９")),
        address.translate(str.maketrans("123456789", "①②③④⑤⑥⑦⑧⑨")), address.replace(".", "。"),
        address.replace(".", "%2e"),
    }  # fmt: skip


INSIDE_4 = (
    "127.0.0.1", "127.255.255.254", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.0.1", "169.254.169.254",
    "100.64.0.1", "100.100.100.200", "168.63.129.16", "192.0.0.192", "224.0.0.1", "240.0.0.1",
    "255.255.255.255", "198.18.0.1",
)  # fmt: skip
INSIDE_6 = (
    "[::]", "[::1]", "[0:0:0:0:0:0:0:1]", "[fe80::1]", "[fe80::1%25lo]", "[fc00::1]", "[fd00:ec2::254]",
    "[fec0::1]", "[ff02::1]", "[100::1]", "[2001:db8::1]", "[2001:20::1]", "[3fff::1]",
    "[5f00::1]", "[64:ff9b:1::1]",
)  # fmt: skip


@pytest.fixture
def fetcher() -> Iterator[Fetcher]:
    made = Fetcher(max_bytes=1 << 20, hosts=(), private_networks=())
    yield made
    made.close()


def refusal(fetcher: Fetcher, url: str) -> str:
    with pytest.raises(FetchError) as raised:
        fetcher.fetch(url, io.BytesIO())
    return str(raised.value)


NO_NAME = re.compile("Refused|is not the address|name .* is not known|could not be reached: .*(IDNA|label)")


def test_no_writing_of_an_inside_address_is_fetched_from(
    fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")  # none is taken from there
    with canary() as (port, reached):
        hosts = {*INSIDE_6, "localhost", "LOCALHOST.", *(one for four in INSIDE_4 for one in writings(four))}
        urls = {f"{scheme}://{host}:{port}/" for host in hosts for scheme in ("http", "https")}
        urls |= {f"http://user:pass@127.0.0.1:{port}/", f"http://public.example@127.0.0.1:{port}/",
                 f"http://127.0.0.1:{port}\\@public.example/", f"http:///127.0.0.1:{port}/"}  # fmt: skip
        urls |= {f"{scheme}://127.0.0.1:{port}/" for scheme in
                 ("gopher", "ftp", "file", "dict", "ldap", "tftp", "jar", "netdoc", "ws", "x")}  # fmt: skip
        urls |= {
            "file:///etc/passwd",
            "data:text/plain,x",
            "//127.0.0.1/",
            "/etc/passwd",
            "",
            "http://",
            "http:",
        }
        for url in urls:
            said = refusal(fetcher, url)
            assert NO_NAME.search(said), (url, said)
        assert not reached
    keep_count("addresses inside (SSRF)", len(urls))


def test_redirects_of_each_kind_lead_nowhere_inside() -> None:
    tried = 0
    allowed = (ipaddress.ip_network("127.0.0.1/32"),)
    with canary() as (port, reached), SampleProvider() as provider:
        inside = Fetcher(max_bytes=1 << 20, hosts=(), private_networks=allowed)
        for there in (f"http://[::1]:{port}/", f"http://127.0.0.2:{port}/", f"http://[::ffff:7f00:2]:{port}/",
                      "file:///etc/passwd", "gopher://127.0.0.1:1/", "ftp://127.0.0.1/", "data:text/plain,x",
                      f"//127.0.0.2:{port}/", f"http://2130706434:{port}/", "javascript:x"):  # fmt: skip
            for status in (301, 302, 303, 307, 308):
                url = provider.offer(media.drawing(0), answers=(_redirect(there, status),) * 2)
                assert NO_NAME.search(refusal(inside, url)), (there, status)
                tried += 1
        inside.close()
        assert not reached
    keep_count("redirects", tried)


def _redirect(there: str, status: int) -> faults.Answer:
    def answer(request: faults.BaseHTTPRequestHandler, *_: object) -> None:
        request.send_response(status)
        request.send_header("location", there)
        request.send_header("content-length", "0")
        request.end_headers()

    return answer


def test_a_name_that_points_elsewhere_after_the_check_is_connected_to_as_checked(
    fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, asked, connected = socket.getaddrinfo, [], []

    def rebinding(host: str, port: int, *args: object, **more: object) -> list[object]:
        if host == "rebinds.example":
            asked.append(host)
            host = "93.184.215.14" if len(asked) == 1 else "127.0.0.1"
        return list(real(host, port, *args, **more))  # type: ignore[arg-type]

    def connect(address: tuple[str, int], *_: object) -> None:
        connected.append(address[0])
        raise OSError("nothing of this test leaves the machine")

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    monkeypatch.setattr(socket, "create_connection", connect)
    refusal(fetcher, "http://rebinds.example/")
    assert (asked, connected) == (["rebinds.example"], ["93.184.215.14"])
    assert "Refused" in refusal(fetcher, "http://rebinds.example/")
    assert connected == ["93.184.215.14"]


def test_one_inside_address_among_public_ones_is_enough_to_refuse(
    fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, 80)) for one in ("93.184.215.14", "10.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", functools.partial(lambda found, *_a, **_k: found, both))
    assert "10.0.0.1" in refusal(fetcher, "http://both.example/")


def test_a_file_that_swells_when_unpacked_is_bounded() -> None:
    bomb = gzip.compress(bytes(64 << 20))

    def answer(request: faults.BaseHTTPRequestHandler, *_: object) -> None:
        request.send_response(200)
        request.send_header("content-encoding", "gzip")
        request.send_header("content-length", str(len(bomb)))
        request.end_headers()
        with suppress(OSError):
            request.wfile.write(bomb)

    with SampleProvider() as provider:
        local = Fetcher(max_bytes=1 << 20, hosts=(), private_networks=(ipaddress.ip_network("127.0.0.1/32"),))
        assert "larger than" in refusal(local, provider.offer(media.drawing(0), answers=(answer,)))
        local.close()
