"""The gate: in front of every page, WebSocket and file, it lets through only who is logged in.

It stands before Streamlit and before our own routes, so that nothing can be forgotten: a path that
is not listed here as open is closed.
"""

from collections.abc import Mapping
from time import monotonic
from urllib.parse import urlencode

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocketClose

from dashboard.links import PATH as FILES
from dashboard.plain_page import page
from dashboard.reading_room import ReadingRoom
from dashboard.visiting import recognise, visit_of
from mmsvault.catalog import permissions
from mmsvault.catalog.people import Person
from mmsvault.catalog.permissions import Action
from mmsvault.clients import client_address
from mmsvault.errors import RejectedInputError, UnavailableError

PAGES = (
    *("message", "senders", "keywords", "searches", "exports", "operations", "quarantine", "audit"),
    "settings",
)
"""The paths of Streamlit's pages beside the gallery."""
PAGE_PATHS = frozenset({"/", *(f"/{name}" for name in PAGES)})
OIDC_LOGIN, OIDC_CALLBACK = "/oidc/login", "/oidc/callback"
SECOND_STEP, SECOND_FACTOR = "/login/code", "/account/second-factor"
OPEN = frozenset(
    {
        *("/login", SECOND_STEP, OIDC_LOGIN, OIDC_CALLBACK),
        *("/_stcore/health", "/_stcore/script-health-check"),
    }
)
ACCOUNT = ("/account", "/account/", "/password", "/logout")
"""All that somebody can reach who has to set a password or a second factor first: these paths, and what
lies under those with a slash at their end."""
BY_ITSELF = ("/_stcore/", "/api/news")
"""What a page that is open asks for without anybody doing something."""
ACTIONS: Mapping[str, Action] = {
    "/download/": Action.EXPORT,
    "/lists/": Action.EXPORT,
    "/_stcore/metrics": Action.SEE_SERVER,
    "/_stcore/upload_file": Action.SEE_SERVER,
}
"""What one must be allowed for what lies under a path; elsewhere, to look."""
NO_PAGE = '<h2>Page not found</h2><p>Check the address, or <a href="/">go to the gallery</a>.</p>'
MODULES = "app"
"""First part of the path of the gallery's modules."""
SEEN_SECONDS = 1.0
"""A page has sixty pictures and as many modules: whoever was recognised so lately is not looked up for
each. Pages and deeds look anew. A log-out here forgets it all; one by another program holds for files
after this time."""
QUICK = (f"/{FILES}/", f"/{MODULES}/", "/static/")
"""Where pictures and modules lie."""
MOST_SEEN = 1000
VISIT = "mmsvault.visit"
"""Where routes find the visit in their scope."""
_POLICY_VIOLATION = 1008


class Gate:
    """Finds out who asks, and refuses who may not."""

    def __init__(self, app: ASGIApp, room: ReadingRoom) -> None:
        self._app = app
        self._room = room
        self._seen: dict[str, tuple[float, Person]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what may come in, with the visit in its scope."""
        if scope["type"] not in ("http", "websocket") or scope["path"] in OPEN:
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        try:
            person = self._just_seen(scope, headers) or await self._recognised(scope, headers)
            refusal = self._refusal(person, scope, headers)
            if person and not refusal:
                scope[VISIT] = visit_of(self._room, person, source=source_of(self._room, scope))
        except UnavailableError:
            refusal = _say(503, "The archive cannot be read just now: its catalog is away. Try again soon.")
        except RejectedInputError:
            refusal = _say(403, "What you may see is not set so that it can be understood. Ask an admin.")
        if refusal is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await WebSocketClose(code=_POLICY_VIOLATION)(scope, receive, send)
        else:
            await refusal(scope, receive, send)

    async def _recognised(self, scope: Scope, headers: Headers) -> Person | None:
        acts = not scope["path"].startswith(BY_ITSELF)
        person = await run_in_threadpool(recognise, self._room, headers, is_activity=acts)
        if self._room.settings.proxy_login_header or _is_of_account(scope["path"]):
            self._seen.clear()
        elif person:
            if len(self._seen) >= MOST_SEEN:
                self._seen.clear()
            self._seen[headers.get("cookie", "")] = (monotonic(), person)
        return person

    def _just_seen(self, scope: Scope, headers: Headers) -> Person | None:
        """Return who asks for a file, if they were recognised just now."""
        if scope["path"].startswith(QUICK):
            seen_at, person = self._seen.get(headers.get("cookie", ""), (0.0, None))
            if monotonic() - seen_at < SEEN_SECONDS:
                return person
        return None

    def _refusal(self, person: Person | None, scope: Scope, headers: Headers) -> Response | None:
        path: str = scope["path"]
        if person is None:
            if self._room.settings.proxy_login_header:
                return _say(403, "Your proxy named nobody who may come in here. Ask an admin.")
            return _to_login(scope) if _is_page(scope, headers) else _say(401, "Log in first.")
        if not person.is_ready and not _is_of_account(path):
            onward = "/account" if person.is_one_time else SECOND_FACTOR
            return RedirectResponse(onward, 303) if _is_page(scope, headers) else _say(403, "Log in.")
        for beginning, action in ACTIONS.items():
            if path.startswith(beginning) and not permissions.allows(person, action):
                return _say(403, "Your role does not allow this. Ask an admin.")
        if _is_page(scope, headers) and _is_unknown_page(path):
            return page("Page not found", "", NO_PAGE, 404)
        return None


def source_of(room: ReadingRoom, scope: Scope) -> str:
    """Return the address that a request comes from."""
    peer = scope["client"][0] if scope.get("client") else ""
    forwarded = ",".join(Headers(scope=scope).getlist("x-forwarded-for"))
    room.untrusted.look(peer, forwarded)
    return client_address(peer, forwarded, room.settings.trusted_proxies)


def _is_of_account(path: str) -> bool:
    return any(path == one or (one.endswith("/") and path.startswith(one)) for one in ACCOUNT)


def _is_unknown_page(path: str) -> bool:
    """Return whether Streamlit would show the gallery there, under a dialog of its own; files have a dot."""
    name = path.strip("/")
    return not ("/" in name or "." in name or f"/{name}" in PAGE_PATHS or _is_of_account(path))


def _is_page(scope: Scope, headers: Headers) -> bool:
    return (
        scope["type"] == "http"
        and scope["method"] in ("GET", "HEAD")
        and "text/html" in headers.get("accept", "")
    )


def _to_login(scope: Scope) -> Response:
    query = scope["query_string"].decode("latin-1")
    wanted = scope["path"] + (f"?{query}" if query else "")
    return RedirectResponse(f"/login?{urlencode({'next': wanted})}", 303, {"cache-control": "no-store"})


def _say(status: int, sentence: str) -> Response:
    return PlainTextResponse(f"{sentence}\n", status, {"cache-control": "no-store"})
