"""What the routes of the gallery answer: data, or the sentence that says why there is none."""

from collections.abc import Callable
from typing import Any

import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from dashboard import locally
from dashboard.gate import VISIT
from dashboard.visiting import Visit
from mmsvault.errors import ForbiddenError, NotFoundError, RejectedInputError, SearchError, UnavailableError

log = structlog.get_logger(__name__)


def answered(request: Request, answer: Callable[[Visit], dict[str, Any]]) -> Response:
    """Return what a visitor is answered, or the sentence that says why they are not."""
    try:
        with locally.spoken_by(request.headers):
            found = answer(request.scope[VISIT])
    except SearchError as error:
        return say(400, error.problem, **_mistake(error, request.query_params.get("q", "")))
    except RejectedInputError as error:
        return say(400, str(error))
    except ForbiddenError as error:
        return say(403, str(error))
    except NotFoundError:
        return say(404, "The archive does not hold this. It may have been deleted.")
    except UnavailableError as error:
        log.warning("gallery_not_served", reason=str(error))
        return say(503, "The archive cannot be read just now: its catalog is away. Try again soon.")
    return JSONResponse(found, headers={"cache-control": "no-store"})


def say(status: int, problem: str, **more: Any) -> Response:
    """Return an error with its sentence."""
    return JSONResponse({"problem": problem, **more}, status, headers={"cache-control": "no-store"})


def _mistake(error: SearchError, searched: str) -> dict[str, Any]:
    """Return where a mistake stands, and the search that was probably meant if it is in the search."""
    is_in_search = error.query.strip() == searched.strip()
    correction = {"q": error.correction} if error.correction and is_in_search else None
    return {
        "query": error.query,
        "position": error.position,
        "length": error.length,
        "correction": correction,
    }
