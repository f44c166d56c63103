"""What a run of verify found is remembered, for the dashboard and `status` to tell."""

from datetime import datetime

from mmsvault.catalog import upkeep, verdicts
from mmsvault.catalog.verdicts import Extent, Verdict
from mmsvault.integrity.verifying import Report, verify_some
from mmsvault.message import utc_now
from mmsvault.vault import Vault

FIRST_PROBLEMS = 20
SAMPLE_MESSAGES = 20


def remember(vault: Vault, report: Report, *, extent: Extent, began_at: datetime) -> Verdict:
    """Keep what a run found, and return it."""
    verdict = Verdict(
        extent=extent,
        began_at=began_at,
        ended_at=utc_now(),
        checked=report.checked,
        problems=len(report.problems),
        first=tuple((one.key, one.problem) for one in report.problems[:FIRST_PROBLEMS]),
    )
    verdicts.keep(vault.catalog, verdict)
    return verdict


def verify_a_sample(vault: Vault) -> Verdict:
    """Look at a few messages here and there, every byte of them, and remember what was found.

    It takes seconds at any size of the archive. Raises UnavailableError.
    """
    began_at, report = utc_now(), Report()
    for _, checked in verify_some(vault, upkeep.some(vault.catalog, SAMPLE_MESSAGES)):
        report.checked += checked.objects
        report.problems += checked.problems
    return remember(vault, report, extent=Extent.PART, began_at=began_at)
