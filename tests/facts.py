"""Facts of a vault where all is well, and of one where everything is wrong, for tests of the conditions."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from mmsvault.catalog.quarantine import Quarantined, Waiting
from mmsvault.catalog.totals import Counts
from mmsvault.catalog.verdicts import Extent, Verdict
from mmsvault.ops.facts import ArchiveFacts, Facts, HostFacts, QueueFacts, Silence
from mmsvault.settings import Settings

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)


def settings(folder: Path, **given: object) -> Settings:
    return Settings.load(data_dir=folder / "vault", **given)


def _counts(*, lost: int, at_risk: int) -> Counts:
    return Counts(
        messages={"archived": 9},
        media={"pending": at_risk, "stored": 9, "lost": lost},
        receipts={},
        at_risk=at_risk,
        oldest_pending_at=None,
        bytes=0,
    )


def well(made: Settings, *, hours: float = 0) -> Facts:
    """Return facts of a vault where all is well, so many hours after NOW."""
    now = NOW + timedelta(hours=hours)
    verdict = Verdict(Extent.EVERYTHING, NOW, NOW, 9, 0, ())
    archive = ArchiveFacts(_counts(lost=0, at_risk=0), 0, Waiting(0, None), (verdict,), (), now)
    queue = QueueFacts({"archive": 2, "sweep": 1}, timedelta(), now, now, {})
    host = HostFacts("host", spooled=0, free_bytes=1 << 40, disk_bytes=1 << 41, keeps_nothing="")
    servers = {"catalog": "", "queue": "", "bucket": ""}
    return Facts(made, now, archive=archive, queue=queue, host=host, servers=servers)


def all_wrong(made: Settings) -> Facts:
    """Return facts by which every condition stands; a vault in which that is so at once there is none."""
    facts, long_ago = well(made), NOW - timedelta(days=30)
    assert facts.archive
    refused = Quarantined("quarantine/2026/03/10/x", "No code.", "192.0.2.1", NOW, NOW)
    verdict = Verdict(Extent.EVERYTHING, long_ago, long_ago, 9, 2, (("key", "missing"),))
    archive = ArchiveFacts(
        counts=_counts(lost=3, at_risk=4),
        not_allowed=2,
        quarantine=Waiting(1, refused),
        verdicts=(verdict,),
        silences=(Silence("sinch ***45", 7),),
        backup_finished_at=long_ago,
    )
    queue = QueueFacts({"archive": 0}, timedelta(hours=1), long_ago, long_ago, {"token": 9})
    host = HostFacts("host", spooled=5, free_bytes=1, disk_bytes=1 << 41, keeps_nothing="The disk is full.")
    away = dict.fromkeys(facts.servers, "It does not answer.")
    return replace(facts, archive=archive, queue=queue, host=host, servers=away)
