"""Who may post: those who know the token, from the networks that are allowed."""

import base64
import binascii
import hmac
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address

from fastapi import HTTPException, Request


class Doorkeeper:
    """Lets a request through, or answers 401 or 403.

    The token stands in the path, in `?token=`, or as the password of Basic authentication, as a
    provider's form for the postback address allows.
    """

    def __init__(self, token: str, networks: Sequence[IPv4Network | IPv6Network]) -> None:
        self._token = token.encode()
        self._networks = networks

    def check(self, request: Request) -> None:
        """Raise the answer for a request that may not come in."""
        if self._networks and not self._is_near(request):
            raise HTTPException(403, "This address may not post here.")
        offered = (
            request.path_params.get("_token"),
            request.query_params.get("token"),
            _password(request.headers.get("authorization", "")),
        )
        # Each is compared, and in constant time, so that an answer's delay tells nothing.
        if not any([hmac.compare_digest(text.encode(), self._token) for text in offered if text]):  # noqa: C419
            raise HTTPException(
                401, "The token is missing or wrong.", {"WWW-Authenticate": 'Basic realm="postbacks"'}
            )

    def _is_near(self, request: Request) -> bool:
        if request.client is None:
            return False
        address = ip_address(request.client.host)
        return any(address in network for network in self._networks)


def _password(header: str) -> str:
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(encoded, validate=True).decode().partition(":")[2]
    except (binascii.Error, ValueError):
        return ""
