"""An archive that is whole, damaged, mended and made again, on the embedded bucket and on MinIO."""

import json
import os
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from sqlalchemy import delete, text, update

from mmsvault import archiving, disposition, leases, previewing, settling, tallying
from mmsvault.catalog import quarantine as quarantined
from mmsvault.catalog import queries, upkeep, writes
from mmsvault.catalog.connection import is_broken, migrate, open_catalog, set_aside, writing
from mmsvault.catalog.tables import media, messages, receipts
from mmsvault.catalog.views import View
from mmsvault.errors import NotFoundError, RefusedError
from mmsvault.integrity import rebuilding, sampling
from mmsvault.message import MediaState, Message, MessageState, Receipt, utc_now
from mmsvault.postbacks import understand
from mmsvault.sample import faults
from mmsvault.sample.kinds import leaflet
from mmsvault.sample.notices import lower_case_xml
from mmsvault.vault import Vault
from tests.integration.archive import Archive, long_ago, notice, picture, sha256, words


def original(message: Message, position: int = 0) -> str:
    return message.media[position].key


def test_an_archive_that_is_whole_has_no_problems(archive: Archive) -> None:
    archive.receive("one", picture(), words())
    archive.receive("two", subject="no files")
    archive.receive("waiting", picture(), failures=(500,))
    archive.take_bytes(b"not a postback")
    tallying.keep_tallies(archive.vault)
    report = archive.verify()
    assert report.problems == []
    # one: 2 originals, a thumbnail, postback and record; two: 2; waiting: 2; in quarantine: 2.
    assert report.checked == 5 + 2 + 2 + 2


def test_verify_names_every_kind_of_damage_and_repair_mends_what_can_be(archive: Archive) -> None:
    flipped, cut, bare, lost = (archive.receive(name, picture(seed)) for seed, name in enumerate("abcd"))
    gone = archive.receive("e", words())
    right = archive.vault.bucket.read(original(flipped))
    wrong = bytes([right[0] ^ 1]) + right[1:]
    archive.overwrite(original(flipped), wrong)
    archive.overwrite(original(cut), archive.vault.bucket.read(original(cut))[:-1])
    archive.lose(bare.media[0].thumbnail_key)
    archive.lose(original(lost))
    stray = f"{bare.prefix}77.jpg"
    archive.overwrite(stray, b"of nothing")
    archive.overwrite("messages/notes.txt", b"of nothing either")
    archive.lose(gone.prefix)

    found = archive.problems()
    assert set(found) == {
        original(flipped),
        original(cut),
        bare.media[0].thumbnail_key,
        original(lost),
        stray,
        "messages/notes.txt",
        gone.prefix,
    }
    assert "other bytes than its SHA-256" in found[original(flipped)]
    assert f"{cut.media[0].size - 1:,} bytes instead of {cut.media[0].size:,}" in found[original(cut)]
    assert "thumbnail is missing" in found[bare.media[0].thumbnail_key]
    assert "original is missing" in found[original(lost)]
    assert "belongs to nothing" in found[stray]
    assert "nothing of it" in found[gone.prefix]

    report = archive.verify(repair=True)
    assert {key for key, _ in report.repaired} == {
        original(flipped),
        original(cut),
        bare.media[0].thumbnail_key,
        original(lost),
        original(gone),
        f"{gone.prefix}message.json",
    }
    left = {problem.key: problem.problem for problem in report.problems}
    assert set(left) == {stray, "messages/notes.txt", f"{gone.prefix}postback.xml"}
    assert "not mended: the provider sends it no more" in left[f"{gone.prefix}postback.xml"]
    assert archive.vault.bucket.read(original(flipped)) == right
    aside = [key for key in archive.keys(flipped.prefix) if "damaged/" in key]
    assert [archive.vault.bucket.read(key) for key in aside] == [wrong], "the wrong bytes are kept beside"
    assert archive.keys("messages/") >= {stray, "messages/notes.txt"}, "what is unknown is left alone"
    assert set(archive.problems()) == set(left), "and all the rest is whole again"


def test_repair_does_not_touch_a_wrong_original_when_no_right_one_comes(archive: Archive) -> None:
    message = archive.receive("one", picture())
    other = archive.receive("two", picture(1))
    offer = archive.provider.offered(message.media[0].url)
    offer.answers.append(faults.refused(404))
    changed = archive.provider.offered(other.media[0].url)
    changed.file = picture(2)
    for one in (message, other):
        archive.overwrite(original(one), b"damaged")
    report = archive.verify(repair=True)
    left = {problem.key: problem.problem for problem in report.problems}
    assert "not mended: The provider answered 404" in left[original(message)]
    assert "not the file that was archived" in left[original(other)]
    assert report.repaired == []
    for one in (message, other):
        assert archive.vault.bucket.read(original(one)) == b"damaged"
        assert archive.load(one.id) == one
        assert not [key for key in archive.keys(one.prefix) if "damaged/" in key]


def test_a_missing_or_stale_record_is_written_again_but_never_a_newer_one(archive: Archive) -> None:
    lost, stale, newer = (archive.receive(name, words()) for name in ("a", "b", "c"))
    keys = [f"{one.prefix}message.json" for one in (lost, stale, newer)]
    archive.lose(keys[0])
    archive.overwrite(keys[1], stale.model_copy(update={"subject": "changed"}).as_record())
    from_the_future = json.dumps({"schema": 99, "id": newer.id}).encode()
    archive.overwrite(keys[2], from_the_future)
    assert set(archive.problems()) == set(keys)
    left = archive.problems(repair=True)
    assert set(left) == {keys[2]}
    assert "newer MMS Vault" in left[keys[2]]
    assert archive.vault.bucket.read(keys[2]) == from_the_future
    assert archive.record(stale)["subject"] == ""
    assert archive.vault.bucket.read(keys[0]) == archive.load(lost.id).as_record()


def test_a_message_in_hand_is_no_problem(archive: Archive) -> None:
    message = archive.receive("one", words())
    queued = archive.receive("two", words())
    archive.lose(f"{message.prefix}message.json")
    archive.overwrite(f"{message.prefix}thumbs/00.webp", b"just being written")
    archive.lose(f"{queued.prefix}message.json")
    now = utc_now()
    writes.take_lease(archive.vault.catalog, message.id, token="a", now=now, span=timedelta(minutes=1))
    with writing(archive.vault.catalog) as connection:
        connection.execute(update(messages).where(messages.c.id == queued.id).values(due_at=now))
    assert archive.problems() == {}
    archive.lose(original(message))
    assert set(archive.problems()) == {original(message)}, "what was stored for good must be there"


def test_a_message_without_files_is_no_problem_before_its_postback_is_kept(archive: Archive) -> None:
    body = lower_case_xml(notice("one"))
    receipt = Receipt.of(body, provider="sinch")
    announced = understand(receipt, retention=timedelta(days=30))
    assert isinstance(announced, Message)
    writes.record(archive.vault.catalog, announced, receipt)
    assert archive.keys() == set()
    assert archive.problems() == {}
    archiving.archive_receipt(archive.vault, receipt.model_dump(mode="json"))
    assert archive.problems() == {}
    assert not queries.due(archive.vault.catalog, now=utc_now(), limit=9)


@pytest.mark.parametrize("place", ["embedded"], indirect=True)  # a bucket on a server has no such files
def test_what_a_killed_server_left_half_written_is_named_when_it_is_old(archive: Archive) -> None:
    message = archive.receive("one", words())
    key = f"{message.prefix}.rclone_temp_put_1"
    archive.overwrite(key, b"half")
    assert archive.problems() == {}
    folder = archive.vault.settings.embedded_bucket_dir
    assert folder
    two_hours_ago = (utc_now() - timedelta(hours=2)).timestamp()
    os.utime(folder / key, (two_hours_ago, two_hours_ago))
    assert "never finished" in archive.problems()[key]


def test_a_sample_checks_that_all_is_there_and_reads_a_part(archive: Archive) -> None:
    made = [archive.receive(str(number), words(f"number {number}")) for number in range(8)]
    for message in made:
        data = archive.vault.bucket.read(original(message))
        archive.overwrite(original(message), data.swapcase())

    def found(sample: str) -> set[str]:
        chosen = sampling.parse(sample, stored_bytes=lambda: 1000)
        return set(archive.problems(sample=chosen))

    assert found("0%") == set()
    assert found("100%") == {original(message) for message in made}
    first, second = found("1/2"), found("2/2")
    assert first | second == found("")
    assert not first & second
    assert found("1/2") == first
    archive.lose(original(made[3]))
    assert found("0%") == {original(made[3])}


def test_since_looks_at_what_was_received_from_that_day_on(archive: Archive) -> None:
    old = archive.receive("old", words(), timestamp=datetime(2025, 12, 31, 23, tzinfo=UTC))
    new = archive.receive("new", words(), timestamp=datetime(2026, 1, 2, tzinfo=UTC))
    for message in (old, new):
        archive.lose(original(message))
    for day in ("2025/12/30", "2026/01/01", "2026/02/01"):
        archive.overwrite(f"messages/{day}/sinch-x/00.jpg", b"stray")
    assert set(archive.problems(since=date(2026, 1, 1))) == {
        original(new),
        "messages/2026/01/01/sinch-x/00.jpg",
        "messages/2026/02/01/sinch-x/00.jpg",
    }


def eventful(archive: Archive) -> None:
    """Let everything happen that a catalog tells of."""
    archive.receive("archived", picture(), words(), keyword="Störm", subject="Zażółć", operator_id="31003")
    archive.receive("empty")
    archive.receive("waiting", picture(1), failures=(500,))
    lost = archive.receive("lost", picture(2), failures=(404,))
    part = archive.receive("part", words())
    again = lower_case_xml(notice("part", archive.provider.offer(words("more")), copy_to=("14085550199",)))
    archive.take_bytes(again)
    archive.take_bytes(again)
    archive.take_bytes(lower_case_xml(notice("n/a", code="N101", origin="MMS_MT")))
    archive.take_bytes(b"<postback>not one")
    disposition.hold(archive.vault, part.id, held=True)
    with writing(archive.vault.catalog) as connection:
        connection.execute(update(messages).where(messages.c.id == part.id).values(tags=["urgent", "roof"]))
        connection.execute(
            update(media).where(media.c.message_id == lost.id).values(state="lost", next_attempt_at=None)
        )
    for message in (part, lost):
        settling.refresh(archive.vault, message.id)
    tallying.keep_tallies(archive.vault)


def test_rebuild_makes_the_same_catalog_again_from_the_bucket_alone(archive: Archive) -> None:
    eventful(archive)
    before, counted = archive.everything(), archive.receipts()
    assert counted == {"total": 9, "duplicates": 2, "other": 1, "quarantined": 1}
    assert archive.problems() == {}
    archive.forget_catalog()
    rebuilt = rebuilding.rebuild(archive.vault)
    assert (rebuilt.messages, rebuilt.problems) == (5, [])
    assert archive.everything() == before
    assert archive.receipts() == counted
    assert archive.load("sinch-part").hold
    assert archive.load("sinch-part").tags == ("urgent", "roof")
    far = utc_now() + timedelta(days=1)
    due = [identity for identity, _ in queries.due(archive.vault.catalog, now=far, limit=9)]
    assert due == ["sinch-waiting"]
    assert archive.problems() == {}
    again = rebuilding.rebuild(archive.vault)
    assert set(again.entered) == {upkeep.Entered.SAME}
    assert archive.receipts() == counted


def test_rebuild_mends_a_damaged_catalog_and_keeps_what_knows_more(archive: Archive) -> None:
    eventful(archive)
    before, counted = archive.everything(), archive.receipts()
    with writing(archive.vault.catalog) as connection:
        connection.execute(delete(messages).where(messages.c.id == "sinch-empty"))
        connection.execute(delete(media).where(media.c.message_id == "sinch-archived"))
        connection.execute(update(messages).where(messages.c.id == "sinch-lost").values(sender="nobody"))
        connection.execute(delete(receipts))
    later = archive.load("sinch-waiting")
    with leases.hold(archive.vault.catalog, later.id) as lease:
        assert lease
        rebuilding.rebuild(archive.vault)
        assert archive.everything() == before
    assert archive.receipts() == counted


def test_a_row_that_is_ahead_of_its_record_is_kept(archive: Archive) -> None:
    message = archive.receive("one", words())
    older = message.model_copy(update={"attempts": ()})
    archive.overwrite(f"{message.prefix}message.json", older.as_record())
    rebuilt = rebuilding.rebuild(archive.vault)
    assert rebuilt.entered == {upkeep.Entered.KEPT: 1}
    assert archive.load(message.id) == message


def test_a_message_whose_first_attempt_was_cut_off_is_rebuilt_from_its_raw_postbacks(
    archive: Archive,
) -> None:
    message = archive.receive("one", picture())
    archive.take_bytes(lower_case_xml(notice("one", archive.provider.offer(words()))))
    for key in archive.keys(message.prefix):
        if "postback" not in key:
            archive.lose(key)
    archive.forget_catalog()
    rebuilt = rebuilding.rebuild(archive.vault)
    assert (rebuilt.messages, rebuilt.problems) == (1, [])
    pending = archive.load(message.id)
    assert pending.state is MessageState.PENDING
    assert [item.position for item in pending.media] == [0, 1]
    archiving.archive_message(archive.vault, message.id)
    done = archive.load(message.id)
    assert done.state is MessageState.ARCHIVED
    assert done.media[0].sha256 == message.media[0].sha256
    assert (done.prefix, done.sender, done.received_at) == (
        message.prefix,
        message.sender,
        message.received_at,
    )
    assert archive.problems() == {}


def test_a_message_without_files_and_record_is_rebuilt_and_its_record_written(archive: Archive) -> None:
    message = archive.receive("one", subject="no files")
    archive.lose(f"{message.prefix}message.json")
    archive.forget_catalog()
    rebuilding.rebuild(archive.vault)
    for identity, _ in queries.due(archive.vault.catalog, now=utc_now(), limit=9):
        archiving.archive_message(archive.vault, identity)
    assert archive.record(message)["subject"] == "no files"
    assert archive.problems() == {}


def test_repair_counts_again_and_indexes_what_cannot_be_found(archive: Archive) -> None:
    archive.receive("counted")
    with writing(archive.vault.catalog) as connection:
        connection.execute(text("UPDATE counters SET bytes = bytes + 1"))
        connection.execute(text("DELETE FROM message_words"))
    assert any("its words are not in the index" in one.problem for one in archive.verify().problems)
    mended = archive.verify(repair=True)
    assert not mended.problems
    assert any("bytes" in what for _, what in mended.repaired)
    assert not archive.verify().problems


def test_repair_enters_a_message_that_the_catalog_does_not_have(archive: Archive) -> None:
    message = archive.receive("one", words())
    archive.forget_catalog()
    assert set(archive.problems()) == {message.prefix}
    assert archive.problems(repair=True) == {}
    assert archive.load(message.id) == message


def test_rebuild_says_what_it_cannot_read_and_goes_on(archive: Archive) -> None:
    broken, newer, moved = (archive.receive(name, words()) for name in ("a", "b", "c"))
    archive.receive("d", words())
    archive.overwrite(f"{broken.prefix}message.json", b"{")
    archive.overwrite(f"{newer.prefix}message.json", b'{"schema": 2000}')
    archive.overwrite(f"{moved.prefix}message.json", broken.as_record())
    archive.overwrite("messages/2026/11/20/other-x/postback.xml", b"?")
    archive.overwrite("deleted/sinch-e.json", b"{")
    archive.overwrite("receipts/2026/11/20.json", b"{")
    archive.overwrite("quarantine/2026/11/20/abc/reason.json", b"{")
    archive.forget_catalog()
    rebuilt = rebuilding.rebuild(archive.vault)
    problems = {problem.key: problem.problem for problem in rebuilt.problems}
    assert rebuilt.messages == 1
    assert "cannot be read" in problems[f"{broken.prefix}message.json"]
    assert "newer MMS Vault" in problems[f"{newer.prefix}message.json"]
    assert "another folder" in problems[f"{moved.prefix}message.json"]
    assert "no provider" in problems["messages/2026/11/20/other-x/postback.xml"]
    assert set(problems) == {
        f"{broken.prefix}message.json",
        f"{newer.prefix}message.json",
        f"{moved.prefix}message.json",
        "messages/2026/11/20/other-x/postback.xml",
    }
    assert "quarantine/2026/11/20/abc/reason.json" in archive.problems()
    assert archive.take(notice("f")).state is MessageState.ARCHIVED
    with pytest.raises(NotFoundError):
        archive.take(notice("e"))  # a damaged tombstone is one as well


def test_a_folder_of_the_first_version_still_reads(archive: Archive) -> None:
    kept = Path(__file__).parent.parent / "records" / "version-1"
    prefix = "messages/2014/02/03/sinch-MMS_MO_iLnCRrL6/"
    for file in kept.iterdir():
        archive.overwrite(f"{prefix}{file.name}", file.read_bytes())
    assert rebuilding.rebuild(archive.vault).problems == []
    message = archive.load("sinch-MMS_MO_iLnCRrL6")
    assert message.media[0].text == "Hello from the pier"
    assert message.attempts[0].headers == {"content-type": "text/plain"}
    assert (message.tags, message.hold) == (("pier",), True)
    assert archive.problems() == {}


def test_a_broken_sqlite_file_is_noticed_and_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "catalog.sqlite"
    engine = open_catalog(f"sqlite:///{path}")
    migrate(engine)
    assert not is_broken(engine)
    engine.dispose()
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xff" * (len(data) - 4096)
    for damage in (bytes(data), b"not a database at all" * 99):
        path.write_bytes(damage)
        engine = open_catalog(f"sqlite:///{path}")
        assert is_broken(engine)
        aside = set_aside(engine, mark=f"broken-{len(damage)}")
        assert aside.read_bytes() == damage
        migrate(engine)
        assert not is_broken(engine)
        engine.dispose()


def test_a_program_follows_when_the_catalog_is_another_file(tmp_path: Path) -> None:
    path = tmp_path / "catalog.sqlite"
    running, other = open_catalog(f"sqlite:///{path}"), open_catalog(f"sqlite:///{path}")
    migrate(running)
    path.unlink()
    migrate(other)
    with writing(other) as connection:
        connection.execute(text("CREATE TABLE new_file (x)"))
    with writing(running) as connection:
        connection.execute(text("INSERT INTO new_file VALUES (1)"))
    running.dispose()
    other.dispose()


def test_a_deleted_message_stays_deleted(archive: Archive) -> None:
    message = archive.receive("one", picture())
    other = archive.receive("two", words())
    body = archive.vault.bucket.read(f"{message.prefix}postback.xml")
    disposition.delete(archive.vault, message.id)
    assert archive.keys(message.prefix) == set()
    folder = archive.vault.settings.embedded_bucket_dir
    assert folder is None or not (folder / message.prefix).exists()
    archive.take_bytes(body)
    archive.take_bytes(body.replace(b"14085550123", b"14085550199"))
    rebuilding.rebuild(archive.vault)
    with pytest.raises(NotFoundError):
        archive.load(message.id)
    assert archive.receipts()["duplicates"] == 2
    archive.forget_catalog()
    archive.overwrite(f"{message.prefix}postback.xml", body)
    assert rebuilding.rebuild(archive.vault).messages == 1
    archive.take_bytes(body)
    assert len(archive.everything()) == 1
    assert archive.load(other.id) == other
    left = archive.keys("deleted/")
    assert left == {f"deleted/{message.id}.json"}
    assert set(json.loads(archive.vault.bucket.read(left.pop()))) == {"schema", "id", "deleted_at"}


def test_a_catalog_from_before_a_deletion_does_not_bring_the_message_back(archive: Archive) -> None:
    message = archive.receive("one", words())
    disposition.delete(archive.vault, message.id)
    archive.forget_catalog()
    upkeep.enter(archive.vault.catalog, [message], now=utc_now())
    rebuilding.rebuild(archive.vault)
    assert archive.everything() == []


def test_a_held_message_or_one_in_hand_is_not_deleted(archive: Archive) -> None:
    message = archive.receive("one", words())
    assert disposition.hold(archive.vault, message.id, held=True)
    assert archive.record(message)["hold"] is True
    with pytest.raises(RefusedError, match="held"):
        disposition.delete(archive.vault, message.id)
    assert disposition.hold(archive.vault, message.id, held=False)
    assert not disposition.hold(archive.vault, message.id, held=False)
    assert archive.record(message)["hold"] is False
    with leases.hold(archive.vault.catalog, message.id), pytest.raises(RefusedError, match="in hand"):
        disposition.delete(archive.vault, message.id)
    assert archive.load(message.id) == message
    assert archive.keys("deleted/") == set()
    assert archive.problems() == {}


def test_a_hold_that_comes_just_after_the_record_was_written_is_in_it_all_the_same(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = archive.receive("one", words())
    keep_record = settling.keep_record

    def keep_then_hold(vault: Vault, written: Message) -> None:
        keep_record(vault, written)
        disposition.hold(vault, written.id, held=True)

    monkeypatch.setattr(settling, "keep_record", keep_then_hold)
    settling.refresh(archive.vault, message.id)
    assert archive.record(message)["hold"] is True
    assert not queries.due(archive.vault.catalog, now=utc_now(), limit=9)


def test_a_hold_that_comes_while_a_worker_is_at_it_is_in_the_record(archive: Archive) -> None:
    message = archive.receive("one", words())
    with leases.hold(archive.vault.catalog, message.id) as lease:
        assert lease
        disposition.hold(archive.vault, message.id, held=True)
        assert archive.record(message)["hold"] is False, "the worker will write it"
        archiving.finish(archive.vault, message, lease, [])
    assert archive.record(message)["hold"] is True
    assert not queries.due(archive.vault.catalog, now=utc_now(), limit=9)


def test_what_a_deletion_that_was_cut_off_left_is_named_and_removed(archive: Archive) -> None:
    message = archive.receive("one", words())
    body = archive.vault.bucket.read(f"{message.prefix}postback.xml")
    disposition.delete(archive.vault, message.id)
    key = f"{message.prefix}postback.xml"
    archive.overwrite(key, body)
    assert archive.problems() == {}, "the deletion may still be at it"
    tombstone = f"deleted/{message.id}.json"
    archive.overwrite(
        tombstone,
        json.dumps({"schema": 1, "id": message.id, "deleted_at": long_ago().isoformat()}).encode(),
    )
    assert "was deleted" in archive.problems()[key]
    assert archive.problems(repair=True) == {}
    assert archive.keys(message.prefix) == set()


def test_files_that_were_lost_are_fetched_again_on_demand(archive: Archive) -> None:
    message = archive.receive("one", words(), failures=(404,))
    with writing(archive.vault.catalog) as connection:
        connection.execute(update(media).values(state=MediaState.LOST.value, next_attempt_at=None))
        connection.execute(update(messages).values(state=MessageState.LOST.value, due_at=None))
    assert disposition.retry(archive.vault, message.id) == 1
    assert queries.due(archive.vault.catalog, now=utc_now(), limit=9)
    archiving.archive_message(archive.vault, message.id)
    done = archive.load(message.id)
    assert done.state is MessageState.ARCHIVED
    assert done.media[0].sha256 == sha256(words().data)
    assert disposition.retry(archive.vault, message.id) == 0


def test_a_message_is_chosen_by_its_id_or_by_a_query(archive: Archive) -> None:
    made = [archive.receive(name, words(), keyword=name) for name in ("a", "b")]
    assert list(disposition.chosen(archive.vault, made[0].id)) == [made[0].id]
    assert list(disposition.chosen(archive.vault, "keyword:b")) == [made[1].id]
    assert set(disposition.chosen(archive.vault, "")) == {message.id for message in made}


def crafted(archive: Archive, message: Message, **changes: object) -> None:
    """Change fields of a message's first file in its record, as somebody with the bucket's keys may."""
    record = archive.record(message)
    record["media"][0].update(changes)
    archive.overwrite(f"{message.prefix}message.json", json.dumps(record).encode())


def test_rebuild_takes_of_crafted_records_what_can_be_and_names_the_rest(archive: Archive) -> None:
    bare, odd, foreign, double = (archive.receive(name, words(name)) for name in "abcd")
    crafted(archive, bare, sha256="", size=-1, content_type="text/html\r\nX: y")
    crafted(archive, odd, perceptual_hash="zz", height=10**30)
    crafted(archive, foreign, key=original(bare))
    record = archive.record(double)
    record["media"] *= 2
    archive.overwrite(f"{double.prefix}message.json", json.dumps(record).encode())
    archive.forget_catalog()
    rebuilt = rebuilding.rebuild(archive.vault)
    told = {message.id: "" for message in (bare, odd, foreign, double)}
    for problem in rebuilt.problems:
        told[problem.key.split("/")[4]] += problem.problem
    assert rebuilt.messages == 2
    assert archive.load(bare.id).media == bare.media
    assert "SHA-256" in told[bare.id]
    assert archive.load(odd.id).media == odd.media
    assert "perceptual_hash" in told[odd.id]
    assert "height" in told[odd.id]
    assert "outside of its folder" in told[foreign.id]
    assert "several files at one position" in told[double.id]
    assert f"{foreign.prefix}message.json" in archive.keys(foreign.prefix), "nothing is lost"
    archive.verify(repair=True)
    assert not any(problem.key.startswith(bare.prefix) for problem in archive.verify().problems)


def test_rebuild_believes_no_time_that_cannot_be(archive: Archive) -> None:
    message = archive.receive("one", words())
    record = {**archive.record(message), "received_at": "0001-01-01T00:00:00+14:00"}
    archive.overwrite(f"{message.prefix}message.json", json.dumps(record).encode())
    archive.forget_catalog()
    assert len(rebuilding.rebuild(archive.vault).problems) == 1
    assert archive.load(message.id).received_at == message.recorded_at


def test_an_original_without_a_recorded_hash_is_a_problem(archive: Archive) -> None:
    message = archive.receive("one", words())
    with writing(archive.vault.catalog) as connection:
        connection.execute(update(media).values(sha256=""))
    assert "no SHA-256 is recorded" in archive.problems()[original(message)]


def test_pictures_alike_are_found_beside_one_whose_hash_is_none(archive: Archive) -> None:
    one, _, bad = (archive.receive(name, picture()) for name in ("one", "two", "bad"))
    with writing(archive.vault.catalog) as connection:
        connection.execute(update(media).where(media.c.message_id == bad.id).values(perceptual_hash="zz"))
    assert View(archive.vault.catalog).similar(one) == ["sinch-two"]
    assert View(archive.vault.catalog).similar(archive.load(bad.id)) == []


def test_a_thumbnail_cut_short_or_changed_is_noticed_and_made_again(archive: Archive) -> None:
    cut, changed = (archive.receive(name, picture(seed)) for seed, name in enumerate("ab"))
    keys = [message.media[0].thumbnail_key for message in (cut, changed)]
    right = [archive.vault.bucket.read(key) for key in keys]
    archive.overwrite(keys[0], right[0][:100])
    archive.overwrite(keys[1], right[1][:-1] + bytes([right[1][-1] ^ 1]))
    found = archive.problems()
    assert set(found) == set(keys)
    assert "100 bytes instead of" in found[keys[0]]
    assert "other bytes than its SHA-256" in found[keys[1]]
    assert archive.problems(repair=True) == {}
    assert [archive.vault.bucket.read(key) for key in keys] == right


def test_a_preview_that_was_changed_is_noticed_and_made_again(archive: Archive) -> None:
    archive.vault.__dict__["queue"] = SimpleNamespace(is_empty=lambda: False)  # nothing is queued here
    message = archive.receive("one", leaflet())
    previewing.make_previews(archive.vault, message.id)
    item = archive.load(message.id).media[0]
    right = archive.vault.bucket.read(item.preview_key)
    assert (item.preview_sha256, item.preview_size) == (sha256(right), len(right))
    archive.overwrite(item.preview_key, right[:100])
    assert "100 bytes instead of" in archive.problems()[item.preview_key]
    assert archive.problems(repair=True) == {}
    kept = archive.load(message.id).media[0]
    assert sha256(archive.vault.bucket.read(item.preview_key)) == kept.preview_sha256


def without_hashes(archive: Archive, message: Message) -> None:
    """Make a message one of before: nothing is recorded of its views."""
    with writing(archive.vault.catalog) as connection:
        connection.execute(update(media).values(thumbnail_sha256="", thumbnail_size=None))
    settling.refresh(archive.vault, message.id)


def test_a_thumbnail_of_before_is_no_problem_and_repair_records_its_hash(archive: Archive) -> None:
    message = archive.receive("one", picture())
    without_hashes(archive, message)
    assert archive.problems() == {}
    report = archive.verify(repair=True)
    key = message.media[0].thumbnail_key
    assert (report.problems, report.repaired) == ([], [(key, "its size and SHA-256 are recorded as of now")])
    assert archive.load(message.id).media == message.media
    assert archive.record(message)["media"][0]["thumbnail_sha256"] == message.media[0].thumbnail_sha256
    assert archive.verify(repair=True).repaired == []


@pytest.mark.parametrize("damage", [lambda data: data[:100], lambda data: b"GIF89a" + data[6:]])
def test_a_thumbnail_of_before_that_is_not_whole_is_noticed_and_made_again(
    archive: Archive, damage: Callable[[bytes], bytes]
) -> None:
    message = archive.receive("one", picture())
    without_hashes(archive, message)
    key = message.media[0].thumbnail_key
    archive.overwrite(key, damage(archive.vault.bucket.read(key)))
    assert set(archive.problems()) == {key}
    assert archive.problems(repair=True) == {}
    assert archive.load(message.id).media == message.media


@pytest.mark.parametrize(
    "told",
    [
        b"\xff\xfe",
        b"[" * 100_000,
        b"[]",
        b'{"day": "2026-01-01", "receipts": [{"outcome": "other", "code": "x", "count": 1e999}]}',
        b'{"day": "2026-01-01", "receipts": [{"outcome": "other", "code": "x", "count": 1000000000000}]}',
        b'{"day": "0001-01-01", "receipts": [{"outcome": "other", "code": "\\ud800", "count": 1}]}',
        b'{"number": "\\ud800", "name": "a\\ud800", "named_at": "0001-01-01T00:00:00+14:00"}',
        b'{"received_at": "0001-01-01T00:00:00+14:00", "deleted_at": "9999-12-31T23:59:59-14:00"}',
        b'{"received_at": "2026-01-01T00:00:00Z", "repeats": 1, "reason": "\\ud800", "id": "\\ud800"}',
        b'{"received_at": "2026-01-01T00:00:00Z", "repeats": [1], "headers": 1, "understood_as": {}}',
    ],
    ids=lambda told: repr(told[:60]),
)
def test_rebuild_goes_on_whatever_stands_beside_the_messages(archive: Archive, told: bytes) -> None:
    vault = archive.vault
    folder = f"quarantine/2026/01/01/{'0' * 64}/"
    for key in (f"{folder}reason.json", "receipts/2026/01/01.json", "deleted/sinch-x.json", "names/x.json"):
        vault.bucket.put(key, told, content_type="application/json")
    vault.bucket.put(f"{folder}body", b"<x/>", content_type="application/xml")
    for _ in range(2):
        assert rebuilding.rebuild(vault).messages == 0
    archive.verify()
    assert quarantined.known(vault.catalog) == {folder}
