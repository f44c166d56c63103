"""Logging in and out: pages of our own, without a script in them.

Forms are taken from our own pages only (Origin, and a SameSite cookie). Every password and code goes
through the throttle. Whoever has a second factor is asked for it after the right password; in between
a signed cookie of ten minutes says whose password it was, and opens nothing.
"""

import html
from datetime import timedelta
from functools import partial
from typing import NamedTuple
from urllib.parse import urlencode, urlsplit, urlunsplit

from itsdangerous import BadData, URLSafeTimedSerializer
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from dashboard import browsers, known_browsers
from dashboard.gate import OIDC_LOGIN, PAGE_PATHS, SECOND_STEP, VISIT, source_of
from dashboard.plain_page import (
    HEADERS,
    NOT_OURS,
    code_field,
    form,
    hidden,
    is_secure,
    own_path,
    page,
    read_form,
    secret_field,
)
from dashboard.reading_room import ReadingRoom
from dashboard.throttle import WaitError, code_limits, login_limits
from dashboard.visiting import COOKIE, Visit, recognise, token_of
from mmsvault import seals
from mmsvault.catalog import people, second_factors, sessions, trail
from mmsvault.catalog.people import Person
from mmsvault.catalog.second_factors import Means
from mmsvault.errors import NotFoundError, RejectedInputError, UnavailableError
from mmsvault.message import utc_now

AWAY = "The archive cannot be read just now. Try again in a moment."
HALF_COOKIE, HALF_SECONDS = "mmsvault_login", 600
LONGEST_NAME = 100
_PURPOSE = b"mmsvault: login that waits for a second factor"


class _Half(NamedTuple):
    """A login that waits for the second factor; `fingerprint` is of the password that was right."""

    name: str
    fingerprint: str
    onward: str


def login_routes(room: ReadingRoom) -> list[Route]:
    """Return the routes `/login`, `/login/code` and `/logout`."""
    desk = _Desk(room)
    return [
        Route("/login", desk.login, methods=["GET", "POST"]),
        Route(SECOND_STEP, desk.second_step, methods=["GET", "POST"]),
        Route("/logout", desk.logout, methods=["POST"]),
    ]


class _Desk:
    def __init__(self, room: ReadingRoom) -> None:
        self._room = room
        self._secret = room.settings.bucket_keys[1]
        self._signer = URLSafeTimedSerializer(seals.derived_key(self._secret, _PURPOSE), salt="half")

    async def login(self, request: Request) -> Response:
        """Ask for name and password, or take them; whoever comes from a page goes back to it."""
        onward = own_path(request.query_params.get("next", "") or page_before(request))
        if self._room.settings.proxy_login_header:
            return RedirectResponse(onward, 303, HEADERS)
        try:
            if request.method == "POST":
                return await self._log_in(request)
            if await run_in_threadpool(recognise, self._room, request.headers):
                return RedirectResponse(onward, 303, HEADERS)
        except UnavailableError:
            return login_page(self._room, AWAY, 503, onward)
        return login_page(self._room, "", 200, onward)

    async def _log_in(self, request: Request) -> Response:
        if not self._room.settings.has_passwords:
            return login_page(self._room, "Passwords are not taken here.", 403)
        told = await read_form(request)
        if told is None:
            return login_page(self._room, NOT_OURS, 403)
        onward = own_path(told.get("next", ""))
        typed = told.get("name", "").strip()[:LONGEST_NAME]
        name, source = people.login_name(typed), source_of(self._room, request.scope)
        browser = self._known_browser(request, name)
        try:
            person = await self._room.throttle.attempt(
                login_limits(name, source, browser),
                partial(people.recognise, self._room.catalog, name, told.get("password", "")),
                is_known=browser is not None,
            )
        except WaitError as error:
            return login_page(self._room, error.said, error.status, onward, retry_after=error.seconds)
        if person is None:
            await self._note("login refused", source=source, subject=typed)
            return login_page(self._room, "Name or password is wrong.", 401, onward)
        if person.has_second_factor:
            return await self._to_second_step(person, request, onward)
        return await self._let_in(person, request, onward)

    async def _to_second_step(self, person: Person, request: Request, onward: str) -> Response:
        fingerprint = await run_in_threadpool(people.fingerprint, self._room.catalog, person.name)
        answer = RedirectResponse(SECOND_STEP, 303, HEADERS)
        answer.set_cookie(
            HALF_COOKIE,
            self._signer.dumps(_Half(person.name, fingerprint, onward)),
            max_age=HALF_SECONDS,
            path=known_browsers.PATH,
            httponly=True,
            samesite="lax",
            secure=is_secure(self._room, request),
        )
        return answer

    async def second_step(self, request: Request) -> Response:
        """Ask for a code of the second factor, or take it."""
        try:
            half = await self._half(request)
            if half is None:
                return RedirectResponse("/login", 303, HEADERS)
            if request.method == "POST":
                return await self._take_code(request, half)
        except UnavailableError:
            return _code_page(AWAY, 503)
        return _code_page("", 200)

    async def _half(self, request: Request) -> _Half | None:
        """Return the login that this browser began; None where there is none or the password changed."""
        cookie = token_of(request.headers.get("cookie", ""), HALF_COOKIE)
        try:
            half = _Half(*self._signer.loads(cookie, max_age=HALF_SECONDS))
            present = await run_in_threadpool(people.fingerprint, self._room.catalog, half.name)
        except (BadData, TypeError, NotFoundError):
            return None
        return half if half.fingerprint == present and self._room.settings.has_passwords else None

    async def _take_code(self, request: Request, half: _Half) -> Response:
        told = await read_form(request)
        if told is None:
            return _code_page(NOT_OURS, 403)
        source, catalog = source_of(self._room, request.scope), self._room.catalog
        browser = self._known_browser(request, half.name)
        accept = partial(second_factors.accept, catalog, self._secret, half.name, told.get("code", ""))
        try:
            means = await self._room.throttle.attempt(
                code_limits(half.name, browser), lambda: accept(now=utc_now()), is_known=browser is not None
            )
        except WaitError as error:
            return _code_page(error.said, error.status, retry_after=error.seconds)
        except RejectedInputError as error:
            return _code_page(str(error), 403)
        if means is None:
            await self._note("code refused", source=source, subject=half.name)
            return _code_page("This code is wrong, too old, or was used already.", 401)
        if means is Means.RECOVERY_CODE:
            left = await run_in_threadpool(second_factors.recovery_codes_left, catalog, half.name)
            await self._note("used a recovery code", who=half.name, source=source, details=f"{left} left")
        person = await run_in_threadpool(people.find, catalog, half.name)
        answer = await self._let_in(person, request, half.onward, details=f"with {means}")
        answer.delete_cookie(HALF_COOKIE, path=known_browsers.PATH, httponly=True, samesite="lax")
        return answer

    async def _let_in(self, person: Person, request: Request, onward: str, *, details: str = "") -> Response:
        """Return the answer that logs somebody in, and by which their browser is known the next time."""
        onward = "/account" if person.is_one_time else onward
        answer = await with_session(self._room, person, request, onward, details=details)
        answer.set_cookie(
            known_browsers.cookie_name(person.name),
            known_browsers.new_cookie(self._secret, person.name),
            max_age=known_browsers.KNOWN_SECONDS,
            path=known_browsers.PATH,
            httponly=True,
            samesite="lax",
            secure=is_secure(self._room, request),
        )
        return answer

    def _known_browser(self, request: Request, name: str) -> str | None:
        cookie = token_of(request.headers.get("cookie", ""), known_browsers.cookie_name(name))
        return known_browsers.id_in(cookie, self._secret, name) if cookie else None

    async def _note(
        self, action: str, *, source: str, who: str = "", subject: str = "", details: str = ""
    ) -> None:
        note = partial(trail.append, self._room.catalog, action, who=who, source=source)
        await run_in_threadpool(note, subject=subject, details=details)

    async def logout(self, request: Request) -> Response:
        """End the session, here and in the browser's cache."""
        visit: Visit = request.scope[VISIT]
        if await read_form(request) is None:
            return page("Log out", NOT_OURS, '<p><a href="/account">Account</a></p>', 403)
        await run_in_threadpool(sessions.end, self._room.catalog, token_of(request.headers.get("cookie", "")))
        await run_in_threadpool(visit.note, "logged out")
        answer = RedirectResponse("/login", 303, {**HEADERS, "clear-site-data": '"cache", "storage"'})
        answer.delete_cookie(COOKIE, httponly=True, samesite="lax", secure=is_secure(self._room, request))
        return answer


def page_before(request: Request) -> str:
    """Return the address of our own page that a link led here from; empty for any other page."""
    try:
        before = urlsplit(request.headers.get("referer", ""))
    except ValueError:
        return ""
    is_ours = before.netloc == request.headers.get("host") and before.path in PAGE_PATHS
    return urlunsplit(("", "", before.path, before.query, "")) if is_ours else ""


async def with_session(
    room: ReadingRoom, person: Person, request: Request, onward: str, *, details: str | None = None
) -> Response:
    """Return the answer that logs a person in and sends them on.

    With `details`, how they did it, the trail says that they logged in.
    """
    span = timedelta(hours=room.settings.session_hours)
    source, browser = source_of(room, request.scope), browsers.in_short(request.headers.get("user-agent", ""))

    def begin() -> str:
        if details is not None:
            trail.append(room.catalog, "logged in", who=person.name, source=source, details=details)
        return sessions.begin(
            room.catalog, person.name, now=utc_now(), span=span, source=source, browser=browser
        )

    token = await run_in_threadpool(begin)
    answer = RedirectResponse(onward, 303, HEADERS)
    answer.set_cookie(
        COOKIE,
        token,
        max_age=int(span.total_seconds()),
        httponly=True,
        samesite="lax",
        secure=is_secure(room, request),
    )
    return answer


def login_page(
    room: ReadingRoom, problem: str, status: int, onward: str = "/", *, retry_after: int = 0
) -> Response:
    """Return the page on which people log in, with a problem in plain words."""
    inside = _password_form(onward) if room.settings.has_passwords else _provider_link(room, onward)
    return page("Log in", problem, inside, status, headers=_with_retry(retry_after))


def _provider_link(room: ReadingRoom, onward: str) -> str:
    host = html.escape(urlsplit(room.settings.oidc_issuer).netloc)
    address = f"{OIDC_LOGIN}?{urlencode({'next': onward})}"
    return f'<p><a class="button" href="{html.escape(address)}">Log in with {host}</a></p>'


def _password_form(onward: str) -> str:
    return form(
        "/login",
        hidden("next", onward),
        '<label>Name <input name="name" autocomplete="username" autocapitalize="none" required autofocus>'
        "</label>",
        secret_field("password", "Password", "current-password"),
        button="Log in",
    )


def _code_page(problem: str, status: int, *, retry_after: int = 0) -> Response:
    inside = (
        "<p>Open your authenticator app and enter the code for MMS Vault.</p>"
        + form(SECOND_STEP, code_field("Code, or a recovery code"), button="Log in")
        + '<p><a href="/login">Another name</a></p>'
    )
    return page("Second factor", problem, inside, status, headers=_with_retry(retry_after))


def _with_retry(seconds: int) -> dict[str, str]:
    return {**HEADERS, **({"retry-after": str(seconds)} if seconds else {})}
