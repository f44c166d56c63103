"""The address of who asks, which behind a proxy is what the proxy says: a trusted one only."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Network = IPv4Network | IPv6Network


def client_address(peer: str, forwarded_for: str, trusted: Sequence[Network]) -> str:
    """Return the address that a request came from, as text.

    `forwarded_for` is the header X-Forwarded-For. It is read from its end for as long as trusted
    proxies have written it: what stands before that, anybody may have made up.
    """
    address = peer
    for claimed in reversed([part.strip() for part in forwarded_for.split(",") if part.strip()]):
        # Behind `%` an IPv6 address names a network of its own machine, by any characters at all.
        if not is_within(address, trusted) or "%" in claimed or _parsed(claimed) is None:
            return address
        address = claimed
    return address


def is_within(address: str, networks: Sequence[Network]) -> bool:
    """Return whether an address, seen through IPv6's way to write IPv4, is in one of the networks."""
    parsed = _parsed(address)
    return parsed is not None and any(parsed in network for network in networks)


def _parsed(address: str) -> IPv4Address | IPv6Address | None:
    try:
        parsed = ip_address(address)
    except ValueError:
        return None
    return (parsed.ipv4_mapped or parsed) if isinstance(parsed, IPv6Address) else parsed
