"""The forms that values of settings have."""

from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network
from typing import Annotated
from urllib.parse import quote, urlsplit, urlunsplit
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_settings import NoDecode


def _split(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _days_by_name(value: object) -> object:
    """Return `storm=90, harbor=0` as days by name."""
    if not isinstance(value, str):
        return value
    days: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in value.split(","))):
        name, sign, number = (piece.strip() for piece in part.rpartition("="))
        if not sign or not name or name.casefold() in map(str.casefold, days):
            raise ValueError(f"write each keyword once, with its days, like storm=90; {part!r} is not so")
        days[name] = number
    return days


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ValueError, OSError) as error:
        raise ValueError(
            "there is no such time zone; write one like Europe/Berlin or America/New_York"
        ) from error
    return name


def from_here(host: str) -> str:
    """Return where a program that listens on `host` is reached from its own machine."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared with it


class Schedule(StrEnum):
    """When exports to the bucket are made by themselves."""

    NEVER = "never"
    DAILY = "daily"
    MONTHLY = "monthly"


class Style(StrEnum):
    """Where a bucket's name stands in an address."""

    AUTO = "auto"
    PATH = "path"
    HOST = "host"


class LockMode(StrEnum):
    """Who may take a lock away before its time: nobody, or an administrator with a right of its own."""

    NONE = "none"
    GOVERNANCE = "governance"
    COMPLIANCE = "compliance"


class Encryption(StrEnum):
    """Whether the bucket's server encrypts what it keeps."""

    NONE = "none"
    SSE_S3 = "sse-s3"


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
Networks = Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode, BeforeValidator(_split)]
ZoneName = Annotated[str, AfterValidator(_known_zone)]
Days = Annotated[int, Field(ge=0, le=36500)]
DaysByName = Annotated[dict[str, Days], NoDecode, BeforeValidator(_days_by_name)]
Port = Annotated[int, Field(ge=1, le=65535)]
Ports = Annotated[tuple[Port, ...], NoDecode, BeforeValidator(_split)]


def address_of(endpoint: str, *, secure: bool) -> tuple[str, bool]:
    """Return host and port of a server, and whether it speaks TLS: a URL says so, else `secure` does."""
    if "://" in endpoint:
        url = urlsplit(endpoint)
        return url.netloc, url.scheme == "https"
    return endpoint, secure


def with_password(url: str, password: str) -> str:
    """Return a server's URL with the password, unless it has one already."""
    parts = urlsplit(url)
    if not password or parts.password or not parts.netloc:
        return url
    user, _, host = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{user.rstrip(':')}:{quote(password, safe='')}@{host}"))
