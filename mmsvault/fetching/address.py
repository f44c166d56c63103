"""Addresses of files as postbacks and redirects write them, read as they are meant."""

import re
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urljoin

from urllib3.exceptions import LocationParseError
from urllib3.util import parse_url

from mmsvault.errors import PermanentFetchError, TransientFetchError

PORTS = {"http": 80, "https": 443}
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_LONE_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_AMPERSAND = re.compile(r"&(?:amp;|#38;|#x26;)+", re.IGNORECASE)


@dataclass(frozen=True)
class Address:
    """Where a file is. `target` is path and query, `login` is `name:password` where the address has one."""

    text: str
    scheme: str
    host: str
    port: int
    target: str
    login: str = ""

    def leads_to(self, location: str) -> "Address":
        """Return where a redirect from here leads, now. Raises TransientFetchError."""
        with suppress(UnicodeError):
            location = location.encode("latin-1").decode()  # what is no ASCII is most likely UTF-8
        try:
            return read(urljoin(self.text, location.strip()))
        except (PermanentFetchError, ValueError) as error:
            raise TransientFetchError(
                "The address leads on to another that is not the address of a file."
            ) from error


def read(text: str) -> Address:
    """Return the address; spaces and what is no ASCII are encoded. Raises PermanentFetchError."""
    plain = _LONE_PERCENT.sub("%25", _CONTROL.sub("", text).strip())
    try:
        parts = parse_url(plain)
    except (LocationParseError, ValueError) as error:
        raise PermanentFetchError("This is not the address of a file: it cannot be read.") from error
    if "%" in (parts.host or ""):
        raise PermanentFetchError("This is not the address of a file: it names a network of its own machine.")
    if parts.scheme not in PORTS or not parts.host:
        raise PermanentFetchError(
            "This is not the address of a file: it must begin with http:// or https://."
        )
    return Address(
        text=plain,
        scheme=parts.scheme,
        host=parts.host.strip("[]").lower(),
        port=parts.port or PORTS[parts.scheme],
        target=parts.request_uri,
        login=parts.auth or "",
    )


def readings(text: str) -> list[str]:
    """Return the addresses that a text may mean, the likeliest first.

    An ampersand that was escaped once too often is hardly ever part of an address.
    """
    return list(dict.fromkeys((_AMPERSAND.sub("&", text), text)))
