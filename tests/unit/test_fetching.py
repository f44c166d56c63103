"""Where a connection for a file may go: addresses, ports and names, with no network behind them."""

import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest

from mmsvault.errors import PermanentFetchError, RefusedFetchError, TransientFetchError
from mmsvault.fetching import address as addresses
from mmsvault.fetching import guard, is_allowed
from mmsvault.fetching.guard import connect
from mmsvault.fetching.limits import within

PUBLIC, OTHER_PUBLIC = "93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"


@pytest.mark.parametrize(
    "address",
    [
        PUBLIC, OTHER_PUBLIC, "64:ff9b::5db8:d70e", "2002:5db8:d70e::1", "2606:4700::200:5efe:5db8:d70e",
        "168.63.129.15", "168.63.129.17", "192.0.1.1", "192.31.195.1", "192.31.197.1", "192.88.98.1",
        "192.88.100.1", "192.175.47.1", "192.175.49.1", "2001:200::1", "2620:4f:7fff::1", "2620:4f:8001::1",
        "3fff:1000::1", "3ffe::1",
    ],
)  # fmt: skip
def test_public_addresses_may_be_fetched_from(address: str) -> None:
    assert is_allowed(ip_address(address), ())


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
        "224.0.0.1", "255.255.255.255", "192.0.2.1", "::1", "::", "fe80::1", "fc00::1", "ff02::1",
        "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:7f00:1::", "2001:0:4136:e378::",
        "2606:4700::5efe:a00:1", "2606:4700::200:5efe:a00:1", "64:ff9b::a83f:8110", "2002:a83f:8110::",
    ],
)  # fmt: skip
def test_inside_addresses_are_refused_in_every_writing(address: str) -> None:
    assert not is_allowed(ip_address(address), ())


def test_a_private_network_that_is_listed_is_allowed() -> None:
    assert is_allowed(ip_address("127.0.0.1"), [ip_network("127.0.0.1/32")])
    assert not is_allowed(ip_address("127.0.0.2"), [ip_network("127.0.0.1/32")])
    assert is_allowed(ip_address("::ffff:127.0.0.1"), [ip_network("127.0.0.1/32")])


@pytest.mark.parametrize(
    "address",
    [
        "168.63.129.16", "::ffff:168.63.129.16",
        "192.0.0.1", "192.0.0.9", "192.0.0.10", "192.0.0.192",
        "192.31.196.1", "192.31.196.255", "192.88.99.1", "192.175.48.1", "192.175.48.255",
        "2001::1", "2001:1::1", "2001:1::2", "2001:3::1", "2001:4:112::1", "2001:20::1", "2001:30::1",
        "2001:1ff:ffff::1", "2620:4f:8000::1", "2620:4f:8000:ffff::1", "3fff::1", "3fff:fff:ffff::1",
        "64:ff9b:1::1", "64:ff9b:0:0:0:1::1",
        "64:ff9b:0:0:1::5db8:d70e", "100::1", "::2", "1fff::1", "4000::1", "5f00::1", "fec0::1",
        "8000::1", "e000::1",
        "224.0.0.251", "239.255.255.250", "233.252.0.1", "ff0e::1", "240.0.0.1", "198.18.0.1", "198.51.100.1",
        "203.0.113.1", "2001:db8::1",
    ],
)  # fmt: skip
def test_networks_with_a_special_meaning_hold_no_files(address: str) -> None:
    assert not is_allowed(ip_address(address), ())


@pytest.mark.parametrize(
    "address",
    [
        "192.0.0.9", "192.31.196.1", "192.88.99.1", "192.175.48.1", "168.63.129.16",
        "2001::1", "2001:1::1", "2001:20::1", "2620:4f:8000::1", "3fff::1", "100::1", "4000::1", "224.0.0.1",
    ],
)  # fmt: skip
def test_they_hold_none_even_where_python_takes_all_addresses_for_public_ones(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    for kind in (IPv4Address, IPv6Address):
        monkeypatch.setattr(kind, "is_global", True)
    assert is_allowed(ip_address(PUBLIC), ())
    assert not is_allowed(ip_address(address), ())


@dataclass
class Network:
    """Names and the addresses that they have, and which of those take connections."""

    names: dict[str, Sequence[str]]
    reachable: Sequence[str] = ()
    asked: list[str] = field(default_factory=list)
    tried: list[tuple[str, int]] = field(default_factory=list)
    waits: list[float | None] = field(default_factory=list)

    def resolve(self, host: str, port: int, **_: object) -> list[tuple[object, ...]]:
        self.asked.append(host)
        return [(0, 0, 0, "", (address, port)) for address in self.names[host]]

    def connect(self, place: tuple[str, int], seconds: float | None) -> socket.socket:
        self.tried.append(place)
        self.waits.append(seconds)
        if place[0] not in self.reachable:
            raise ConnectionRefusedError
        return socket.socket()


Given = Callable[..., Network]


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Given:
    def given(names: dict[str, Sequence[str]], *reachable: str) -> Network:
        made = Network(names, reachable)
        monkeypatch.setattr(socket, "getaddrinfo", made.resolve)
        monkeypatch.setattr(socket, "create_connection", made.connect)
        return made

    return given


def test_a_name_is_looked_up_once_and_connected_to_at_the_address_that_was_checked(network: Given) -> None:
    made = network({"m.example": [PUBLIC]}, PUBLIC)
    connect("m.example", 443, private_networks=()).close()
    assert (made.asked, made.tried) == (["m.example"], [(PUBLIC, 443)])


@pytest.mark.parametrize("found", [["10.0.0.1", PUBLIC], [PUBLIC, "10.0.0.1"], [PUBLIC, OTHER_PUBLIC, "::1"]])
def test_a_name_with_one_inside_address_is_refused_whichever_comes_first(
    network: Given, found: list[str]
) -> None:
    made = network({"m.example": found}, PUBLIC, OTHER_PUBLIC)
    with pytest.raises(RefusedFetchError, match="a network that is not public"):
        connect("m.example", 80, private_networks=())
    assert made.tried == []


def test_the_next_address_is_tried_where_one_is_down(network: Given) -> None:
    made = network({"m.example": [OTHER_PUBLIC, PUBLIC]}, PUBLIC)
    connect("m.example", 80, private_networks=()).close()
    assert made.tried == [(OTHER_PUBLIC, 80), (PUBLIC, 80)]


@pytest.mark.parametrize("port", [21, 22, 25, 81, 444, 6379, 8080, 8443])
def test_public_addresses_are_asked_at_the_usual_ports_and_the_listed_ones_only(
    network: Given, port: int
) -> None:
    made = network({"m.example": [PUBLIC]}, PUBLIC)
    with pytest.raises(RefusedFetchError, match=rf"port {port} of m\.example"):
        connect("m.example", port, private_networks=(), ports=(9000,))
    assert made.tried == []
    for allowed in (80, 443, 9000):
        connect("m.example", allowed, private_networks=(), ports=(9000,)).close()


@pytest.mark.parametrize("address", ["10.0.0.1", "::ffff:10.0.0.1", "64:ff9b::a00:1"])
def test_a_private_network_that_is_listed_is_asked_at_any_port(network: Given, address: str) -> None:
    plain = str(ip_address(address))
    made = network({"m.example": [address]}, plain)
    connect("m.example", 8080, private_networks=[ip_network("10.0.0.0/8")]).close()
    assert made.tried == [(plain, 8080)]


def test_a_connection_is_waited_for_no_longer_than_the_download_may_take(network: Given) -> None:
    made = network({"m.example": [PUBLIC]}, PUBLIC)
    connect("m.example", 80, private_networks=()).close()
    assert made.waits == [guard.CONNECT_SECONDS]
    with within(guard.CONNECT_SECONDS / 2):
        connect("m.example", 80, private_networks=()).close()
    assert made.waits[1] is not None
    assert made.waits[1] <= guard.CONNECT_SECONDS / 2


def test_a_name_without_an_address_is_tried_again_later(network: Given) -> None:
    network({"m.example": []})
    with pytest.raises(TransientFetchError, match="its name has no address"):
        connect("m.example", 80, private_networks=())


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("ftp://m.example/a", "must begin with http"),
        ("file:///etc/passwd", "must begin with http"),
        ("http:///a", "must begin with http"),
        ("m.example/a", "must begin with http"),
        ("//m.example/a", "must begin with http"),
        ("http://[fe80::1%25eth0]/a", "a network of its own machine"),
        ("http://[fe80::1%eth0]/a", "a network of its own machine"),
        ("http://m.example:99999/a", "cannot be read"),
    ],
)
def test_what_is_no_address_of_a_file_is_never_asked_for(text: str, reason: str) -> None:
    with pytest.raises(PermanentFetchError, match=reason):
        addresses.read(text)


def test_control_characters_are_no_part_of_an_address() -> None:
    found = addresses.read("\n http://m.exa\tmple/a\x00b\r\nc\x7f ")
    assert (found.host, found.target) == ("m.example", "/abc")


def test_a_redirect_keeps_no_password_and_only_one_of_its_own() -> None:
    here = addresses.read("http://me:secret@m.example/a")
    assert here.login == "me:secret"
    for location in ("http://other.example/b", "//other.example/b", "http://m.example/b"):
        assert here.leads_to(location).login == ""
    assert here.leads_to("http://you:other@other.example/b").login == "you:other"
    assert addresses.read("HTTPS://M.Example:444/a").host == "m.example"
