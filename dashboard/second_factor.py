"""The page on which one sets up, renews and turns off one's own second factor."""

import html
import io
from functools import partial

import segno
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from dashboard.account import LOG_OUT, is_password, own_session
from dashboard.gate import SECOND_FACTOR, VISIT
from dashboard.plain_page import HEADERS, NOT_OURS, code_field, form, hidden, page, read_form, secret_field
from dashboard.reading_room import ReadingRoom
from dashboard.throttle import WaitError
from dashboard.visiting import Visit
from mmsvault.catalog import second_factors, sessions
from mmsvault.errors import RejectedInputError
from mmsvault.message import utc_now

TURN_OFF, RENEW = f"{SECOND_FACTOR}/off", f"{SECOND_FACTOR}/recovery-codes"
_ACCOUNT = '<p><a href="/account">Account</a></p>'
_WRONG_PASSWORD = "The password is wrong."  # noqa: S105 - what is said
_WRONG_CODE = (
    "This is not the code that the app shows now. Check the clock of your phone, and enter the next one."
)


def second_factor_routes(room: ReadingRoom) -> list[Route]:
    """Return the routes under `/account/second-factor`."""
    desk = _Desk(room)
    return [
        Route(SECOND_FACTOR, desk.show, methods=["GET"]),
        Route(SECOND_FACTOR, desk.set_up, methods=["POST"]),
        Route(RENEW, desk.renew, methods=["POST"]),
        Route(TURN_OFF, desk.turn_off, methods=["POST"]),
    ]


class _Desk:
    def __init__(self, room: ReadingRoom) -> None:
        self._room = room
        self._key = room.settings.bucket_keys[1]

    async def show(self, request: Request) -> Response:
        """Show a new secret to somebody without a second factor, else how theirs stands."""
        visit: Visit = request.scope[VISIT]
        if not self._is_offered(visit):
            return RedirectResponse("/account", 303, HEADERS)
        return await self._page(visit, "", 200)

    async def set_up(self, request: Request) -> Response:
        """Take the first code of the app, and show the recovery codes once."""
        visit: Visit = request.scope[VISIT]
        told, person = await read_form(request), visit.person
        if told is None or not self._is_offered(visit) or person.has_second_factor:
            return await self._page(visit, NOT_OURS, 403)
        try:
            secret = second_factors.unseal(self._key, told.get("sealed", ""), person.name)
        except RejectedInputError:
            return await self._page(visit, NOT_OURS, 403)
        # Somebody who must set it up has just logged in by the password.
        if not person.must_set_up and (refusal := await self._refusal(visit, told, secret)):
            return refusal
        enter = partial(second_factors.set_up, self._room.catalog, self._key, person.name, secret=secret)
        codes = await run_in_threadpool(enter, code=told.get("code", ""), now=utc_now())
        if codes is None:
            return await self._page(visit, _WRONG_CODE, 400, secret=secret)
        end_others = partial(sessions.end_all, self._room.catalog, person.name, but=own_session(request))
        await run_in_threadpool(end_others)
        await run_in_threadpool(visit.note, "set up a second factor", subject=person.name)
        return _codes_page("The second factor is on.", codes)

    async def renew(self, request: Request) -> Response:
        """Show new recovery codes, once."""
        visit: Visit = request.scope[VISIT]
        told = await read_form(request)
        if told is None or not visit.person.has_second_factor:
            return await self._page(visit, NOT_OURS, 403)
        if refusal := await self._refusal(visit, told):
            return refusal
        codes = await run_in_threadpool(
            second_factors.renew_recovery_codes, self._room.catalog, visit.person.name
        )
        await run_in_threadpool(visit.note, "made recovery codes", subject=visit.person.name)
        return _codes_page("The old recovery codes are worth nothing now.", codes)

    async def turn_off(self, request: Request) -> Response:
        """Take the second factor away."""
        visit: Visit = request.scope[VISIT]
        told = await read_form(request)
        if told is None or not visit.person.has_second_factor or self._is_needed(visit):
            return await self._page(visit, NOT_OURS, 403)
        if refusal := await self._refusal(visit, told):
            return refusal
        await run_in_threadpool(second_factors.remove, self._room.catalog, visit.person.name)
        await run_in_threadpool(visit.note, "turned off a second factor", subject=visit.person.name)
        return RedirectResponse("/account", 303, HEADERS)

    async def _refusal(self, visit: Visit, told: dict[str, str], secret: str = "") -> Response | None:
        """Return why nothing is done: a wrong password, or too many of them."""
        try:
            if await is_password(visit, told.get("password", "")):
                return None
        except WaitError as error:
            return await self._page(visit, error.said, error.status, secret, retry_after=error.seconds)
        return await self._page(visit, _WRONG_PASSWORD, 403, secret)

    async def _page(
        self, visit: Visit, problem: str, status: int, secret: str = "", *, retry_after: int = 0
    ) -> Response:
        headers = {**HEADERS, **({"retry-after": str(retry_after)} if retry_after else {})}
        if visit.person.has_second_factor:
            left = await run_in_threadpool(
                second_factors.recovery_codes_left, self._room.catalog, visit.person.name
            )
            inside = _present(left, is_needed=self._is_needed(visit))
        else:
            inside = self._new(visit, secret or second_factors.new_secret())
        return page("Second factor", problem, inside, status, headers=headers)

    def _new(self, visit: Visit, secret: str) -> str:
        name = visit.person.name
        code = segno.make(second_factors.app_address(secret, name), error="m")
        drawn = io.BytesIO()
        code.save(drawn, kind="svg", scale=5, border=4, xmldecl=False, svgns=True, light="white")
        groups = " ".join(secret[start : start + 4] for start in range(0, len(secret), 4))
        password = secret_field("password", "Your password", "current-password")
        why = "<p>Your role needs a second factor.</p>" if visit.person.must_set_up else ""
        return (
            f"{why}<p>Scan this with an authenticator app on your phone:</p>"
            '<div class="qr" role="img" aria-label="QR code for the authenticator app">'
            f"{drawn.getvalue().decode()}</div>"
            f"<p>Or enter this key there: <code>{html.escape(groups)}</code></p>"
            + form(
                SECOND_FACTOR,
                hidden("sealed", second_factors.seal(self._key, secret, name)),
                code_field("Code that the app shows"),
                "" if visit.person.must_set_up else password,
                button="Turn on",
            )
            + (LOG_OUT if visit.person.must_set_up else _ACCOUNT)
        )

    def _is_offered(self, visit: Visit) -> bool:
        return self._room.settings.has_passwords and not visit.person.is_one_time

    def _is_needed(self, visit: Visit) -> bool:
        return visit.person.role in self._room.settings.second_factor_roles


def _present(left: int, *, is_needed: bool) -> str:
    password = secret_field("password", "Your password", "current-password")
    off = (
        "<p>Your role needs the second factor. With a new phone, ask an admin to reset it.</p>"
        if is_needed
        else "<h2>Turn off</h2>" + form(TURN_OFF, password, button="Turn off", quiet=True)
    )
    return (
        f"<p>The second factor is on. Recovery codes left: {left}.</p>"
        "<h2>Recovery codes</h2><p>New ones take the place of those that are left.</p>"
        + form(RENEW, password, button="Make new recovery codes", quiet=True)
        + off
        + _ACCOUNT
    )


def _codes_page(said: str, codes: list[str]) -> Response:
    lines = "".join(f"<li><code>{code}</code></li>" for code in codes)
    inside = (
        f"<p>{said}</p><p>These recovery codes let you in without your phone, each once. Keep them in a safe "
        f'place: they are not shown again.</p><ol class="codes">{lines}</ol>'
        '<p><a class="button" href="/">I have kept them</a></p>'
    )
    return page("Recovery codes", "", inside, 200)
