"""What a sweep takes up, on each database and a real queue."""

import os
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from mmsvault import quarantine, sweeping
from mmsvault.catalog import quarantine as index
from mmsvault.catalog import queries, upkeep, writes
from mmsvault.message import Receipt, utc_now
from mmsvault.queueing.connection import connect_to_answer
from mmsvault.queueing.jobs import open_queue
from mmsvault.settings import Settings
from mmsvault.sweeping import Sweeper
from mmsvault.vault import Vault
from tests.integration.test_retries import enter
from tests.servers import redis_server


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with redis_server(tmp_path_factory.mktemp("queue")) as url:
        yield url


@pytest.fixture
def vault(catalog: Engine, tmp_path: Path, redis_url: str) -> Iterator[Vault]:
    url = catalog.url.render_as_string(hide_password=False)
    made = Vault(Settings.load(data_dir=tmp_path, redis_url=redis_url, database_url=url))
    made.redis.flushall()
    yield made
    made.close()


def test_old_temporary_files_are_removed_and_young_ones_stay(vault: Vault) -> None:
    bucket = vault.settings.embedded_bucket_dir
    assert bucket is not None
    day_ago = time.time() - 86_400
    paths = {
        name: folder / name
        for folder, name in (
            (vault.settings.temporary_dir, "download-old"),
            (vault.settings.temporary_dir, "download-young"),
            (vault.settings.temporary_dir, "sandbox-old"),
            (vault.settings.spool_dir, ".old.json.part"),
            (bucket / "messages/2026/11/24/sinch-1", ".rclone_temp_put_old"),
            (bucket / "messages/2026/11/24/sinch-1", ".rclone_temp_put_young"),
            (bucket / "messages/2026/11/24/sinch-1", "00-old.jpg"),
        )
    }
    for name, path in paths.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
        if "old" in name:
            os.utime(path, (day_ago, day_ago))
    with connect_to_answer(vault.settings.effective_redis_url) as connection:
        sweeper = Sweeper(vault, open_queue(connection))
        assert sweeper.sweep().files == 4
        assert sorted(name for name, path in paths.items() if path.exists()) == [
            ".rclone_temp_put_young", "00-old.jpg", "download-young",
        ]  # fmt: skip
        began = time.monotonic()
        assert sweeper.sweep().files == 0
        assert time.monotonic() - began < sweeping.SECONDS_FOR_A_WALK, "it does not walk again so soon"


def test_what_the_settings_refused_is_due_when_they_change_and_not_before(vault: Vault) -> None:
    for name, reason in (("refused", "Refused: inside."), ("missing", "The provider answered 404.")):
        enter(vault, name, hours_left=700)
        later = utc_now() + timedelta(days=20)
        waits = (
            queries.load(vault.catalog, name)
            .media[0]
            .model_copy(update={"reason": reason, "next_attempt_at": later, "attempts": 1})
        )
        writes.take_lease(vault.catalog, name, token="t", now=utc_now(), span=timedelta(minutes=1))
        writes.save_attempts(vault.catalog, name, items=[waits], tried=[], token="t", now=utc_now())

    def due() -> set[str]:
        loaded = [queries.load(vault.catalog, name) for name in ("refused", "missing")]
        return {one.id for one in loaded if (one.media[0].next_attempt_at or later) <= utc_now()}

    assert upkeep.retry_refused(vault.catalog, "settings of the first start", now=utc_now()) == 1
    assert due() == {"refused"}
    assert upkeep.retry_refused(vault.catalog, "settings of the first start", now=utc_now()) == 0
    assert upkeep.retry_refused(vault.catalog, "other settings", now=utc_now()) == 1


def test_a_catalog_that_knew_nothing_of_quarantine_learns_of_it_by_the_first_sweep(vault: Vault) -> None:
    vault.bucket.make()
    quarantine.keep(vault, Receipt.of(b"torn", provider="sinch"), "No code.")
    before = index.waiting(vault.catalog)
    assert before.newest
    index.leave(vault.catalog, [before.newest.folder])
    with connect_to_answer(vault.settings.effective_redis_url) as connection:
        Sweeper(vault, open_queue(connection)).sweep()
    assert index.waiting(vault.catalog) == before
