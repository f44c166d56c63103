"""Browsers in which a person has logged in before: each has a signed cookie that says so, for one name.

The cookie opens nothing. It lets the throttle count this browser by itself, so that somebody who guesses
at the name, or from the same address, does not keep its person out.
"""

import hashlib
import secrets

from itsdangerous import BadData, URLSafeTimedSerializer

from mmsvault import seals

KNOWN_SECONDS = 180 * 24 * 3600
PATH = "/login"
"""Where browsers send the cookie."""
_PURPOSE = b"mmsvault: known browser"


def cookie_name(name: str) -> str:
    """Return the name of the cookie for a person: several may share a browser."""
    return f"mmsvault_known_{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def new_cookie(secret: str, name: str) -> str:
    """Return what the browser in which this person has logged in keeps."""
    return _signer(secret).dumps([name, secrets.token_hex(8)])


def id_in(cookie: str, secret: str, name: str) -> str | None:
    """Return the id of the browser that sent this cookie; None for one that is not known for the name."""
    try:
        told = _signer(secret).loads(cookie, max_age=KNOWN_SECONDS)
    except BadData:
        return None
    return str(told[1]) if isinstance(told, list) and told[:1] == [name] else None


def _signer(secret: str) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(seals.derived_key(secret, _PURPOSE), salt="known browser")
