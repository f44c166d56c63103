"""The receiver as an application: its collaborators, and the routes put together."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from fastapi import FastAPI, Request, Response

from mmsvault.errors import UnavailableError
from mmsvault.queueing.connection import connect_to_answer
from mmsvault.queueing.durable import DurableQueue
from mmsvault.queueing.intake import Intake
from mmsvault.queueing.jobs import open_queue
from mmsvault.queueing.spool import Spool
from mmsvault.settings import Settings
from receiver import postbacks, watching
from receiver.doorkeeper import Doorkeeper
from receiver.metrics import Metrics


def create_app(settings: Settings) -> FastAPI:
    """Return the receiver as an ASGI application over the settings' Redis, which may be away.

    Raises ConfigurationError where that Redis can never keep a receipt for good.
    """
    connection = connect_to_answer(settings.effective_redis_url)
    queue = DurableQueue(open_queue(connection))
    intake = Intake(queue, Spool(settings.spool_dir))
    with suppress(UnavailableError):  # the spool keeps receipts until it is there
        queue.check()

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with intake:
            yield
        connection.close()

    app = FastAPI(lifespan=lifespan, openapi_url=None)
    app.state.intake = intake
    app.state.doorkeeper = Doorkeeper(
        (settings.effective_token, *settings.postback_tokens_old),
        settings.postback_networks,
        settings.trusted_proxies,
    )
    app.state.metrics = Metrics(intake)
    app.state.max_postback_bytes = settings.max_postback_bytes
    app.middleware("http")(measure)
    app.include_router(postbacks.router)
    app.include_router(watching.router)
    return app


async def measure(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    """Count every answer to a postback, and how long it took."""
    began = time.perf_counter()
    response = await call_next(request)
    if request.url.path.startswith(postbacks.PATH):
        request.app.state.metrics.answered(response.status_code, seconds=time.perf_counter() - began)
    return response
