"""arq: asynchronous downloads, ten jobs at once a process; what would block goes to threads."""

import asyncio
import os
from typing import Any, ClassVar

import httpx
from arq.connections import RedisSettings

from tests.benchmarks.peers import steps


async def archive(ctx: dict[str, Any], prefix: str, url: str, postback: str) -> None:
    answer = await ctx["client"].get(url)
    await asyncio.to_thread(steps.keep, prefix, postback, answer.raise_for_status().content)


async def open_client(ctx: dict[str, Any]) -> None:
    ctx["client"] = httpx.AsyncClient(trust_env=False)


class WorkerSettings:
    functions: ClassVar = [archive]
    on_startup = open_client
    redis_settings = RedisSettings.from_dsn(os.environ["BENCH_REDIS"])
    keep_result = 0
    poll_delay = 0.05
