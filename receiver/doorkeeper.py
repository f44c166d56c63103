"""Who may post: those who know the token, from the networks that are allowed."""

import base64
import hmac
from collections.abc import Sequence

from fastapi import HTTPException, Request

from mmsvault.clients import Network, client_address, is_within


class Refused(HTTPException):
    """The answer to a postback that may not come in; `reason` is what was wrong, for counting."""

    def __init__(self, status: int, said: str, headers: dict[str, str] | None = None, *, reason: str) -> None:
        super().__init__(status, said, headers)
        self.reason = reason


class Doorkeeper:
    """Lets a request through, or answers 401 or 403.

    The token stands in the path, in `?token=`, or as the password of Basic authentication, as a
    provider's form for the postback address allows.
    """

    def __init__(
        self, tokens: Sequence[str], networks: Sequence[Network], proxies: Sequence[Network] = ()
    ) -> None:
        self._tokens = [token.encode() for token in tokens]
        self._networks = networks
        self._proxies = proxies

    def check(self, request: Request) -> None:
        """Raise the answer for a request that may not come in."""
        if self._networks and not is_within(self.source(request), self._networks):
            raise Refused(403, "This address may not post here.", reason="network")
        offered = (
            request.path_params.get("_token"),
            request.query_params.get("token") if request.scope["query_string"] else None,
            _password(request.headers.get("authorization", "")),
        )
        # Each is compared with each, and in constant time, so that an answer's delay tells nothing.
        compared = [
            hmac.compare_digest(text.encode(), token) for text in offered if text for token in self._tokens
        ]
        if not any(compared):
            raise Refused(
                401,
                "The token is missing or wrong.",
                {"WWW-Authenticate": 'Basic realm="postbacks"'},
                reason="token",
            )

    def source(self, request: Request) -> str:
        """Return the address that the request comes from, through proxies that are trusted."""
        peer = request.client.host if request.client else ""
        if not self._proxies:
            return peer
        return client_address(peer, ",".join(request.headers.getlist("x-forwarded-for")), self._proxies)


def _password(header: str) -> str:
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(encoded, validate=True).decode().partition(":")[2]
    except ValueError:  # neither base64 nor UTF-8
        return ""
