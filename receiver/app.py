"""The receiver as an application: its collaborators, and the routes put together."""

import gc
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from fastapi import FastAPI, HTTPException, Request
from fastapi.exception_handlers import http_exception_handler
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from mmsvault.errors import UnavailableError
from mmsvault.ops.metrics import ConditionCollector
from mmsvault.queueing.connection import connect_to_answer
from mmsvault.queueing.durable import DurableQueue
from mmsvault.queueing.intake import Intake
from mmsvault.queueing.jobs import open_queue
from mmsvault.queueing.spool import Spool
from mmsvault.settings import Settings
from mmsvault.steps import traced
from receiver import postbacks, watching
from receiver.doorkeeper import Doorkeeper, Refused
from receiver.metrics import Metrics
from receiver.tracing import TracedIntake
from receiver.watch import Watch


def create_app(settings: Settings) -> FastAPI:
    """Return the receiver as an ASGI application over the settings' Redis, which may be away.

    Raises ConfigurationError where that Redis can never keep a receipt for good.
    """
    connection = connect_to_answer(settings.effective_redis_url)
    queue = DurableQueue(open_queue(connection), replicas=settings.effective_redis_replicas)
    keeping = TracedIntake if settings.tracing_url else Intake  # untraced, tracing costs nothing
    intake = keeping(queue, Spool(settings.spool_dir))
    with suppress(UnavailableError):  # the spool keeps receipts until it is there
        queue.check()

    metrics = Metrics(intake)
    watch = Watch(settings, intake, metrics)
    metrics.registry.register(ConditionCollector(watch.host_facts))

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        with traced(settings.tracing_url, program="receiver"):
            async with intake:
                gc.collect()
                gc.freeze()  # collecting would look at all that was loaded, in the middle of a burst
                with watch.running():
                    yield
        connection.close()

    app = Receiver(lifespan=lifespan, openapi_url=None)
    app.state.intake = intake
    app.state.doorkeeper = Doorkeeper(
        (settings.effective_token, *settings.postback_tokens_old),
        settings.postback_networks,
        settings.trusted_proxies,
    )
    app.state.metrics = metrics
    app.state.metrics_token = settings.effective_metrics_token
    app.state.max_postback_bytes = settings.max_postback_bytes
    app.router.routes.extend(postbacks.ROUTES)
    app.include_router(watching.router)
    return app


class Receiver(FastAPI):
    """FastAPI, with a way past it for what all the load is: postbacks are posted to their route at once.

    What FastAPI does for a request (middleware, body limits of its own, a look through the routes)
    costs as much as keeping the receipt. Everything else goes its way, other methods on these addresses too.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a postback, counted and timed, or pass the request on."""
        names = postbacks.names_in(scope)
        if names is None:
            await super().__call__(scope, receive, send)
            return
        began = time.perf_counter()
        request = Request({**scope, "app": self, "path_params": names}, receive)
        try:
            response = await postbacks.keep(request)
        except HTTPException as error:
            if isinstance(error, Refused):
                self.state.metrics.refused(error.reason)
            response = await http_exception_handler(request, error)
        except ClientDisconnect:  # nobody is there to be answered
            return
        self.state.metrics.answered(response.status_code, seconds=time.perf_counter() - began)
        await response(scope, receive, send)
