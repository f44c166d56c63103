"""What every answer of the dashboard says to the browser, and which WebSockets are taken at all.

The policy lets a page load from this server only, and files from the bucket where browsers reach it.
The pages have two inline scripts, Streamlit's and ours, allowed by their hashes; components arrive as
`blob:` modules; styles are set inline by its widgets.
"""

import base64
import hashlib
import re
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import streamlit
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketClose

_INLINE_SCRIPT = re.compile(rb"<script>(.*?)</script>", re.DOTALL)
_FOREIGN_ORIGIN = 1008  # RFC 6455, 7.4.1: policy violation

COMPRESSED = Middleware(GZipMiddleware, minimum_size=1000, compresslevel=4)
"""For routes whose answers are text: tiles and modules shrink to a fifth, in a millisecond."""


def content_security_policy(*own: str, bucket_origin: str = "") -> str:
    """Return the policy for Streamlit's pages as they are installed here, with scripts of our `own` in them.

    `bucket_origin` is where browsers get large files, if they reach the bucket.
    """
    also = f" {bucket_origin}" if bucket_origin else ""
    page = (Path(streamlit.__file__).parent / "static" / "index.html").read_bytes()
    scripts = [*(script.encode() for script in own), *_INLINE_SCRIPT.findall(page)]
    digests = (hashlib.sha256(script).digest() for script in scripts)
    inline = " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)
    return "; ".join(
        (
            "default-src 'self'",
            f"script-src 'self' blob: {inline}",
            "style-src 'self' 'unsafe-inline'",
            f"img-src 'self' data: blob:{also}",
            f"media-src 'self' blob:{also}",
            "font-src 'self' data:",
            "worker-src 'self' blob:",
            "object-src 'none'",
            "base-uri 'self'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        )
    )


class SecurityHeaders:
    """Adds the headers to every answer; a route that set one itself keeps its own."""

    def __init__(self, app: ASGIApp, policy: str) -> None:
        self._app = app
        self._headers = {
            "content-security-policy": policy,
            "x-content-type-options": "nosniff",
            "x-frame-options": "DENY",
            "referrer-policy": "same-origin",
            "cross-origin-opener-policy": "same-origin",
            "cross-origin-resource-policy": "same-origin",
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and the answer back with its headers."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_with_headers)


class Disconnects:
    """Ends a request quietly whose client went away: nobody is there to be answered, and nothing is wrong."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on."""
        with suppress(ClientDisconnect):
            await self._app(scope, receive, send)


def host_of(origin: str) -> str:
    """Return host and port of an Origin header; empty for one that is none."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""


class SameOrigin:
    """Refuses a WebSocket that a page of another site opens.

    Streamlit would look for the machine's public address at a server on the internet before it
    refuses one itself.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on everything else."""
        if scope["type"] == "websocket":
            headers = Headers(scope=scope)
            origin = headers.get("origin")
            if origin is not None and host_of(origin) != headers.get("host"):
                await WebSocketClose(code=_FOREIGN_ORIGIN)(scope, receive, send)
                return
        await self._app(scope, receive, send)
