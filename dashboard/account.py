"""One's own account: password, where one is logged in, and the way to the second factor."""

import html
from datetime import UTC, datetime
from functools import partial

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from dashboard.gate import SECOND_FACTOR, VISIT
from dashboard.login import with_session
from dashboard.plain_page import HEADERS, NOT_OURS, form, hidden, page, read_form, secret_field
from dashboard.reading_room import ReadingRoom
from dashboard.sight import look_in
from dashboard.throttle import WaitError, account_limits
from dashboard.visiting import Visit, token_of
from mmsvault.catalog import people, second_factors, sessions
from mmsvault.catalog.sessions import Session
from mmsvault.errors import RejectedInputError
from mmsvault.message import utc_now

LOG_OUT = form("/logout", button="Log out", quiet=True)


def account_routes(room: ReadingRoom) -> list[Route]:
    """Return the routes `/account`, `/password` and those that end sessions."""
    desk = _Desk(room)
    return [
        Route("/account", desk.account, methods=["GET"]),
        Route("/password", desk.password, methods=["POST"]),
        Route("/account/sessions/end", desk.end_session, methods=["POST"]),
        Route("/account/sessions/end-others", desk.end_others, methods=["POST"]),
    ]


class _Desk:
    def __init__(self, room: ReadingRoom) -> None:
        self._room = room

    async def account(self, request: Request) -> Response:
        """Say who is logged in, and offer another password and the way out."""
        return await self._page(request, "", 200)

    async def password(self, request: Request) -> Response:
        """Set another password; every session of the person ends, and a new one begins here."""
        visit: Visit = request.scope[VISIT]
        told = await read_form(request)
        if told is None or not self._room.settings.has_passwords:
            return await self._page(request, NOT_OURS, 403)
        try:
            problem, status = await self._set_password(visit, told)
        except WaitError as error:
            return await self._page(request, error.said, error.status, retry_after=error.seconds)
        except RejectedInputError as error:
            problem, status = str(error), 400
        if problem:
            return await self._page(request, problem, status)
        await run_in_threadpool(visit.note, "set a password", subject=visit.person.name)
        return await with_session(self._room, visit.person, request, "/")

    async def _set_password(self, visit: Visit, told: dict[str, str]) -> tuple[str, int]:
        """Set it, or return why not and the status. Raises WaitError, RejectedInputError."""
        person, catalog, new = visit.person, self._room.catalog, told.get("new", "")
        hashed = self._room.throttle.hashed
        if new != told.get("again", ""):
            return "The two new passwords are not the same.", 400
        if not person.is_one_time and not await is_password(visit, told.get("password", "")):
            return "The present password is wrong.", 403
        if await hashed(people.recognise, catalog, person.name, new):
            return "This is the present password; choose another one.", 400
        await hashed(people.set_password, catalog, person.name, new)
        return "", 303

    async def end_session(self, request: Request) -> Response:
        """Log the person out in another browser."""
        visit: Visit = request.scope[VISIT]
        told = await read_form(request)
        if told is None:
            return await self._page(request, NOT_OURS, 403)
        ended = partial(sessions.end_one, self._room.catalog, visit.person.name, told.get("session", ""))
        if not await run_in_threadpool(ended):
            return await self._page(request, "This login has ended already.", 404)
        await run_in_threadpool(visit.note, "ended a session", subject=visit.person.name)
        return RedirectResponse("/account", 303, HEADERS)

    async def end_others(self, request: Request) -> Response:
        """Log the person out everywhere but here."""
        visit: Visit = request.scope[VISIT]
        if await read_form(request) is None:
            return await self._page(request, NOT_OURS, 403)
        ended = await run_in_threadpool(
            sessions.end_all, self._room.catalog, visit.person.name, but=own_session(request)
        )
        note = partial(visit.note, "ended a session", subject=visit.person.name)
        await run_in_threadpool(note, details=f"all others: {ended}")
        return RedirectResponse("/account", 303, HEADERS)

    async def _page(self, request: Request, problem: str, status: int, *, retry_after: int = 0) -> Response:
        inside = await run_in_threadpool(_account, request)
        headers = {**HEADERS, **({"retry-after": str(retry_after)} if retry_after else {})}
        return page("Account", problem, inside, status, headers=headers, is_wide=True)


async def is_password(visit: Visit, password: str) -> bool:
    """Return whether this is the password of whoever is logged in. Raises WaitError."""
    look = partial(people.recognise, visit.room.catalog, visit.person.name, password)
    return (
        await visit.room.throttle.attempt(account_limits(visit.person.name), look, is_known=True) is not None
    )


def own_session(request: Request) -> str:
    """Return the id of the session that asks."""
    return sessions.digest(token_of(request.headers.get("cookie", "")))


def _account(request: Request) -> str:
    visit: Visit = request.scope[VISIT]
    person, settings = visit.person, visit.room.settings
    sees = f"what fits <code>{html.escape(person.scope)}</code>" if person.scope else "everything"
    said = f"<p><b>{html.escape(person.name)}</b>, {person.role}; sees {sees}.</p>"
    if settings.proxy_login_header:
        return said + '<p><a href="/">Gallery</a></p><p>Your proxy logs you in and out.</p>'
    if person.is_one_time:
        return said + "<p>Choose a password of your own to go on.</p>" + _password(visit) + LOG_OUT
    parts = [said if person.must_set_up else f'{said}<p><a href="/">Gallery</a></p>']
    if settings.has_passwords:
        parts += [_second_factor(visit), "<h2>Password</h2>", _password(visit)]
    return "".join((*parts, _sessions(request, visit), LOG_OUT))


def _password(visit: Visit) -> str:
    present = secret_field("password", "Present password", "current-password")
    return form(
        "/password",
        "" if visit.person.is_one_time else present,
        secret_field("new", "New password", "new-password"),
        secret_field("again", "New password again", "new-password"),
        button="Set password",
    )


def _second_factor(visit: Visit) -> str:
    if visit.person.has_second_factor:
        left = second_factors.recovery_codes_left(visit.room.catalog, visit.person.name)
        said = f"On: each login asks for a code of your app. Recovery codes left: {left}."
        word = "Change"
    else:
        said = (
            "Your role needs one. Set it up to go on."
            if visit.person.must_set_up
            else "Off: a login needs your password only."
        )
        word = "Set up"
    link = f'<a href="{SECOND_FACTOR}">{word} the second factor</a>'
    return f"<h2>Second factor</h2><p>{said}</p><p>{link}</p>"


def _sessions(request: Request, visit: Visit) -> str:
    room, own = visit.room, own_session(request)
    found = sessions.list_all(room.catalog, visit.person.name, now=utc_now(), idle=room.settings.session_idle)
    look = look_in(request.headers.get("cookie", ""))

    def moment(at: datetime) -> str:
        return (
            f"{at.astimezone(look.zone):%Y-%m-%d %H:%M}"
            if look
            else f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
        )

    def row(one: Session) -> str:
        name = html.escape(one.browser or "Unknown browser")
        here = " (this browser)" if one.id == own else ""
        about = f"since {moment(one.began_at)}, last seen {moment(one.seen_at)}"
        end = (
            "" if here else form("/account/sessions/end", hidden("session", one.id), button="End", quiet=True)
        )
        source = f"{html.escape(one.source)}, " if one.source else ""
        return f"<li><span><b>{name}</b>{here}<small>{source}{about}</small></span>{end}</li>"

    rows = "".join(map(row, found))
    others = any(one.id != own for one in found)
    end_all = form("/account/sessions/end-others", button="End all others", quiet=True) if others else ""
    return f'<h2>Where you are logged in</h2><ul class="sessions">{rows}</ul>{end_all}'
