"""Many requests at the same moment, each over a connection of its own."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from time import monotonic
from urllib.parse import urlencode

CLOSED = 0
"""As the status of a request whose connection was closed or refused without an answer."""
ANSWERED_WITHIN_SECONDS = 150


def login_request(port: int, name: str, password: str, *, address: str, cookie: str = "") -> bytes:
    """Return the bytes of somebody's try to log in, as a proxy passes it on from an address."""
    body = urlencode({"name": name, "password": password}).encode()
    lines = (
        "POST /login HTTP/1.1",
        f"Host: 127.0.0.1:{port}",
        "Content-Type: application/x-www-form-urlencoded",
        f"Content-Length: {len(body)}",
        f"X-Forwarded-For: {address}",
        *([f"Cookie: {cookie}"] if cookie else []),
        "Connection: close",
    )
    return "\r\n".join((*lines, "", "")).encode() + body


async def send(port: int, request: bytes) -> tuple[int, float]:
    """Send one request and return the status and the seconds until it was there."""
    began = monotonic()
    try:
        async with asyncio.timeout(ANSWERED_WITHIN_SECONDS):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(request)
                line = await reader.readline()
                status = int(line.split()[1]) if line else CLOSED
            finally:
                writer.transport.abort()
    except (OSError, TimeoutError):
        status = CLOSED
    return status, monotonic() - began


async def flood(port: int, requests: Sequence[bytes], *, at_once: int) -> Counter[int]:
    """Send all requests, so many at once, and return how many got which status."""
    waiting, answers = iter(requests), Counter[int]()

    async def one_after_the_other() -> None:
        for one in waiting:
            status, _ = await send(port, one)
            answers[status] += 1

    await asyncio.gather(*(one_after_the_other() for _ in range(at_once)))
    return answers


def flood_alone(port: int, requests: Sequence[bytes], at_once: int) -> Counter[int]:
    """Do the same in a process that does nothing else."""
    return asyncio.run(flood(port, requests, at_once=at_once))
