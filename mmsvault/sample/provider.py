"""A provider on loopback: serves its files over HTTP and posts its notices, with faults on demand."""

import secrets
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

import httpx

from mmsvault.sample.media import SampleFile
from mmsvault.sample.notices import DIALECTS, Notice

ATTEMPTS = 6
"""One post and five repeats, after which the real provider gives up."""
PAUSE_SECONDS = 300
ANSWER_SECONDS = 10


@dataclass
class Offer:
    """A file on offer. `failures` are statuses to answer first; `held` stops it half-way until set."""

    file: SampleFile
    failures: list[int] = field(default_factory=list)
    held: threading.Event | None = None
    half_sent: threading.Event = field(default_factory=threading.Event)


class SampleProvider:
    """A real HTTP server in threads. Use as a context manager."""

    def __init__(self, port: int = 0) -> None:
        self._offers: dict[str, Offer] = {}
        self.requests: Counter[str] = Counter()
        provider = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                provider._answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, name="sample-provider"
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for offer in self._offers.values():
            if offer.held:
                offer.held.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def offer(self, file: SampleFile, *, failures: tuple[int, ...] = (), held: bool = False) -> str:
        """Return the address of the file, for anyone who knows it."""
        path = f"/content/{secrets.token_hex(8)}/{file.name}"
        self._offers[path] = Offer(file, list(failures), threading.Event() if held else None)
        return f"http://127.0.0.1:{self._server.server_port}{path}"

    def offered(self, url: str) -> Offer:
        """Return what is on offer at an address, to change or to wait for."""
        return self._offers[httpx.URL(url).path]

    def send(
        self,
        postback_url: str,
        notice: Notice,
        *,
        dialect: str = "lower-case XML",
        pause_seconds: float = PAUSE_SECONDS,
    ) -> int:
        """Post the notice as the real provider does, with repeats; return the last status, 0 for none."""
        render, content_type = DIALECTS[dialect]
        status = 0
        for attempt in range(ATTEMPTS):
            if attempt:
                threading.Event().wait(pause_seconds)
            try:
                answer = httpx.post(
                    postback_url,
                    content=render(notice),
                    headers={"content-type": content_type},
                    timeout=ANSWER_SECONDS,
                    trust_env=False,
                )
            except httpx.HTTPError:
                continue
            status = answer.status_code
            if status == HTTPStatus.OK:
                return status
        return status

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        self.requests[request.path] += 1
        offer = self._offers.get(request.path)
        failure = HTTPStatus.NOT_FOUND if offer is None else offer.failures.pop(0) if offer.failures else None
        if offer is None or failure is not None:
            request.send_response(failure or HTTPStatus.NOT_FOUND)
            request.send_header("content-length", "0")
            request.end_headers()
            return
        data = offer.file.data
        request.send_response(HTTPStatus.OK)
        request.send_header("content-type", offer.file.content_type)
        request.send_header("content-length", str(len(data)))
        request.end_headers()
        with _quiet():
            if offer.held and not offer.held.is_set():
                request.wfile.write(data[: len(data) // 2])
                request.wfile.flush()
                offer.half_sent.set()
                offer.held.wait(120)
                data = data[len(data) // 2 :]
            request.wfile.write(data)


@contextmanager
def _quiet() -> Iterator[None]:
    """Pass over a downloader that was killed: it is no error of the provider's."""
    try:
        yield
    except (BrokenPipeError, ConnectionResetError):
        return
