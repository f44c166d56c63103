"""Where providers post: the raw body is bounded, wrapped in a receipt, and kept before the 200."""

from collections.abc import Iterable

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
RETRY_AFTER_SECONDS = 30
_PRIVATE_HEADERS = frozenset({b"authorization", b"cookie", b"proxy-authorization"})
_KEPT = PlainTextResponse("OK")


async def keep(request: Request) -> Response:
    """Keep the postback. Answers 401, 403, 404, 413, and 503 when it cannot be kept now.

    Raises ClientDisconnect where the request breaks off.
    """
    state, provider = request.app.state, request.path_params["provider"]
    state.doorkeeper.check(request)
    if provider not in PROVIDERS:
        raise HTTPException(404, f"There is no provider {provider!r}; there are {', '.join(PROVIDERS)}.")
    receipt = Receipt.of(
        await bounded_body(request, state.max_postback_bytes),
        provider=provider,
        headers=kept_headers(request.scope["headers"]),
        source=state.doorkeeper.source(request),
    )
    try:
        await state.intake.keep(receipt)
    except UnavailableError as error:
        log.warning("receipt not kept", reason=str(error))
        again = {"Retry-After": str(RETRY_AFTER_SECONDS)}
        raise HTTPException(503, "The postback cannot be kept now; send it again.", again) from error
    return _KEPT


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
    """Return the body as it was sent. Answers 413 over `max_bytes`; `http_limits` ends a slow one."""
    body = b""
    declared = [value for name, value in request.scope["headers"] if name == b"content-length"]
    too_large = any(value.isdigit() and int(value) > max_bytes for value in declared)
    if not too_large:
        async for chunk in request.stream():
            body += chunk
            if too_large := len(body) > max_bytes:
                break
    if too_large:
        raise HTTPException(413, f"The postback is larger than {max_bytes:,} bytes.")
    return body


def kept_headers(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Return the request's headers without its credentials."""
    return {
        name.decode("latin-1"): value.decode("latin-1")
        for name, value in headers
        if name not in _PRIVATE_HEADERS
    }
