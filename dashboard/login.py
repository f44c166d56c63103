"""Logging in and out, and setting a password: pages of our own, without a script in them.

Forms are taken from our own pages only (Origin, and a SameSite cookie). Wrong passwords make the
next try wait: by name and address together, by address, and, with much room, by name.
"""

import asyncio
import html
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from dashboard.gate import OIDC_LOGIN, VISIT, source_of
from dashboard.reading_room import ReadingRoom
from dashboard.visiting import COOKIE, Visit, recognise, token_of
from mmsvault.catalog import people, sessions, trail
from mmsvault.catalog.people import Person
from mmsvault.errors import RejectedInputError, UnavailableError
from mmsvault.message import utc_now

LONGEST_FORM_BYTES = 8192
FREE_TRIES, FREE_TRIES_OF_ADDRESS, FREE_TRIES_OF_NAME = 5, 30, 100
AWAY = "The archive cannot be read just now. Try again in a moment."
HASHES_AT_ONCE = 2
"""Each takes 64 MiB for a moment."""
_PAGE = (Path(__file__).parent / "login.html").read_text()
_HEADERS = {"cache-control": "no-store"}
_LOG_OUT = '<form method="post" action="logout"><button class="quiet">Log out</button></form>'


def login_routes(room: ReadingRoom) -> list[Route]:
    """Return the routes `/login`, `/account`, `/password` and `/logout`."""
    desk = _Desk(room)
    return [
        Route("/login", desk.login, methods=["GET", "POST"]),
        Route("/account", desk.account, methods=["GET"]),
        Route("/password", desk.password, methods=["POST"]),
        Route("/logout", desk.logout, methods=["POST"]),
    ]


class _Desk:
    def __init__(self, room: ReadingRoom) -> None:
        self._room = room
        self._hashing = asyncio.Semaphore(HASHES_AT_ONCE)

    async def login(self, request: Request) -> Response:
        """Ask for name and password, or take them."""
        onward = own_path(request.query_params.get("next", ""))
        if self._room.settings.proxy_login_header:
            return RedirectResponse(onward, 303, _HEADERS)
        try:
            if request.method == "POST":
                return await self._log_in(request)
            if await run_in_threadpool(recognise, self._room, request.headers):
                return RedirectResponse(onward, 303, _HEADERS)
        except UnavailableError:
            return login_page(self._room, AWAY, 503, onward)
        return login_page(self._room, "", 200, onward)

    async def _log_in(self, request: Request) -> Response:
        if not self._room.settings.has_passwords:
            return login_page(self._room, "Passwords are not taken here.", 403)
        form = await _form(request)
        if form is None:
            return login_page(self._room, "This form did not come from this page. Try again.", 403)
        onward = own_path(form.get("next", ""))
        name, source = form.get("name", "").strip().casefold()[:100], source_of(self._room, request.scope)
        keys = {
            f"{source} {name}": FREE_TRIES,
            f"{source}": FREE_TRIES_OF_ADDRESS,
            f"* {name}": FREE_TRIES_OF_NAME,
        }
        catalog = self._room.catalog
        left = await run_in_threadpool(sessions.wait, catalog, keys, now=utc_now())
        if left > timedelta(0):
            seconds = int(left.total_seconds()) + 1
            said = f"Too many wrong passwords. Try again in {seconds:,} seconds."
            return login_page(self._room, said, 429, onward, retry_after=seconds)
        async with self._hashing:
            person = await run_in_threadpool(people.recognise, catalog, name, form.get("password", ""))
        if person is None:
            await run_in_threadpool(sessions.count_failure, catalog, keys, now=utc_now())
            await run_in_threadpool(
                trail.append, catalog, "login refused", who="", source=source, subject=name
            )
            return login_page(self._room, "Name or password is wrong.", 401, onward)
        await run_in_threadpool(sessions.forget_failures, catalog, keys)
        await run_in_threadpool(trail.append, catalog, "logged in", who=person.name, source=source)
        return await with_session(self._room, person, request, "/account" if person.is_one_time else onward)

    async def account(self, request: Request) -> Response:
        """Say who is logged in, and offer another password and the way out."""
        return _account_page(request.scope[VISIT], "", 200)

    async def password(self, request: Request) -> Response:
        """Set another password; every session of the person ends, and a new one begins here."""
        visit: Visit = request.scope[VISIT]
        form, person, catalog = await _form(request), visit.person, self._room.catalog
        if form is None or not self._room.settings.has_passwords:
            return _account_page(visit, "This form did not come from this page. Try again.", 403)
        new = form.get("new", "")
        if new != form.get("again", ""):
            return _account_page(visit, "The two new passwords are not the same.", 400)
        async with self._hashing:
            if not person.is_one_time and not await run_in_threadpool(
                people.recognise, catalog, person.name, form.get("password", "")
            ):
                return _account_page(visit, "The present password is wrong.", 403)
            if await run_in_threadpool(people.recognise, catalog, person.name, new):
                return _account_page(visit, "This is the present password; choose another one.", 400)
            try:
                await run_in_threadpool(people.set_password, catalog, person.name, new)
            except RejectedInputError as error:
                return _account_page(visit, str(error), 400)
        await run_in_threadpool(visit.note, "set a password", subject=person.name)
        return await with_session(self._room, person, request, "/")

    async def logout(self, request: Request) -> Response:
        """End the session, here and in the browser's cache."""
        visit: Visit = request.scope[VISIT]
        if await _form(request) is None:
            return _account_page(visit, "This form did not come from this page. Try again.", 403)
        await run_in_threadpool(sessions.end, self._room.catalog, token_of(request.headers.get("cookie", "")))
        await run_in_threadpool(visit.note, "logged out")
        answer = RedirectResponse("/login", 303, {**_HEADERS, "clear-site-data": '"cache", "storage"'})
        answer.delete_cookie(COOKIE, httponly=True, samesite="lax", secure=is_secure(self._room, request))
        return answer


async def with_session(room: ReadingRoom, person: Person, request: Request, onward: str) -> Response:
    """Return the answer that logs a person in and sends them on."""
    span = timedelta(hours=room.settings.session_hours)
    token = await run_in_threadpool(sessions.begin, room.catalog, person.name, now=utc_now(), span=span)
    answer = RedirectResponse(onward, 303, _HEADERS)
    answer.set_cookie(
        COOKIE,
        token,
        max_age=int(span.total_seconds()),
        httponly=True,
        samesite="lax",
        secure=is_secure(room, request),
    )
    return answer


def is_secure(room: ReadingRoom, request: Request) -> bool:
    """Return whether the browser reaches the dashboard by TLS."""
    return room.settings.dashboard_tls or request.url.scheme == "https"


async def _form(request: Request) -> dict[str, str] | None:
    """Return the fields of a form that our own page sent; None for one of another site, or too large."""
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != request.headers.get("host"):
        return None
    if request.headers.get("sec-fetch-site", "same-origin") != "same-origin":
        return None
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LONGEST_FORM_BYTES:
            return None
    fields = parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=10)
    return {name: values[-1] for name, values in fields.items()}


def own_path(wanted: str) -> str:
    """Return where to go on to: a path of this server, never another site (`//`, backslashes)."""
    fine = wanted.startswith("/") and wanted[1:2] not in ("/", "\\") and wanted.isprintable()
    return wanted if fine and wanted.isascii() and not wanted.startswith("/login") else "/"


def login_page(
    room: ReadingRoom, problem: str, status: int, onward: str = "/", *, retry_after: int = 0
) -> Response:
    """Return the page on which people log in, with a problem in plain words."""
    inside = _password_form(onward) if room.settings.has_passwords else _provider_link(room, onward)
    headers = {**_HEADERS, **({"retry-after": str(retry_after)} if retry_after else {})}
    return _page("Log in", problem, inside, status, headers)


def _provider_link(room: ReadingRoom, onward: str) -> str:
    host = html.escape(urlsplit(room.settings.oidc_issuer).netloc)
    address = f"{OIDC_LOGIN.lstrip('/')}?{urlencode({'next': onward})}"
    return f'<p><a class="button" href="{html.escape(address)}">Log in with {host}</a></p>'


def _password_form(onward: str) -> str:
    return (
        '<form method="post" action="login">'
        f'<input type="hidden" name="next" value="{html.escape(onward)}">'
        '<label>Name <input name="name" autocomplete="username" autocapitalize="none" required autofocus>'
        "</label>" + _secret("password", "Password", "current-password") + "<button>Log in</button></form>"
    )


def _account_page(visit: Visit, problem: str, status: int) -> Response:
    person = visit.person
    if visit.room.settings.proxy_login_header:
        forms = "<p>Your proxy logs you in and out.</p>"
    elif visit.room.settings.oidc_issuer:
        forms = _LOG_OUT
    else:
        present = "" if person.is_one_time else _secret("password", "Present password", "current-password")
        forms = (
            '<form method="post" action="password">'
            + present
            + _secret("new", "New password", "new-password")
            + _secret("again", "New password again", "new-password")
            + "<button>Set password</button></form>"
            '<form method="post" action="logout"><button class="quiet">Log out</button></form>'
        )
    sees = f"what fits <code>{html.escape(person.scope)}</code>" if person.scope else "everything"
    said = f"<p><b>{html.escape(person.name)}</b>, {person.role}; sees {sees}.</p>"
    said += (
        "<p>Choose a password of your own to go on.</p>"
        if person.is_one_time
        else '<p><a href="./">Gallery</a></p>'
    )
    return _page("Account", problem, said + forms, status, _HEADERS)


def _secret(name: str, label: str, kind: str) -> str:
    return f'<label>{label} <input type="password" name="{name}" autocomplete="{kind}" required></label>'


def _page(title: str, problem: str, inside: str, status: int, headers: dict[str, str]) -> Response:
    told = f'<p class="problem" role="alert">{html.escape(problem)}</p>' if problem else ""
    page = _PAGE.replace("{title}", title).replace("{inside}", told + inside)
    return HTMLResponse(page, status, headers)
