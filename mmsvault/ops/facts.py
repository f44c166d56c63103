"""What is known of the vault at one moment, for the questions of `conditions`.

Each program knows what it can see: a receiver nothing of the archive, nobody anything of the queue while
Redis is away. What is not known is None, and no condition is judged by it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import timedelta

    from mmsvault.catalog.quarantine import Waiting
    from mmsvault.catalog.totals import Counts
    from mmsvault.catalog.verdicts import Verdict
    from mmsvault.settings import Settings


@dataclass(frozen=True)
class Silence:
    """A source that is silent too long: what it is called, and for how many whole hours."""

    name: str
    hours: int


@dataclass(frozen=True)
class ArchiveFacts:
    """What the catalog says. `late`: files at risk whose deadline has passed. `silences`: None if unknown."""

    counts: Counts
    not_allowed: int
    quarantine: Waiting
    verdicts: tuple[Verdict, ...]
    silences: tuple[Silence, ...] | None
    backup_finished_at: datetime | None
    late: int = 0


@dataclass(frozen=True)
class QueueFacts:
    """What Redis says. `workers` by queue; `refused`: postbacks of the last hour by reason."""

    workers: Mapping[str, int]
    oldest: timedelta
    swept_at: datetime | None
    receiver_seen_at: datetime | None
    refused: Mapping[str, int]


@dataclass(frozen=True)
class HostFacts:
    """What this machine says. `keeps_nothing` is why its receiver can keep no postback, empty if it can.

    Bytes are those of the disk of the data directory, or of the embedded bucket where that has less.
    """

    name: str
    spooled: int
    free_bytes: int
    disk_bytes: int
    keeps_nothing: str | None = None


@dataclass(frozen=True)
class Facts:
    """All that is known. `servers` are those that were asked, with why each is away, empty if it is not."""

    settings: Settings
    now: datetime
    archive: ArchiveFacts | None = None
    queue: QueueFacts | None = None
    host: HostFacts | None = None
    servers: Mapping[str, str] = field(default_factory=dict)
