"""After a number was erased it stands nowhere that the vault writes, but for what the receipt names."""

import os
import re
from collections.abc import Iterator
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from redis import Redis
from sqlalchemy import text

from dashboard.throttle import login_limits
from mmsvault import archiving, auditing, disposition, erasing, naming
from mmsvault.annotating import annotate
from mmsvault.catalog import key_values, people, searches, selections, source_activity, trail, tries
from mmsvault.catalog.number_text import ERASED
from mmsvault.catalog.people import Role
from mmsvault.cli.erasure_report import left_to_do
from mmsvault.exporting import register, working
from mmsvault.exporting.planning import Choice
from mmsvault.exporting.register import Export, State
from mmsvault.message import Receipt, utc_now
from mmsvault.queueing.connection import connect_to_answer
from mmsvault.queueing.durable import DurableQueue
from mmsvault.queueing.jobs import open_queue
from mmsvault.queueing.spool import Spool
from mmsvault.sample.notices import lower_case_xml
from mmsvault.sample.provider import SampleProvider
from mmsvault.state import keeper
from tests.integration import archive as archives
from tests.integration.archive import Archive, notice, words
from tests.integration.exports import kept
from tests.servers import redis_server

NUMBERS = count()
NUMBER = "14085550177"
DIGITS = b"4085550177"
OTHER = "14085550188"
WRITTEN = ("14085550177", "+1 (408) 555-0177", "408.555.0177", "(408) 555-0177", "tel:+1-408-555-0177")


@pytest.fixture
def archive(place: dict[str, str], provider: SampleProvider, tmp_path: Path) -> Iterator[Archive]:
    """An empty archive with a queue and a data directory of its own."""
    (tmp_path / "queue").mkdir()
    data = tmp_path / "data"
    data.mkdir()
    catalog = place.get("MMSVAULT_DATABASE_URL") or f"sqlite:///{data / 'catalog.sqlite'}"
    with redis_server(tmp_path / "queue") as url:
        own = {"MMSVAULT_DATA_DIR": str(data), "MMSVAULT_REDIS_URL": url}
        env = {**place, **own}
        bucket = f"erasure-{next(NUMBERS)}"
        with archives.opened(env, bucket=bucket, catalog=catalog, provider=provider) as made:
            made.forget_catalog()
            yield made


def named_in(archive: Archive) -> set[str]:
    """Return each place that has the digits of the number, in any writing."""
    return {where for where, data in everything(archive) if DIGITS in re.sub(rb"[^0-9]+", b"", data)}


def everything(archive: Archive) -> Iterator[tuple[str, bytes]]:
    """Give every byte that the vault keeps."""
    yield from in_catalog(archive)
    for found in archive.vault.bucket.list(""):
        yield found.key, found.key.encode() + archive.vault.bucket.read(found.key)
    with connect_to_answer(archive.vault.settings.effective_redis_url) as connection:
        for key in connection.scan_iter("*"):
            yield f"redis {key.decode()}", key + in_redis(connection, key)
    for folder, _, names in os.walk(archive.vault.settings.data_dir):
        for path in (Path(folder, name) for name in names):
            if "bucket" not in path.relative_to(archive.vault.settings.data_dir).parts:
                yield f"file {path.name}", path.read_bytes()


def in_catalog(archive: Archive) -> Iterator[tuple[str, bytes]]:
    """Give all rows of all tables; the bytes of SQLite's files are among those of the data directory."""
    if archive.vault.catalog.dialect.name == "sqlite":
        named = "SELECT name FROM sqlite_master WHERE type = 'table'"
    else:
        named = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
    with archive.vault.catalog.connect() as connection:
        for table in list(connection.scalars(text(named))):
            rows = connection.execute(text(f'SELECT * FROM "{table}"')).all()  # noqa: S608 - our own names
            yield f"table {table}", str(rows).encode()


def in_redis(connection: Redis, key: bytes) -> bytes:
    read: dict[bytes, Any] = {
        b"string": connection.get,
        b"hash": connection.hgetall,
        b"list": lambda one: connection.lrange(one, 0, -1),
        b"set": connection.smembers,
        b"zset": lambda one: connection.zrange(one, 0, -1),
    }
    return repr(read.get(connection.type(key), lambda _: b"")(key)).encode()


def ask_for_export(archive: Archive, query: str, *, name: str = "case", scope: str = "") -> Export:
    asked = working.request(
        archive.vault,
        Choice(query=query, scope=scope),
        name=name,
        made_by="anna",
        made_at=utc_now(),
        identity=uuid4().hex,
    )
    assert asked
    return asked


def do_everything_with_the_number(archive: Archive) -> dict[str, str]:
    """Have every part of the vault hear of the number; return the keys of what cannot be erased by itself."""
    vault = archive.vault
    theirs = archive.receive("sent", words("a kingfisher"), sender=WRITTEN[1])
    archive.receive("back", sender=OTHER, to=WRITTEN[2])
    kept(vault, "group", sender=OTHER, to=("28444", WRITTEN[1]), recorded_at=utc_now())
    other = archive.receive("other", words("nothing of it"), sender=OTHER)
    annotate(vault, other.id, note=f"ask {WRITTEN[3]}", tag=[f"of {WRITTEN[2]}"])
    naming.name(vault, WRITTEN[1], "Ada")
    naming.name(vault, OTHER, f"Brother of {WRITTEN[1]}")
    finished = ask_for_export(archive, f"from:{WRITTEN[0]}", scope=f"number:{WRITTEN[4]}")
    working.export(vault, finished.id)
    waiting = ask_for_export(archive, f'"{WRITTEN[1]}" OR keyword:storm')
    failed = ask_for_export(archive, f"to:{WRITTEN[4]}", name=f"of {NUMBER}")
    register.take(vault.catalog, failed.id, worker="w")
    register.end(vault.catalog, failed.id, worker="w", state=State.FAILED, reason=f"no {WRITTEN[1]}")
    people.add(vault.catalog, "ben", role=Role.ADMIN)
    people.add(vault.catalog, "eva", role=Role.VIEWER, scope=f"number:{WRITTEN[1]}")
    auditing.by_command(vault, "added a person", subject="eva", details=f"viewer, sees number:{WRITTEN[1]}")
    for number, written in enumerate(WRITTEN):
        searches.save(vault.catalog, f"search {number}", f'number:"{written}"')
        auditing.by_command(vault, "saved a search", subject=f"search {number}", details=f"from:{written}")
        for action in ("searched", "exported", "held", "tagged", "began to delete", "replayed"):
            auditing.by_command(vault, action, subject=f'from:"{written}"')
    searches.save(vault.catalog, f"about {WRITTEN[3]}", "keyword:storm")
    searches.save(vault.catalog, "of eva", "keyword:storm", saved_by="eva", scope=f"number:{WRITTEN[1]}")
    auditing.by_command(vault, "removed a search", subject=f"about {WRITTEN[3]}")
    disposition.hold(vault, theirs.id, held=True)
    disposition.hold(vault, theirs.id, held=False)
    selections.keep(vault.catalog, "anna", [theirs.id, other.id], now=utc_now())
    tries.take(vault.catalog, login_limits(NUMBER, "203.0.113.7", None), now=utc_now())
    source_activity.count_new(vault.catalog, now=utc_now() + timedelta(minutes=5))
    archive.take_bytes(f"<postback>of {WRITTEN[1]}, torn".encode())
    keeper.keep(vault)
    auditing.keep(vault)
    return {"finished": finished.id, "waiting": waiting.id, "failed": failed.id, "other": other.id}


def test_an_erased_number_stands_only_where_the_receipt_says(
    archive: Archive, capfd: pytest.CaptureFixture[str]
) -> None:
    vault = archive.vault
    made = do_everything_with_the_number(archive)
    before = named_in(archive)
    for table in ("messages", "recipients", "exports", "users", "searches", "sender_names", "source_hours"):
        assert f"table {table}" in before

    receipt = erasing.erase(vault, WRITTEN[1], who="anna")
    auditing.keep(vault)
    assert len(receipt["erased"]) == 3
    folder = f"exports/{made['finished']}/"
    states = {one["key"]: one["state"] for one in receipt["export_requests"]}
    assert states == {
        folder: "done",
        f"exports/{made['waiting']}/": "cancelled",
        f"exports/{made['failed']}/": "failed",
    }
    assert receipt["scopes"] == ["eva"]
    assert receipt["mentions"] == [made["other"]]
    assert len(receipt["quarantine"]) == 1
    assert receipt["searches"] == len(WRITTEN) + 2
    assert (receipt["audit_entries"], receipt["waiting_receipts"], receipt["catalog_file"]) == ([], 0, "")
    kept_in_bucket = (folder, receipt["quarantine"][0], "messages/")
    left = {one for one in named_in(archive) if not one.startswith(kept_in_bucket)}
    assert left <= {
        "file catalog.sqlite",
        *("table users", "table messages", "table message_words"),
        *(one for one in left if one.startswith("table message_words_")),
    }

    said = "\n".join(left_to_do(receipt))
    for named in (folder, "eva", made["other"], receipt["quarantine"][0]):
        assert named in said
    working.export(vault, made["waiting"])
    working.delete(vault, made["finished"])
    people.change(vault.catalog, "eva", role=Role.VIEWER, scope="keyword:storm")
    annotate(vault, made["other"], note="", untag=[f"of {WRITTEN[2]}"])
    vault.bucket.erase(receipt["quarantine"][0])
    receipt = erasing.erase(vault, WRITTEN[1], who="anna")
    auditing.keep(vault)
    assert list(left_to_do(receipt)) == []
    assert named_in(archive) == set()
    out, err = capfd.readouterr()
    assert DIGITS.decode() not in re.sub(r"[^0-9]+", "", out + err)


def test_a_group_message_goes_with_each_of_its_recipients(archive: Archive) -> None:
    group = kept(archive.vault, "group", sender=OTHER, to=("28444", NUMBER, "14085550199"))
    kept(archive.vault, "others", sender=OTHER, to=("28444", "14085550199"))
    receipt = erasing.erase(archive.vault, WRITTEN[2], who="anna")
    assert [one["id"] for one in receipt["erased"]] == [group.id]


def test_receipts_that_wait_with_the_number_are_reported(archive: Archive) -> None:
    bodies = [lower_case_xml(notice(f"m{n}", sender=sender)) for n, sender in enumerate((WRITTEN[1], OTHER))]
    for body in bodies:
        receipt = Receipt.of(body, provider="sinch", headers={}, source="").model_dump(mode="json")
        DurableQueue(open_queue(archive.vault.redis)).keep([receipt])
        Spool(archive.vault.settings.spool_dir).keep([receipt])
    told = erasing.erase(archive.vault, NUMBER, who="anna")
    assert told["waiting_receipts"] == 2
    assert "2 postbacks that wait name the number" in "\n".join(left_to_do(told))


def test_entries_of_the_audit_log_with_the_number_in_plain_are_reported(archive: Archive) -> None:
    vault = archive.vault
    trail.append(vault.catalog, "looked at", who="anna", subject="sinch-a")
    trail.append(vault.catalog, "login refused", who=NUMBER)
    told = erasing.erase(vault, NUMBER, who="anna")
    assert told["audit_entries"] == [2]
    assert "1 entries have the number in plain text (2)" in "\n".join(left_to_do(told))


def test_settings_that_name_the_number_are_reported(archive: Archive) -> None:
    changed = archive.vault.settings.model_copy(update={"export_query": f"-from:{WRITTEN[2]}"})
    vault = type(archive.vault)(changed)
    try:
        auditing.note_settings(vault)
        told = erasing.erase(vault, NUMBER, who="anna")
    finally:
        vault.close()
    assert told["settings"] == ["MMSVAULT_EXPORT_QUERY"]
    assert told["audit_entries"] == []


def test_backups_made_before_are_reported(archive: Archive) -> None:
    assert erasing.erase(archive.vault, NUMBER, who="anna")["backup_finished_at"] is None
    key_values.put(archive.vault.catalog, key_values.BACKUP_FINISHED_AT, "2026-11-20T12:00:00+00:00")
    told = erasing.erase(archive.vault, NUMBER, who="anna")
    assert "backup DEST --keep 1" in "\n".join(left_to_do(told))


def test_an_export_called_after_the_number_is_reported_by_its_folder(archive: Archive) -> None:
    archive.receive("sent", sender=NUMBER)
    asked = ask_for_export(archive, "keyword:none", name=f"of-{NUMBER}")
    working.export(archive.vault, asked.id)
    told = erasing.erase(archive.vault, NUMBER, who="anna")
    assert [one["key"] for one in told["exports"]] == [asked.prefix]
    assert [one["key"] for one in told["export_requests"]] == [asked.prefix]
    assert DIGITS not in archive.vault.bucket.read(told["key"])


def test_a_request_for_an_export_keeps_its_other_words(archive: Archive) -> None:
    asked = ask_for_export(archive, f"keyword:storm -from:{WRITTEN[2]}")
    working.export(archive.vault, asked.id)
    erasing.erase(archive.vault, NUMBER, who="anna")
    query = register.find(archive.vault.catalog, asked.id).choice.query
    assert query == f"keyword:storm -from:{ERASED}"


@pytest.mark.parametrize("place", ["embedded"], indirect=True)  # PostgreSQL's files are its own
def test_what_rows_left_in_the_pages_of_the_file_goes_as_well(archive: Archive) -> None:
    for number in range(60):
        sender = NUMBER if number % 6 == 0 else OTHER
        receipt = Receipt.of(
            lower_case_xml(
                notice(f"m{number * 7919 % 60}", sender=sender, subject="x" * (number * 37 % 400))
            ),
            provider="sinch",
            headers={},
            source="",
        )
        archiving.archive_receipt(archive.vault, receipt.model_dump(mode="json"))
    assert "file catalog.sqlite" in named_in(archive)
    assert erasing.erase(archive.vault, NUMBER, who="anna")["catalog_file"] == ""
    assert named_in(archive) == set()
