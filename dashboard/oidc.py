"""Logging in by an OpenID Connect provider: `/oidc/login` goes there, `/oidc/callback` comes back.

Code flow with PKCE, state and nonce, by Authlib. Who comes back is a name in a signed token; only a
person of that name whom somebody let in here gets a session, the same kind as after a password.
"""

import hashlib
import hmac
from datetime import timedelta
from functools import partial
from typing import Any

import httpx
import structlog
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dashboard import login
from dashboard.gate import OIDC_CALLBACK, OIDC_LOGIN, source_of
from dashboard.plain_page import is_secure, own_path
from dashboard.reading_room import ReadingRoom
from mmsvault.catalog import people, sessions, trail
from mmsvault.errors import NotFoundError, UnavailableError
from mmsvault.message import utc_now

log = structlog.get_logger(__name__)

COOKIE = "mmsvault_oidc"
"""Holds state, nonce and verifier for as long as a login takes, signed, in the browser that began it."""
LONGEST_LOGIN_SECONDS = 600
PATIENCE_SECONDS = 10
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""A token is signed with the provider's own key, whatever else it may offer."""
TROUBLES = (httpx.HTTPError, ValueError, LookupError, TypeError, RuntimeError)
"""What an answer that is none may lead to in Authlib."""
_ONWARD, _PROVIDER = "onward", "provider"
_NOT_BEGUN = "This login did not begin in this browser, or took too long. Try again."


class _RefusedError(Exception):
    """This login does not count, for a reason that may be told."""


def oidc_routes(room: ReadingRoom) -> list[Route]:
    """Return the two routes, for settings that name a provider."""
    secret = hmac.new(room.settings.generated.link_secret.encode(), b"oidc", hashlib.sha256).hexdigest()
    cookie = Middleware(
        SessionMiddleware,
        secret_key=secret,
        session_cookie=COOKIE,
        max_age=LONGEST_LOGIN_SECONDS,
        path="/oidc/",
        same_site="lax",
        https_only=room.settings.dashboard_tls,
    )
    desk = _Desk(room)
    return [
        Route(OIDC_LOGIN, desk.begin, methods=["GET"], middleware=[cookie]),
        Route(OIDC_CALLBACK, desk.callback, methods=["GET"], middleware=[cookie]),
    ]


class _Desk:
    def __init__(self, room: ReadingRoom) -> None:
        self._room = room
        self._provider = _provider(room)

    async def begin(self, request: Request) -> Response:
        """Send the browser to the provider."""
        try:
            await self._know_provider()
            request.session[_ONWARD] = own_path(request.query_params.get("next", ""))
            answer: Response = await self._provider.authorize_redirect(request, self._callback_url(request))
        except TROUBLES as error:
            return self._unreachable(error)
        answer.headers["cache-control"] = "no-store"
        return answer

    async def callback(self, request: Request) -> Response:
        """Take what the provider says of the person, and give them a session."""
        onward = own_path(request.session.get(_ONWARD, ""))
        try:
            name = await self._name(request)
        except _RefusedError as error:
            return await self._refuse(request, "", str(error))
        except UnavailableError:
            return login.login_page(self._room, login.AWAY, 503)
        except TROUBLES as error:
            return self._unreachable(error)
        request.session.clear()
        try:
            is_subject = self._room.settings.names_are_subjects
            find = partial(people.find, self._room.catalog, is_subject=is_subject)
            person = await run_in_threadpool(find, name)
            by = f"by {self._room.settings.oidc_issuer}"
            return await login.with_session(self._room, person, request, onward, details=by)
        except NotFoundError:
            return await self._refuse(request, name, f"{name} is not let in here. Ask an admin.")
        except UnavailableError:
            return login.login_page(self._room, login.AWAY, 503)

    async def _name(self, request: Request) -> str:
        """Return the name in the provider's token. Raises _RefusedError."""
        from authlib.common.errors import AuthlibBaseError  # noqa: PLC0415 - see _provider
        from joserfc.errors import JoseError  # noqa: PLC0415

        if not request.session:
            raise _RefusedError(_NOT_BEGUN)
        await self._use_state(request)
        try:
            await self._know_provider()
            token = await self._provider.authorize_access_token(request)
        except (AuthlibBaseError, JoseError) as error:
            log.warning("login refused", reason=str(error))
            raise _RefusedError("The login provider's answer does not count. Try again.") from error
        told = token.get("userinfo") or {}
        claim = self._room.settings.oidc_claim
        if claim == "email" and told.get("email_verified") is not True:
            raise _RefusedError("Your login provider has not verified your e-mail address.")
        given = str(told.get(claim) or "").strip()
        if not given:
            raise _RefusedError(f"Your login provider says nothing of {claim}. Ask an admin.")
        name = given if self._room.settings.names_are_subjects else people.login_name(given)
        if not (name and name.isascii()):
            # By Unicode's rules another person's name may be the same but for case, or look the same.
            raise _RefusedError(f"Your {claim} has letters that no name here can have. Ask an admin.")
        return name

    async def _use_state(self, request: Request) -> None:
        """Use the login's state up, and its nonce and verifier with it: a cookie may be sent again."""
        state = request.query_params.get("state", "")
        if f"_state_{_PROVIDER}_{state}" not in request.session:
            raise _RefusedError(_NOT_BEGUN)
        now = utc_now()
        use = partial(sessions.use_once, self._room.catalog, f"oidc {state}", now=now)
        if not await run_in_threadpool(use, ends_at=now + 2 * timedelta(seconds=LONGEST_LOGIN_SECONDS)):
            log.warning("login refused", reason="its state was used before")
            raise _RefusedError("This login was used already. Try again.")

    async def _know_provider(self) -> None:
        """Have the provider's own description read, and take of it only what is safe."""
        issuer = self._room.settings.oidc_issuer.rstrip("/")
        about = await self._provider.load_server_metadata()
        if str(about.get("issuer", "")).rstrip("/") != issuer:
            raise ValueError(f"it calls itself {about.get('issuer')!r}")
        offered = about.get("id_token_signing_alg_values_supported") or ["RS256"]
        about["id_token_signing_alg_values_supported"] = [one for one in offered if one in ALGORITHMS]

    def _callback_url(self, request: Request) -> str:
        scheme = "https" if is_secure(self._room, request) else "http"
        return f"{scheme}://{request.headers['host']}{OIDC_CALLBACK}"

    async def _refuse(self, request: Request, name: str, reason: str) -> Response:
        source = source_of(self._room, request.scope)
        try:
            await run_in_threadpool(
                trail.append,
                self._room.catalog,
                "login refused",
                who="",
                source=source,
                subject=name[:100],
                details=reason,
            )
        except UnavailableError:
            log.warning("a refused login is not in the trail", reason=reason)
        return login.login_page(self._room, reason, 403)

    def _unreachable(self, error: Exception) -> Response:
        log.warning("login provider cannot be used", reason=f"{type(error).__name__}: {error}")
        said = "The login provider cannot be used just now. Try again; an admin finds the reason in the log."
        return login.login_page(self._room, said, 503)


def _provider(room: ReadingRoom) -> Any:
    # Loaded where it is set: it takes some megabytes, and few dashboards have it.
    from authlib.integrations.starlette_client import OAuth  # noqa: PLC0415

    settings = room.settings
    return OAuth().register(
        _PROVIDER,
        server_metadata_url=f"{settings.oidc_issuer.rstrip('/')}/.well-known/openid-configuration",
        client_id=settings.oidc_client_id,
        client_secret=settings.oidc_client_secret or None,
        client_kwargs={
            "scope": "openid email profile",
            "code_challenge_method": "S256",
            "timeout": PATIENCE_SECONDS,
            "trust_env": False,
            **({} if settings.oidc_client_secret else {"token_endpoint_auth_method": "none"}),
        },
    )
