"""Three addresses for those who watch the receiver: is it alive, can it keep, what has it done."""

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
    """Answer 200 and where a postback would be kept, or 503 with the reason why nowhere."""
    try:
        keeps = await run_in_threadpool(request.app.state.intake.place)
    except UnavailableError as error:
        return JSONResponse(
            {"ready": False, "reason": str(error)}, 503, {"Retry-After": str(RETRY_AFTER_SECONDS)}
        )
    return JSONResponse({"ready": True, "keeps": keeps})


@router.get("/metrics")
async def metrics(request: Request) -> Response:
    """Answer with the counts in Prometheus's form."""
    counts = await run_in_threadpool(generate_latest, request.app.state.metrics.registry)
    return Response(counts, media_type=CONTENT_TYPE_LATEST)
