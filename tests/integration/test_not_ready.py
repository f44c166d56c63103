"""Answers that are no file, from the first attempt to the last; and files in doubt, fetched once more."""

import gzip
import io
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from mmsvault import archiving, disposition, importing
from mmsvault.catalog import queries
from mmsvault.errors import NotFoundError
from mmsvault.fetching.backpressure import host_of
from mmsvault.integrity.rebuilding import rebuild
from mmsvault.layout import hash_in, is_evidence
from mmsvault.media.answers import PACKED, WEB_PAGE
from mmsvault.message import MediaItem, MediaState, Message, MessageState
from mmsvault.sample import faults
from mmsvault.sample.media import SampleFile
from tests.integration.archive import Archive, notice, picture, sha256
from tests.integration.exports import made

CASES = Path(__file__).parents[1] / "cases" / "media"
PAGE = SampleFile("a.html", "text/html", b"<!DOCTYPE html><html><body>Come back later</body></html>")
JSON = SampleFile("error.json", "application/json", (CASES / "error.json").read_bytes())
ERROR = SampleFile("", "", b"<Error><Code>NoSuchKey</Code></Error>")
TEXT = SampleFile("", "text/plain", b"not here yet")
EMPTY = SampleFile("", "image/jpeg", (CASES / "empty.jpg").read_bytes())


def sent(archive: Archive, name: str, file: SampleFile, *first: SampleFile, **more: Any) -> Message:
    """Take in a message with a file whose first answers are others."""
    answers = tuple(faults.in_place_of_it(one) for one in first)
    return archive.take(notice(name, archive.provider.offer(file, answers=answers), **more))


def again(archive: Archive, message: Message, **options: Any) -> Message:
    """Try what is not here, or in doubt, once more."""
    disposition.retry(archive.vault, message.id, **options)
    archiving.archive_message(archive.vault, message.id)
    return archive.load(message.id)


def only(message: Message) -> MediaItem:
    assert len(message.media) == 1
    return message.media[0]


def at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the next attempt be the last."""
    monkeypatch.setattr(archiving, "utc_now", lambda: datetime.now(UTC) + timedelta(days=90))


def offers(archive: Archive, message: Message, file: SampleFile | None) -> None:
    """Change what is on offer; None is nothing."""
    offer = archive.provider.offered(only(message).url)
    offer.answers = [faults.refused(410)] * 20 if file is None else [faults.in_place_of_it(file)] * 20


@pytest.mark.parametrize(
    "instead", [PAGE, JSON, ERROR, TEXT, EMPTY], ids=["page", "json", "error", "text", "empty"]
)
def test_what_comes_in_place_of_a_picture_is_not_it_and_the_picture_is_fetched_later(
    archive: Archive, instead: SampleFile
) -> None:
    waits = sent(archive, "later", picture(), instead)
    assert (waits.state, only(waits).state) == (MessageState.PENDING, MediaState.PENDING)
    assert only(waits).reason.endswith("in place of the file.")
    assert only(waits).next_attempt_at is not None
    assert archive.problems() == {}
    stored = again(archive, waits)
    assert (stored.state, only(stored).sha256) == (MessageState.ARCHIVED, sha256(picture().data))
    assert (only(stored).reason, only(stored).doubt) == ("", "")
    kept = [archive.vault.bucket.read(key) for key in only(stored).evidence]
    assert kept == ([instead.data] if instead.data else [])
    assert archive.problems() == {}


def test_answers_are_kept_once_each_and_bounded(archive: Archive) -> None:
    many = [SampleFile("", "text/plain", b"%d " % n + b"x" * 100_000) for n in range(8)]
    message = sent(archive, "many", picture(), many[0], many[0], *many[1:])
    for _ in range(8):
        message = again(archive, message)
    evidence = only(message).evidence
    assert len(evidence) == archiving.MOST_EVIDENCE
    for key in evidence:
        body = archive.vault.bucket.read(key)
        assert len(body) == archiving.MOST_EVIDENCE_BYTES
        assert sha256(body).startswith(hash_in(key))
        assert is_evidence(key)
    assert archive.problems() == {}


def test_evidence_is_proved_rebuilt_exported_and_imported(
    archive: Archive, other: Archive, tmp_path: Path
) -> None:
    first = sent(archive, "proved", picture(), PAGE)
    message = again(archive, first)
    offers(archive, message, picture(1))
    message = again(archive, message, stored=True)
    assert len(only(message).evidence) == 2
    before = archive.everything()
    archive.forget_catalog()
    assert rebuild(archive.vault).problems == []
    assert archive.everything() == before
    assert archive.problems() == {}

    path = made(archive.vault, tmp_path / "archive.zip")
    assert importing.import_archive(other.vault, path).problems == []
    assert other.everything() == before
    assert other.problems() == {}
    for key in (*only(message).evidence, only(message).key):
        assert other.vault.bucket.read(key) == archive.vault.bucket.read(key)

    for key in only(message).evidence:
        archive.overwrite(key, b"other bytes, and other ones")
    assert set(archive.problems()) == set(only(message).evidence)
    assert set(archive.problems(repair=True)) == set(only(message).evidence)


def test_what_stays_packed_in_a_way_that_is_not_read_is_kept_in_doubt_at_the_deadline(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = SampleFile("a.jpg", "image/jpeg", gzip.compress(gzip.compress(picture().data)))
    answer = faults.in_place_of_it(packed, encoding="gzip, gzip")
    offer = archive.provider.offer(packed, answers=(answer, answer))
    waits = archive.take(notice("packed", offer))
    assert (only(waits).state, len(only(waits).evidence)) == (MediaState.PENDING, 1)
    assert "packed in a way that is not read (gzip, gzip)" in only(waits).reason
    assert archive.problems() == {}
    at_the_end(monkeypatch)
    stored = only(again(archive, waits))
    assert (stored.state, stored.doubt, stored.sha256) == (MediaState.STORED, PACKED, sha256(packed.data))
    assert archive.problems() == {}


def test_an_empty_part_that_was_declared_text_is_a_file(archive: Archive) -> None:
    message = sent(archive, "empty", SampleFile("part.txt", "text/plain; charset=utf-8", b""))
    item = only(message)
    assert (item.state, item.size, item.content_type, item.reason) == (MediaState.STORED, 0, "text/plain", "")
    assert item.key.endswith("/00.txt")
    assert archive.vault.bucket.read(item.key) == b""
    assert archive.problems() == {}


def test_media_that_never_came_is_lost_at_the_deadline_with_what_was_answered(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = sent(archive, "lost", picture(), *[JSON] * 5)
    at_the_end(monkeypatch)
    lost = again(archive, message)
    assert (lost.state, only(lost).state) == (MessageState.LOST, MediaState.LOST)
    assert only(lost).reason == (
        "The provider answered with JSON in place of the file. It was tried until its deadline."
    )
    assert [archive.vault.bucket.read(key) for key in only(lost).evidence] == [JSON.data]
    assert archive.problems() == {}


def test_a_page_that_may_be_what_was_sent_is_kept_in_doubt_at_the_deadline(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = sent(archive, "doubtful", SampleFile("part", "text/html", PAGE.data))
    assert only(message).state is MediaState.PENDING
    at_the_end(monkeypatch)
    stored = again(archive, message)
    assert (stored.state, only(stored).doubt) == (MessageState.ARCHIVED, WEB_PAGE)
    assert only(stored).sha256 == sha256(PAGE.data)
    assert archive.problems() == {}


def in_doubt(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> Message:
    message = sent(archive, "twice", SampleFile("part", "text/html", PAGE.data))
    with monkeypatch.context() as patch:
        at_the_end(patch)
        message = again(archive, message)
    assert only(message).doubt
    return message


def test_what_is_in_doubt_is_fetched_again_and_both_versions_are_kept(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = in_doubt(archive, monkeypatch)
    offers(archive, before, picture())
    after = again(archive, before)
    item = only(after)
    assert (item.sha256, item.doubt, item.content_type) == (sha256(picture().data), "", "image/png")
    assert item.key.endswith("/00-2.png")
    assert is_evidence(item.key)
    assert only(before).key in item.evidence
    assert [(one.key, one.sha256) for one in item.earlier] == [(only(before).key, sha256(PAGE.data))]
    assert archive.vault.bucket.read(only(before).key) == PAGE.data
    assert archive.problems() == {}
    assert again(archive, after) == after, "nothing is in doubt any more"
    offers(archive, after, picture(1))
    third = only(again(archive, after, stored=True))
    assert third.key.endswith("/00-3.png")
    assert len(third.earlier) == 2
    assert archive.problems() == {}


def test_the_same_bytes_again_change_nothing(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    before = in_doubt(archive, monkeypatch)
    after = again(archive, before)
    assert only(after) == only(before).model_copy(update={"attempts": only(before).attempts + 1})
    assert archive.problems() == {}


def test_what_the_provider_no_longer_has_stays_as_it_was_stored(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = in_doubt(archive, monkeypatch)
    offers(archive, before, None)
    waits = again(archive, before)
    assert [one.outcome for one in waits.attempts][-1] == "pending"
    assert (waits.state, only(waits).state, only(waits).key) == (
        MessageState.ARCHIVED,
        MediaState.STORED,
        only(before).key,
    )
    at_the_end(monkeypatch)
    after = again(archive, before)
    assert only(after).next_attempt_at is None
    assert after.attempts[-1].outcome == "lost"
    assert only(after).model_copy(update={"attempts": only(before).attempts}) == only(before)
    assert archive.problems() == {}


def test_a_deleted_message_takes_its_evidence_along(archive: Archive) -> None:
    message = again(archive, sent(archive, "deleted", picture(), PAGE))
    disposition.delete(archive.vault, message.id)
    for key in only(message).evidence:
        with pytest.raises(NotFoundError):
            archive.vault.bucket.fetch(key, io.BytesIO())


def test_a_message_of_a_host_that_is_too_slow_is_recorded_and_waits_for_a_later_sweep(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(archive.vault.fetcher, "is_crowded", lambda _url: True)
        message = archive.receive("put-off", picture())
        archiving.archive_message(archive.vault, message.id)
        message = archive.load(message.id)
        assert (message.state, message.attempts) == (MessageState.PENDING, ())
        assert archive.keys(message.prefix) == {f"{message.prefix}postback.xml"}
        patch.setattr(archiving, "is_urgent", lambda _message: True)
        archiving.archive_message(archive.vault, message.id)
        assert archive.load(message.id).state is MessageState.ARCHIVED, "its deadline is near"
    assert archive.receive("comes", picture(1)).state is MessageState.ARCHIVED
    assert archive.problems() == {}


def test_a_message_of_a_host_that_is_away_is_recorded_and_waits_without_an_attempt(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(archive.vault.hosts, "may_ask", lambda _host: False)
        message = archive.receive("away", picture())
        assert (message.state, message.attempts) == (MessageState.PENDING, ())
        assert not archive.provider.requests[urlsplit(only(message).url).path]
        assert [name for name, _ in queries.due(archive.vault.catalog, now=datetime.now(UTC), limit=9)] == [
            message.id
        ]
        patch.setattr(archiving, "NOT_PUT_OFF_WITHIN", timedelta(days=99))
        archiving.archive_message(archive.vault, message.id)
        assert archive.load(message.id).state is MessageState.ARCHIVED, "its deadline is near"


def test_attempts_say_of_a_host_whether_it_answers(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[tuple[str, str]] = []
    hosts = archive.vault.hosts
    monkeypatch.setattr(hosts, "note_answer", lambda host: said.append(("answered", host)))
    monkeypatch.setattr(hosts, "note_failure", lambda host, error: said.append((str(error.status), host)))
    message = archive.receive("says", picture(), failures=(503,))
    archiving.archive_message(archive.vault, again(archive, message).id)
    host = host_of(only(message).url)
    assert said == [("503", host), ("answered", host)]
