"""`/api/...`: what the gallery in the browser asks for as its visitor scrolls, types and looks.

Beside Streamlit, so that a page of tiles costs a question to the catalog and not a run of the script.
The gate has let the visitor in; here their scope is in every question, and what they search for and
look at goes into the trail.
"""

import functools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route

from dashboard import callers, locally
from dashboard.answers import answered
from dashboard.counts import Count, counted
from dashboard.filters import Filters
from dashboard.headers import COMPRESSED
from dashboard.reading_room import ReadingRoom
from dashboard.record import record
from dashboard.selections_route import selections_routes
from dashboard.suggesting import of_field, suggestions
from dashboard.tiles import Tile, tiles
from dashboard.visiting import Visit
from mmsvault.catalog.language import Query
from mmsvault.catalog.queries import FILES, Page
from mmsvault.catalog.totals import AT_RISK, Figures, Total
from mmsvault.catalog.views import View
from mmsvault.message import Message, normal_number, utc_now

MESSAGES_A_PAGE = 60
MOST_A_PAGE = 600
"""A visitor who comes back has as many messages at once as they had seen."""
MOST_WAITING = 60
MOST_DAYS = 60
COUNTS_KEPT_SECONDS = 2
SIMILAR_AMONG = 100_000

Answer = Callable[[Visit, Mapping[str, str]], dict[str, Any]]


def gallery_routes(room: ReadingRoom) -> Mount:
    """Return the routes over the room."""
    del room  # every visit brings its own
    answers: dict[str, Answer] = {
        "gallery": first_or_next_page,
        "total": _total,
        "days": _days,
        "news": _news,
        "message": _message,
        "similar": _similar,
        "suggestions": _suggestions,
    }
    routes = [Route(f"/{name}", _endpoint(answer), methods=["GET"]) for name, answer in answers.items()]
    routes += selections_routes()
    return Mount("/api", routes=routes, middleware=[COMPRESSED])


def _endpoint(answer: Answer) -> Callable[[Request], Response]:
    def serve(request: Request) -> Response:  # in a thread of its own: Starlette's way with plain functions
        return answered(request, lambda visit: answer(visit, request.query_params))

    return serve


def _suggestions(visit: Visit, params: Mapping[str, str]) -> dict[str, Any]:
    """Return what may stand for the last term of a search, or for the value of one field, and that term."""
    text, of = params.get("text", ""), params.get("field", "")
    if of:
        return {"term": text, "found": of_field(visit, of, text)}
    return asdict(suggestions(visit, text))


def first_or_next_page(visit: Visit, params: Mapping[str, str]) -> dict[str, Any]:
    """Return a page of tiles: the first one of a search, or the one after a page's `next`.

    Raises SearchError, RejectedInputError and UnavailableError.
    """
    filters = Filters.of(params)
    query = filters.query(region=visit.room.settings.default_region)
    after = params.get("after") or None
    page = visit.view.search(query, limit=_limit(params), after=after, parts=FILES)
    if after is None:
        visit.note("searched", subject=filters.words() or "everything")
    return {
        "tiles": _tiles(visit, page.messages),
        "newest": page.messages[0].id if page.messages else "",
        "messages": len(page.messages),
        "next": page.next,
        "total": _total_with(visit, query, page) if after is None else None,
        "counts": _counts(visit.view) if after is None else None,
        "hint": filters.hint(region=visit.room.settings.default_region) if after is None else None,
    }


def _total_with(visit: Visit, query: Query, page: Page) -> dict[str, Any] | None:
    """Return how many a first page's search finds, if that is known without counting them."""
    known = visit.view.kept_total(query) if page.next else Total(len(page.messages))
    return asdict(known) if known else None


def _total(visit: Visit, params: Mapping[str, str]) -> dict[str, Any]:
    """Return how many messages, files and bytes fit the filters."""
    query = Filters.of(params).query(region=visit.room.settings.default_region)
    return _written(visit.view.figures(query))


def _written(figures: Figures) -> dict[str, Any]:
    return {**asdict(figures), "size": locally.size(figures.bytes)}


def _days(visit: Visit, params: Mapping[str, str]) -> dict[str, Any]:
    """Return how much of what fits the filters came in on each of some days of the visitor's zone."""
    filters, region = Filters.of(params), visit.room.settings.default_region
    wanted = [day for day in params.get("days", "").split(",") if day][:MOST_DAYS]
    asked = {day: filters.on_day(day, region=region) for day in wanted}
    return {"days": {day: _written(visit.view.figures(query)) for day, query in asked.items()}}


def _limit(params: Mapping[str, str]) -> int:
    text = params.get("limit", "")
    wanted = int(text) if text.isascii() and text.isdigit() and len(text) < 5 else MESSAGES_A_PAGE  # noqa: PLR2004 - MOST_A_PAGE has three
    return max(1, min(wanted, MOST_A_PAGE))


def _news(visit: Visit, params: Mapping[str, str]) -> dict[str, Any]:
    """Return what has changed for an open gallery: how many are new, and what became of waiting ones."""
    query = Filters.of(params).query(region=visit.room.settings.default_region)
    waiting = [identity for identity in params.get("waiting", "").split(",") if identity][:MOST_WAITING]
    return {
        "new": visit.view.newer(query, than=params.get("than", "")),
        "tiles": _tiles(visit, visit.view.load_all(waiting)),
        "counts": _counts(visit.view),
    }


def _message(visit: Visit, params: Mapping[str, str]) -> dict[str, Any]:
    message = visit.view.load(params.get("id", ""))
    visit.note("looked at", subject=message.id, messages=(message.id,))
    names = callers.known(visit.view, [message])
    found = record(message, sign=visit.room.links.sign, now=utc_now(), names=names)
    return {**found, "tags": message.tags}


def _similar(visit: Visit, params: Mapping[str, str]) -> dict[str, Any]:
    message = visit.view.load(params.get("id", ""))
    alike = visit.view.load_all(visit.view.similar(message, among=SIMILAR_AMONG))
    own = {item.sha256 for item in message.media if item.sha256}
    copies = {
        f"{one.id}/{item.position}"
        for one in alike
        for item in one.media
        if item.sha256 and item.sha256 in own
    }
    shown = [tile for tile in _tiles(visit, alike) if tile["src"]]
    return {"tiles": [{**tile, "exact": tile["key"] in copies} for tile in shown]}


def _tiles(visit: Visit, messages: Sequence[Message]) -> list[Tile]:
    names = visit.view.names({normal_number(one.sender) for one in messages})
    return tiles(messages, sign=visit.room.links.sign, names=names)


def _counts(view: View) -> list[dict[str, Any]]:
    """Return the live counts, each written as its visitor writes numbers."""
    counts = _counts_then(view, int(time.monotonic() / COUNTS_KEPT_SECONDS))
    return [{**asdict(one), "text": locally.number(one.value)} for one in counts]


@functools.lru_cache(maxsize=256)
def _counts_then(view: View, _moment: int) -> list[Count]:
    """Return them for a moment: visitors with the same scope share them."""
    return counted(view.counts(at_risk_before=utc_now() + AT_RISK))
