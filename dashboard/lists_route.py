"""`GET /lists/senders.csv` and `/lists/keywords.csv`: the whole list that a visitor may see, as CSV.

It is written while it is read, page by page: a list of half a million senders is never in memory.
"""

import csv
import io
from collections.abc import Iterator
from urllib.parse import urlencode

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from dashboard.gate import VISIT
from dashboard.headers import COMPRESSED
from dashboard.reading_room import ReadingRoom
from dashboard.visiting import Visit
from mmsvault.catalog.counting import ORDERS, Order, Tally
from mmsvault.catalog.tallies import KEYWORDS, SENDERS, Tallied
from mmsvault.catalog.views import View
from mmsvault.errors import SearchError, UnavailableError
from mmsvault.exporting.tables import BYTE_ORDER_MARK, safe

PATH = "lists"
PAGE = 5000
LISTS = {"senders": SENDERS, "keywords": KEYWORDS}


def link(name: str, *, order: str, find: str) -> str:
    """Return the address of a list, relative to the pages."""
    return f"{PATH}/{name}.csv?{urlencode({'order': order, 'find': find})}"


def lists_route(room: ReadingRoom) -> Route:
    """Return the route that serves the lists; the gate has seen to the role."""

    async def serve(request: Request) -> Response:
        visit: Visit = request.scope[VISIT]
        name, order = request.path_params["name"], _order(request.query_params.get("order", ""))
        find = request.query_params.get("find", "")
        if name not in LISTS or order is None:
            return _refusal(404, "There is no such list.")
        rows = _rows(visit.view, LISTS[name], order=order, find=find, region=room.settings.default_region)
        try:
            first = await run_in_threadpool(next, rows)  # says that the catalog is away while it can
        except SearchError as error:
            return _refusal(400, error.problem)
        except UnavailableError:
            return _refusal(503, "The archive cannot be read just now.")
        await run_in_threadpool(visit.note, "exported a list", subject=name, details=find)
        headers = {
            "content-disposition": f'attachment; filename="{name}.csv"',
            "cache-control": "private, no-store",
        }
        return StreamingResponse(_joined(first, rows), media_type="text/csv; charset=utf-8", headers=headers)

    return Route(f"/{PATH}/{{name}}.csv", serve, methods=["GET"], middleware=[COMPRESSED])


def _refusal(status: int, sentence: str) -> Response:
    return PlainTextResponse(f"{sentence}\n", status, headers={"cache-control": "no-store"})


def _order(told: str) -> Order | None:
    return next((order for order in ORDERS if order == told), None)


def _joined(first: str, rest: Iterator[str]) -> Iterator[str]:
    yield first
    yield from rest


def _rows(view: View, tallied: Tallied, *, order: Order, find: str, region: str) -> Iterator[str]:
    """Give the list as text, the head with the first page."""
    own = ["number", "name"] if tallied is SENDERS else ["keyword"]
    head = BYTE_ORDER_MARK + _lines([[*own, "as_written", "messages", "first_at", "last_at"]])
    after: Tally | None = None
    while True:
        page = view.tallies(tallied, order=order, limit=PAGE, after=after, find=find, region=region)
        yield head + _lines([_cells(one, tallied) for one in page])
        if len(page) < PAGE:
            return
        head, after = "", page[-1]


def _cells(one: Tally, tallied: Tallied) -> list[str]:
    own = [one.key, one.known_as] if tallied is SENDERS else [one.key]
    times = (at.isoformat().replace("+00:00", "Z") for at in (one.first_at, one.last_at))
    return [safe(cell) for cell in (*own, one.name, str(one.messages), *times)]


def _lines(rows: list[list[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\r\n").writerows(rows)
    return text.getvalue()
