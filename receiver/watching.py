"""Three addresses for those who watch the receiver: is it alive, can it keep, what has it done.

Strangers learn the first two by the status alone; the rest is for who has the metrics token.
"""

import hmac

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.concurrency import run_in_threadpool

from mmsvault.errors import UnavailableError
from receiver.postbacks import RETRY_AFTER_SECONDS

router = APIRouter()


@router.get("/healthz")
async def healthz() -> Response:
    """Answer 200 as long as the process answers at all."""
    return PlainTextResponse("OK")


@router.get("/readyz")
async def readyz(request: Request) -> Response:
    """Answer 200, or 503 where no postback can be kept; to who has the token, where or why not."""
    try:
        keeps = await run_in_threadpool(request.app.state.intake.place)
    except UnavailableError as error:
        told = {"reason": str(error)} if has_token(request) else {}
        return JSONResponse({"ready": False, **told}, 503, {"Retry-After": str(RETRY_AFTER_SECONDS)})
    return JSONResponse({"ready": True, **({"keeps": keeps} if has_token(request) else {})})


@router.get("/metrics")
async def metrics(request: Request) -> Response:
    """Answer with the counts in Prometheus's form. Answers 401 without the token."""
    if not has_token(request):
        return PlainTextResponse(
            "Send the value of MMSVAULT_METRICS_TOKEN as a Bearer token.\n",
            401,
            {"WWW-Authenticate": "Bearer"},
        )
    counts = await run_in_threadpool(generate_latest, request.app.state.metrics.registry)
    return Response(counts, media_type=CONTENT_TYPE_LATEST)


def has_token(request: Request) -> bool:
    """Return whether the request carries the metrics token; compared in constant time."""
    scheme, _, offered = request.headers.get("authorization", "").partition(" ")
    expected: str = request.app.state.metrics_token
    return scheme.lower() == "bearer" and hmac.compare_digest(offered.strip().encode(), expected.encode())
