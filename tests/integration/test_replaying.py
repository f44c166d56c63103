"""Postbacks sent once more, through a real queue and a real worker's job class."""

import json
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from rq import SimpleWorker
from rq.serializers import JSONSerializer

from mmsvault import archiving, replaying
from mmsvault.message import Receipt
from mmsvault.postbacks import PROVIDERS
from mmsvault.queueing.durable import DurableQueue
from mmsvault.queueing.jobs import open_queue
from mmsvault.replaying import Skipped
from mmsvault.sample.notices import lower_case_xml, today_json
from mmsvault.sample.provider import SampleProvider
from tests import servers
from tests.integration import archive as archives
from tests.integration.archive import Archive, notice, words

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


def replay(archive: Archive, *paths: str | Path) -> tuple[dict[str, int], list[str]]:
    """Replay, let a worker do all that is in the queue, and return what came of it."""
    queue = DurableQueue(open_queue(archive.vault.redis))
    sent, skipped = [], []
    for receipt in replaying.receipts(archive.vault, [str(path) for path in paths], provider="sinch"):
        if isinstance(receipt, Receipt):
            replaying.replay(archive.vault, queue, receipt)
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
