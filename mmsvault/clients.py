"""The address of who asks, which behind a proxy is what the proxy says: a trusted one only."""

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from pathlib import Path

import structlog

log = structlog.get_logger(__name__)

Network = IPv4Network | IPv6Network
HOME_NETWORK_BITS = 64
"""Of an IPv6 address, these say whose it is; everybody has all addresses below them."""
MOST_PEERS = 20
UNTRUSTED_FILE = "untrusted-proxy.json"


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


def caller_network(address: str) -> str:
    """Return what an address is counted under: itself, of IPv6 the network of 64 bits."""
    parsed = _parsed(address)
    if isinstance(parsed, IPv6Address):
        return str(ip_network((parsed, HOME_NETWORK_BITS), strict=False))
    return str(parsed or address)


@dataclass(frozen=True)
class UntrustedPeer:
    """Who sent `X-Forwarded-For` and is not believed, and when that was first noticed."""

    address: str
    seen_at: datetime


class UntrustedPeers:
    """Notices peers that send `X-Forwarded-For` and are no trusted proxies.

    All visitors behind a proxy that is not trusted count as one, so this is worth a warning: once for
    each peer in the log, and the first one in a file for `mmsvault doctor`.
    """

    def __init__(self, data_dir: Path, trusted: Sequence[Network]) -> None:
        self._path = data_dir / UNTRUSTED_FILE
        self._trusted = trusted
        self._seen: set[str] = set()

    def look(self, peer: str, forwarded_for: str) -> None:
        """Look at a request's peer and its header."""
        if not forwarded_for or peer in self._seen or len(self._seen) >= MOST_PEERS:
            return
        if is_within(peer, self._trusted):
            return
        is_first = not self._seen
        self._seen.add(peer)
        log.warning("x-forwarded-for is not believed", peer=peer, setting="MMSVAULT_TRUSTED_PROXIES")
        if is_first:
            with suppress(OSError):
                self._path.write_text(json.dumps({"address": peer, "seen_at": datetime.now(UTC).isoformat()}))


def untrusted_peer(data_dir: Path, trusted: Sequence[Network]) -> UntrustedPeer | None:
    """Return who was noticed last and is still not trusted."""
    try:
        told = json.loads((data_dir / UNTRUSTED_FILE).read_bytes())
        found = UntrustedPeer(str(told["address"]), datetime.fromisoformat(told["seen_at"]))
    except (OSError, ValueError, LookupError, TypeError):
        return None
    return None if is_within(found.address, trusted) else found


def is_within(address: str, networks: Sequence[Network]) -> bool:
    """Return whether an address, seen through IPv6's way to write IPv4, is in one of the networks."""
    parsed = _parsed(address)
    return parsed is not None and any(parsed in network for network in networks)


@lru_cache(maxsize=4096)
def _parsed(address: str) -> IPv4Address | IPv6Address | None:
    try:
        parsed = ip_address(address)
    except ValueError:
        return None
    return (parsed.ipv4_mapped or parsed) if isinstance(parsed, IPv6Address) else parsed
