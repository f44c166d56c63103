"""Where providers post: the raw body is bounded, wrapped in a receipt, and kept before the 200."""

import asyncio
from collections.abc import Mapping

import structlog
from fastapi import HTTPException, Request, Response
from fastapi.responses import PlainTextResponse
from starlette.routing import Route
from starlette.types import Scope

from mmsvault.errors import UnavailableError
from mmsvault.message import Receipt
from mmsvault.postbacks import PROVIDERS

log = structlog.get_logger(__name__)

PATH = "/postbacks/"
SECONDS_FOR_A_BODY = 20
RETRY_AFTER_SECONDS = 30
_PRIVATE_HEADERS = frozenset({"authorization", "cookie", "proxy-authorization"})


async def keep(request: Request) -> Response:
    """Keep the postback. Answers 401, 403, 404, 408, 413, and 503 when it cannot be kept now."""
    state, provider = request.app.state, request.path_params["provider"]
    state.doorkeeper.check(request)
    if provider not in PROVIDERS:
        raise HTTPException(404, f"There is no provider {provider!r}; there are {', '.join(PROVIDERS)}.")
    receipt = Receipt.of(
        await bounded_body(request, state.max_postback_bytes),
        provider=provider,
        headers=kept_headers(request.headers),
        source=state.doorkeeper.source(request),
    )
    try:
        await state.intake.keep(receipt)
    except UnavailableError as error:
        log.warning("receipt not kept", reason=str(error))
        again = {"Retry-After": str(RETRY_AFTER_SECONDS)}
        raise HTTPException(503, "The postback cannot be kept now; send it again.", again) from error
    return PlainTextResponse("OK")


# For other methods: what is posted does not come by here, see `app.Receiver`.
ROUTES = (
    Route(PATH + "{provider}/{_token}", keep, methods=["POST"]),
    Route(PATH + "{provider}", keep, methods=["POST"]),
)


def names_in(scope: Scope) -> dict[str, str] | None:
    """Return what stands in the address of a postback that is posted; None for any other request."""
    if scope["type"] != "http" or scope["method"] != "POST" or not scope["path"].startswith(PATH):
        return None
    provider, slash, token = scope["path"].removeprefix(PATH).partition("/")
    if not provider or (slash and not token) or "/" in token:
        return None
    return {"provider": provider, "_token": token} if token else {"provider": provider}


async def bounded_body(request: Request, max_bytes: int) -> bytes:
    """Return the body as it was sent. Answers 413 over `max_bytes`, 408 to one that does not end."""
    too_large = HTTPException(413, f"The postback is larger than {max_bytes:,} bytes.")
    declared = request.headers.get("content-length", "0")
    if declared.isdigit() and int(declared) > max_bytes:
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(SECONDS_FOR_A_BODY):
            async for chunk in request.stream():
                body += chunk
                if len(body) > max_bytes:
                    raise too_large
    except TimeoutError as error:
        raise HTTPException(408, f"The postback did not arrive within {SECONDS_FOR_A_BODY} s.") from error
    return bytes(body)


def kept_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the request's headers without its credentials."""
    return {name: value for name, value in headers.items() if name not in _PRIVATE_HEADERS}
