"""What the login is made of, without a server."""

import json
from ipaddress import ip_network
from pathlib import Path
from types import SimpleNamespace

import pytest
from starlette.requests import Request

from dashboard import known_browsers
from dashboard.browsers import in_short
from dashboard.login import page_before
from dashboard.plain_page import own_path, read_form
from dashboard.throttle import OF_ADDRESS, OF_NAME, OF_NAME_AT_ADDRESS, login_limits
from mmsvault import clients
from mmsvault.clients import UNTRUSTED_FILE, UntrustedPeers, caller_network, untrusted_peer
from mmsvault.errors import ConfigurationError
from mmsvault.settings import Settings

LINUX_FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.0 Mobile/15E148 Safari/604.1"
)
EDGE = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 "
    "Safari/537.36 Edg/140.0.0.0"
)


@pytest.mark.parametrize(
    ("user_agent", "said"),
    [
        (LINUX_FIREFOX, "Firefox on Linux"),
        (IPHONE, "Safari on iPhone"),
        (EDGE, "Edge on Windows"),
        ("curl/8.14", ""),
        ("", ""),
    ],
)
def test_a_browser_is_told_in_short(user_agent: str, said: str) -> None:
    assert in_short(user_agent) == said


def test_a_browser_is_known_for_one_name_by_one_vault() -> None:
    cookie = known_browsers.new_cookie("secret", "anna")
    assert known_browsers.id_in(cookie, "secret", "anna")
    assert known_browsers.id_in(cookie, "secret", "ben") is None
    assert known_browsers.id_in(cookie, "another", "anna") is None
    assert known_browsers.id_in(f"{cookie}x", "secret", "anna") is None
    assert known_browsers.id_in("", "secret", "anna") is None
    assert known_browsers.new_cookie("secret", "anna") != cookie


def test_a_known_browser_is_counted_by_itself_and_others_by_name_and_address() -> None:
    assert list(login_limits("anna", "192.0.2.1", "f00d")) == ["browser f00d anna"]
    assert login_limits("anna", "192.0.2.1", None) == {
        "pair 192.0.2.1 anna": OF_NAME_AT_ADDRESS,
        "name anna": OF_NAME,
        "address 192.0.2.1": OF_ADDRESS,
    }
    assert OF_NAME_AT_ADDRESS.free * 10 <= OF_ADDRESS.free


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8:0:0:ffff::", "2001:db8::/64"),
        ("nowhere", "nowhere"),
    ],
)
def test_addresses_of_one_owner_are_counted_as_one(address: str, network: str) -> None:
    assert caller_network(address) == network


def test_a_proxy_that_is_not_trusted_is_noted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    warned: list[str] = []

    def warning(event: str, **_: object) -> None:
        warned.append(event)

    monkeypatch.setattr(clients, "log", SimpleNamespace(warning=warning))
    trusted = (ip_network("10.0.0.0/8"),)
    peers = UntrustedPeers(tmp_path, trusted)
    peers.look("192.0.2.9", "")
    peers.look("10.1.2.3", "198.51.100.1")
    assert untrusted_peer(tmp_path, trusted) is None
    for _ in range(3):
        peers.look("192.0.2.9", "198.51.100.1")
    assert warned == ["x-forwarded-for is not believed"]
    found = untrusted_peer(tmp_path, trusted)
    assert found
    assert found.address == "192.0.2.9"
    assert untrusted_peer(tmp_path, (*trusted, ip_network("192.0.2.9/32"))) is None, "it is trusted since"
    (tmp_path / UNTRUSTED_FILE).write_text(json.dumps({"address": 1}))
    assert untrusted_peer(tmp_path, trusted) is None


@pytest.mark.parametrize(
    "given",
    [
        {"second_factor_roles": "owner"},
        {"second_factor_roles": "admin", "proxy_login_header": "X-User", "proxy_secret": "x" * 20},
    ],
)
def test_roles_of_the_second_factor_that_cannot_be_are_refused(tmp_path: Path, given: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match="SECOND_FACTOR_ROLES"):
        Settings.load(data_dir=tmp_path, **given)


def sent(body: bytes, *, origin: str = "https://vault.example") -> dict[str, str] | None:
    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": body, "more_body": False}

    headers = [(b"host", b"vault.example"), (b"origin", origin.encode())]
    reading = read_form(Request({"type": "http", "method": "POST", "headers": headers}, receive))
    try:
        reading.send(None)
    except StopIteration as end:
        fields: dict[str, str] | None = end.value
        return fields
    raise AssertionError("it waits for something")


@pytest.mark.parametrize("origin", ["http://[", "https://a]b", "null", "https://other.example"])
def test_a_form_of_an_origin_that_is_none_or_anothers_is_refused(origin: str) -> None:
    assert sent(b"name=anna") == {"name": "anna"}
    assert sent(b"name=anna", origin=origin) is None


def test_a_field_has_no_character_that_no_database_holds() -> None:
    assert sent(b"name=an%00na&password=a%00") == {"name": "anna", "password": "a"}


@pytest.mark.parametrize(
    ("wanted", "onward"),
    [
        ("/?keyword=storm&chosen=sinch-1", "/?keyword=storm&chosen=sinch-1"),
        ("/exports?selection=abc", "/exports?selection=abc"),
        ("//evil.example/", "/"),
        ("/\\evil.example/", "/"),
        ("https://evil.example/", "/"),
        ("/\t/evil.example/", "/"),
        ("javascript:alert(1)", "/"),
        ("/login?next=/", "/"),
    ],
)
def test_a_login_leads_on_to_a_path_of_its_own_server_only(wanted: str, onward: str) -> None:
    assert own_path(wanted) == onward


@pytest.mark.parametrize(
    ("referer", "onward"),
    [
        ("https://vault.example/?keyword=storm&selection=all", "/?keyword=storm&selection=all"),
        ("https://vault.example/exports?query=pier", "/exports?query=pier"),
        ("https://vault.example/account", ""),
        ("https://evil.example/exports", ""),
        ("https://vault.example//evil.example/", ""),
        ("http://[", ""),
        ("", ""),
    ],
)
def test_a_link_to_the_login_leads_back_to_the_page_that_it_stood_on(referer: str, onward: str) -> None:
    headers = [(b"host", b"vault.example"), (b"referer", referer.encode())]
    assert page_before(Request({"type": "http", "headers": headers})) == onward
