"""The first page with its early tiles: whatever fails in them, there is a page."""

import asyncio
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request

from dashboard import front
from dashboard.gate import VISIT
from dashboard.locally import zone_of
from dashboard.sight import Look, drawn
from dashboard.tiles import tiles
from tests.records import message


def answered(monkeypatch: pytest.MonkeyPatch, found: Any, **headers: str) -> httpx.Response:
    """Return the front page's answer where its first tiles are `found`, or fail with it."""

    def first(*_: object) -> Any:
        if isinstance(found, Exception):
            raise found
        return found

    monkeypatch.setattr(front, "first_or_next_page", first)
    app = Starlette(routes=front.front_routes(None))  # type: ignore[arg-type]  # it is not asked for

    async def with_visit(scope: Any, receive: Any, send: Any) -> None:
        scope[VISIT] = None
        await app(scope, receive, send)

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(with_visit, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://vault.example") as client:
            return await client.get("/", headers=headers)

    return asyncio.run(ask())


@pytest.mark.parametrize(
    "error", [OverflowError("date value out of range"), KeyError("tiles"), RuntimeError()]
)
def test_whatever_fails_in_the_early_tiles_the_plain_page_is_served(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    answer = answered(monkeypatch, error)
    assert answer.status_code == 200
    assert "mmsvault-first" not in answer.text


def test_tiles_that_cannot_be_drawn_leave_the_plain_page(monkeypatch: pytest.MonkeyPatch) -> None:
    cookie = {"cookie": f"mmsvault_look={quote('Europe/Berlin|120|light')}"}
    answer = answered(monkeypatch, {"tiles": [{"at": "no time"}]}, **cookie)
    assert answer.status_code == 200


@pytest.mark.parametrize("at", [datetime.max.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC)])
@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "America/Los_Angeles"])
def test_a_message_at_either_end_of_all_years_is_drawn_early(at: datetime, zone: str) -> None:
    found = tiles([message(received_at=at)], sign=lambda key, _: key)
    assert "sinch-1" in drawn(found, Look(zone_of(zone), "120", "light"))


def test_days_in_the_address_are_those_of_the_browser_or_the_early_page_has_no_tiles(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[dict[str, str]] = []

    def first(_visit: object, params: dict[str, str]) -> dict[str, Any]:
        asked.append(params)
        return {"tiles": []}

    monkeypatch.setattr(front, "first_or_next_page", first)
    query = {"since": "2026-11-30", "until": "2026-11-30"}
    scope = {"type": "http", "query_string": str(httpx.QueryParams(query)).encode(), VISIT: None}
    cookie = f"mmsvault_look={quote('Pacific/Auckland|120|light')}".encode()
    assert front._early_page(Request({**scope, "headers": []})) is None
    assert asked == []
    assert front._early_page(Request({**scope, "headers": [(b"cookie", cookie)]}))
    assert asked[0]["zone"] == "Pacific/Auckland"
