"""Receivers: a route that does nothing, and one that queues each postback the plain way."""

import os

from fastapi import FastAPI, Request, Response
from redis import Redis
from rq import Queue

nothing = FastAPI()
plain = FastAPI()
queue = Queue("plain", connection=Redis.from_url(os.environ.get("BENCH_REDIS", "redis://")))


@nothing.post("/{path:path}")
async def do_nothing(path: str) -> Response:  # noqa: ARG001 - FastAPI hands it over
    return Response("OK")


@plain.post("/{path:path}")
async def enqueue(request: Request, path: str) -> Response:  # noqa: ARG001 - as above
    queue.enqueue("peer.archive", (await request.body()).decode())
    return Response("OK")
