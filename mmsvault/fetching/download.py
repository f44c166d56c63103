"""Downloading a file that a stranger's postback names: bounded, and hashed on the way.

A download that breaks off goes on where it stopped if the server can tell that the file is still
the same one (a strong ETag with If-Range); else the next attempt starts afresh. The SHA-256 is
always that of the whole.
"""

import hashlib
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import BinaryIO

import httpx

from mmsvault.errors import PermanentFetchError, RefusedFetchError, TransientFetchError
from mmsvault.fetching.guard import GuardedTransport, Network, within

CONNECT_SECONDS = 10
SILENCE_SECONDS = 30
WHOLE_SECONDS = 1800
SLOWEST_BYTES, SLOWEST_SECONDS = 16_384, 60
"""A server that sends less than this in that time is given up until the next attempt."""
MOST_REDIRECTS = 5
MOST_RESUMED = 5

_HEADERS_LEFT_OUT = frozenset({"set-cookie", "set-cookie2", "www-authenticate", "proxy-authenticate"})


@dataclass(frozen=True)
class Fetched:
    """What was downloaded: size in bytes, SHA-256 in hex, and the answer's own words about it."""

    size: int
    sha256: str
    declared_type: str
    status: int
    headers: dict[str, str]


class Fetcher:
    """Downloads files of at most `max_bytes`, from `hosts` (any public one if empty).

    A host beginning with a dot stands for everything under it. `private_networks` may be reached
    although they are not public.
    """

    def __init__(self, *, max_bytes: int, hosts: Sequence[str], private_networks: Sequence[Network]) -> None:
        self._max_bytes = max_bytes
        self._hosts = tuple(host.lower() for host in hosts)
        self._client = httpx.Client(
            transport=GuardedTransport(private_networks),
            timeout=httpx.Timeout(SILENCE_SECONDS, connect=CONNECT_SECONDS, pool=WHOLE_SECONDS),
            headers={"user-agent": "mms-vault", "accept": "*/*", "accept-encoding": "identity"},
            trust_env=False,
        )

    def fetch(self, url: str, into: BinaryIO) -> Fetched:
        """Write the file at `url` into `into`. Raises TransientFetchError or PermanentFetchError."""
        download = _Download(into, self._max_bytes)
        with within(WHOLE_SECONDS):
            try:
                return self._fetch(url, download)
            except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
                raise PermanentFetchError(f"This is not the address of a file: {error}") from error
            except httpx.HTTPError as error:
                raise TransientFetchError(_in_plain_words(error), status=download.status) from error

    def close(self) -> None:
        """Close the connections that were kept."""
        self._client.close()

    def _fetch(self, url: str, download: "_Download") -> Fetched:
        """Download, going on where it broke off for as long as that brings it further."""
        for _ in range(MOST_RESUMED):
            had = download.size
            try:
                return self._ask(url, download)
            except httpx.HTTPError:
                if not download.validator or download.size == had:
                    raise
        return self._ask(url, download)

    def _ask(self, url: str, download: "_Download") -> Fetched:
        """Ask for the file, or for the rest of it, along all redirects."""
        request = self._client.build_request("GET", url, headers=download.conditions())
        for _ in range(MOST_REDIRECTS + 1):
            self._check(request.url)
            response = self._client.send(request, stream=True)
            try:
                if response.next_request is None:
                    return download.read(response)
                _check_redirect(request.url, response.next_request.url)
                request = response.next_request
            finally:
                response.close()
        raise TransientFetchError(f"The address leads on and on: more than {MOST_REDIRECTS} redirects.")

    def _check(self, url: httpx.URL) -> None:
        if url.scheme not in ("http", "https") or not url.host:
            raise PermanentFetchError(
                "This is not the address of a file: it must begin with http:// or https://."
            )
        host = url.host.lower()
        listed = any(host == name or (name.startswith(".") and host.endswith(name)) for name in self._hosts)
        if self._hosts and not listed:
            raise RefusedFetchError(f"Refused: {host} is not among MMSVAULT_FETCH_HOSTS.")
        if url.userinfo and not listed:
            raise RefusedFetchError(
                f"Refused: the address carries a password; name {host} in MMSVAULT_FETCH_HOSTS."
            )


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
        self._headers: httpx.Headers | None = None
        self.size = 0
        self.validator = ""
        self.status: int | None = None

    def conditions(self) -> dict[str, str]:
        """Return the headers that ask for the rest, or for the whole if the file has changed."""
        if not (self.size and self.validator):
            return {}
        return {"range": f"bytes={self.size}-", "if-range": self.validator}

    def read(self, response: httpx.Response) -> Fetched:
        """Take in the answer to its end. Raises FetchError, or httpx's error where it breaks off."""
        rest = response.status_code == HTTPStatus.PARTIAL_CONTENT and self._goes_on(response)
        if response.status_code != HTTPStatus.OK and not rest:
            raise TransientFetchError(
                f"The provider answered {response.status_code} {response.reason_phrase}.".replace(" .", "."),
                status=response.status_code,
                retry_after=_retry_after(response.headers.get("retry-after", "")),
            )
        if not rest:
            self._begin_afresh()
            self._headers = response.headers
            etag = response.headers.get("etag", "")
            self.validator = etag if etag.startswith('"') and len(etag) > len('""') else ""
            self.status = response.status_code
        self._take(response)
        self._into.flush()
        headers = self._headers or response.headers
        return Fetched(
            size=self.size,
            sha256=self._digest.hexdigest(),
            declared_type=headers.get("content-type", "")[:200],
            status=HTTPStatus.OK,
            headers=_kept_headers(headers.multi_items()),
        )

    def _goes_on(self, response: httpx.Response) -> bool:
        """Return whether the answer is the rest of this same file."""
        headers = response.headers
        return (
            bool(self.size)
            and headers.get("etag", self.validator) == self.validator
            and headers.get("content-range", "").startswith(f"bytes {self.size}-")
        )

    def _take(self, response: httpx.Response) -> None:
        marked_at, marked = time.monotonic(), self.size
        for chunk in response.iter_bytes():
            self.size += len(chunk)
            if self.size > self._max_bytes:
                raise PermanentFetchError(f"The file is larger than {self._max_bytes:,} bytes.", status=200)
            self._digest.update(chunk)
            self._into.write(chunk)
            if time.monotonic() - marked_at > SLOWEST_SECONDS:
                if self.size - marked < SLOWEST_BYTES:
                    raise TransientFetchError(
                        f"The provider sent fewer than {SLOWEST_BYTES:,} bytes in {SLOWEST_SECONDS} s.",
                        status=200,
                    )
                marked_at, marked = time.monotonic(), self.size


def _check_redirect(here: httpx.URL, there: httpx.URL) -> None:
    if here.scheme == "https" and there.scheme == "http":
        raise RefusedFetchError("Refused: a secure address led to one that is not.")


def _retry_after(text: str) -> timedelta | None:
    """Return the pause that a Retry-After asks for, in either of its forms (RFC 9110, 10.2.3)."""
    try:
        if text.isascii() and text.isdigit():
            return timedelta(seconds=int(text))
        return max(parsedate_to_datetime(text).astimezone(UTC) - datetime.now(UTC), timedelta(0))
    except (ValueError, TypeError, OverflowError):
        return None


def _kept_headers(items: Iterable[tuple[str, str]]) -> dict[str, str]:
    kept = [(name, value[:1000]) for name, value in items if name.lower() not in _HEADERS_LEFT_OUT]
    return dict(kept[:50])


def _in_plain_words(error: httpx.HTTPError) -> str:
    match error:
        case httpx.ConnectTimeout():
            return f"The provider could not be reached within {CONNECT_SECONDS} s."
        case httpx.TimeoutException():
            return (
                f"The provider said nothing for {SILENCE_SECONDS} s, or took longer than {WHOLE_SECONDS} s."
            )
        case httpx.ConnectError() if "CERTIFICATE_VERIFY_FAILED" in str(error):
            return f"The provider's certificate cannot be trusted: {error}."
        case httpx.ConnectError():
            return f"The provider could not be reached: {error}."
        case httpx.RemoteProtocolError() | httpx.ReadError():
            return f"The download broke off: {error}."
        case _:
            return f"The download failed: {error or type(error).__name__}."
