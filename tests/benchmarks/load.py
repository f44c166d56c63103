"""Load on a receiver: wrk for the most that it takes, a client of our own for a given pace."""

import asyncio
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from urllib.parse import urlsplit

import uvloop

CONNECTIONS = 64


@dataclass(frozen=True)
class Paced:
    """What came of a given number of requests. Times in seconds, from when each was due (or sent)."""

    answered_200: int
    seconds: float
    p50: float
    p99: float
    longest: float


def most(url: str, body: bytes, *, seconds: int, folder: Path) -> float:
    """Return the answers with 200 a second at 64 connections, each sending as fast as it is answered."""
    if (wrk := shutil.which("wrk")) is None:
        return asyncio.run(_as_fast_as_it_goes(url, body, seconds))
    script = folder / "post.lua"
    written = body.decode().replace("]]", "] ]")
    script.write_text(f'wrk.method="POST"\nwrk.headers["content-type"]="text/xml"\nwrk.body=[[{written}]]\n')
    command = [wrk, "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s", str(script), url]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "Non-2xx" not in said, said
    found = re.search(r"Requests/sec:\s+([\d.]+)", said)
    assert found, said
    return float(found[1])


def paced(url: str, body: bytes, *, count: int, rate: float, connections: int = CONNECTIONS) -> Paced:
    """Send `count` requests at `rate` a second (0 for all at once) and wait for every answer."""
    return uvloop.run(_paced(url, body, count, rate, connections))


def _request(url: str, body: bytes) -> bytes:
    at = urlsplit(url)
    head = f"POST {at.path} HTTP/1.1\r\nhost: {at.netloc}\r\ncontent-type: text/xml\r\n"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


async def _ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> bool:
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
    await reader.readexactly(int(length[1]) if length else 0)
    return head.startswith(b"HTTP/1.1 200")


async def _paced(url: str, body: bytes, count: int, rate: float, connections: int) -> Paced:
    at, request = urlsplit(url), _request(url, body)
    taken: list[float] = []
    good = 0
    numbers = iter(range(count))
    began = perf_counter()

    async def connection() -> None:
        nonlocal good
        reader, writer = await asyncio.open_connection(at.hostname, at.port)
        for number in numbers:
            due = began + number / rate if rate else perf_counter()
            if (early := due - perf_counter()) > 0:
                await asyncio.sleep(early)
            answered = await _ask(reader, writer, request)  # first: others add to `good` meanwhile
            good += answered
            taken.append(perf_counter() - due)
        writer.close()

    await asyncio.gather(*(connection() for _ in range(connections)))
    taken.sort()
    return Paced(
        good, perf_counter() - began, taken[len(taken) // 2], taken[len(taken) * 99 // 100], taken[-1]
    )


async def _as_fast_as_it_goes(url: str, body: bytes, seconds: int) -> float:
    at, request = urlsplit(url), _request(url, body)
    good = 0
    end = perf_counter() + seconds

    async def connection() -> None:
        nonlocal good
        reader, writer = await asyncio.open_connection(at.hostname, at.port)
        while perf_counter() < end:
            answered = await _ask(reader, writer, request)
            good += answered
        writer.close()

    await asyncio.gather(*(connection() for _ in range(CONNECTIONS)))
    return good / seconds
