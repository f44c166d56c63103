"""Connections that a stranger's address may lead to: public networks and usual ports only.

A name is resolved once, every address of it is checked, and the connection goes to the checked
address. So there is no moment between the check and the connection in which the name could point
elsewhere.
"""

import ipaddress
import socket
from collections.abc import Collection, Sequence

from mmsvault.errors import RefusedFetchError, TransientFetchError, plain_reason
from mmsvault.fetching.limits import left

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

USUAL_PORTS = frozenset((80, 443))
CONNECT_SECONDS = 10

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_UNICAST = ipaddress.ip_network("2000::/3")
"""All of IPv6 that is given out for public use (RFC 4291, 2.4): what lies beside it is refused."""
_NOT_FOR_FILES = tuple(
    ipaddress.ip_network(network)
    for network in (
        "168.63.129.16/32",  # Azure's own services, at a public address
        "192.0.0.0/24",  # IETF protocol assignments, Oracle's metadata among them
        "192.31.196.0/24",  # AS112
        "192.88.99.0/24",  # relays of 6to4
        "192.175.48.0/24",  # AS112
        "2001::/23",  # Teredo, ORCHID, benchmarks
        "2620:4f:8000::/48",  # AS112
        "3fff::/20",  # documentation
    )
)
_ISATAP = 0x5EFE


def connect(
    host: str, port: int, *, private_networks: Sequence[Network], ports: Collection[int] = ()
) -> socket.socket:
    """Return a connection to an address of `host` that was checked.

    It may be a public one, at one of USUAL_PORTS or `ports`, or any in `private_networks`. Raises
    RefusedFetchError, or TransientFetchError where it cannot be reached.
    """
    addresses = _resolve(host, port)
    for address in addresses:
        if not is_allowed(address, private_networks):
            raise RefusedFetchError(f"Refused: {host} is at {address}, inside a network that is not public.")
        if port not in (*USUAL_PORTS, *ports) and not _is_in(address, private_networks):
            raise RefusedFetchError(
                f"Refused: the address asks for port {port} of {host}; files come from ports 80 and 443, and "
                "from those in MMSVAULT_FETCH_PORTS."
            )
    failure: OSError | None = None
    for address in addresses:  # a route that is down must not hide one that is up
        try:
            made = socket.create_connection((str(address), port), left(CONNECT_SECONDS))
        except OSError as error:
            failure = error
        else:
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return made
    if isinstance(failure, TimeoutError):
        raise TransientFetchError(
            f"The provider could not be reached within {CONNECT_SECONDS} s."
        ) from failure
    said = plain_reason(failure, otherwise="no answer") if failure else "its name has no address"
    raise TransientFetchError(f"The provider could not be reached: {said}.") from failure


def _resolve(host: str, port: int) -> list[Address]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        said = plain_reason(error, otherwise="it cannot be looked up")
        raise TransientFetchError(
            f"The provider could not be reached: the name {host} is not known ({said})."
        ) from error
    return list(dict.fromkeys(ipaddress.ip_address(entry[4][0]) for entry in found))


def _is_in(address: Address, networks: Sequence[Network]) -> bool:
    inner = _inner(address) if isinstance(address, ipaddress.IPv6Address) else None
    return any(one in network for network in networks for one in (address, inner) if one is not None)


def is_allowed(address: Address, private_networks: Sequence[Network]) -> bool:
    """Return whether a file may be fetched from `address`, seen through IPv6's ways to write IPv4."""
    if any(address in network for network in private_networks):
        return True
    if isinstance(address, ipaddress.IPv6Address):
        inner = _inner(address)
        if inner is not None:
            return is_allowed(inner, private_networks)
        if address not in _UNICAST:
            return False
    if any(address in network for network in _NOT_FOR_FILES):
        return False
    return address.is_global and not address.is_multicast


def _inner(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """Return the IPv4 address that a connection to this one would end at, if there is one."""
    if address in _NAT64 or (int(address) >> 32) & 0xFFFF == _ISATAP:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour
