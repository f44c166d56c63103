"""Of a message that is here and in an archive, each file's whole copy counts."""

from pathlib import Path

from mmsvault import importing
from mmsvault.catalog import upkeep
from mmsvault.integrity import rebuilding
from mmsvault.leases import Lease
from mmsvault.message import Attempt, MediaState, Message, MessageState, utc_now
from tests.integration.archive import Archive, picture, words
from tests.integration.exports import made


def put_record(archive: Archive, message: Message) -> None:
    record = f"{message.prefix}message.json"
    archive.vault.bucket.put(record, message.as_record(), content_type="application/json")
    upkeep.enter(archive.vault.catalog, [message], now=utc_now())


def copy_objects(source: Archive, target: Archive, *keys: str) -> None:
    for key in keys:
        data = source.vault.bucket.read(key)
        target.vault.bucket.put(key, data, content_type="application/octet-stream")


def test_files_that_wait_after_a_cut_import_and_a_rebuild_come_by_the_next_import(
    archive: Archive, other: Archive, tmp_path: Path
) -> None:
    message = archive.receive("one", picture(), words())
    path = made(archive.vault, tmp_path / "out.zip")
    copy_objects(archive, other, f"{message.prefix}postback.xml", message.media[0].key)
    rebuilding.rebuild(other.vault)
    assert other.load(message.id).state is MessageState.PENDING
    came_of = importing.import_archive(other.vault, path)
    assert (came_of.new, came_of.known, came_of.problems) == (0, 1, [])
    assert other.load(message.id).state is MessageState.ARCHIVED
    assert [item.sha256 for item in other.load(message.id).media] == [one.sha256 for one in message.media]
    assert other.problems() == {}


def test_a_file_that_was_lost_here_comes_from_the_archive_and_what_is_here_alone_stays(
    archive: Archive, other: Archive, tmp_path: Path
) -> None:
    message = archive.receive("one", picture(), words())
    first, second = message.media
    tries = tuple(Attempt(position=0, at=utc_now(), duration_ms=1, outcome="gone") for _ in range(9))
    lost = first.model_copy(
        update={
            **dict.fromkeys(("sha256", "key", "thumbnail_key", "thumbnail_sha256"), ""),
            "state": MediaState.LOST,
            "size": None,
            "thumbnail_size": None,
            "reason": "gone",
        }
    )
    copy_objects(archive, other, f"{message.prefix}postback.xml", second.key)
    put_record(other, message.model_copy(update={"media": (lost, second), "attempts": tries}))
    other_path = made(other.vault, tmp_path / "other.zip")
    came_of = importing.import_archive(other.vault, made(archive.vault, tmp_path / "out.zip"))
    assert came_of.problems == []
    now = other.load(message.id)
    assert now.state is MessageState.ARCHIVED
    assert now.attempts[-1].outcome == importing.FROM_ARCHIVE
    assert [item.sha256 for item in now.media] == [first.sha256, second.sha256]
    assert other.problems() == {}
    assert importing.import_archive(archive.vault, other_path).problems == []  # further, and with less
    assert [item.sha256 for item in archive.load(message.id).media] == [first.sha256, second.sha256]
    assert archive.problems() == {}


def test_a_message_that_a_worker_has_in_hand_is_left_to_it_and_said(
    archive: Archive, other: Archive, tmp_path: Path
) -> None:
    message = archive.receive("one", words())
    path = made(archive.vault, tmp_path / "out.zip")
    copy_objects(archive, other, f"{message.prefix}postback.xml")
    rebuilding.rebuild(other.vault)
    lease = Lease(other.vault.catalog, message.id)
    assert lease.take()
    came_of = importing.import_archive(other.vault, path)
    assert ["in hand" in one.problem for one in came_of.problems] == [True]
    lease.release()
    assert importing.import_archive(other.vault, path).problems == []
    assert other.load(message.id).state is MessageState.ARCHIVED
