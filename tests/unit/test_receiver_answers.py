"""The receiver's answers without a socket: who is let in, what is kept of a postback, and when it says so."""

import asyncio
import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import ip_network
from itertools import product
from typing import Any

import pytest

from mmsvault.clients import Network
from mmsvault.errors import UnavailableError
from mmsvault.message import Receipt
from receiver import doorkeeper, postbacks
from receiver.app import Receiver
from receiver.doorkeeper import Doorkeeper
from receiver.metrics import Metrics

TOKENS = ("sesame", "older-one")
ACCENTED = "s\u00e9same"
MAX_BYTES = 10
Headers = Sequence[tuple[bytes, bytes]]


@dataclass
class Intake:
    """Keeps receipts in a list, or cannot; `may_keep` lets a test say when."""

    kept: list[Receipt] = field(default_factory=list)
    is_away: bool = False
    may_keep: asyncio.Event | None = None
    spooled = 0

    async def keep(self, receipt: Receipt) -> None:
        if self.may_keep is not None:
            await self.may_keep.wait()
        if self.is_away:
            raise UnavailableError("The disk is full.")
        self.kept.append(receipt)

    def place(self) -> str:
        return "queue"


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes
    pieces_read: int


class House:
    """A receiver and those who post to it."""

    def __init__(
        self,
        *,
        tokens: Sequence[str] = TOKENS,
        networks: Sequence[Network] = (),
        proxies: Sequence[Network] = (),
    ) -> None:
        self.intake = Intake()
        self.app = Receiver(openapi_url=None)
        self.metrics = Metrics(self.intake)  # type: ignore[arg-type]
        self.app.state.intake = self.intake
        self.app.state.metrics = self.metrics
        self.app.state.doorkeeper = Doorkeeper(tokens, networks, proxies)
        self.app.state.max_postback_bytes = MAX_BYTES
        self.app.router.routes.extend(postbacks.ROUTES)

    def post(self, path: str = "/postbacks/sinch/sesame", *pieces: bytes, **given: Any) -> Answer:
        return asyncio.run(self.answer(path, *pieces, **given))

    async def answer(
        self,
        path: str,
        *pieces: bytes,
        headers: Headers = (),
        query: str = "",
        client: tuple[str, int] | None = ("192.0.2.7", 1),
        method: str = "POST",
    ) -> Answer:
        left, sent, read = list(pieces) or [b""], list[dict[str, Any]](), 0

        async def receive() -> dict[str, Any]:
            nonlocal read
            read += 1
            piece = left.pop(0)
            return {"type": "http.request", "body": piece, "more_body": bool(left)}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {
            "type": "http", "http_version": "1.1", "method": method, "path": path, "raw_path": path.encode(),
            "query_string": query.encode(), "headers": list(headers), "client": client, "root_path": "",
            "scheme": "http", "server": ("127.0.0.1", 80),
        }  # fmt: skip
        await self.app(scope, receive, send)
        head = {name.decode().lower(): value.decode() for name, value in sent[0]["headers"]}
        return Answer(sent[0]["status"], head, b"".join(one.get("body", b"") for one in sent[1:]), read)

    def counted(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(name, labels) or 0.0


def basic(text: str, *, scheme: str = "Basic") -> Headers:
    return [(b"authorization", f"{scheme} {base64.b64encode(text.encode()).decode()}".encode())]


@pytest.fixture
def house() -> House:
    return House()


@pytest.mark.parametrize("right", ["sesame", "older-one", "none"])
def test_every_offered_text_is_compared_with_every_token_in_constant_time(
    house: House, monkeypatch: pytest.MonkeyPatch, right: str
) -> None:
    compared: list[tuple[bytes, bytes]] = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return one == other

    monkeypatch.setattr(doorkeeper.hmac, "compare_digest", compare)
    offered = [b"in-the-path", right.encode(), b"a-password"]
    headers = basic("me:a-password")
    answer = house.post("/postbacks/sinch/in-the-path", query=f"token={right}", headers=headers)
    assert compared == list(product(offered, [token.encode() for token in TOKENS]))
    assert answer.status == (401 if right == "none" else 200)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (basic("sinch:sesame"), 200),
        (basic(":sesame"), 200),
        (basic("sinch:sesame", scheme="basic"), 200),
        (basic("sinch:sesame", scheme="BASIC"), 200),
        ([(name, value + b"!") for name, value in basic("sinch:sesame")], 401),
        (basic("sesame:"), 401),
        (basic("sesame:wrong"), 401),
        (basic("sinch:wrong:sesame"), 401),
        (basic("sinch:sesame:wrong"), 401),
        (basic("sinch:sesam"), 401),
        (basic("sinch:sesame "), 401),
        (basic("sinch:sesame", scheme="Bearer"), 401),
        (basic("sinch:sesame", scheme="Basic2"), 401),
        ([(b"authorization", b"Basic c2luY2g6c2VzYW1l")], 200),
        ([(b"authorization", b"Basic c2lu*Y2g6c2VzYW1l")], 401),
        ([(b"authorization", b"Basic c2luY2g6c2VzYW1")], 401),
        ([(b"authorization", b"Basic /////w==")], 401),
        ([(b"authorization", b"Basic")], 401),
        ([(b"authorization", b"sesame")], 401),
    ],
)
def test_the_password_of_basic_authentication_is_the_token_and_nothing_else_is(
    house: House, headers: Headers, status: int
) -> None:
    assert house.post("/postbacks/sinch", headers=headers).status == status
    assert len(house.intake.kept) == (status == 200)


@pytest.mark.parametrize("token", ["", "s", "sesam", "sesame2", "Sesame", "older-one ", "sesameolder-one"])
def test_a_part_of_a_token_opens_nothing(house: House, token: str) -> None:
    answer = house.post("/postbacks/sinch", b"secret", query=f"token={token}")
    assert answer.status == 401
    assert answer.headers["www-authenticate"] == 'Basic realm="postbacks"'
    assert house.intake.kept == []


def test_an_empty_token_opens_nothing_even_where_one_is_set() -> None:
    house = House(tokens=["", ACCENTED])
    for path, given in (
        ("/postbacks/sinch", {"query": "token="}),
        ("/postbacks/sinch", {"headers": basic("me:")}),
        ("/postbacks/sinch", {}),
    ):
        assert house.post(path, **given).status == 401
    assert house.post("/postbacks/sinch", headers=basic(f"me:{ACCENTED}")).status == 200


def test_who_is_not_let_in_has_no_body_read_and_learns_of_no_provider(house: House) -> None:
    for provider in ("sinch", "nobody"):
        answer = house.post(f"/postbacks/{provider}/wrong", b"secret", b"more")
        assert (answer.status, answer.pieces_read) == (401, 0)
        assert b"provider" not in answer.body
    assert house.counted("mmsvault_postbacks_refused_total", reason="token") == 2
    assert house.counted("mmsvault_postbacks_total", status="401") == 2


def test_another_network_is_refused_before_the_token_is_looked_at() -> None:
    house = House(networks=[ip_network("192.0.2.0/24")])
    for path in ("/postbacks/sinch/sesame", "/postbacks/sinch/wrong"):
        answer = house.post(path, b"secret", client=("198.51.100.1", 1))
        assert (answer.status, answer.pieces_read) == (403, 0)
    assert house.counted("mmsvault_postbacks_refused_total", reason="network") == 2
    assert house.post("/postbacks/sinch/wrong").status == 401
    assert house.post().status == 200
    assert house.post(client=("::ffff:192.0.2.9", 1)).status == 200
    assert house.post(client=None).status == 403, "nobody knows where it comes from"
    assert house.post(client=("somewhere", 1)).status == 403


@pytest.mark.parametrize(
    ("forwarded", "status"),
    [
        ([b"192.0.2.7"], 200),
        ([b"198.51.100.1"], 403),
        ([b"192.0.2.7", b"198.51.100.1"], 403),
        ([b"198.51.100.1", b"192.0.2.7"], 200),
        ([b"192.0.2.7, 198.51.100.1"], 403),
        ([b"192.0.2.7", b"10.0.0.9"], 200),
        ([b"192.0.2.7%eth0"], 403),
        ([b""], 403),
        ([], 403),
    ],
)
def test_the_address_that_a_trusted_proxy_wrote_last_decides(forwarded: list[bytes], status: int) -> None:
    house = House(networks=[ip_network("192.0.2.0/24")], proxies=[ip_network("10.0.0.0/8")])
    headers = [(b"x-forwarded-for", value) for value in forwarded]
    assert house.post(headers=headers, client=("10.0.0.1", 1)).status == status
    direct = house.post(headers=headers, client=("192.0.2.7", 1))
    assert direct.status == 200, "what a stranger claims for itself counts for nothing"
    assert house.intake.kept[-1].source == "192.0.2.7"


def test_a_postback_is_kept_whole_with_its_source_and_without_its_credentials(house: House) -> None:
    secrets = [(b"authorization", b"Basic x"), (b"cookie", b"a=b"), (b"proxy-authorization", b"Basic y")]
    headers = [*secrets, (b"content-type", b"text/xml"), (b"x-name", b"\xfc")]
    answer = house.post("/postbacks/sinch/sesame", b"12345", b"", b"67890", headers=headers)
    assert (answer.status, answer.body) == (200, b"OK")
    (kept,) = house.intake.kept
    assert (kept.body, kept.provider, kept.source) == (b"1234567890", "sinch", "192.0.2.7")
    assert kept.headers == {"content-type": "text/xml", "x-name": "\xfc"}
    assert house.counted("mmsvault_postbacks_total", status="200") == 1


def test_nothing_is_answered_before_the_postback_is_kept(house: House) -> None:
    async def run() -> None:
        house.intake.may_keep = asyncio.Event()
        answering = asyncio.ensure_future(house.answer("/postbacks/sinch/sesame", b"12345"))
        for _ in range(20):
            await asyncio.sleep(0)
        assert not answering.done()
        house.intake.may_keep.set()
        assert (await answering).status == 200
        assert len(house.intake.kept) == 1

    asyncio.run(run())


def test_what_cannot_be_kept_is_asked_for_again(house: House) -> None:
    house.intake.is_away = True
    answer = house.post("/postbacks/sinch/sesame", b"12345")
    assert (answer.status, answer.headers["retry-after"]) == (503, "30")
    assert house.counted("mmsvault_postbacks_total", status="503") == 1


@pytest.mark.parametrize("declared", [None, b"10", b"11", b"1"])
@pytest.mark.parametrize("pieces", [(b"1234567890",), (b"12345", b"67890")])
def test_a_body_of_the_largest_size_is_kept_and_one_that_says_to_be_larger_is_not_read(
    house: House, pieces: tuple[bytes, ...], declared: bytes | None
) -> None:
    headers = [(b"content-length", declared)] if declared else []
    answer = house.post("/postbacks/sinch/sesame", *pieces, headers=headers)
    if declared == b"11":
        assert (answer.status, answer.pieces_read, house.intake.kept) == (413, 0, [])
    else:
        assert (answer.status, house.intake.kept[0].body) == (200, b"1234567890")


def test_a_body_that_grows_too_large_is_read_no_further(house: House) -> None:
    answer = house.post("/postbacks/sinch/sesame", b"1234567890", b"1", b"more", b"and more")
    assert (answer.status, answer.pieces_read, house.intake.kept) == (413, 2, [])


def test_a_provider_that_nobody_knows_is_named_in_the_answer(house: House) -> None:
    answer = house.post("/postbacks/nobody/sesame", b"12345")
    assert (answer.status, answer.pieces_read) == (404, 0)
    assert b"There is no provider 'nobody'; there are sinch." in answer.body


@pytest.mark.parametrize(
    "path",
    ["/postbacks/", "/postbacks/sinch/", "/postbacks/sinch/sesame/more", "/postbacks//sesame", "/other"],
)
def test_other_addresses_take_no_postback(house: House, path: str) -> None:
    for query in ("token=sesame", ""):
        assert house.post(path, b"12345", query=query).status in {404, 307}
    assert house.intake.kept == []


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_a_postback_is_posted(house: House, method: str) -> None:
    assert house.post("/postbacks/sinch/sesame", b"12345", method=method).status == 405
    assert house.intake.kept == []
