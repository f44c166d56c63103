"""WebSockets that pages of other sites open."""

import asyncio
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from dashboard.headers import SameOrigin


async def page(_scope: Scope, _receive: Receive, send: Send) -> None:
    await send({"type": "websocket.accept"})


def answer(origin: bytes) -> str:
    sent: list[Any] = []

    async def send(event: Any) -> None:
        sent.append(event)

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    scope = {"type": "websocket", "headers": [(b"host", b"vault.example"), (b"origin", origin)]}
    asyncio.run(SameOrigin(page)(scope, receive, send))
    return str(sent[0]["type"])


@pytest.mark.parametrize(
    ("origin", "event"),
    [
        (b"https://vault.example", "websocket.accept"),
        (b"https://other.example", "websocket.close"),
        (b"http://[", "websocket.close"),
        (b"https://a]b", "websocket.close"),
        (b"null", "websocket.close"),
    ],
)
def test_a_page_of_another_origin_or_of_none_opens_no_websocket(origin: bytes, event: str) -> None:
    assert answer(origin) == event
