"""The reading room: the catalog, the bucket and the signer of links, opened once for this process.

Streamlit runs the pages in threads of the server's own process, so what the server opened at its
start is handed to them through this module.
"""

from dataclasses import dataclass, field

from sqlalchemy import Engine

from dashboard.links import Links
from dashboard.shelf import Shelf
from dashboard.throttle import Throttle
from mmsvault.bucket import Bucket
from mmsvault.clients import UntrustedPeers
from mmsvault.s3.linking import PublicLinks
from mmsvault.settings import Settings
from mmsvault.vault import Vault


@dataclass(frozen=True)
class ReadingRoom:
    """What pages and routes work with. `vault` is for what changes something: exports are asked for."""

    settings: Settings
    catalog: Engine
    bucket: Bucket
    links: Links
    vault: Vault
    public: PublicLinks | None = None
    """Where browsers reach the bucket itself."""
    shelf: Shelf = field(init=False)
    """Thumbnails that were just asked for."""
    untrusted: UntrustedPeers = field(init=False)
    throttle: Throttle = field(init=False)
    """What every password and code goes through."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "shelf", Shelf(self.bucket))
        object.__setattr__(self, "throttle", Throttle(self.catalog))
        settings = self.settings
        object.__setattr__(self, "untrusted", UntrustedPeers(settings.data_dir, settings.trusted_proxies))


_opened: list[ReadingRoom] = []


def open_for_visitors(room: ReadingRoom) -> None:
    """Make `room` the one that every page sees."""
    _opened[:] = [room]


def reading_room() -> ReadingRoom:
    """Return the room that was opened. Raises LookupError before the server has started."""
    if not _opened:
        raise LookupError("The dashboard was not started by dashboard.main.run.")
    return _opened[0]
