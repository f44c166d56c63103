"""Whole vaults on machines that are not as they should be, and what became of the messages meanwhile."""

import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mmsvault.catalog.connection import migrate
from mmsvault.sample import faults
from mmsvault.sample.provider import SampleProvider
from tests.flow.fault_table import FaultTable, expect
from tests.flow.site import EMBEDDED, Site
from tests.flow.test_faults import pause
from tests.flow.test_up_failures import broken, receives
from tests.flow.traffic import Traffic, settled
from tests.servers import until

pytestmark = [pytest.mark.faults, pytest.mark.timeout(400)]
STOPPED_SECONDS = 70
"""Longer than any lease, lock or heartbeat counts."""
NOWHERE = "/proc"
"""A folder in which nobody can make a file, root included."""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with Site(tmp_path, {"MMSVAULT_WORKERS": "1"}) as made:
        yield made


def up(site: Site) -> None:
    """Start `mmsvault up`; ready once its receiver is and the catalog is made."""
    site.start("up", "mmsvault.cli up")
    until(lambda: receives(site), seconds=90, what="the receiver answering")


def said(site: Site, words: str) -> None:
    log = site.folder / "up.log"
    until(lambda: words in log.read_text(), seconds=90, what=f"{words!r} being said")


def met_in_a_running_vault(site: Site, provider: SampleProvider, table: FaultTable, fault: str) -> None:
    met = Traffic(site, provider, fault)
    for _ in range(5):
        met.send()
        met.send(answers=(faults.refused(503),))
    expect(table, settled([met], seconds=200))
    assert all(sent.status == 200 for sent in met.sent)


def test_with_ports_taken_by_others_no_message_is_lost(
    site: Site, provider: SampleProvider, table: FaultTable
) -> None:
    with ExitStack() as others:
        metrics = others.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1]
        others.enter_context(socket.create_server(("127.0.0.1", site.dashboard_port)))
        site.env["MMSVAULT_METRICS_PORT"] = str(metrics)
        up(site)
        for setting in ("MMSVAULT_DASHBOARD_PORT", "MMSVAULT_METRICS_PORT"):
            said(site, f"{setting}: port ")
        met_in_a_running_vault(
            site, provider, table, "ports of dashboard and metrics taken by other programs"
        )


def test_with_a_dashboard_that_never_works_no_message_is_lost(
    site: Site, provider: SampleProvider, table: FaultTable
) -> None:
    site.env |= broken(site.folder, "dashboard/gate.py")
    up(site)
    said(site, "dashboard: The disk is full. Free space")
    met_in_a_running_vault(site, provider, table, "one part failing for good (the dashboard)")
    said(site, "dashboard ended (exit code 1); starting it again in 4 s")


def test_with_a_home_that_cannot_be_written_to_no_message_is_lost(
    site: Site, provider: SampleProvider, table: FaultTable
) -> None:
    site.env |= {"HOME": NOWHERE, "XDG_CACHE_HOME": NOWHERE, "XDG_CONFIG_HOME": NOWHERE}
    up(site)
    met_in_a_running_vault(site, provider, table, "home that cannot be written to")
    until(site.is_ready, seconds=90, what="the dashboard being there")


def test_while_summer_time_begins_and_ends_no_message_is_lost(
    site: Site, provider: SampleProvider, table: FaultTable
) -> None:
    began = datetime.now(UTC)
    site.env["TZ"] = summer_time(began, begins_after=40, lasts=30)
    up(site)
    met = Traffic(site, provider, "TZ whose clock goes an hour forward and back again")
    with met.flowing(a_second=1):
        until(lambda: (datetime.now(UTC) - began).total_seconds() > 80, seconds=90, what="both being over")
    met.send(answers=(faults.refused(503),))
    expect(table, settled([met], seconds=200))
    assert all(sent.status == 200 for sent in met.sent)


def summer_time(now: datetime, *, begins_after: int, lasts: int) -> str:
    """Return a time zone (POSIX, tzset(3)) at UTC whose summer time begins and ends in so many seconds."""
    day, second = now.timetuple().tm_yday, now.hour * 3600 + now.minute * 60 + now.second
    begins, ends = second + begins_after, second + begins_after + lasts + 3600
    made = f"AAA0BBB,{_moment(day, begins)},{_moment(day, ends)}"
    os.environ["TZ"], was = made, os.environ.get("TZ")
    try:  # what is meant is what the system makes of it
        time.tzset()
        at = now.timestamp()
        told = [
            time.localtime(at + later).tm_isdst for later in (0, begins_after + 2, begins_after + lasts + 2)
        ]
        assert told == [0, 1, 0]
    finally:
        os.environ.pop("TZ")
        if was is not None:
            os.environ["TZ"] = was
        time.tzset()
    return made


def _moment(day: int, second: int) -> str:
    """Return a moment of the year for TZ; its days begin at 0, and glibc takes hours beyond a day."""
    return f"{day - 1}/{second // 3600}:{second // 60 % 60:02}:{second % 60:02}"


def test_with_everything_stopped_for_ten_minutes_no_message_is_lost(
    site: Site, provider: SampleProvider, table: FaultTable, tmp_path: Path
) -> None:
    """Every process is stopped for longer than any lease counts, and the clock goes on by ten minutes."""
    clock = tmp_path / "clock"
    clock.write_text("0")
    site.start_servers(EMBEDDED)
    with site.vault() as vault:
        migrate(vault.catalog)
    site.receiver_part("--clock", str(clock))
    site.start("sweep", "worker sweep", "--often", "--clock", str(clock))
    for number in range(2):
        site.start(f"worker-{number}", "worker archive", "--clock", str(clock))
    met = Traffic(site, provider, "everything stopped (SIGSTOP), ten minutes by the clock")
    for _ in range(20):
        met.send(answers=(faults.trickled(seconds=3),))  # so that jobs are in hand
    for name in site.running:
        site.signal(name, signal.SIGSTOP)
    pause(STOPPED_SECONDS)
    clock.write_text("600")
    for name in site.running:
        site.signal(name, signal.SIGCONT)
    for _ in range(5):
        met.send(answers=(faults.refused(503),))
    expect(table, settled([met], seconds=200))
    assert all(part.poll() is None for part in site.running.values())
