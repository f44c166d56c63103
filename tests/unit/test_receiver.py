import asyncio
import base64
from ipaddress import ip_network

import pytest
from fastapi import HTTPException, Request

from mmsvault.clients import client_address
from receiver.doorkeeper import Doorkeeper
from receiver.postbacks import bounded_body, kept_headers


def request(
    *, path_token: str = "", query: str = "", authorization: str = "", client: str = "192.0.2.7"
) -> Request:
    headers = [(b"authorization", authorization.encode())] if authorization else []
    return Request(
        {
            "type": "http",
            "headers": headers,
            "query_string": query.encode(),
            "path_params": {"_token": path_token} if path_token else {},
            "client": (client, 1234),
        }
    )


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


def answer(doorkeeper: Doorkeeper, **given: str) -> int:
    try:
        doorkeeper.check(request(**given))
    except HTTPException as refusal:
        return refusal.status_code
    return 200


@pytest.mark.parametrize(
    "given",
    [
        {"path_token": "sesame"},
        {"query": "token=sesame"},
        {"query": "token=older"},
        {"authorization": basic("sinch:sesame")},
        {"path_token": "wrong", "query": "token=sesame"},
    ],
)
def test_the_token_is_taken_in_the_path_the_query_and_as_basic_password(given: dict[str, str]) -> None:
    assert answer(Doorkeeper(["sesame", "older"], ()), **given) == 200


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"path_token": "wrong"},
        {"query": "token="},
        {"authorization": basic("sesame")},
        {"authorization": basic("sesame:")},
        {"authorization": "Basic §§§"},
        {"authorization": "Bearer sesame"},
        {"path_token": "sesame\u00e9"},
    ],
)
def test_without_the_token_nobody_comes_in(given: dict[str, str]) -> None:
    assert answer(Doorkeeper(["sesame", "older"], ()), **given) == 401


def test_only_the_listed_networks_may_post() -> None:
    doorkeeper = Doorkeeper(["sesame"], [ip_network("192.0.2.0/24")])
    assert answer(doorkeeper, path_token="sesame") == 200
    assert answer(doorkeeper, path_token="sesame", client="198.51.100.1") == 403


def test_behind_a_proxy_that_is_trusted_its_word_counts_and_nobody_elses() -> None:
    near, proxy = ip_network("192.0.2.0/24"), ip_network("10.0.0.0/8")
    for peer, forwarded, trusted, status in (
        ("10.0.0.1", "192.0.2.7", [proxy], 200),
        ("10.0.0.1", "192.0.2.7", [], 403),
        ("198.51.100.1", "192.0.2.7", [proxy], 403),
        ("10.0.0.1", "192.0.2.7, 198.51.100.1", [proxy], 403),
        ("10.0.0.1", "198.51.100.1, 192.0.2.7, 10.0.0.2", [proxy], 200),
        ("10.0.0.1", "nonsense", [proxy], 403),
        ("::ffff:10.0.0.1", "192.0.2.7", [proxy], 200),
    ):
        asked = request(path_token="sesame", client=peer)
        asked.scope["headers"] += [(b"x-forwarded-for", forwarded.encode())]
        doorkeeper = Doorkeeper(["sesame"], [near], trusted)
        try:
            doorkeeper.check(asked)
            found = 200
        except HTTPException as refusal:
            found = refusal.status_code
        assert found == status, (peer, forwarded, trusted)


@pytest.mark.parametrize(
    ("claimed", "source"),
    [
        ("nonsense", "10.0.0.1"),
        ("", "10.0.0.1"),
        (",,", "10.0.0.1"),
        ("192.0.2.7, nonsense", "10.0.0.1"),
        ("nonsense, 192.0.2.7", "192.0.2.7"),
        ("192.0.2.7 , 10.0.0.2", "192.0.2.7"),
    ],
)
def test_what_is_no_address_is_never_taken_for_the_source(claimed: str, source: str) -> None:
    assert client_address("10.0.0.1", claimed, [ip_network("10.0.0.0/8")]) == source


@pytest.mark.parametrize("claimed", ["2001:db8::1%eth0", "2001:db8::1%\x1b[2J", "fe80::1%" + "x" * 500])
def test_an_address_that_names_a_network_of_its_own_machine_is_not_believed(claimed: str) -> None:
    assert client_address("10.0.0.1", claimed, [ip_network("10.0.0.0/8")]) == "10.0.0.1"


def test_credentials_are_not_kept_with_the_headers() -> None:
    sent = [(b"authorization", b"x"), (b"cookie", b"y"), (b"user-agent", b"z")]
    assert kept_headers(sent) == {"user-agent": "z"}


async def _body(chunks: list[bytes], *, declared: str | None, max_bytes: int) -> bytes:
    waiting = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    waiting.append({"type": "http.request", "body": b"", "more_body": False})

    async def receive() -> dict[str, object]:
        return waiting.pop(0)

    headers = [(b"content-length", declared.encode())] if declared else []
    return await bounded_body(Request({"type": "http", "headers": headers}, receive), max_bytes)


@pytest.mark.parametrize("declared", [None, "11", "1", "-5", "x"])
def test_a_body_is_bounded_whatever_it_says_of_its_length(declared: str | None) -> None:
    with pytest.raises(HTTPException) as raised:
        asyncio.run(_body([b"12345", b"678901"], declared=declared, max_bytes=10))
    assert raised.value.status_code == 413
    assert asyncio.run(_body([b"12345", b"67890"], declared=None, max_bytes=10)) == b"1234567890"
