"""Downloading a file that a stranger's postback names: guarded, bounded, hashed on the way.

Only http and https; a name is resolved once, every address of it is checked, and the connection
goes to the checked address, at every redirect again. So there is no moment between the check and
the connection in which the name could point elsewhere.
"""

import hashlib
import ipaddress
import socket
import ssl
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

import httpcore
import httpx

from mmsvault.errors import FetchError, PermanentFetchError, TransientFetchError

CONNECT_SECONDS = 10
SILENCE_SECONDS = 30
WHOLE_SECONDS = 900
MOST_REDIRECTS = 5
MOST_CONNECTIONS = 16
CHUNK_BYTES = 1 << 16

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
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
            transport=_GuardedTransport(_GuardedBackend(private_networks)),
            timeout=httpx.Timeout(SILENCE_SECONDS, connect=CONNECT_SECONDS, pool=WHOLE_SECONDS),
            headers={"user-agent": "mms-vault", "accept": "*/*", "accept-encoding": "identity"},
            trust_env=False,
        )

    def fetch(self, url: str, into: BinaryIO) -> Fetched:
        """Write the file at `url` into `into`. Raises TransientFetchError or PermanentFetchError."""
        give_up = time.monotonic() + WHOLE_SECONDS
        try:
            request = self._client.build_request("GET", url)
            for _ in range(MOST_REDIRECTS + 1):
                self._check(request.url)
                response = self._client.send(request, stream=True)
                try:
                    if response.next_request is None:
                        return self._read(response, into, give_up)
                    _check_redirect(request.url, response.next_request.url)
                    request = response.next_request
                finally:
                    response.close()
        except FetchError:
            raise
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            raise PermanentFetchError(f"This is not the address of a file: {error}") from error
        except httpx.HTTPError as error:
            raise TransientFetchError(_in_plain_words(error)) from error
        raise TransientFetchError(f"The address leads on and on: more than {MOST_REDIRECTS} redirects.")

    def close(self) -> None:
        """Close the connections that were kept."""
        self._client.close()

    def _check(self, url: httpx.URL) -> None:
        if url.scheme not in ("http", "https") or not url.host:
            raise PermanentFetchError(
                "This is not the address of a file: it must begin with http:// or https://."
            )
        host = url.host.lower()
        listed = any(host == name or (name.startswith(".") and host.endswith(name)) for name in self._hosts)
        if self._hosts and not listed:
            raise TransientFetchError(f"Refused: {host} is not among MMSVAULT_FETCH_HOSTS.")
        if url.userinfo and not listed:
            raise TransientFetchError(
                f"Refused: the address carries a password; name {host} in MMSVAULT_FETCH_HOSTS."
            )

    def _read(self, response: httpx.Response, into: BinaryIO, give_up: float) -> Fetched:
        if response.status_code != httpx.codes.OK:
            raise TransientFetchError(
                f"The provider answered {response.status_code} {response.reason_phrase}.".replace(" .", "."),
                status=response.status_code,
            )
        digest = hashlib.sha256()
        size = 0
        for chunk in response.iter_bytes(CHUNK_BYTES):
            size += len(chunk)
            if size > self._max_bytes:
                raise PermanentFetchError(f"The file is larger than {self._max_bytes:,} bytes.", status=200)
            if time.monotonic() > give_up:
                raise TransientFetchError(f"The download took longer than {WHOLE_SECONDS} s.", status=200)
            digest.update(chunk)
            into.write(chunk)
        into.flush()
        return Fetched(
            size=size,
            sha256=digest.hexdigest(),
            declared_type=response.headers.get("content-type", "")[:200],
            status=response.status_code,
            headers=_kept_headers(response.headers.multi_items()),
        )


def _check_redirect(here: httpx.URL, there: httpx.URL) -> None:
    if here.scheme == "https" and there.scheme == "http":
        raise TransientFetchError("Refused: a secure address led to one that is not.")


def _kept_headers(items: Iterable[tuple[str, str]]) -> dict[str, str]:
    kept = [(name, value[:1000]) for name, value in items if name.lower() not in _HEADERS_LEFT_OUT]
    return dict(kept[:50])


def _in_plain_words(error: httpx.HTTPError) -> str:
    match error:
        case httpx.ConnectTimeout():
            return f"The provider could not be reached within {CONNECT_SECONDS} s."
        case httpx.TimeoutException():
            return f"The provider said nothing for {SILENCE_SECONDS} s."
        case httpx.ConnectError():
            return f"The provider could not be reached: {error}."
        case httpx.RemoteProtocolError() | httpx.ReadError():
            return f"The download broke off: {error}."
        case _:
            return f"The download failed: {error or type(error).__name__}."


class _GuardedTransport(httpx.HTTPTransport):
    """httpx's transport over a pool that connects through `backend` only."""

    def __init__(self, backend: httpcore.NetworkBackend) -> None:
        super().__init__(trust_env=False)
        self._pool.close()
        # httpx has no parameter for it; the attribute has had this name since 0.18.
        self._pool = httpcore.ConnectionPool(
            ssl_context=ssl.create_default_context(),
            max_connections=MOST_CONNECTIONS,
            max_keepalive_connections=MOST_CONNECTIONS,
            keepalive_expiry=30,
            network_backend=backend,
        )


class _GuardedBackend(httpcore.SyncBackend):
    """Connects to addresses that it has checked itself."""

    def __init__(self, private_networks: Sequence[Network]) -> None:
        self._private_networks = private_networks

    def connect_tcp(self, host: str, port: int, *args: Any, **kwargs: Any) -> httpcore.NetworkStream:
        addresses = _resolve(host, port)
        for address in addresses:
            if not is_allowed(address, self._private_networks):
                raise TransientFetchError(
                    f"Refused: {host} is at {address}, inside a network that is not public."
                )
        failure: Exception | None = None
        for address in addresses:  # a route that is down must not hide one that is up
            try:
                return super().connect_tcp(str(address), port, *args, **kwargs)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure or httpcore.ConnectError(f"{host} has no address")

    def connect_unix_socket(self, path: str, *_args: Any, **_kwargs: Any) -> httpcore.NetworkStream:
        raise TransientFetchError(f"Refused: {path} is not on the network.")


def _resolve(host: str, port: int) -> list[Address]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise httpcore.ConnectError(f"the name {host} is not known ({error})") from error
    return list(dict.fromkeys(ipaddress.ip_address(entry[4][0]) for entry in found))


def is_allowed(address: Address, private_networks: Sequence[Network]) -> bool:
    """Return whether a file may be fetched from `address`, seen through IPv6's ways to write IPv4."""
    if any(address in network for network in private_networks):
        return True
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_allowed(inner, private_networks)
        if address.teredo is not None:
            return False
    return address.is_global and not address.is_multicast
