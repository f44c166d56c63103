"""The receiver as an application: its collaborators, and the routes put together."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from fastapi import FastAPI
from starlette.types import ASGIApp, Message, Receive, Scope, Send

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
    queue = DurableQueue(open_queue(connection), replicas=settings.effective_redis_replicas)
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
    app.state.metrics = metrics = Metrics(intake)
    app.state.max_postback_bytes = settings.max_postback_bytes
    app.add_middleware(Measured, metrics=metrics)
    app.router.routes.extend(postbacks.ROUTES)
    app.include_router(watching.router)
    return app


class Measured:
    """Counts every answer to a postback, and how long it took.

    A plain ASGI application: Starlette's own middleware starts a task for each request, which costs
    as much as keeping the receipt.
    """

    def __init__(self, app: ASGIApp, *, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http" or not scope["path"].startswith(postbacks.PATH):
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._metrics.answered(message["status"], seconds=time.perf_counter() - began)
            await send(message)

        await self._app(scope, receive, answer)
