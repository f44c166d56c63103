"""A catalog that lacks what its bucket has, on each database and each bucket server."""

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import delete

from mmsvault import archiving
from mmsvault.catalog import sqlite_file, upkeep
from mmsvault.catalog.connection import writing
from mmsvault.catalog.tables import messages
from mmsvault.cli.admitting import first_admin
from mmsvault.integrity import recovery
from mmsvault.message import MessageState, utc_now
from mmsvault.settings import Settings
from mmsvault.vault import Vault
from tests.integration.archive import RECEIVED_AT, Archive, words


def forget(archive: Archive, *ids: str) -> None:
    with writing(archive.vault.catalog) as connection:
        connection.execute(delete(messages).where(messages.c.id.in_(ids)))


def known(archive: Archive, *ids: str) -> set[str]:
    return set(upkeep.folders(archive.vault.catalog, ids))


def test_a_catalog_that_has_everything_is_left_alone(archive: Archive) -> None:
    archive.receive("a", words())
    before = archive.everything()
    assert recovery.fill_up(archive.vault) == 0
    assert archive.everything() == before


def test_what_the_newest_days_have_and_the_catalog_lacks_is_entered(archive: Archive) -> None:
    days = [RECEIVED_AT - timedelta(days=days) for days in range(3)]
    ids = [archive.receive(f"m{number}", words(), timestamp=at).id for number, at in enumerate(days)]
    before = archive.everything()
    forget(archive, *ids)
    assert recovery.fill_up(archive.vault) == 3
    assert archive.everything() == before


def test_days_are_read_until_three_of_them_lack_nothing(archive: Archive) -> None:
    days = [RECEIVED_AT - timedelta(days=days) for days in range(6)]
    ids = [archive.receive(f"m{number}", words(), timestamp=at).id for number, at in enumerate(days)]
    forget(archive, ids[0], ids[2], ids[-1])
    assert recovery.fill_up(archive.vault) == 3  # the third from the end of the whole days is lacking again
    forget(archive, ids[-1])
    assert recovery.fill_up(archive.vault) == 0
    assert known(archive, *ids) == set(ids[:-1])


def test_a_message_that_waits_in_an_older_catalog_is_as_its_record_says(archive: Archive) -> None:
    waiting = archive.receive("a", words(), failures=(500,))
    assert waiting.state is MessageState.PENDING
    upkeep.retry(archive.vault.catalog, waiting.id, now=utc_now())
    archiving.archive_message(archive.vault, waiting.id)
    before = archive.everything()
    forget(archive, waiting.id)
    upkeep.enter(archive.vault.catalog, [waiting], now=utc_now())
    assert archive.load(waiting.id).state is MessageState.PENDING
    assert recovery.fill_up(archive.vault) == 0
    assert archive.load(waiting.id).state is MessageState.ARCHIVED
    assert archive.everything() == before


def test_a_deleted_message_does_not_come_back(archive: Archive) -> None:
    one = archive.receive("a", words())
    upkeep.bury(archive.vault.catalog, {one.id: RECEIVED_AT})
    assert recovery.fill_up(archive.vault) == 0
    assert known(archive, one.id) == set()


def test_no_first_admin_is_made_while_a_rebuild_is_wanted(tmp_path: Path) -> None:
    vault = Vault(Settings.load(data_dir=tmp_path))
    vault.prepare()
    path = tmp_path / "catalog.sqlite"
    sqlite_file.want_rebuild(path, "it is empty")
    assert first_admin(vault) is None
    sqlite_file.have_rebuilt(path)
    assert first_admin(vault)
    vault.close()


def test_a_vault_whose_very_first_start_was_cut_off_is_not_said_to_lack_a_catalog(tmp_path: Path) -> None:
    vault = Vault(Settings.load(data_dir=tmp_path))
    assert recovery.set_damaged_aside(vault, closely=True) == ""
    assert not sqlite_file.wants_rebuild(vault.settings.catalog_file)
    vault.close()


@pytest.mark.parametrize("has_bucket", [True, False])
def test_a_missing_catalog_is_rebuilt_where_the_bucket_has_something(
    tmp_path: Path, has_bucket: bool
) -> None:
    vault = Vault(Settings.load(data_dir=tmp_path))
    vault.bucket.make()
    if has_bucket:
        vault.bucket.put("state/people.json", b"{}", content_type="application/json")
    said = recovery.set_damaged_aside(vault, closely=False)
    assert ("made again from the bucket" in said) is has_bucket
    assert bool(sqlite_file.wants_rebuild(tmp_path / "catalog.sqlite")) is has_bucket
