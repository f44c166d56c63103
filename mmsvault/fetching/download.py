"""Downloading a file that a stranger's postback names: bounded, and hashed on the way.

A download that breaks off goes on where it stopped if the server can tell that the file is still
the same one (a strong ETag with If-Range); else the next attempt starts afresh. The SHA-256 is
always that of the whole. What comes is taken as it is on the wire; a Content-Encoding counts only
where the bytes are not the file by their own look.
"""

import hashlib
import re
import tempfile
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import partial
from http import HTTPStatus
from typing import Any, BinaryIO
from urllib.parse import unquote

from urllib3.exceptions import HTTPError, IncompleteRead, InvalidChunkLength, SSLError
from urllib3.exceptions import TimeoutError as TooLateError
from urllib3.response import BaseHTTPResponse
from urllib3.util import make_headers

from mmsvault.errors import (
    FetchError,
    PermanentFetchError,
    RefusedFetchError,
    TransientFetchError,
    plain_reason,
)
from mmsvault.fetching import address as addresses
from mmsvault.fetching import encodings
from mmsvault.fetching.address import Address
from mmsvault.fetching.client import Client
from mmsvault.fetching.downloads import Downloads, StandAside
from mmsvault.fetching.guard import Network, connect
from mmsvault.fetching.limits import within

SILENCE_SECONDS = 30
WHOLE_SECONDS = 1800
MOST_REDIRECTS = 5
MOST_RESUMED = 5
CHUNK_BYTES = 1 << 16
LOOKED_AT_BYTES = 1 << 16
WHOLE_STATUSES = (HTTPStatus.OK, HTTPStatus.CREATED, HTTPStatus.NON_AUTHORITATIVE_INFORMATION)
REDIRECTS = (301, 302, 303, 307, 308)
IN_MEMORY_BYTES = 1 << 20

_HEADERS_LEFT_OUT = frozenset({"set-cookie", "set-cookie2", "www-authenticate", "proxy-authenticate"})
_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)", re.ASCII)

Knows = Callable[[bytes, str], bool]
"""Says of the beginning of a file, and of its declared type, whether it is surely of a known kind."""


@dataclass(frozen=True)
class Fetched:
    """What was downloaded: size in bytes, SHA-256 in hex, and the answer's own words about it.

    `packed` is why it may be packed still: in a way that is not read here. Else it is empty.
    """

    size: int
    sha256: str
    declared_type: str
    status: int
    headers: dict[str, str]
    packed: str = ""


class Fetcher:
    """Downloads files of at most `max_bytes`, from `hosts` (any public one if empty).

    A host beginning with a dot stands for everything under it. `private_networks` may be reached
    although they are not public, at any port; elsewhere only the usual ports and `ports` may. `knows`
    tells files that are whole as they are, whatever encoding the answer claims.
    """

    def __init__(
        self,
        *,
        max_bytes: int,
        hosts: Sequence[str],
        private_networks: Sequence[Network],
        ports: Collection[int] = (),
        knows: Knows = lambda _beginning, _declared: False,
    ) -> None:
        self._max_bytes = max_bytes
        self._hosts = tuple(host.lower() for host in hosts)
        self._knows = knows
        self._client = Client(
            partial(connect, private_networks=private_networks, ports=frozenset(ports)),
            silence_seconds=SILENCE_SECONDS,
        )
        self._downloads = Downloads()

    def fetch(
        self,
        url: str,
        into: BinaryIO,
        *,
        stand_aside: StandAside = lambda: False,
        is_urgent: bool = False,
    ) -> Fetched:
        """Write the file at `url` into `into`. Raises TransientFetchError or PermanentFetchError.

        `stand_aside` is called, from another thread, when it takes long. What is urgent need not become
        faster the longer it takes.
        """
        one = partial(self._fetch_one, into=into, stand_aside=stand_aside, is_urgent=is_urgent)
        *others, last = addresses.readings(url)
        for reading in others:
            try:
                return one(reading)
            except FetchError as error:
                if error.status is None or error.status < HTTPStatus.BAD_REQUEST:
                    raise
        return one(last)

    def is_crowded(self, url: str) -> bool:
        """Return whether its host is so slow just now that another download would only wait."""
        try:
            return self._downloads.is_crowded(addresses.read(url).host)
        except PermanentFetchError:
            return False

    def close(self) -> None:
        """Close the connections that were kept."""
        self._client.close()

    def _fetch_one(self, url: str, *, into: BinaryIO, stand_aside: StandAside, is_urgent: bool) -> Fetched:
        address, download = addresses.read(url), _Download(into, self._max_bytes)
        with (
            within(WHOLE_SECONDS, pace_rises=not is_urgent) as limit,
            self._downloads.running(address.host, limit, stand_aside),
        ):
            try:
                fetched = self._fetch(address, download)
            except HTTPError as error:
                reason = limit.broken_off or _in_plain_words(error)
                raise TransientFetchError(reason, status=download.status) from error
        encoding = fetched.headers.get("content-encoding", "")
        return self._opened(fetched, encoding, into) if encoding else fetched

    def _fetch(self, address: Address, download: "_Download") -> Fetched:
        """Download, going on where it broke off for as long as that brings it further."""
        for _ in range(MOST_RESUMED):
            had = download.size
            try:
                return self._ask(address, download)
            except HTTPError:
                if not download.validator or download.size == had:
                    raise
        return self._ask(address, download)

    def _ask(self, address: Address, download: "_Download") -> Fetched:
        """Ask for the file, or for the rest of it, along all redirects."""
        for _ in range(MOST_REDIRECTS + 1):
            self._check(address)
            response = self._client.get(address, {**_HEADERS, **_login(address), **download.conditions()})
            try:
                location = _location(response)
                if not location:
                    return download.read(response)
            finally:
                response.close()
                response.release_conn()
            there = address.leads_to(location)
            if address.scheme == "https" and there.scheme == "http":
                raise RefusedFetchError("Refused: a secure address led to one that is not.")
            address = there
        raise TransientFetchError(f"The address leads on and on: more than {MOST_REDIRECTS} redirects.")

    def _check(self, address: Address) -> None:
        host = address.host
        listed = any(host == name or (name.startswith(".") and host.endswith(name)) for name in self._hosts)
        if self._hosts and not listed:
            raise RefusedFetchError(f"Refused: {host} is not among MMSVAULT_FETCH_HOSTS.")
        if address.login and not listed:
            raise RefusedFetchError(
                f"Refused: the address carries a password; name {host} in MMSVAULT_FETCH_HOSTS."
            )

    def _opened(self, fetched: Fetched, encoding: str, file: BinaryIO) -> Fetched:
        """Return the file that was meant, in `file`: as it came, or with one layer unpacked.

        Raises TransientFetchError for what is broken.
        """
        layers = encodings.layers(encoding)
        file.seek(0)
        beginning = file.read(LOOKED_AT_BYTES)
        if not layers or not fetched.size or self._knows(beginning, fetched.declared_type):
            return fetched
        if len(layers) > 1 or not encodings.is_packed(beginning, layers[0]):
            if len(layers) == 1 and layers[0] in encodings.KNOWN:
                return fetched  # it says that it is packed, and is not
            told = ", ".join(layers)[:80]
            return replace(
                fetched, packed=f"The provider's answer is packed in a way that is not read ({told})."
            )
        return replace(fetched, **_unpack(file, layers[0], max_bytes=self._max_bytes))


_HEADERS = {"user-agent": "mms-vault", "accept": "*/*", "accept-encoding": "identity"}


def _unpack(file: BinaryIO, encoding: str, *, max_bytes: int) -> dict[str, Any]:
    """Put what a file holds packed in its place; return size and SHA-256 of that."""
    size, digest = 0, hashlib.sha256()
    file.seek(0)
    with tempfile.SpooledTemporaryFile(IN_MEMORY_BYTES) as unpacked:
        for piece in encodings.unpacked(file, encoding):
            size += len(piece)
            if size > max_bytes:
                raise _too_large(max_bytes)
            digest.update(piece)
            unpacked.write(piece)
        unpacked.seek(0)
        file.seek(0)
        file.truncate()
        while piece := unpacked.read(CHUNK_BYTES):
            file.write(piece)
    file.flush()
    return {"size": size, "sha256": digest.hexdigest()}


class _Download:
    """What has come of a file so far. `validator` is a strong ETag of it, if the server gave one."""

    def __init__(self, into: BinaryIO, max_bytes: int) -> None:
        self._into = into
        self._max_bytes = max_bytes
        self._begin_afresh()

    def _begin_afresh(self) -> None:
        self._into.seek(0)
        self._into.truncate()
        self._digest = hashlib.sha256()
        self._headers: list[tuple[str, str]] = []
        self.size = 0
        self._told_size: int | None = None
        self.validator = ""
        self.status: int | None = None

    def conditions(self) -> dict[str, str]:
        """Return the headers that ask for the rest, or for the whole if the file has changed."""
        if not (self.size and self.validator):
            return {}
        return {"range": f"bytes={self.size}-", "if-range": self.validator}

    def read(self, response: BaseHTTPResponse) -> Fetched:
        """Take in the answer to its end. Raises FetchError, or urllib3's error where it breaks off."""
        total = None
        if response.status == HTTPStatus.PARTIAL_CONTENT:
            start, total = _range(response)
            if start is None or start != (self.size if self._goes_on(response, total) else 0):
                raise _refusal(response)
        elif response.status not in WHOLE_STATUSES:
            raise _refusal(response)
        else:
            start = 0
        if start == 0:
            self._begin_afresh()
            self._headers = list(response.headers.items())
            etag = response.headers.get("etag", "")
            self.validator = etag if etag.startswith('"') and len(etag) > len('""') else ""
            self._told_size = total or _length(response)
            self.status = response.status
        self._take(response)
        self._into.flush()
        if total is not None and self.size != total:
            raise TransientFetchError(
                f"The download broke off: {self.size:,} of {total:,} bytes came.", status=self.status
            )
        headers = _kept_headers(self._headers)
        return Fetched(
            size=self.size,
            sha256=self._digest.hexdigest(),
            declared_type=headers.get("content-type", "")[:200],
            status=self.status or response.status,
            headers=headers,
        )

    def _goes_on(self, response: BaseHTTPResponse, total: int | None) -> bool:
        """Return whether the answer is the rest of this same file, of the size that was told at first."""
        is_same = response.headers.get("etag", self.validator) == self.validator
        return bool(self.size) and is_same and self._told_size in (None, total)

    def _take(self, response: BaseHTTPResponse) -> None:
        while chunk := response.read1(CHUNK_BYTES, decode_content=False):
            self.size += len(chunk)
            if self.size > self._max_bytes:
                raise _too_large(self._max_bytes)
            self._digest.update(chunk)
            self._into.write(chunk)


def _range(response: BaseHTTPResponse) -> tuple[int | None, int | None]:
    """Return where a partial answer begins and how large the whole is, if it reaches to the end of that."""
    told = _RANGE.fullmatch(response.headers.get("content-range", "").strip().lower())
    if told is None or told[3] == "*" or int(told[2]) + 1 != int(told[3]):
        return None, None
    return int(told[1]), int(told[3])


def _length(response: BaseHTTPResponse) -> int | None:
    told = response.headers.get("content-length", "")
    return int(told) if told.isdigit() else None


def _refusal(response: BaseHTTPResponse) -> TransientFetchError:
    return TransientFetchError(
        f"The provider answered {response.status} {response.reason or ''}"[:200].rstrip(" .") + ".",
        status=response.status,
        retry_after=_retry_after(response.headers.get("retry-after", "")),
    )


def _too_large(max_bytes: int) -> RefusedFetchError:
    return RefusedFetchError(
        f"Refused: the file is larger than {max_bytes:,} bytes (MMSVAULT_MAX_MEDIA_BYTES).", status=200
    )


def _location(response: BaseHTTPResponse) -> str:
    """Return where an answer sends on to, the first place where there are several; mostly nowhere."""
    if response.status not in REDIRECTS:
        return ""
    return next((place for place in response.headers.getlist("location") if place.strip()), "")


def _login(address: Address) -> dict[str, str]:
    """Return what logs in at an address that carries a password: at its own host, nowhere else."""
    return make_headers(basic_auth=unquote(address.login)) if address.login else {}


def _retry_after(text: str) -> timedelta | None:
    """Return the pause that a Retry-After asks for, in either of its forms (RFC 9110, 10.2.3)."""
    try:
        if text.isascii() and text.isdigit():
            return timedelta(seconds=int(text))
        return max(parsedate_to_datetime(text).astimezone(UTC) - datetime.now(UTC), timedelta(0))
    except (ValueError, TypeError, OverflowError):
        return None


def _kept_headers(items: Iterable[tuple[str, str]]) -> dict[str, str]:
    kept = [(name.lower(), value[:1000]) for name, value in items]
    return dict([(name, value) for name, value in kept if name not in _HEADERS_LEFT_OUT][:50])


def _in_plain_words(error: HTTPError) -> str:
    match error:
        case TooLateError():
            return (
                f"The provider said nothing for {SILENCE_SECONDS} s, or took longer than {WHOLE_SECONDS} s."
            )
        case SSLError() if "CERTIFICATE_VERIFY_FAILED" in str(error):
            return f"The provider's certificate cannot be trusted: {_certificate_fault(error)}."
        case SSLError():
            return "The provider could not be reached: its TLS cannot be used."
        case IncompleteRead() | InvalidChunkLength():
            return "The download broke off before its end."
        case _:  # what the library says names its own classes
            return "The download broke off: the provider closed the connection."


def _certificate_fault(error: SSLError) -> str:
    fault = error.args[0] if error.args else error
    return plain_reason(ValueError(getattr(fault, "verify_message", "")), otherwise="it cannot be verified")
