"""Signed links: a browser may read one object, as one content type, until a given time.

The pages sign what the catalog names; the media route serves nothing without a signature. A link
stays the same for a span of time, so that the browser's cache recognises it.
"""

import hmac
import json
import time
from urllib.parse import quote, quote_plus

PATH = "files"
"""First part of a link's path, relative to the page: Streamlit keeps `media` for itself."""
SPAN_SECONDS = 3600
"""A link is good for one to two of these."""


class Links:
    """Signs and checks links with one secret."""

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()

    def sign(self, key: str, content_type: str, *, download: bool = False, now: float | None = None) -> str:
        """Return the link to an object, to be served as `content_type`, relative to the pages."""
        moment = time.time() if now is None else now
        until = (int(moment) // SPAN_SECONDS + 2) * SPAN_SECONDS
        claims = f"type={quote_plus(content_type)}&until={until}&signature="
        # Asking for a download needs no signature: it only makes the answer tamer.
        more = "&download=1" if download else ""
        return f"{PATH}/{quote(key)}?{claims}{self._signature(key, content_type, until)}{more}"

    def allows(
        self, key: str, content_type: str, *, until: str, signature: str, now: float | None = None
    ) -> bool:
        """Return whether these are the claims of a link signed here and not yet too old."""
        if not (until.isascii() and until.isdigit() and len(until) < 12):  # noqa: PLR2004 - a time in seconds
            return False
        expected = self._signature(key, content_type, int(until))
        authentic = hmac.compare_digest(expected.encode(), signature.encode())
        return authentic and (time.time() if now is None else now) < int(until)

    def _signature(self, key: str, content_type: str, until: int) -> str:
        claims = json.dumps([key, content_type, until]).encode()
        return hmac.digest(self._secret, claims, "sha256").hex()
