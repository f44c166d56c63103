"""`GET /files/{key}`: one object of the bucket, streamed to a visitor with a signed link.

A link opens nothing for somebody who may not see its message.
The content type comes from the link, that is from what the worker found the bytes to be, and only
inert types are shown in the browser; anything else is a download. What is large is never in memory whole;
where browsers reach the bucket, they are sent there for it, by a link of their own.
"""

import re
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from dashboard import links
from dashboard.gate import VISIT
from dashboard.reading_room import ReadingRoom
from dashboard.shelf import Small
from dashboard.visiting import Visit
from mmsvault.catalog.language import EVERYTHING
from mmsvault.errors import NotFoundError, UnavailableError
from mmsvault.layout import message_id_in
from mmsvault.s3.linking import PublicLinks

log = structlog.get_logger(__name__)

SMALL_BYTES = 1 << 18
"""What is no larger is read at once: thumbnails, and most pictures."""
SHOWN_TYPES = frozenset(
    (
        *("image/jpeg", "image/png", "image/gif", "image/webp", "image/avif", "image/bmp", "text/plain"),
        *("video/mp4", "video/3gpp", "video/webm", "audio/3gpp", "audio/webm", "audio/flac"),
        *("audio/mpeg", "audio/mp4", "audio/aac", "audio/wav", "audio/x-wav", "audio/ogg", "audio/amr"),
    )
)
"""Inert types: a browser that opens one of them runs nothing."""
_ACTIVE_TYPES = re.compile(r"html|xml|svg|script|flash|java|wasm|css", re.IGNORECASE)
_POLICY = "sandbox; default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'"
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


def media_route(room: ReadingRoom) -> Route:
    """Return the route that serves the room's bucket."""

    def fetch(request: Request) -> Response:
        key, claims = request.path_params["key"], request.query_params
        if not _is_signed(room, request):
            return _refusal(403, "This link is too old or was changed. Load the gallery again for a new one.")
        visit: Visit = request.scope[VISIT]
        try:
            # A link that another visitor passed on is none for who may not see the message.
            message_id = message_id_in(key)
            if not message_id or not visit.view.holds(message_id):
                return _refusal(404, "The archive does not hold this file.")
            if claims.get("download"):
                visit.note("downloaded", subject=key, messages=(message_id,))
            return _object(room, key, request)
        except NotFoundError:
            return _refusal(404, "The archive does not hold this file.")
        except UnavailableError as error:
            log.warning("file_not_served", key=key, reason=str(error))
            return _refusal(503, "The archive's bucket cannot be reached just now. Try again in a moment.")

    async def serve(request: Request) -> Response:
        # Sixty of them come at once; a thread for each would cost more than all else.
        if at_hand := _at_hand(room, request):
            return at_hand
        return await run_in_threadpool(fetch, request)

    return Route(f"/{links.PATH}/{{key:path}}", serve, methods=["GET"])


def _is_signed(room: ReadingRoom, request: Request) -> bool:
    claims = request.query_params
    return room.links.allows(
        request.path_params["key"],
        claims.get("type", ""),
        until=claims.get("until", ""),
        signature=claims.get("signature", ""),
    )


def _at_hand(room: ReadingRoom, request: Request) -> Response | None:
    """Return a thumbnail that is on the shelf to a visitor who may see everything."""
    key = request.path_params["key"]
    small = room.shelf.at_hand(key)
    if not small or not _is_simple(request) or request.query_params.get("download"):
        return None
    visit: Visit = request.scope[VISIT]
    if visit.view.scope != EVERYTHING or not _is_signed(room, request):
        return None
    return _whole(key, small, request)


def _whole(key: str, small: Small, request: Request) -> Response:
    content, mark = small
    return Response(content, headers=_headers(key, mark, request))


def _is_simple(request: Request) -> bool:
    """Return whether a request is for a whole object, whatever the browser has of it."""
    given = request.headers
    return request.method == "GET" and not given.get("range") and not given.get("if-none-match")


def byte_range(header: str, size: int) -> tuple[int, int] | None:
    """Return first byte and count that a Range header asks for, or None where it asks for no one range.

    Raises ValueError for a range that lies outside of the object (RFC 9110, 14.1.2).
    """
    found = _RANGE.fullmatch(header.strip())
    if not found or not any(found.groups()):
        return None
    first, last = found.groups()
    if not first:
        start, stop = max(0, size - int(last)), size
    else:
        start, stop = int(first), min(int(last) + 1, size) if last else size
        if last and int(last) < start:
            return None
    if start >= size or start >= stop:
        raise ValueError(header)
    return start, stop - start


def _object(room: ReadingRoom, key: str, request: Request) -> Response:
    bucket, asked = room.bucket, request.headers
    if _is_simple(request):
        small = room.shelf.read(key, most_bytes=SMALL_BYTES)
        if small:
            return _whole(key, small, request)
    if room.public and request.method == "GET":
        return _elsewhere(room.public, key, request)
    size, mark = bucket.look_up(key)
    headers = _headers(key, mark, request)
    if asked.get("if-none-match") == headers["etag"]:
        return Response(status_code=304, headers=headers)
    start, count, status = 0, size, 200
    wanted = asked.get("range", "")
    if wanted and asked.get("if-range", headers["etag"]) == headers["etag"]:
        try:
            part = byte_range(wanted, size)
        except ValueError:
            return _refusal(416, "There is no such part of this file.", {"content-range": f"bytes */{size}"})
        if part:
            (start, count), status = part, 206
            headers["content-range"] = f"bytes {start}-{start + count - 1}/{size}"
    headers["content-length"] = str(count)
    if request.method == "HEAD" or count == 0:
        return Response(status_code=status, headers=headers)
    chunks = bucket.chunks(key, offset=start, length=count)
    first = next(chunks, b"")  # says that the object is away while there is no answer yet
    return StreamingResponse(_pieces(first, chunks), status_code=status, headers=headers)


def _elsewhere(public: PublicLinks, key: str, request: Request) -> Response:
    """Send the browser to the bucket. It asks here again while its link is good, so that a film goes on."""
    told = _headers(key, "", request)
    link = public.sign(
        key,
        content_type=told["content-type"],
        disposition=told["content-disposition"],
        lasts=timedelta(seconds=2 * links.SPAN_SECONDS),
    )
    kept = {"cache-control": f"private, max-age={links.SPAN_SECONDS}"}
    return RedirectResponse(link, 307, headers=kept)


async def _pieces(first: bytes, chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
    piece = first
    while piece:
        yield piece
        piece = await run_in_threadpool(next, chunks, b"")


def _headers(key: str, mark: str, request: Request) -> dict[str, str]:
    content_type = request.query_params["type"]
    shown = content_type in SHOWN_TYPES and "download" not in request.query_params
    if content_type.startswith("text/plain"):
        content_type = "text/plain; charset=utf-8"
    elif _ACTIVE_TYPES.search(content_type):
        content_type = "application/octet-stream"
    return {
        "content-type": content_type,
        "content-disposition": f'{"inline" if shown else "attachment"}; filename="{file_name(key)}"',
        "content-security-policy": _POLICY,
        "x-content-type-options": "nosniff",
        "accept-ranges": "bytes",
        "cache-control": f"private, max-age={links.SPAN_SECONDS}",
        "etag": f'"{mark}"',
    }


def file_name(key: str) -> str:
    """Return the name that a downloaded object gets: its message, then its own name."""
    *_, folder, name = ("", *key.split("/"))
    return re.sub(r"[^A-Za-z0-9._-]", "_", f"{folder}-{name}".lstrip("-"))


def _refusal(status: int, sentence: str, headers: dict[str, str] | None = None) -> Response:
    return PlainTextResponse(
        f"{sentence}\n", status, headers={"cache-control": "no-store", **(headers or {})}
    )
