"""Messages that leave for good: past their time, or erased on request; on a bucket with versions as well."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import count
from pathlib import Path
from uuid import uuid4

import pytest
from minio import Minio
from minio.commonconfig import ENABLED
from minio.retention import GOVERNANCE, Retention
from minio.versioningconfig import VersioningConfig
from sqlalchemy import Engine, text, update

from mmsvault import archiving, cli, disposition, erasing, importing, naming, retention
from mmsvault.annotating import annotate
from mmsvault.catalog import names, trail
from mmsvault.catalog.connection import writing
from mmsvault.catalog.tables import messages, metadata
from mmsvault.errors import NotFoundError, RefusedError, RejectedInputError
from mmsvault.exporting import register, working
from mmsvault.exporting.planning import Choice
from mmsvault.folder import FolderBucket
from mmsvault.integrity import rebuilding
from mmsvault.message import Message, utc_now
from mmsvault.queueing.connection import connect_to_answer
from mmsvault.queueing.jobs import open_queue
from mmsvault.sample.notices import lower_case_xml
from mmsvault.sample.provider import SampleProvider
from mmsvault.sweeping import Sweeper
from tests.integration import archive as archives
from tests.integration.archive import Archive, notice, picture, words
from tests.integration.exports import made
from tests.servers import redis_server

NUMBERS = count()
SECRET = "kingfisher"


@contextmanager
def opened(
    place: dict[str, str], provider: SampleProvider, tmp_path: Path, **settings: str
) -> Iterator[Archive]:
    """Give an empty archive; a real bucket keeps versions."""
    catalog = place.get("MMSVAULT_DATABASE_URL") or f"sqlite:///{tmp_path / 'catalog.sqlite'}"
    env = {**place, **{f"MMSVAULT_{name.upper()}": value for name, value in settings.items()}}
    with archives.opened(env, bucket=f"leaving-{next(NUMBERS)}", catalog=catalog, provider=provider) as made:
        if "MMSVAULT_S3_ENDPOINT" in place:
            bucket = made.vault.bucket
            bucket._client.set_bucket_versioning(bucket._name, VersioningConfig(ENABLED))
        made.forget_catalog()
        yield made


@pytest.fixture
def archive(place: dict[str, str], provider: SampleProvider, tmp_path: Path) -> Iterator[Archive]:
    with opened(place, provider, tmp_path) as made:
        yield made


def versions(archive: Archive, prefix: str) -> list[str]:
    """Return everything that the bucket has under a prefix, old versions and marks of deletion too."""
    bucket = archive.vault.bucket
    if isinstance(bucket, FolderBucket):
        return sorted(str(path) for path in (bucket._folder / prefix).rglob("*"))
    found = bucket._client.list_objects(bucket._name, prefix=prefix, recursive=True, include_version=True)
    return [f"{one.object_name} {one.version_id}" for one in found]


def grow_old(archive: Archive, message: Message, *, days: int) -> None:
    """Have the message come in so long ago."""
    with writing(archive.vault.catalog) as connection:
        at = utc_now() - timedelta(days=days)
        connection.execute(update(messages).where(messages.c.id == message.id).values(recorded_at=at))


def is_here(archive: Archive, message: Message) -> bool:
    try:
        archive.load(message.id)
    except NotFoundError:
        return False
    return True


def test_nothing_is_left_of_a_deleted_message_and_nothing_brings_it_back(
    archive: Archive, tmp_path: Path
) -> None:
    message = archive.receive("gone", picture(), words(SECRET), subject=SECRET)
    annotate(archive.vault, message.id, tag=["seen"])  # another version of its record
    other = archive.receive("other", words("all of this stays"))
    body = archive.vault.bucket.read(f"{message.prefix}postback.xml")
    export = made(archive.vault, tmp_path / "out.zip")
    before = versions(archive, message.prefix)
    assert len(before) >= 5

    disposition.delete(archive.vault, message.id)
    assert versions(archive, message.prefix) == []
    assert versions(archive, other.prefix)
    archive.take_bytes(body)  # a repeat of the provider, or a replay
    rebuilding.rebuild(archive.vault)
    came_of = importing.import_archive(archive.vault, export)
    assert came_of.new == 0
    assert not is_here(archive, message)
    assert is_here(archive, other)
    assert versions(archive, message.prefix) == []
    assert archive.problems() == {}
    assert SECRET.encode() not in archive.vault.bucket.read(f"deleted/{message.id}.json")


def test_a_postback_that_left_quarantine_leaves_no_version_there(archive: Archive) -> None:
    body = lower_case_xml(notice("late"))
    receipt = archive.take_bytes(body.replace(b"<tracking-id>", b"<tracking-if>"))
    (folder,) = {key.rpartition("/")[0] + "/" for key in archive.keys("quarantine/")}
    again = receipt.model_copy(update={"body": body, "quarantined_as": folder})
    archiving.archive_receipt(archive.vault, again.model_dump(mode="json"))
    assert archive.load("sinch-late")
    assert versions(archive, folder) == []


def test_messages_leave_by_keyword_and_age_and_held_ones_stay(
    place: dict[str, str], provider: SampleProvider, tmp_path: Path
) -> None:
    kept_for = "Störm=90, harbor=0, none=10"
    with opened(place, provider, tmp_path, keep_days="30", keep_days_by_keyword=kept_for) as archive:
        ages = {
            "storm-old": ("storm", 91, False),
            "storm-young": ("STORM", 89, True),
            "harbor-old": ("harbor", 3000, True),
            "bare-old": ("", 11, False),
            "bare-young": ("", 9, True),
            "other-old": ("coast", 31, False),
            "other-young": ("coast", 29, True),
            "held": ("coast", 400, True),
        }
        made = {}
        for name, (keyword, days, _) in ages.items():
            made[name] = archive.receive(name, keyword=keyword)
            grow_old(archive, made[name], days=days)
        disposition.hold(archive.vault, made["held"].id, held=True)

        would = list(retention.retire(archive.vault, dry_run=True))
        assert all(is_here(archive, message) for message in made.values())
        done = list(retention.retire(archive.vault))
        assert [(one.message.id, one.reason) for one in would] == [
            (one.message.id, one.reason) for one in done
        ]
        assert {one.message.id: (one.days, one.reason) for one in done} == {
            "sinch-storm-old": (90, ""),
            "sinch-bare-old": (10, ""),
            "sinch-other-old": (30, ""),
            "sinch-held": (30, "it is held"),
        }
        assert {name: is_here(archive, message) for name, message in made.items()} == {
            name: stays for name, (_, _, stays) in ages.items()
        }
        assert versions(archive, made["storm-old"].prefix) == []
        said = trail.latest(archive.vault.catalog, who=retention.ITSELF)
        assert {entry.subject for entry in said} == {"sinch-storm-old", "sinch-bare-old", "sinch-other-old"}
        disposition.hold(archive.vault, made["held"].id, held=False)
        assert [one.message.id for one in retention.retire(archive.vault)] == ["sinch-held"]


def test_the_archive_keeps_everything_for_ever_unless_it_is_told(archive: Archive) -> None:
    message = archive.receive("old")
    grow_old(archive, message, days=9999)
    assert list(retention.retire(archive.vault)) == []
    assert is_here(archive, message)


def test_the_sweep_carries_it_out_some_at_a_time(
    place: dict[str, str], provider: SampleProvider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mmsvault.sweeping.SECONDS_FOR_RETIRING", 0)
    (tmp_path / "queue").mkdir()
    with (
        redis_server(tmp_path / "queue") as url,
        opened(place, provider, tmp_path, keep_days="30", redis_url=url) as archive,
    ):
        for number in range(3):
            grow_old(archive, archive.receive(f"old-{number}"), days=40 + number)
        young = archive.receive("young")
        sweeper = Sweeper(archive.vault, open_queue(connect_to_answer(url)))
        assert [sweeper.sweep().retired for _ in range(5)] == [1, 1, 1, 0, 0]
        assert archive.everything() == [young.as_record()]
        late = archive.receive("late")
        grow_old(archive, late, days=50)
        assert sweeper.sweep().retired == 0, "it looks for more hours later"
        monkeypatch.setattr("mmsvault.sweeping.RETIRED_EVERY_SECONDS", 0)
        assert sweeper.sweep().retired == 1


def test_everything_of_a_number_is_erased_with_a_receipt_and_no_content(archive: Archive) -> None:
    mine = {"sender": "+14085550177"}
    sent = archive.receive("sent", picture(), words(f"the {SECRET} dives"), subject=SECRET, **mine)
    back = archive.receive("back", sender="14085550188", to="14085550177")
    held = archive.receive("held", subject="of a case at court", **mine)
    other = archive.receive("other", words("nothing of it"), sender="14085550188")
    disposition.hold(archive.vault, held.id, held=True)
    for given in ("Ada", "Ottoline"):
        naming.name(archive.vault, "14085550177", given)
    naming.name(archive.vault, "14085550188", "Bob")
    archive.take_bytes(b"<postback>of +1 (408) 555-0177, torn")
    exported = export_to_bucket(archive, "all")
    export_to_bucket(archive, "others", query="from:14085550188 -number:14085550177")

    with pytest.raises(RejectedInputError):
        erasing.erase(archive.vault, "1408555*", who="anna")
    receipt = erasing.erase(archive.vault, "(408) 555-0177", who="anna")
    assert {one["id"] for one in receipt["erased"]} == {sent.id, back.id}
    assert receipt["kept"] == [{"id": held.id, "reason": "it is held"}]
    assert receipt["exports"] == [{"key": exported, "messages": 2, "problem": ""}]
    assert len(receipt["quarantine"]) == 1
    assert receipt["who"] == "anna"
    assert receipt["number_sha256"] == archives.sha256(b"14085550177")
    kept = archive.vault.bucket.read(receipt["key"]).decode()
    assert json.loads(kept) == {name: value for name, value in receipt.items() if name != "key"}
    for private in ("5550177", SECRET, "court", "28444", "http"):
        assert private not in kept
    assert [is_here(archive, one) for one in (sent, back, held, other)] == [False, False, True, True]
    assert versions(archive, sent.prefix) == versions(archive, back.prefix) == []
    assert names.of(archive.vault.catalog, ["14085550177", "14085550188"]) == {"14085550188": "Bob"}
    assert len(versions(archive, "names/")) == 1
    assert archive.problems() == {}
    said = [entry for entry in trail.latest(archive.vault.catalog) if entry.who == "anna"]
    assert [entry.action for entry in reversed(said)] == ["began to erase", "deleted", "deleted", "erased"]
    assert not any("5550177" in f"{entry.subject} {entry.details}" for entry in said)
    assert erasing.erase(archive.vault, "14085550177", who="anna")["erased"] == []

    working.delete(archive.vault, exported.split("/")[1])
    assert versions(archive, exported.rpartition("/")[0] + "/") == []


def test_the_commands_say_what_left_and_what_stayed(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = archive.vault.settings
    for name in settings.model_fields_set:
        value = getattr(settings, name)
        text = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
        monkeypatch.setenv(f"MMSVAULT_{name.upper()}", text)
    monkeypatch.setenv("MMSVAULT_KEEP_DAYS", "30")
    old, held = archive.receive("old"), archive.receive("held", sender="14085550177")
    archive.receive("mine", sender="14085550177")
    grow_old(archive, old, days=31)
    disposition.hold(archive.vault, held.id, held=True)
    volume = export_to_bucket(archive, "all")

    def call(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr("sys.argv", ["mmsvault", *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return int(ended.value.code or 0), capsys.readouterr().out

    assert call("retire", "--dry-run")[1].startswith(
        f"{old.id}: past its 30 days\n1 messages would be deleted"
    )
    code, said = call("retire", "--json")
    told = json.loads(said)
    assert (code, [one["id"] for one in told["retired"]], told["kept"]) == (0, [old.id], [])
    assert told["exports"] == [{"key": volume, "messages": 1, "problem": ""}]
    assert call("erase", "14085550177")[0] == 2, "it asks, and nobody answers"
    code, said = call("erase", "408 555 0177", "--yes", "--receipt", str(tmp_path / "receipt.json"))
    assert code == 1
    assert f"{held.id}: not erased, it is held\n1 messages erased." in said
    assert f"{volume}: it holds 1 of these messages" in said
    receipt = json.loads((tmp_path / "receipt.json").read_text())
    assert [one["id"] for one in receipt["erased"]] == ["sinch-mine"]
    assert receipt["who"].startswith("command:")
    assert call("delete", held.id, "--yes")[0] == 1
    assert is_here(archive, held)


def test_erased_words_are_not_in_the_catalogs_file_either(archive: Archive) -> None:
    for number in range(30):
        archive.receive(f"other-{number}", subject=f"harbor {number}")
    archive.receive("mine", words(f"a {SECRET}"), subject=SECRET, sender="14085550177")
    naming.name(archive.vault, "14085550177", "Ottoline")
    assert SECRET in kept_in(archive.vault.catalog)
    assert "ottoline" in kept_in(archive.vault.catalog).casefold()
    erasing.erase(archive.vault, "14085550177", who="anna")
    left = kept_in(archive.vault.catalog)
    assert SECRET not in left
    assert "14085550177" not in left
    assert "ottoline" not in left.casefold()
    assert "harbor" in left


def kept_in(catalog: Engine) -> str:
    """Return all that SQLite's files have in them; of PostgreSQL, whose vacuum is its own, the tables."""
    if catalog.dialect.name == "sqlite":
        files = Path(str(catalog.url.database)).parent.glob("catalog.sqlite*")
        return "".join(path.read_bytes().decode("latin-1") for path in files)
    with catalog.connect() as connection:
        tables = [text(f"SELECT * FROM {name}") for name in (*metadata.tables, "message_words")]  # noqa: S608 - our own names
        return str([connection.execute(query).all() for query in tables])


def test_what_the_bucket_itself_locks_is_not_begun_to_be_deleted(
    tmp_path: Path, postgresql: str, provider: SampleProvider
) -> None:
    with (
        archives.minio_bucket(tmp_path) as place,
        archives.opened(place, bucket="plain", catalog=postgresql, provider=provider) as plain,
    ):
        client = plain.vault.bucket._client
        client.make_bucket("locked", object_lock=True)
        with archives.opened(place, bucket="locked", catalog=postgresql, provider=provider) as archive:
            refuse_what_is_locked(archive, client)


def refuse_what_is_locked(archive: Archive, client: Minio) -> None:
    name = archive.vault.bucket._name
    locked, held = archive.receive("locked", words()), archive.receive("held")
    until = Retention(GOVERNANCE, utc_now() + timedelta(days=2))
    client.set_object_retention(name, locked.media[0].key, until)
    client.enable_object_legal_hold(name, f"{held.prefix}message.json")
    for message, reason in ((locked, "the bucket keeps"), (held, "a legal hold")):
        there = versions(archive, message.prefix)
        with pytest.raises(RefusedError, match=reason):
            disposition.delete(archive.vault, message.id)
        assert is_here(archive, message)
        assert versions(archive, message.prefix) == there
    client.disable_object_legal_hold(name, f"{held.prefix}message.json")
    disposition.delete(archive.vault, held.id)
    assert versions(archive, held.prefix) == []


def export_to_bucket(archive: Archive, name: str, *, query: str = "") -> str:
    """Make an export into the bucket, without a worker, and return the key of its volume."""
    vault = archive.vault
    chosen = Choice(query=query, region="US")
    entered = register.enter(
        vault.catalog, chosen, name=name, made_by="tests", made_at=utc_now(), identity=uuid4().hex
    )
    assert entered
    working.export(vault, entered.id)
    (volume,) = register.find(vault.catalog, entered.id).volumes
    return entered.prefix + volume.name
