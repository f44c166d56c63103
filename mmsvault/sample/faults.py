"""What a provider's server may answer instead of the file, as it happens on real days."""

import time
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler

from mmsvault.sample.media import SampleFile

Answer = Callable[[BaseHTTPRequestHandler, SampleFile], None]
"""Answers one request for a file."""


def refused(status: int, *, retry_after: str = "") -> Answer:
    """Answer with a status and no body."""

    def answer(request: BaseHTTPRequestHandler, _file: SampleFile) -> None:
        request.send_response(status)
        if retry_after:
            request.send_header("retry-after", retry_after)
        request.send_header("content-length", "0")
        request.end_headers()

    return answer


def broken_off(*, etag: str = "") -> Answer:
    """Close the connection half-way through the body."""

    def answer(request: BaseHTTPRequestHandler, file: SampleFile) -> None:
        _begin(request, file, length=str(len(file.data)), etag=etag)
        request.wfile.write(file.data[: len(file.data) // 2])
        request.close_connection = True

    return answer


def unfinished_chunks(request: BaseHTTPRequestHandler, file: SampleFile) -> None:
    """Send the body in chunks and leave out the one that says that it was the last."""
    _begin(request, file)
    half = file.data[: len(file.data) // 2]
    request.wfile.write(f"{len(half):x}\r\n".encode() + half + b"\r\n")
    request.close_connection = True


def reset(request: BaseHTTPRequestHandler, _file: SampleFile) -> None:
    """Close the connection without a word."""
    request.close_connection = True


def moved_to(url: str) -> Answer:
    """Answer that the file is elsewhere for now."""

    def answer(request: BaseHTTPRequestHandler, _file: SampleFile) -> None:
        request.send_response(HTTPStatus.FOUND)
        request.send_header("location", url)
        request.send_header("content-length", "0")
        request.end_headers()

    return answer


def trickled(*, seconds: float) -> Answer:
    """Send a byte a second for so long, and then the rest."""

    def answer(request: BaseHTTPRequestHandler, file: SampleFile) -> None:
        _begin(request, file, length=str(len(file.data)))
        ends = time.monotonic() + seconds
        sent = 0
        while time.monotonic() < ends and sent < len(file.data):
            request.wfile.write(file.data[sent : sent + 1])
            sent += 1
            time.sleep(1)
        request.wfile.write(file.data[sent:])

    return answer


def endless_headers(*, seconds: float) -> Answer:
    """Send header after header for so long, and then nothing."""

    def answer(request: BaseHTTPRequestHandler, _file: SampleFile) -> None:
        ends = time.monotonic() + seconds
        request.wfile.write(b"HTTP/1.1 200 OK\r\n")
        while time.monotonic() < ends:
            request.wfile.write(b"x-more: x\r\n")
            time.sleep(0.1)
        request.close_connection = True

    return answer


def half_of_another(other: SampleFile, *, etag: str = "") -> Answer:
    """Break off half-way through other bytes than those that come later."""

    def answer(request: BaseHTTPRequestHandler, _file: SampleFile) -> None:
        broken_off(etag=etag)(request, other)

    return answer


def in_place_of_it(other: SampleFile, *, encoding: str = "") -> Answer:
    """Answer 200 with something else, as if it were the file; without a type where `other` has none.

    `encoding` is how the answer says that it is packed.
    """

    def answer(request: BaseHTTPRequestHandler, _file: SampleFile) -> None:
        request.send_response(HTTPStatus.OK)
        if other.content_type:
            request.send_header("content-type", other.content_type)
        if encoding:
            request.send_header("content-encoding", encoding)
        request.send_header("content-length", str(len(other.data)))
        request.end_headers()
        request.wfile.write(other.data)

    return answer


def _begin(request: BaseHTTPRequestHandler, file: SampleFile, *, length: str = "", etag: str = "") -> None:
    request.send_response(HTTPStatus.OK)
    request.send_header("content-type", file.content_type)
    if etag:
        request.send_header("etag", etag)
    if length:
        request.send_header("content-length", length)
    else:
        request.send_header("transfer-encoding", "chunked")
    request.end_headers()
