"""Quarantine, the audit log, jobs and raw postbacks are kept whole, and damage to them shows."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import update

from mmsvault import audit_chain, auditing, sweeping
from mmsvault.catalog import trail
from mmsvault.catalog.connection import writing
from mmsvault.catalog.tables import trail as table
from mmsvault.integrity.rebuilding import rebuild
from mmsvault.layout import TRAIL, quarantined_digest
from mmsvault.message import utc_now
from mmsvault.queueing import leftovers
from mmsvault.queueing.connection import connect_to_answer
from mmsvault.queueing.jobs import ARCHIVE_MESSAGE, enqueue, open_queue
from mmsvault.sample.notices import lower_case_xml
from mmsvault.sweeping import Sweeper
from mmsvault.vault import Vault
from tests.integration.archive import Archive, notice
from tests.servers import redis_server


@pytest.fixture
def sweeper(archive: Archive, tmp_path: Path) -> Iterator[Sweeper]:
    """A sweep of the archive with a queue of its own."""
    (tmp_path / "queue").mkdir()
    with redis_server(tmp_path / "queue") as url:
        vault = Vault(archive.vault.settings.model_copy(update={"redis_url": url}))
        with connect_to_answer(url) as connection:
            yield Sweeper(vault, open_queue(connection))
        vault.close()


def test_a_body_in_quarantine_that_was_changed_is_named_by_verify(archive: Archive) -> None:
    archive.take_bytes(b"<postback>torn")
    (key,) = (one for one in archive.keys("quarantine/") if quarantined_digest(one))
    assert archive.problems() == {}
    archive.overwrite(key, b"<postback>Torn")
    assert "other bytes than its SHA-256" in archive.problems()[key]


def test_a_stranger_and_a_damaged_reason_in_quarantine_are_named_by_verify(archive: Archive) -> None:
    archive.take_bytes(b"<postback>torn")
    (reason,) = (one for one in archive.keys("quarantine/") if not quarantined_digest(one))
    folder = reason.rpartition("/")[0]
    archive.overwrite(reason, b"{")
    archive.overwrite(f"{folder}/odd", b"odd")
    assert archive.problems() == {
        reason: "this cannot be read",
        f"{folder}/odd": "this object belongs to nothing",
    }


def test_the_sweep_copies_the_audit_log_into_the_bucket(archive: Archive, sweeper: Sweeper) -> None:
    entry = trail.append(archive.vault.catalog, "looked at", who="anna", subject="sinch-a")
    sweeper.sweep()
    (key,) = archive.keys(TRAIL)
    assert list(audit_chain.entries_of(archive.vault, key)) == [entry]
    assert trail.not_kept(archive.vault.catalog) == []


def test_the_sweep_queues_jobs_again_that_are_in_no_list(
    sweeper: Sweeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = sweeper._queue
    enqueue(queue, ARCHIVE_MESSAGE, "sinch-a")
    queue.connection.lpop(queue.key)
    monkeypatch.setattr(leftovers, "STRANDED_AFTER", -leftovers.STRANDED_AFTER)
    assert sweeper.sweep().jobs == 0, "it reads all jobs now and then only"
    monkeypatch.setattr(sweeping, "STRANDED_EVERY_SECONDS", -1)
    assert sweeper.sweep().jobs == 1
    assert queue.count == 1


def test_an_entry_of_the_audit_log_that_follows_no_other_shows(archive: Archive) -> None:
    vault = archive.vault
    for number in range(3):
        trail.append(vault.catalog, "looked at", who="anna", subject=f"sinch-{number}")
    second = list(trail.entries(vault.catalog))[1]
    forged = replace(second, previous="0" * 64)
    forged = replace(forged, hash=forged.true_hash())
    with writing(vault.catalog) as connection:
        of_it = table.c.hash == second.hash
        connection.execute(update(table).where(of_it).values(previous=forged.previous, hash=forged.hash))
    trail.index_again(vault.catalog)
    problems = [one.problem for one in audit_chain.compare(vault).problems]
    assert "entry 2 of the trail does not follow the one before" in problems
    assert "entry 3 of the trail does not follow the one before" in problems


def test_entries_are_said_to_be_in_the_bucket_only_once_they_are(archive: Archive) -> None:
    trail.append(archive.vault.catalog, "looked at", who="anna")
    assert archive.keys(TRAIL) == set()
    assert auditing.keep(archive.vault) == 1
    (key,) = archive.keys(TRAIL)
    archive.lose(key)
    assert [one.problem for one in audit_chain.compare(archive.vault).problems] == [
        "entry 1 of the trail is missing in the bucket, and in the catalog"
    ]


def test_a_postback_in_the_folder_of_another_message_is_not_taken_for_it(archive: Archive) -> None:
    folder = f"messages/{utc_now():%Y/%m/%d}/sinch-mine/"
    key = f"{folder}postback.xml"
    archive.overwrite(key, lower_case_xml(notice("another", sender="14085550199")))
    told = {problem.key: problem.problem for problem in rebuild(archive.vault).problems}
    assert told == {key: "the raw postback announces something else than its folder's message"}
    assert archive.everything() == []


def test_a_record_in_the_folder_of_another_message_is_not_taken_for_it(archive: Archive) -> None:
    message = archive.receive("one")
    record = archive.vault.bucket.read(f"{message.prefix}message.json")
    other = f"messages/{utc_now():%Y/%m/%d}/sinch-other/message.json"
    archive.overwrite(other, record)
    told = {problem.key: problem.problem for problem in rebuild(archive.vault).problems}
    assert told == {other: f"this is the record of another folder, {message.prefix}"}
    assert len(archive.everything()) == 1
