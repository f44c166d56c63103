"""Postbacks sent once more, through a real queue and a real worker's job class."""

import json
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from rq import SimpleWorker
from rq.serializers import JSONSerializer

from mmsvault import archiving, importing, quarantine, replaying
from mmsvault.catalog import quarantine as index
from mmsvault.errors import NotUnderstoodError, RejectedInputError
from mmsvault.integrity import rebuilding
from mmsvault.message import Message, Receipt
from mmsvault.postbacks import PROVIDERS
from mmsvault.queueing.durable import DurableQueue
from mmsvault.queueing.jobs import open_queue
from mmsvault.replaying import Skipped
from mmsvault.sample.notices import lower_case_xml, today_json
from mmsvault.sample.provider import SampleProvider
from tests import servers
from tests.integration import archive as archives
from tests.integration.archive import Archive, notice, sha256, words
from tests.integration.exports import made

NUMBERS = count()


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with servers.redis_server(tmp_path_factory.mktemp("redis")) as url:
        yield url


@pytest.fixture
def archive(place: dict[str, str], redis: str, provider: SampleProvider, tmp_path: Path) -> Iterator[Archive]:
    catalog = place.get("MMSVAULT_DATABASE_URL") or f"sqlite:///{tmp_path / 'catalog.sqlite'}"
    env = {**place, "MMSVAULT_REDIS_URL": redis}
    bucket = f"replayed-{next(NUMBERS)}"
    with archives.opened(env, bucket=bucket, catalog=catalog, provider=provider) as made:
        made.forget_catalog()
        yield made


def replay(
    archive: Archive, *paths: str | Path, body: bytes = b"", by: str = "anna"
) -> tuple[dict[str, int], list[str]]:
    """Replay, with `body` in place of the raw one, let a worker do it all, and return what came of it."""
    queue = DurableQueue(open_queue(archive.vault.redis))
    sent, skipped = [], []
    for receipt in replaying.receipts(archive.vault, [str(path) for path in paths], provider="sinch"):
        if isinstance(receipt, Receipt):
            given = replaying.correct(receipt, body, by=by) if body else receipt
            replaying.replay(archive.vault, queue, given)
            sent.append(receipt.id)
        else:
            skipped.append(receipt.path)
    queue = open_queue(archive.vault.redis, tasks=archiving.tasks(archive.vault))
    worker = SimpleWorker(
        [queue], connection=archive.vault.redis, job_class=queue.job_class, serializer=JSONSerializer
    )
    assert dict(replaying.outcomes(archive.vault, sent, wait_seconds=0)) == {"waiting": len(sent)}
    worker.work(burst=True, logging_level="WARNING")
    came_of = replaying.outcomes(archive.vault, sent, wait_seconds=5)
    return {name: number for name, number in came_of.items() if number}, skipped


def test_files_and_folders_are_taken_in_like_postbacks(archive: Archive, tmp_path: Path) -> None:
    folder = tmp_path / "postbacks"
    (folder / "deeper").mkdir(parents=True)
    known = archive.receive("known", words())
    (folder / "again.xml").write_bytes(archive.vault.bucket.read(f"{known.prefix}postback.xml"))
    (folder / "deeper" / "new.json").write_bytes(
        today_json(notice("new", archive.provider.offer(words("new"))))
    )
    (folder / "other.xml").write_bytes(lower_case_xml(notice("x", code="N101")))
    (folder / "broken.xml").write_bytes(b"<postback>")
    (folder / "large.xml").write_bytes(b" " * (archive.vault.settings.max_postback_bytes + 1))
    single = tmp_path / "single.xml"
    single.write_bytes(lower_case_xml(notice("single")))
    came_of, skipped = replay(archive, folder, single, tmp_path / "nowhere")
    assert came_of == {"message": 2, "duplicate": 1, "other": 1, "quarantined": 1}
    assert skipped == [str(folder / "large.xml"), str(tmp_path / "nowhere")]
    assert archive.load("sinch-new").state == "archived"
    assert archive.load("sinch-single").postbacks[0].source == "replay of single.xml"


def test_what_a_better_parser_understands_leaves_quarantine_as_it_came(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = {
        b"message in a new dialect": lower_case_xml(notice("late", archive.provider.offer(words()))),
        b"other in a new dialect": lower_case_xml(notice("x", code="N101")),
    }
    kept = [archive.take_bytes(body) for body in (*later, b"nonsense")]
    assert archive.receipts() == {"total": 3, "duplicates": 0, "other": 0, "quarantined": 3}
    came_of, _ = replay(archive, "quarantine/")
    assert came_of == {"quarantined": 3}
    assert archive.receipts()["total"] == 3, "none is counted twice"
    read = PROVIDERS["sinch"]
    monkeypatch.setitem(PROVIDERS, "sinch", lambda body, kind: read(later.get(body, body), kind))  # type: ignore[arg-type]
    came_of, _ = replay(archive, "quarantine/")
    assert came_of == {"message": 1, "other": 1, "quarantined": 1}
    assert archive.receipts() == {"total": 3, "duplicates": 0, "other": 1, "quarantined": 1}
    message = archive.load("sinch-late")
    assert message.state == "archived"
    assert archive.vault.bucket.read(f"{message.prefix}postback.xml") == kept[0].body
    assert message.postbacks[0].headers == kept[0].headers
    assert message.recorded_at == kept[0].received_at, "it came when it came"
    reasons = [
        json.loads(archive.vault.bucket.read(key)) for key in archive.keys("quarantine/") if "reason" in key
    ]
    assert sorted(reason.get("understood_as", "") for reason in reasons) == ["", "N101"]
    assert archive.problems() == {}


def test_one_key_of_quarantine_is_replayed_by_itself(archive: Archive) -> None:
    archive.take_bytes(b"one")
    archive.take_bytes(b"two")
    folder = min(archive.keys("quarantine/")).rpartition("/")[0]
    for path in (folder, f"{folder}/body", f"{folder}/reason.json"):
        assert replay(archive, path) == ({"quarantined": 1}, [])
    found = list(replaying.receipts(archive.vault, ["quarantine/1999/"], provider="sinch"))
    assert [type(one) for one in found] == [Skipped]


def torn(archive: Archive, name: str) -> tuple[bytes, bytes]:
    """Take in a postback whose tracking id cannot be found, and return its body and the right one."""
    right = lower_case_xml(notice(name, archive.provider.offer(words(name))))
    raw = right.replace(b"tracking-id>", b"tracking-if>")
    archive.take_bytes(raw)
    return raw, right


def folders(archive: Archive) -> list[str]:
    return [one.folder for one in index.newest(archive.vault.catalog, limit=100)]


def test_a_corrected_body_is_read_and_kept_beside_the_raw_one_with_who_wrote_it(archive: Archive) -> None:
    raw, right = torn(archive, "mended")
    (folder,) = folders(archive)
    assert replay(archive, folder, body=right) == ({"message": 1}, [])
    message = archive.load("sinch-mended")
    assert message.state == "archived"
    first, second = message.postbacks
    assert (first.name, first.sha256, first.corrects, first.corrected_by) == (
        "postback.xml",
        sha256(raw),
        "",
        "",
    )
    assert (second.name, second.sha256) == ("postback-2-corrected.xml", sha256(right))
    assert (second.corrects, second.corrected_by) == ("postback.xml", "anna")
    assert second.corrected_at
    assert archive.vault.bucket.read(f"{message.prefix}postback.xml") == raw
    assert archive.vault.bucket.read(f"{message.prefix}postback-2-corrected.xml") == right
    assert archive.record(message)["postbacks"][1]["corrected_by"] == "anna"
    assert not archive.keys("quarantine/")
    assert index.waiting(archive.vault.catalog).count == 0
    assert archive.receipts() == {"total": 1, "duplicates": 0, "other": 0, "quarantined": 0}
    assert archive.problems() == {}


def test_a_corrected_message_comes_back_by_rebuild_and_by_import_as_it_was(
    archive: Archive, other: Archive, tmp_path: Path
) -> None:
    raw, right = torn(archive, "mended")
    replay(archive, *folders(archive), body=right)
    before, counted = archive.everything(), archive.receipts()
    archive.forget_catalog()
    assert rebuilding.rebuild(archive.vault).problems == []
    assert archive.everything() == before
    assert archive.receipts() == counted
    assert archive.problems() == {}
    came_of = importing.import_archive(other.vault, made(archive.vault, tmp_path / "out.zip"))
    assert (came_of.new, came_of.problems) == (1, [])
    message = other.load("sinch-mended")
    assert message == archive.load("sinch-mended")
    kept = [other.vault.bucket.read(message.prefix + one.name) for one in message.postbacks]
    assert kept == [raw, right]
    assert other.problems() == {}


def test_a_corrected_message_without_its_record_is_rebuilt_from_the_corrected_body(archive: Archive) -> None:
    _, right = torn(archive, "mended")
    replay(archive, *folders(archive), body=right)
    message = archive.load("sinch-mended")
    archive.lose(f"{message.prefix}message.json")
    archive.forget_catalog()
    assert rebuilding.rebuild(archive.vault).problems == []
    again = archive.load("sinch-mended")
    assert (again.sender, len(again.media)) == (message.sender, 1)
    told = [(one.name, one.sha256, one.corrects) for one in again.postbacks]
    assert told == [(one.name, one.sha256, one.corrects) for one in message.postbacks]


def test_a_correction_that_is_not_understood_either_is_kept_and_the_raw_body_stays(archive: Archive) -> None:
    raw, right = torn(archive, "mended")
    (folder,) = folders(archive)
    before = index.newest(archive.vault.catalog, limit=1)[0]
    wrong = b"<postback><code>N401</code>"
    assert replay(archive, folder, body=wrong) == ({"quarantined": 1}, [])
    about = quarantine.describe(archive.vault, folder)
    (given,) = about["corrections"]
    assert (given["by"], given["sha256"]) == ("anna", sha256(wrong))
    assert given["reason"] == about["reason"] != before.reason
    assert archive.vault.bucket.read(f"{folder}body") == raw
    assert replaying.corrected_body(archive.vault, folder, about["corrections"]) == wrong
    (now,) = index.newest(archive.vault.catalog, limit=5)
    assert (now.reason, now.kept_at, now.times) == (about["reason"], before.kept_at, 1)
    assert archive.receipts()["quarantined"] == 1
    assert archive.problems() == {}
    assert replay(archive, folder, body=right) == ({"message": 1}, [])
    assert not archive.keys("quarantine/")


def test_a_correction_that_is_another_notice_is_kept_with_the_marked_postback(archive: Archive) -> None:
    torn(archive, "mended")
    (folder,) = folders(archive)
    other_notice = lower_case_xml(notice("x", code="N101"))
    assert replay(archive, folder, body=other_notice) == ({"other": 1}, [])
    about = quarantine.describe(archive.vault, folder)
    assert (about["understood_as"], about["corrections"][0]["reason"]) == ("N101", "")
    assert index.waiting(archive.vault.catalog).count == 0
    assert archive.problems() == {}


def test_what_a_correction_would_come_to_is_told_without_keeping_anything(archive: Archive) -> None:
    _, right = torn(archive, "mended")
    (receipt,) = replaying.receipts(archive.vault, folders(archive), provider="sinch")
    assert isinstance(receipt, Receipt)
    before = archive.keys()
    announced = replaying.check(archive.vault, replaying.correct(receipt, right, by="anna"))
    assert isinstance(announced, Message)
    assert (announced.id, len(announced.media)) == ("sinch-mended", 1)
    with pytest.raises(NotUnderstoodError, match="tracking id"):
        replaying.check(archive.vault, receipt)
    for body, said in ((receipt.body, "the same as the raw one"), (b" \n", "is empty")):
        with pytest.raises(RejectedInputError, match=said):
            replaying.correct(receipt, body, by="anna")
    assert archive.keys() == before


def test_a_corrected_body_is_utf_8_whatever_the_request_with_the_raw_one_said(archive: Archive) -> None:
    right = lower_case_xml(notice("mended", subject="Zażółć"))
    said = {"content-type": "text/xml; charset=utf-16"}
    receipt = Receipt.of(b"torn", provider="sinch", headers=said)
    corrected = replaying.correct(receipt, right, by="anna")
    assert corrected.headers == said
    assert corrected.to_read.headers == {"content-type": "text/plain; charset=utf-8"}
    announced = replaying.check(archive.vault, corrected)
    assert isinstance(announced, Message)
    assert announced.subject == "Zażółć"


def test_the_same_body_again_waits_once_and_all_of_its_receipts_leave_with_it(archive: Archive) -> None:
    raw, right = torn(archive, "mended")
    for _ in range(2):
        archive.take_bytes(raw)
    waiting = index.waiting(archive.vault.catalog)
    assert waiting.newest
    assert (waiting.count, waiting.newest.times) == (1, 3)
    assert archive.receipts()["quarantined"] == 3
    assert replay(archive, waiting.newest.folder, body=right) == ({"message": 1}, [])
    assert archive.receipts() == {"total": 3, "duplicates": 2, "other": 0, "quarantined": 0}
    assert archive.problems() == {}


def test_what_is_in_quarantine_keeps_the_time_and_source_that_it_first_came_with(archive: Archive) -> None:
    first = archive.take_bytes(b"the same")
    archive.take_bytes(b"the same")
    (receipt,) = replaying.receipts(archive.vault, ["quarantine/"], provider="sinch")
    assert isinstance(receipt, Receipt)
    assert (receipt.id, receipt.received_at) == (first.id, first.received_at)


def test_after_a_rebuild_quarantine_waits_as_before_and_is_left_without_a_rest(archive: Archive) -> None:
    raw, right = torn(archive, "mended")
    archive.take_bytes(raw)
    archive.take_bytes(b"nonsense")
    before, counted = index.newest(archive.vault.catalog, limit=9), archive.receipts()
    archive.forget_catalog()
    rebuilding.rebuild(archive.vault)
    assert index.newest(archive.vault.catalog, limit=9) == before
    assert archive.receipts() == counted
    folder = next(one.folder for one in before if one.times == 2)
    replay(archive, folder, body=right)
    assert archive.receipts() == {"total": 3, "duplicates": 1, "other": 0, "quarantined": 1}
    assert archive.problems() == {}


def test_the_catalog_learns_what_it_does_not_know_of_quarantine_and_forgets_what_left(
    archive: Archive,
) -> None:
    archive.take_bytes(b"one")
    archive.take_bytes(b"two")
    known = index.newest(archive.vault.catalog, limit=9)
    index.leave(archive.vault.catalog, [known[0].folder])
    archive.lose(known[1].folder)
    archive.overwrite("quarantine/2026/11/20/abc/reason.json", b"{")
    quarantine.restore(archive.vault)
    found = {one.folder: one for one in index.newest(archive.vault.catalog, limit=9)}
    assert set(found) == {known[0].folder, "quarantine/2026/11/20/abc/"}
    assert found[known[0].folder] == known[0]
    assert found["quarantine/2026/11/20/abc/"].reason == "Its reason.json cannot be read."


def test_verify_says_where_a_corrected_body_is_not_what_it_was(archive: Archive) -> None:
    torn(archive, "mended")
    (folder,) = folders(archive)
    replay(archive, folder, body=b"<postback>")
    key = f"{folder}corrected-{sha256(b'<postback>')}"
    archive.overwrite(key, b"changed")
    assert "other bytes" in archive.problems()[key]


def test_what_was_set_aside_counts_as_a_notice_and_waits_again_when_it_is_replayed(archive: Archive) -> None:
    raw, right = torn(archive, "mended")
    archive.take_bytes(raw)
    (folder,) = folders(archive)
    quarantine.set_aside(archive.vault, folder, by="anna")
    counted = {"total": 2, "duplicates": 0, "other": 2, "quarantined": 0}
    assert archive.receipts() == counted
    assert folders(archive) == []
    archive.forget_catalog()
    rebuilding.rebuild(archive.vault)
    assert archive.receipts() == counted
    assert folders(archive) == []
    assert archive.problems() == {}
    assert replay(archive, folder) == ({"quarantined": 1}, [])
    assert folders(archive) == [folder]
    assert replay(archive, folder, body=right) == ({"message": 1}, [])
    assert archive.problems() == {}
