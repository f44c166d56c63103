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

import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from dashboard import callers, locally
from dashboard.counts import Count, counted
from dashboard.filters import Filters
from dashboard.gate import VISIT
from dashboard.headers import COMPRESSED
from dashboard.reading_room import ReadingRoom
from dashboard.record import record
from dashboard.suggesting import suggestions
from dashboard.tiles import Tile, tiles
from dashboard.visiting import Visit
from mmsvault.catalog.language import Query
from mmsvault.catalog.queries import FILES, Page
from mmsvault.catalog.totals import AT_RISK, Total
from mmsvault.catalog.views import View
from mmsvault.errors import NotFoundError, RejectedInputError, SearchError, UnavailableError
from mmsvault.message import Message, normal_number, utc_now

log = structlog.get_logger(__name__)

MESSAGES_A_PAGE = 60
MOST_A_PAGE = 600
"""A visitor who comes back has as many messages at once as they had seen."""
MOST_WAITING = 60
COUNTS_KEPT_SECONDS = 2
SIMILAR_AMONG = 100_000

Answer = Callable[[Visit, Mapping[str, str]], dict[str, Any]]


def gallery_routes(room: ReadingRoom) -> Mount:
    """Return the routes over the room."""
    del room  # every visit brings its own
    answers: dict[str, Answer] = {
        "gallery": first_or_next_page,
        "total": _total,
        "news": _news,
        "message": _message,
        "similar": _similar,
        "suggestions": lambda visit, params: {"found": suggestions(visit, params.get("text", ""))},
    }
    routes = [Route(f"/{name}", _endpoint(answer), methods=["GET"]) for name, answer in answers.items()]
    return Mount("/api", routes=routes, middleware=[COMPRESSED])


def _endpoint(answer: Answer) -> Callable[[Request], Response]:
    def serve(request: Request) -> Response:  # in a thread of its own: Starlette's way with plain functions
        try:
            with locally.spoken_by(request.headers):
                found = answer(request.scope[VISIT], request.query_params)
        except SearchError as error:
            return _say(400, error.problem, query=error.query, position=error.position)
        except RejectedInputError as error:
            return _say(400, str(error))
        except NotFoundError:
            return _say(404, "The archive does not hold this. It may have been deleted.")
        except UnavailableError as error:
            log.warning("gallery_not_served", reason=str(error))
            return _say(503, "The archive cannot be read just now: its catalog is away. Try again soon.")
        return JSONResponse(found, headers={"cache-control": "no-store"})

    return serve


def _say(status: int, problem: str, **more: Any) -> Response:
    return JSONResponse({"problem": problem, **more}, status, headers={"cache-control": "no-store"})


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
    }


def _total_with(visit: Visit, query: Query, page: Page) -> dict[str, Any] | None:
    """Return how many a first page's search finds, if that is known without counting them."""
    known = visit.view.kept_total(query) if page.next else Total(len(page.messages))
    return asdict(known) if known else None


def _total(visit: Visit, params: Mapping[str, str]) -> dict[str, Any]:
    query = Filters.of(params).query(region=visit.room.settings.default_region)
    return asdict(visit.view.total(query))


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
    return {"tiles": [tile for tile in _tiles(visit, alike) if tile["src"]]}


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
