"""In which order a message is worked on, and that whoever lost it writes nothing, seen between the steps."""

import hashlib
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from mmsvault import archiving, disposition, leases, previewing, settling
from mmsvault.catalog import due, upkeep, writes
from mmsvault.catalog.connection import migrate, reading, writing
from mmsvault.catalog.tables import messages
from mmsvault.errors import NotFoundError, UnavailableError
from mmsvault.folder import FolderBucket
from mmsvault.leases import Lease
from mmsvault.message import MediaState, Message, MessageState, Receipt, utc_now
from mmsvault.postbacks import understand
from mmsvault.sample.notices import lower_case_xml
from mmsvault.sample.provider import SampleProvider
from mmsvault.settings import Settings
from mmsvault.vault import Vault
from tests.integration.archive import Archive, notice, picture, words

Patch = pytest.MonkeyPatch
ID = "sinch-1"


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vault]:
    settings = Settings.load(data_dir=tmp_path_factory.mktemp("steps"), fetch_private_networks="127.0.0.1/32")
    opened = Vault(settings)
    opened.bucket.make()
    migrate(opened.catalog)
    yield opened
    opened.close()


@pytest.fixture
def archive(vault: Vault, provider: SampleProvider, monkeypatch: Patch) -> Archive:
    """An empty archive in a folder; nothing else of it runs."""
    found = Archive(vault, provider)
    found.forget_catalog()
    for prefix in ("messages/", "quarantine/", "tombstones/"):
        with suppress(NotFoundError):
            vault.bucket.erase(prefix)
    monkeypatch.setattr(vault.hosts, "may_ask", lambda _: True)  # no queue is there to ask
    monkeypatch.setattr(vault.hosts, "note_answer", lambda _: None)
    monkeypatch.setattr(vault.hosts, "note_failure", lambda *_: None)
    monkeypatch.setattr(vault.queue, "is_empty", lambda: False)
    return found


@pytest.fixture
def forced(monkeypatch: Patch) -> list[str]:
    """What was forced to the disk, in order: keys in the bucket, and `catalog`."""
    told: list[str] = []
    force, force_catalog, settle = FolderBucket.force, writes.force, writes.settle

    def of_bucket(bucket: FolderBucket, keys: Collection[str]) -> None:
        force(bucket, keys)
        told.extend(keys)

    def of_catalog(engine: Any) -> None:
        force_catalog(engine)
        told.append("catalog")

    def of_settle(*args: Any, **more: Any) -> Message | None:
        told.append("settling")
        return settle(*args, **more)

    monkeypatch.setattr(FolderBucket, "force", of_bucket)
    monkeypatch.setattr(writes, "force", of_catalog)
    monkeypatch.setattr(writes, "settle", of_settle)
    return told


def before(monkeypatch: Patch, place: Any, name: str, look: Callable[..., None]) -> None:
    """Look at what is there just before a step is done."""
    step = getattr(place, name)

    def looked_at(*args: Any, **more: Any) -> Any:
        look(*args, **more)
        return step(*args, **more)

    monkeypatch.setattr(place, name, looked_at)


def after(monkeypatch: Patch, place: Any, name: str, then: Callable[[], object]) -> None:
    """Have something happen just after a step was done."""
    step = getattr(place, name)

    def followed(*args: Any, **more: Any) -> Any:
        done = step(*args, **more)
        then()
        return done

    monkeypatch.setattr(place, name, followed)


def offered(archive: Archive, name: str, *files: Any, **more: Any) -> bytes:
    return lower_case_xml(notice(name, *(archive.provider.offer(file) for file in files), **more))


def state_in_catalog(archive: Archive) -> str:
    with reading(archive.vault.catalog) as connection:
        return str(connection.scalar(select(messages.c.state).where(messages.c.id == ID)))


def due_at(archive: Archive) -> datetime | None:
    with reading(archive.vault.catalog) as connection:
        found: datetime | None = connection.scalar(select(messages.c.due_at).where(messages.c.id == ID))
        return found


def holder(archive: Archive) -> str | None:
    with reading(archive.vault.catalog) as connection:
        found: str | None = connection.scalar(select(messages.c.lease_token).where(messages.c.id == ID))
        return found


def take_over(archive: Archive) -> None:
    """Have another worker hold the message, as one does whose predecessor's lease ran out."""
    with writing(archive.vault.catalog) as connection:
        held = update(messages).where(messages.c.id == ID)
        connection.execute(held.values(lease_token="other", lease_until_at=utc_now() + leases.SPAN))


def test_message_and_raw_postback_are_kept_before_anything_is_fetched(
    archive: Archive, monkeypatch: Patch
) -> None:
    body, seen = offered(archive, "1", picture()), []

    def look(*_: Any, **__: Any) -> None:
        known = archive.load(ID)
        assert known.state is MessageState.PENDING
        assert archive.vault.bucket.read(f"{known.prefix}postback.xml") == body
        seen.append(known.id)

    before(monkeypatch, archive.vault.fetcher, "fetch", look)
    archive.take_bytes(body)
    assert seen == [ID]
    assert archive.load(ID).state is MessageState.ARCHIVED


def test_the_catalog_says_stored_once_the_files_are_on_the_disk_whole(
    archive: Archive, monkeypatch: Patch, forced: list[str]
) -> None:
    seen: list[str] = []

    def look(*_: Any, items: Any, **__: Any) -> None:
        for item in items:
            data = archive.vault.bucket.read(item.key)
            assert (len(data), hashlib.sha256(data).hexdigest()) == (item.size, item.sha256)
            assert {item.key, item.thumbnail_key} - {""} <= set(forced)
            seen.append(item.key)
        assert f"{archive.load(ID).prefix}postback.xml" in forced, "nor is what they are told by"

    before(monkeypatch, writes, "save_attempts", look)
    archive.take_bytes(offered(archive, "1", picture(), words()))
    assert len(seen) == 2


def test_a_message_is_archived_once_its_record_says_so_on_the_disk(
    archive: Archive, monkeypatch: Patch, forced: list[str]
) -> None:
    seen: list[str] = []

    def look(_: Any, written: Message, **__: Any) -> None:
        record = f"{written.prefix}message.json"
        assert archive.vault.bucket.read(record) == written.as_record()
        assert record in forced
        assert written.state is MessageState.ARCHIVED
        assert state_in_catalog(archive) == "pending"
        assert due_at(archive) is not None, "it is taken up again where this is cut off"
        seen.append(written.id)

    before(monkeypatch, writes, "settle", look)
    archive.take_bytes(offered(archive, "1", picture()))
    assert seen == [ID]
    assert state_in_catalog(archive) == "archived"
    assert (due_at(archive), holder(archive)) == (None, None)


@pytest.mark.parametrize("step", ["save_attempts", "settle"])
def test_a_message_that_was_cut_off_is_finished_by_the_next_worker(
    archive: Archive, monkeypatch: Patch, step: str
) -> None:
    def cut_off(*_: Any, **__: Any) -> None:
        raise UnavailableError("the catalog is away")

    with monkeypatch.context() as patch:
        before(patch, writes, step, cut_off)
        with pytest.raises(UnavailableError):
            archive.take_bytes(offered(archive, "1", picture()))
    assert state_in_catalog(archive) == "pending"
    assert holder(archive) is None, "nobody has to wait for its lease"
    assert due.is_any(archive.vault.catalog, now=utc_now())
    archiving.archive_message(archive.vault, ID)
    found = archive.load(ID)
    assert (found.state, state_in_catalog(archive)) == (MessageState.ARCHIVED, "archived")
    assert archive.record(found)["state"] == "archived"


def test_what_changes_while_the_record_is_written_is_in_the_record_before_the_message_is_settled(
    archive: Archive, monkeypatch: Patch
) -> None:
    changes = iter(["first", "second"])

    def change(*_: Any, **__: Any) -> None:
        if tag := next(changes, ""):
            writes.annotate(archive.vault.catalog, ID, tag=[tag], now=utc_now())

    before(monkeypatch, writes, "settle", change)
    archive.take_bytes(offered(archive, "1", picture()))
    found = archive.load(ID)
    assert sorted(found.tags) == ["first", "second"]
    assert archive.vault.bucket.read(f"{found.prefix}message.json") == found.as_record()


def test_a_message_that_was_settled_is_in_nobodys_hand(archive: Archive, monkeypatch: Patch) -> None:
    def renew() -> None:
        for lease in list(leases._renewals._leases):
            lease.renew()

    after(monkeypatch, writes, "settle", renew)
    archive.take_bytes(offered(archive, "1", picture()))
    assert holder(archive) is None


class TestTakenOver:
    """Another worker has taken the message over, as happens to one that stood still for too long."""

    @pytest.fixture(autouse=True)
    def never_sure(self, monkeypatch: Patch) -> None:
        monkeypatch.setattr(leases, "SURE_FOR_SECONDS", -1)

    @pytest.mark.parametrize("files", [1, 3])
    def test_a_download_that_ends_later_stores_nothing(
        self, archive: Archive, monkeypatch: Patch, files: int
    ) -> None:
        after(monkeypatch, archive.vault.fetcher, "fetch", lambda: take_over(archive))
        archive.take_bytes(offered(archive, "1", *(picture(seed) for seed in range(files))))
        found = archive.load(ID)
        assert archive.keys(found.prefix) == {f"{found.prefix}postback.xml"}
        assert [(one.state, one.attempts) for one in found.media] == [(MediaState.PENDING, 0)] * files
        assert holder(archive) == "other"

    def test_what_its_attempts_came_to_is_not_written(self, archive: Archive, monkeypatch: Patch) -> None:
        before(monkeypatch, writes, "save_attempts", lambda *_, **__: take_over(archive))
        archive.take_bytes(offered(archive, "1", picture()))
        found = archive.load(ID)
        assert (found.attempts, found.media[0].state) == ((), MediaState.PENDING)
        assert f"{found.prefix}message.json" not in archive.keys("")
        assert holder(archive) == "other"

    def test_its_record_is_not_written(self, archive: Archive, monkeypatch: Patch) -> None:
        after(monkeypatch, writes, "save_attempts", lambda: take_over(archive))
        archive.take_bytes(offered(archive, "1", picture()))
        assert f"{archive.load(ID).prefix}message.json" not in archive.keys("")
        assert (state_in_catalog(archive), holder(archive)) == ("pending", "other")

    def test_its_record_is_not_written_over(self, archive: Archive, monkeypatch: Patch) -> None:
        def change(*_: Any, **__: Any) -> None:
            writes.annotate(archive.vault.catalog, ID, tag=["late"], now=utc_now())

        before(monkeypatch, writes, "settle", change)
        after(monkeypatch, writes, "settle", lambda: take_over(archive))
        archive.take_bytes(offered(archive, "1", picture()))
        assert archive.record(archive.load(ID))["tags"] == []
        assert (state_in_catalog(archive), holder(archive)) == ("pending", "other")

    def test_it_is_not_settled(self, archive: Archive, monkeypatch: Patch) -> None:
        before(monkeypatch, writes, "settle", lambda *_, **__: take_over(archive))
        archive.take_bytes(offered(archive, "1", picture()))
        assert (state_in_catalog(archive), holder(archive)) == ("pending", "other")

    def test_neither_record_nor_preview_of_it_are_entered(self, archive: Archive) -> None:
        found = archive.receive("1", picture())
        record = archive.vault.bucket.read(f"{found.prefix}message.json")
        with leases.hold(archive.vault.catalog, ID) as lease:
            assert lease
            take_over(archive)
            made = found.media[0].model_copy(update={"preview_key": f"{found.prefix}previews/00.mp4"})
            previewing.keep(archive.vault, found, lease, [made])
        assert archive.load(ID).media == found.media
        assert archive.vault.bucket.read(f"{found.prefix}message.json") == record
        assert holder(archive) == "other"

    def test_the_record_is_left_to_who_has_it(self, archive: Archive) -> None:
        found = archive.receive("1", picture())
        take_over(archive)
        record = archive.vault.bucket.read(f"{found.prefix}message.json")
        writes.annotate(archive.vault.catalog, ID, tag=["late"], now=utc_now())
        settling.refresh(archive.vault, ID)
        assert archive.vault.bucket.read(f"{found.prefix}message.json") == record

    def test_what_is_not_on_the_disk_yet_is_brought_there_all_the_same(
        self, archive: Archive, monkeypatch: Patch, forced: list[str]
    ) -> None:
        after(monkeypatch, archive.vault.fetcher, "fetch", lambda: take_over(archive))
        archive.take_bytes(offered(archive, "1", picture()))
        assert "catalog" in forced, "the receipt is let go of now"


def test_a_message_that_another_worker_has_is_left_alone_and_looked_at_when_it_may_have_ended(
    archive: Archive,
) -> None:
    body = offered(archive, "1", picture())
    receipt = Receipt.of(body, provider="sinch")
    announced = understand(receipt, retention=timedelta(days=30))
    assert isinstance(announced, Message)
    lease = Lease(archive.vault.catalog, ID)
    claim = lease.claim()
    writes.record(archive.vault.catalog, announced, receipt, claim=claim)
    with writing(archive.vault.catalog) as connection:
        connection.execute(update(messages).values(due_at=utc_now() + timedelta(minutes=5)))
    asked = sum(archive.provider.requests.values())
    archiving.archive_message(archive.vault, ID)
    assert sum(archive.provider.requests.values()) == asked
    assert due_at(archive) == claim.until_at
    assert holder(archive) == lease.token


def test_a_receipt_that_is_put_off_is_on_the_disk_before_it_is_let_go(
    archive: Archive, monkeypatch: Patch, forced: list[str]
) -> None:
    monkeypatch.setattr(archiving, "is_put_off", lambda *_: True)
    archive.take_bytes(offered(archive, "1", picture()))
    found = archive.load(ID)
    assert forced == [f"{found.prefix}postback.xml", "catalog"]
    assert (found.state, found.attempts) == (MessageState.PENDING, ())
    assert due_at(archive)


@pytest.mark.parametrize("name", ["again", "without files", "deleted"])
def test_a_receipt_with_nothing_to_fetch_is_on_the_disk_before_it_is_let_go(
    archive: Archive, forced: list[str], name: str
) -> None:
    body = offered(archive, "1", *([] if name == "without files" else [picture()]), subject="words")
    if name != "without files":
        archive.take_bytes(body)
    if name == "deleted":
        disposition.delete(archive.vault, ID)
    forced.clear()
    archive.take_bytes(body)
    assert forced[0] == "catalog"
    if name == "without files":
        record = archive.load(ID).prefix
        assert forced[1] == f"{record}postback.xml"
        assert {f"{record}postback.xml", f"{record}message.json"} == archive.keys(record)


def test_a_message_that_was_archived_is_not_fetched_for_its_repeat(archive: Archive) -> None:
    body = offered(archive, "1", picture())
    archive.take_bytes(body)
    asked = sum(archive.provider.requests.values())
    archive.take_bytes(body)
    assert sum(archive.provider.requests.values()) == asked
    assert len(archive.load(ID).attempts) == 1
    assert archive.receipts()["duplicates"] == 1


def test_a_message_that_was_deleted_stays_so_whatever_comes_for_it(archive: Archive) -> None:
    body = offered(archive, "1", picture())
    archive.take_bytes(body)
    prefix = archive.load(ID).prefix
    disposition.delete(archive.vault, ID)
    asked = sum(archive.provider.requests.values())
    for again in (body, offered(archive, "1", picture(7))):
        archive.take_bytes(again)
        with pytest.raises(NotFoundError):
            archive.load(ID)
        assert archive.keys(prefix) == set()
    assert sum(archive.provider.requests.values()) == asked
    assert [key for key in archive.keys("") if ID in key], "its tombstone"


def test_a_deletion_that_is_cut_off_has_its_tombstone_first(archive: Archive, monkeypatch: Patch) -> None:
    found = archive.receive("1", picture())

    def look(*_: Any, **__: Any) -> None:
        assert [key for key in archive.keys("") if ID in key and not key.startswith(found.prefix)]
        assert found.media[0].key in archive.keys("")

    before(monkeypatch, upkeep, "remove", look)

    def gone_from_catalog(*_: Any) -> None:
        with pytest.raises(NotFoundError):
            archive.load(ID)

    before(monkeypatch, FolderBucket, "erase", gone_from_catalog)
    disposition.delete(archive.vault, ID)
    assert archive.keys(found.prefix) == set()


def test_while_the_bucket_is_away_nothing_is_said_to_be_stored(archive: Archive, monkeypatch: Patch) -> None:
    body = offered(archive, "1", picture())
    put = FolderBucket.put

    def away(bucket: FolderBucket, key: str, *args: Any, **more: Any) -> None:
        if key.endswith(".png"):
            raise UnavailableError("the bucket is away")
        put(bucket, key, *args, **more)

    with monkeypatch.context() as patch:
        patch.setattr(FolderBucket, "put", away)
        with pytest.raises(UnavailableError):
            archive.take_bytes(body)
    found = archive.load(ID)
    assert (found.state, found.media[0].state, found.attempts) == (
        MessageState.PENDING,
        MediaState.PENDING,
        (),
    )
    archive.take_bytes(body)
    assert archive.load(ID).state is MessageState.ARCHIVED


def test_temporary_files_are_gone_afterwards(archive: Archive) -> None:
    archive.receive("1", picture(), words())
    left: list[Path] = [
        path for path in archive.vault.settings.temporary_dir.glob("*") if path.name.startswith("download-")
    ]
    assert left == []
