"""A vault is backed up while it works, and a new one is made from the backup."""

import json
import threading
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy.engine import make_url

from mmsvault import annotating, diagnosis, disposition, layout, naming
from mmsvault.backup import copy, restoration
from mmsvault.backup.copy import BackedUp
from mmsvault.backup.place import Place, open_place
from mmsvault.backup.repository import Repository, open_repository
from mmsvault.backup.restoration import Restored
from mmsvault.catalog import key_values, names, people, searches, trail
from mmsvault.catalog.people import Role
from mmsvault.cli.welcoming import first_login
from mmsvault.errors import (
    ConfigurationError,
    DamagedError,
    RefusedError,
    RejectedInputError,
    UnavailableError,
)
from mmsvault.exporting.signing import own_signer
from mmsvault.integrity import rebuilding
from mmsvault.message import Message
from mmsvault.sample.provider import SampleProvider
from tests.integration import archive as archives
from tests.integration.archive import Archive, minio_bucket, picture, words
from tests.servers import free_port

NUMBERS = count()
PASSPHRASE = "a long passphrase"


def asked() -> str:
    return PASSPHRASE


def nothing() -> str:
    raise AssertionError("nobody is asked")


@pytest.fixture
def dest(place: dict[str, str], archive: Archive, tmp_path: Path) -> Place:
    """A folder beside the embedded bucket, a bucket beside MinIO's."""
    if "MMSVAULT_S3_ENDPOINT" not in place:
        return open_place(str(tmp_path / "backup"), archive.vault.settings)
    settings = archive.vault.settings.model_copy(
        update={
            "backup_s3_endpoint": place["MMSVAULT_S3_ENDPOINT"],
            "backup_s3_access_key": place["MMSVAULT_S3_ACCESS_KEY"],
            "backup_s3_secret_key": place["MMSVAULT_S3_SECRET_KEY"],
        }
    )
    return open_place(f"s3://backup-{next(NUMBERS)}/of/vault", settings)


@pytest.fixture
def fresh(place: dict[str, str], provider: SampleProvider, tmp_path: Path) -> Iterator[Archive]:
    """An empty vault with a folder of its own, which was never started."""
    env = {**place, "MMSVAULT_DATA_DIR": str(tmp_path / "fresh")}
    if url := place.get("MMSVAULT_DATABASE_URL"):
        name = f"fresh_{next(NUMBERS)}"
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        catalog = make_url(url).set(database=name).render_as_string(hide_password=False)
    else:
        catalog = f"sqlite:///{tmp_path / 'fresh.sqlite'}"
    bucket = f"fresh-{next(NUMBERS)}"
    with archives.opened(env, bucket=bucket, catalog=catalog, provider=provider) as made:
        yield made


def fill(archive: Archive) -> list[Message]:
    """Have a vault with all that one can have."""
    whole = archive.receive("whole", picture(), words())
    held = archive.receive("held", picture(1))
    archive.take_bytes(b"no postback")
    disposition.hold(archive.vault, held.id, held=True)
    annotating.annotate(archive.vault, whole.id, tag=["seen"])
    naming.name(archive.vault, "14085550123", "Anna")
    people.add(archive.vault.catalog, "anna", role=Role.ADMIN, password="p" * 12)
    searches.save(archive.vault.catalog, "storm", "keyword:storm")
    trail.append(archive.vault.catalog, "looked at", who="anna", subject=whole.id)
    return [archive.load(whole.id), archive.load(held.id)]


def back_up(archive: Archive, dest: Place, **options: Any) -> BackedUp:
    return copy.back_up(archive.vault, dest, **{"passphrase": nothing, **options})


def opened(archive: Archive, dest: Place, passphrase: Callable[[], str] = nothing) -> Repository:
    found = open_repository(dest, folder=archive.vault.settings.temporary_dir, passphrase=passphrase)
    assert found
    return found


def restore(fresh: Archive, dest: Place, secret: str = "", **options: Any) -> Restored:
    return restoration.restore(fresh.vault, opened(fresh, dest), former_secret=secret, **options)


def secret_of(archive: Archive) -> str:
    return archive.vault.settings.bucket_keys[1]


def trail_of(archive: Archive) -> set[str]:
    return {one.hash for one in trail.entries(archive.vault.catalog)}


@pytest.mark.parametrize("encrypts", [False, True])
def test_a_restored_vault_has_all_that_the_backed_up_one_had(
    archive: Archive, fresh: Archive, dest: Place, encrypts: bool
) -> None:
    fill(archive)
    ask = asked if encrypts else nothing
    key = own_signer(archive.vault.settings.data_dir).fingerprint
    done = back_up(archive, dest, encrypts=encrypts, passphrase=ask)
    repository = opened(fresh, dest, ask)
    secret = "" if encrypts else secret_of(archive)
    back = restoration.restore(fresh.vault, repository, former_secret=secret)
    assert back.problems == []
    assert (back.objects, back.messages) == (done.objects, 2)
    assert fresh.everything() == archive.everything()
    assert fresh.keys("messages/") == archive.keys("messages/")
    assert back.rebuilt.state.people == (("anna", Role.ADMIN),)
    assert people.recognise(fresh.vault.catalog, "anna", "p" * 12)
    assert [one.query for one in searches.list_all(fresh.vault.catalog)] == ["keyword:storm"]
    assert names.of(fresh.vault.catalog, ["14085550123"]) == {"14085550123": "Anna"}
    assert trail_of(archive) <= trail_of(fresh)
    assert fresh.receipts() == archive.receipts()
    is_same_token = fresh.vault.settings.effective_token == archive.vault.settings.effective_token
    assert is_same_token is encrypts
    assert (own_signer(fresh.vault.settings.data_dir).fingerprint == key) is encrypts
    assert fresh.problems() == {}


def test_what_is_there_already_is_not_copied_again(archive: Archive, dest: Place) -> None:
    fill(archive)
    first = back_up(archive, dest)
    again = back_up(archive, dest)
    archive.receive("later", words("something else"))
    third = back_up(archive, dest)
    assert first.copied > 5
    assert again.copied <= 1  # an account of people has another seal each time
    assert 3 <= third.copied < first.copied
    assert third.objects > first.objects


def test_a_backup_goes_on_on_a_machine_that_knows_nothing_of_it(archive: Archive, dest: Place) -> None:
    fill(archive)
    first = back_up(archive, dest)
    for path in (archive.vault.settings.data_dir / "backups").iterdir():
        path.unlink()
    again = back_up(archive, dest)
    for path in (archive.vault.settings.data_dir / "backups").iterdir():
        path.write_bytes(b"damaged" * 1000)
    third = back_up(archive, dest)
    assert again.copied <= 1
    assert third.copied <= 1
    assert again.objects == third.objects == first.objects


def test_what_comes_in_while_it_runs_is_whole_or_not_there_and_no_entry_of_the_trail_is_lost(
    archive: Archive, fresh: Archive, dest: Place
) -> None:
    fill(archive)
    gone = archive.receive("gone", words("this one is deleted meanwhile"))
    wrote: list[str] = []
    stop = threading.Event()

    def write(step: str, _more: int) -> None:
        """Have more come in at each step of the backup, and something be deleted."""
        number = len(wrote)
        wrote.append(trail.append(archive.vault.catalog, "looked at", who="anna", subject=step).hash)
        archive.receive(f"meanwhile-{number}", words(f"text {number}"))
        annotating.annotate(archive.vault, "sinch-whole", tag=[f"tag-{number}"])
        if number == 0:
            disposition.delete(archive.vault, gone.id)
            people.add(archive.vault.catalog, "ben", role=Role.VIEWER, password="q" * 12)

    def go_on() -> None:
        for number in range(30):
            if stop.is_set():
                return
            archive.receive(f"aside-{number}", words(f"aside {number}"))

    aside = threading.Thread(target=go_on)
    aside.start()
    back_up(archive, dest, progress=write)
    stop.set()
    aside.join()
    back = restore(fresh, dest, secret_of(archive))
    assert back.problems == []
    assert set(wrote[:1]) <= trail_of(fresh)
    assert "sinch-gone" not in {json.loads(record)["id"] for record in fresh.everything()}
    assert {one.name for one in people.list_all(fresh.vault.catalog)} == {"anna", "ben"}
    assert all(not key.startswith(gone.prefix) for key in fresh.keys("messages/"))
    assert fresh.problems() == {}


def test_a_record_that_is_newer_than_the_listing_brings_its_files_along(
    archive: Archive, dest: Place, fresh: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = archive.receive("late", words("listed without its files"))
    bucket = archive.vault.bucket
    listed = type(bucket).list

    def without_files(self: Any, prefix: str, *, recursive: bool = True) -> Iterator[Any]:
        for found in listed(self, prefix, recursive=recursive):
            if not found.key.startswith(message.prefix) or found.key.endswith(layout.RECORD_NAME):
                yield found

    with monkeypatch.context() as patched:
        patched.setattr(type(bucket), "list", without_files)
        back_up(archive, dest)
    assert restore(fresh, dest).problems == []
    assert fresh.keys(message.prefix) == archive.keys(message.prefix)


def test_a_backup_that_was_cut_off_goes_on(archive: Archive, fresh: Archive, dest: Place) -> None:
    fill(archive)
    with pytest.raises(KeyboardInterrupt):
        back_up(archive, dest, progress=interrupt)
    assert opened(archive, dest).snapshots() == []
    with pytest.raises(RefusedError, match="was ever finished"):
        restore(fresh, dest)
    assert key_values.backup_finished_at(archive.vault.catalog) is None
    assert back_up(archive, dest).copied <= 3
    assert key_values.backup_finished_at(archive.vault.catalog)
    with pytest.raises(KeyboardInterrupt):
        restore(fresh, dest, progress=interrupt)
    back = restore(fresh, dest, secret_of(archive))
    assert back.copied < back.objects
    assert back.problems == []


def test_a_vault_whose_restore_was_cut_off_begins_nothing_of_its_own(
    archive: Archive, fresh: Archive, dest: Place
) -> None:
    fill(archive)
    people.add(archive.vault.catalog, "admin", role=Role.ADMIN, password="a long enough password")
    back_up(archive, dest)
    with pytest.raises(KeyboardInterrupt):
        restore(fresh, dest, progress=interrupt)
    with pytest.raises(UnavailableError, match="run the same `mmsvault restore` again"):
        first_login(fresh.vault)
    restore(fresh, dest, secret_of(archive))
    assert first_login(fresh.vault) == ""
    assert people.recognise(fresh.vault.catalog, "admin", "a long enough password")


def interrupt(_step: str, _more: int) -> None:
    raise KeyboardInterrupt


def test_a_vault_that_is_not_empty_is_refused(archive: Archive, other: Archive, dest: Place) -> None:
    fill(archive)
    back_up(archive, dest)
    other.receive("here", words("already"))
    before = other.keys()
    with pytest.raises(RefusedError, match="is not empty"):
        restore(other, dest)
    assert other.keys() == before


def test_a_damaged_file_of_a_backup_is_found_and_not_restored(
    archive: Archive, fresh: Archive, dest: Place
) -> None:
    message = fill(archive)[0]
    back_up(archive, dest)
    repository = opened(archive, dest)
    (first,) = repository.snapshots()
    assert copy.check(repository).problems == ()
    dest.put(repository.key_of(message.media[0].sha256), b"something else")
    with pytest.raises(DamagedError, match="other bytes"):
        restore(fresh, dest)
    assert [key for key, _ in copy.check(repository).problems] == [message.media[0].key]
    assert back_up(archive, dest).copied <= 3
    assert copy.check(repository).problems == ()
    archive.receive("more", words("and more"))
    back_up(archive, dest)
    with pytest.raises(RefusedError, match=f"--snapshot {first}"):
        restore(fresh, dest)
    assert restore(fresh, dest, secret_of(archive), snapshot=first).problems == []


def test_nothing_of_an_encrypted_backup_can_be_read_or_named_without_its_passphrase(
    archive: Archive, dest: Place
) -> None:
    message = archive.receive("secret", words("kingfisher at the pier"))
    back_up(archive, dest, encrypts=True, passphrase=asked)
    everything = [(found.key, dest.read(found.key)) for found in dest.list("")]
    assert not any(b"kingfisher" in data for _, data in everything)
    assert not any(message.media[0].sha256 in key for key, _ in everything)
    with pytest.raises(RejectedInputError, match="passphrase"):
        opened(archive, dest, lambda: "another passphrase")
    assert copy.check(opened(archive, dest, asked)).problems == ()


def test_with_a_passphrase_nothing_is_written_that_is_not_encrypted(archive: Archive, dest: Place) -> None:
    fill(archive)
    with pytest.raises(RefusedError, match="begin one with --encrypt"):
        back_up(archive, dest, is_secret=True, passphrase=asked)
    assert not dest.bucket.exists()
    back_up(archive, dest)
    with pytest.raises(RefusedError, match="is not encrypted"):
        back_up(archive, dest, is_secret=True, passphrase=asked)


def test_snapshots_that_are_not_kept_take_their_files_along(archive: Archive, dest: Place) -> None:
    fill(archive)
    gone = archive.receive("gone", words("soon to be deleted"))
    sha256 = gone.media[0].sha256
    back_up(archive, dest, kept=2)
    disposition.delete(archive.vault, gone.id)
    back_up(archive, dest, kept=2)
    repository = opened(archive, dest)
    first = repository.snapshots()[-1]
    assert repository.key_of(sha256) in {key for key, _ in repository.kept_files()}
    archive.receive("more", words("and more"))
    back_up(archive, dest, kept=1)
    assert first not in repository.snapshots()
    assert len(repository.snapshots()) == 1
    assert repository.key_of(sha256) not in {key for key, _ in repository.kept_files()}
    assert copy.check(repository).problems == ()


def test_an_older_snapshot_undoes_a_mistake(archive: Archive, fresh: Archive, dest: Place) -> None:
    message = fill(archive)[0]
    back_up(archive, dest)
    (first,) = opened(archive, dest).snapshots()
    for key in archive.keys(message.prefix):
        archive.lose(key)
    back_up(archive, dest)
    back = restore(fresh, dest, secret_of(archive), snapshot=first)
    assert back.problems == []
    assert fresh.load(message.id).media == message.media


@pytest.mark.parametrize("place", ["embedded"], indirect=True)  # it is about a folder
def test_a_place_whose_disk_is_gone_is_not_filled_anew(archive: Archive, tmp_path: Path) -> None:
    folder = tmp_path / "disk"
    back_up(archive, open_place(str(folder), archive.vault.settings))
    folder.rename(tmp_path / "away")
    with pytest.raises(RefusedError, match="not there now"):
        back_up(archive, open_place(str(folder), archive.vault.settings))
    assert back_up(archive, open_place(str(folder), archive.vault.settings), is_new=True).snapshot


def test_a_server_of_the_backup_that_is_away_is_named_with_its_own_setting(archive: Archive) -> None:
    keys = {"backup_s3_access_key": "access", "backup_s3_secret_key": "secret-key"}
    away = {"backup_s3_endpoint": f"http://127.0.0.1:{free_port()}", **keys}
    dest = open_place("s3://backup/of", archive.vault.settings.model_copy(update=away))
    with pytest.raises(UnavailableError) as raised:
        back_up(archive, dest)
    assert "the backup's server" in str(raised.value)
    assert "MMSVAULT_BACKUP_S3_ENDPOINT" in str(raised.value)
    assert "MMSVAULT_S3_" not in str(raised.value)


def test_a_backup_inside_of_the_vault_is_refused(archive: Archive) -> None:
    settings = archive.vault.settings
    with pytest.raises(RejectedInputError, match="inside"):
        open_place(str(settings.data_dir / "backup"), settings)
    with pytest.raises(ConfigurationError, match="BACKUP_S3_ENDPOINT"):
        open_place("s3://elsewhere/backup", settings)
    with pytest.raises(RejectedInputError, match="folder, or"):
        open_place("https://example.org/", settings)


def test_two_backups_at_once_are_one(archive: Archive, dest: Place) -> None:
    came: list[str] = []

    def again(_step: str, _more: int) -> None:
        try:
            back_up(archive, dest)
        except RefusedError as error:
            came.append(str(error))

    archive.receive("one", words())
    back_up(archive, dest, progress=again)
    assert came
    assert all("runs already" in one for one in came)


@pytest.mark.timeout(300)
def test_a_bucket_with_object_lock_is_made_as_the_settings_ask_and_all_say_the_same_of_another_one(
    archive: Archive, dest: Place, tmp_path: Path, provider: SampleProvider
) -> None:
    whole, message = fill(archive)
    back_up(archive, dest)
    with minio_bucket(tmp_path) as env:
        locked = {
            **env,
            "MMSVAULT_DATA_DIR": str(tmp_path / "locked"),
            "MMSVAULT_S3_OBJECT_LOCK": "true",
            "MMSVAULT_S3_LOCK_MODE": "governance",
            "MMSVAULT_S3_LOCK_DAYS": "1",
        }
        catalog = f"sqlite:///{tmp_path / 'locked.sqlite'}"
        with archives.opened(locked, bucket="restored", catalog=catalog, provider=provider) as target:
            back = restore(target, dest, secret_of(archive))
            assert back.problems == []
            assert target.vault.bucket.is_held(message.media[0].key)
            assert "Object Lock, governance" in target.vault.bucket.lock(whole.prefix)
        without = {name: value for name, value in locked.items() if "LOCK" not in name}
        catalog = f"sqlite:///{tmp_path / 'without.sqlite'}"
        with archives.opened(without, bucket="without", catalog=catalog, provider=provider):
            pass
        vault = archives.Vault(archives._settings({**locked, "MMSVAULT_S3_BUCKET": "without"}))
        try:
            with pytest.raises(ConfigurationError, match="Object Lock"):
                vault.prepare()
            with pytest.raises(ConfigurationError, match="Object Lock"):
                restoration.restore(vault, opened(archive, dest))
            refused = Archive(vault, provider)
            assert "made without Object Lock" in refused.problems()["MMSVAULT_S3_OBJECT_LOCK"]
            found = {one.check: one for one in diagnosis.examine(vault)}
            assert found["MMSVAULT_S3_OBJECT_LOCK"].state is diagnosis.State.WRONG
            said = rebuilding.rebuild(vault).problems
            assert [one.key for one in said] == ["MMSVAULT_S3_OBJECT_LOCK"]
        finally:
            vault.close()
