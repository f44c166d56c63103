"""`POST /api/fitting` and `/api/selections`: which messages of a selection fit the filters, and its address.

A selection of few messages stands in the address itself, one of many is kept under an id that only its
owner can use (see `catalog.selections`).
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dashboard.answers import answered, say
from dashboard.filters import Filters
from dashboard.plain_page import NOT_OURS, read_own_body
from dashboard.visiting import Visit
from mmsvault.catalog import filters, selections
from mmsvault.catalog.language import Query
from mmsvault.catalog.selections import MOST_MESSAGES
from mmsvault.errors import RejectedInputError
from mmsvault.message import utc_now

LONGEST_BODY_BYTES = 4 << 20
LOOKED_UP_AT_ONCE = 500

Given = Mapping[str, Any]


def selections_routes() -> list[Route]:
    """Return the routes."""
    answers = {"fitting": fitting, "selections": keep}
    return [Route(f"/{name}", _endpoint(answer), methods=["POST"]) for name, answer in answers.items()]


def _endpoint(answer: Callable[[Visit, Given], dict[str, Any]]) -> Callable[[Request], Any]:
    async def serve(request: Request) -> Response:
        body = await read_own_body(request, most_bytes=LONGEST_BODY_BYTES)
        if body is None or not request.headers.get("content-type", "").startswith("application/json"):
            return say(403, NOT_OURS)
        return await run_in_threadpool(answered, request, lambda visit: answer(visit, _read(body)))

    return serve


def _read(body: bytes) -> Given:
    try:
        given = json.loads(body)
    except (ValueError, RecursionError):
        given = None
    if not isinstance(given, dict):
        raise RejectedInputError("The request is not a JSON object.")
    return given


def keep(visit: Visit, given: Given) -> dict[str, Any]:
    """Keep a selection and return its id, or return the words of filters that select all they find."""
    if isinstance(given.get("filters"), Mapping):
        return {"query": Filters.of(given["filters"]).words()}
    catalog, owner = visit.room.catalog, visit.person.name
    return {"selection": selections.keep(catalog, owner, _ids(given), now=utc_now())}


def fitting(visit: Visit, given: Given) -> dict[str, Any]:
    """Return which of some messages fit the filters, and how many do not.

    They are given by their `ids`, by the `selection` that keeps these, as all that earlier filters (`was`)
    found, or as all of a `day`. `more` says that there are more than a selection holds;
    `dropped` is None where that many are not counted.
    """
    region = visit.room.settings.default_region
    asked = _filters(given.get("filters")).query(region=region)
    if "day" in given:
        found = visit.view.ids(
            _filters(given.get("filters")).on_day(str(given["day"]), region=region), limit=MOST_MESSAGES + 1
        )
        return _told(found, dropped=0)
    if "was" in given:
        was = _filters(given["was"]).query(region=region)
        both = visit.view.ids(Query(was.groups + asked.groups), limit=MOST_MESSAGES + 1)
        before = visit.view.total(was)
        return _told(both, dropped=before.messages - len(both) if before.is_exact else None)
    ids = _selected(visit, given)
    found = [one for batch in _batches(ids) for one in visit.view.ids(_among(asked, batch), limit=len(batch))]
    return _told(found, dropped=len(ids) - len(found))


def _filters(given: object) -> Filters:
    return Filters.of(given if isinstance(given, Mapping) else {})


def _told(found: list[str], *, dropped: int | None) -> dict[str, Any]:
    return {
        "ids": found[:MOST_MESSAGES],
        "dropped": dropped if dropped is None else max(dropped, 0),
        "more": len(found) > MOST_MESSAGES,
    }


def _selected(visit: Visit, given: Given) -> tuple[str, ...]:
    """Return the ids that are given, each once. Raises NotFoundError for a selection that has expired."""
    if "selection" in given:
        identity = str(given["selection"])
        return selections.find(visit.room.catalog, identity, owner=visit.person.name, now=utc_now())
    return tuple(dict.fromkeys(_ids(given)))


def _ids(given: Given) -> tuple[str, ...]:
    ids = given.get("ids")
    if not isinstance(ids, list) or len(ids) > MOST_MESSAGES:
        raise RejectedInputError(f"A selection has at most {MOST_MESSAGES:,} messages.")
    return tuple(str(one) for one in ids)


def _batches(ids: tuple[str, ...]) -> list[tuple[str, ...]]:
    return [ids[at : at + LOOKED_UP_AT_ONCE] for at in range(0, len(ids), LOOKED_UP_AT_ONCE)]


def _among(asked: Query, ids: tuple[str, ...]) -> Query:
    return Query((*asked.groups, filters.chosen(ids)))
