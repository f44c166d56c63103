"""A provider on loopback: serves its files over HTTP and posts its notices, with faults on demand."""

import re
import secrets
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

import httpx

from mmsvault.sample.faults import Answer, refused
from mmsvault.sample.media import SampleFile
from mmsvault.sample.notices import DIALECTS, Notice

ATTEMPTS = 6
"""One post and five repeats, after which the real provider gives up."""
PAUSE_SECONDS = 300
ANSWER_SECONDS = 10
_NOTHING = SampleFile("", "", b"")


@dataclass
class Offer:
    """A file on offer. `answers` are given first; `held` stops it half-way until set.

    With an `etag` the rest of the file can be asked for by its range.
    """

    file: SampleFile
    answers: list[Answer] = field(default_factory=list)
    etag: str = ""
    held: threading.Event | None = None
    half_sent: threading.Event = field(default_factory=threading.Event)


class SampleProvider:
    """A real HTTP server in threads. Use as a context manager."""

    def __init__(self, port: int = 0) -> None:
        self._offers: dict[str, Offer] = {}
        self.requests: Counter[str] = Counter()
        self._ranges: dict[str, list[str]] = defaultdict(list)
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

    def offer(
        self,
        file: SampleFile,
        *,
        failures: tuple[int, ...] = (),
        answers: tuple[Answer, ...] = (),
        etag: str = "",
        held: bool = False,
        path: str = "",
    ) -> str:
        """Return the address of the file, for anyone who knows it: one of its own, or at `path`.

        `failures` are statuses that it answers first, then `answers`.
        """
        path = path or f"/content/{secrets.token_hex(8)}/{file.name}"
        first = [*(refused(status) for status in failures), *answers]
        self._offers[path] = Offer(file, first, etag, threading.Event() if held else None)
        return f"http://127.0.0.1:{self._server.server_port}{path}"

    def offered(self, url: str) -> Offer:
        """Return what is on offer at an address, to change or to wait for."""
        return self._offers[httpx.URL(url).path]

    def ranges(self, url: str) -> list[str]:
        """Return which range each request for an address asked for, the empty string for the whole."""
        return self._ranges[httpx.URL(url).path]

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
        self._ranges[request.path].append(request.headers.get("range", ""))
        offer = self._offers.get(request.path)
        with _quiet():
            if offer is None:
                refused(HTTPStatus.NOT_FOUND)(request, _NOTHING)
            elif offer.answers:
                offer.answers.pop(0)(request, offer.file)
            else:
                _serve(request, offer)


def _serve(request: BaseHTTPRequestHandler, offer: Offer) -> None:
    data = offer.file.data
    start = _start(request, offer)
    request.send_response(HTTPStatus.PARTIAL_CONTENT if start else HTTPStatus.OK)
    request.send_header("content-type", offer.file.content_type)
    request.send_header("content-length", str(len(data) - start))
    if offer.etag:
        request.send_header("etag", offer.etag)
    if start:
        request.send_header("content-range", f"bytes {start}-{len(data) - 1}/{len(data)}")
    request.end_headers()
    if offer.held and not offer.held.is_set():
        request.wfile.write(data[: len(data) // 2])
        request.wfile.flush()
        offer.half_sent.set()
        offer.held.wait(120)
        start = len(data) // 2
    request.wfile.write(data[start:])


def _start(request: BaseHTTPRequestHandler, offer: Offer) -> int:
    """Return from which byte on the file is asked for, where it is still the one that is meant."""
    asked = re.fullmatch(r"bytes=(\d+)-", request.headers.get("range", ""))
    if asked and offer.etag and request.headers.get("if-range") == offer.etag:
        return int(asked[1]) if int(asked[1]) < len(offer.file.data) else 0
    return 0


@contextmanager
def _quiet() -> Iterator[None]:
    """Pass over a downloader that was killed: it is no error of the provider's."""
    try:
        yield
    except (BrokenPipeError, ConnectionResetError):
        return
