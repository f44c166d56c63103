"""What a sweep looks for each time, and what now and then, by a clock that is given."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from redis import Redis

from mmsvault import sweeping
from mmsvault.queueing.jobs import open_queue
from mmsvault.queueing.leftovers import Leftovers
from mmsvault.settings import Settings
from mmsvault.sweeping import STRANDED_EVERY_SECONDS, Sweeper
from mmsvault.vault import Vault


class Jobs:
    """Stands for the jobs that nobody works on."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def requeue(self, *, now: datetime) -> int:
        assert now.tzinfo
        self.asked.append("left")
        return 2

    def requeue_stranded(self, *, now: datetime) -> int:
        assert now.tzinfo
        self.asked.append("stranded")
        return 3


@pytest.fixture
def sweeper(tmp_path: Path) -> Iterator[Sweeper]:
    vault = Vault(Settings.load(data_dir=tmp_path))
    yield Sweeper(vault, open_queue(Redis()))  # which connects to nothing before it is asked
    vault.close()


def test_jobs_in_no_list_are_looked_for_every_few_minutes_and_the_others_each_time(
    sweeper: Sweeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, jobs = [1000.0], Jobs()
    sweeper._leftovers = cast("Leftovers", jobs)
    sweeper._stranded_looked_for = now[0]
    monkeypatch.setattr(sweeping, "time", SimpleNamespace(monotonic=lambda: now[0]))
    came_to = []
    for seconds in (1, 1, STRANDED_EVERY_SECONDS, 1, STRANDED_EVERY_SECONDS):
        now[0] += seconds
        came_to.append(sweeper._requeue())
    assert came_to == [2, 2, 5, 2, 5]
    assert jobs.asked == [*["left"] * 3, "stranded", *["left"] * 2, "stranded"]
    assert STRANDED_EVERY_SECONDS <= 600
