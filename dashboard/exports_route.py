"""`GET /download/{key}`: a volume of an export, streamed to a browser that holds a signed link.

An archive is never in memory whole, and a download that broke off goes on where it was. Links are
signed by the exports page; the register says how large a volume is.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from dashboard import links
from dashboard.gate import VISIT
from dashboard.media_route import byte_range
from dashboard.reading_room import ReadingRoom
from dashboard.visiting import Visit
from mmsvault.errors import NotFoundError, UnavailableError
from mmsvault.layout import EXPORTS

if TYPE_CHECKING:
    from mmsvault.exporting.packing import Written
    from mmsvault.exporting.register import Export

log = structlog.get_logger(__name__)

PATH = "download"
ZIP = "application/zip"
JSON = "application/json"


def signed_link(room: ReadingRoom, key: str, content_type: str) -> str:
    """Return the link to a file of an export, relative to the pages."""
    return PATH + room.links.sign(key, content_type).removeprefix(links.PATH)


def exports_route(room: ReadingRoom) -> Route:
    """Return the route that serves the room's exports."""

    async def serve(request: Request) -> Response:
        key, claims = request.path_params["key"], request.query_params
        content_type = claims.get("type", "")
        allowed = content_type in (ZIP, JSON) and room.links.allows(
            key, content_type, until=claims.get("until", ""), signature=claims.get("signature", "")
        )
        if not allowed:
            return _refusal(403, "This link is too old or was changed. Load the page of exports again.")
        try:
            await run_in_threadpool(_check, room, request.scope[VISIT], key)
            return await run_in_threadpool(_answer, room, key, request)
        except NotFoundError:
            return _refusal(404, "This export is not here any more.")
        except UnavailableError as error:
            log.warning("export_not_served", key=key, reason=str(error))
            return _refusal(503, "The archive cannot be read just now. Try again in a moment.")

    return Route(f"/{PATH}/{{key:path}}", serve, methods=["GET"])


def may_have(visitor: Visit, found: Export) -> bool:
    """Return whether an export is for this person: it was asked for by somebody who sees the same.

    Who sees everything may have every export.
    """
    return visitor.person.scope in ("", found.choice.scope)


def _found(room: ReadingRoom, identity: str) -> Export:
    from mmsvault.exporting import register  # noqa: PLC0415 - a start of the dashboard is waited for

    return register.find(room.catalog, identity)


def _check(room: ReadingRoom, visitor: Visit, key: str) -> None:
    found = _found(room, key.removeprefix(EXPORTS).partition("/")[0])
    if not may_have(visitor, found):
        raise NotFoundError("This export is another team's.")
    visitor.note("downloaded", subject=key)


def _answer(room: ReadingRoom, key: str, request: Request) -> Response:
    identity, _, name = key.removeprefix(EXPORTS).partition("/")
    found = _found(room, identity)
    headers = {
        "content-disposition": f'attachment; filename="{name}"',
        "cache-control": "private, no-store",
    }
    volume = next((one for one in found.volumes if one.name == name), None)
    if volume is None:  # the set manifest, which is small
        return Response(room.bucket.read(key), media_type=JSON, headers=headers)
    return _volume(room, key, volume, request, headers)


def _volume(
    room: ReadingRoom, key: str, volume: Written, request: Request, headers: dict[str, str]
) -> Response:
    start, count, status = 0, volume.bytes, 200
    headers |= {"accept-ranges": "bytes", "etag": f'"{volume.sha256}"'}
    wanted = request.headers.get("range", "")
    if wanted and request.headers.get("if-range", headers["etag"]) == headers["etag"]:
        try:
            part = byte_range(wanted, volume.bytes)
        except ValueError:
            return _refusal(416, "There is no such part of this file.")
        if part:
            (start, count), status = part, 206
            headers["content-range"] = f"bytes {start}-{start + count - 1}/{volume.bytes}"
    headers["content-length"] = str(count)
    chunks = room.bucket.chunks(key, offset=start, length=count)
    first = next(chunks, b"")  # says that the object is away while there is no answer yet
    return StreamingResponse(_pieces(first, chunks), status_code=status, headers=headers, media_type=ZIP)


async def _pieces(first: bytes, chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
    piece = first
    while piece:
        yield piece
        piece = await run_in_threadpool(next, chunks, b"")


def _refusal(status: int, sentence: str) -> Response:
    return PlainTextResponse(f"{sentence}\n", status, headers={"cache-control": "no-store"})
