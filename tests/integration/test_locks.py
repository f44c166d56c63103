"""Object Lock, versions, encryption and lost drives, on a real MinIO."""

import base64
import shutil
import socket
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from minio import Minio
from minio.error import S3Error

from mmsvault import archiving, disposition
from mmsvault.catalog.connection import migrate
from mmsvault.errors import ConfigurationError, NotFoundError, RefusedError, UnavailableError
from mmsvault.integrity.rebuilding import rebuild
from mmsvault.layout import is_evidence
from mmsvault.message import utc_now
from mmsvault.s3.objects import S3Bucket
from mmsvault.s3.talking import open_client, translated
from mmsvault.sample.provider import SampleProvider
from mmsvault.settings import Settings
from mmsvault.vault import Vault
from tests import servers
from tests.integration.archive import Archive, opened, picture, words

KMS = {"MINIO_KMS_SECRET_KEY": f"tests:{base64.b64encode(bytes(32)).decode()}"}
HELD = {"MMSVAULT_S3_OBJECT_LOCK": "true"}
KEPT = {**HELD, "MMSVAULT_S3_LOCK_MODE": "compliance", "MMSVAULT_S3_LOCK_DAYS": "3"}


@pytest.fixture(scope="module")
def provider() -> Iterator[SampleProvider]:
    with SampleProvider() as running:
        yield running


@pytest.fixture(scope="module")
def minio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    folder = tmp_path_factory.mktemp("minio")
    with servers.minio_server(folder, drives=4, env=KMS) as env:
        yield {**env, "drives": str(folder)}


@pytest.fixture
def archive(
    minio: dict[str, str], provider: SampleProvider, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Archive]:
    """An archive in a bucket with Object Lock, whose settings are the test's parameter."""
    name = "-".join(request.node.name.split("[")[0].split("_")[1:])[:60]
    env = {**_without_drives(minio), "MMSVAULT_DATA_DIR": str(tmp_path / "vault"), **request.param}
    catalog = f"sqlite:///{tmp_path / 'catalog.sqlite'}"
    with opened(env, bucket=name, catalog=catalog, provider=provider) as made:
        yield made


locked = pytest.mark.parametrize("archive", [KEPT], indirect=True, ids=["locked"])
holding = pytest.mark.parametrize("archive", [HELD], indirect=True, ids=["holding"])


@locked
def test_an_original_is_kept_by_the_server_and_deletion_is_refused_with_the_date(archive: Archive) -> None:
    message = archive.receive("one", picture())
    with pytest.raises(RefusedError, match="Object Lock, compliance") as refused:
        disposition.delete(archive.vault, message.id)
    until = utc_now() + timedelta(days=3)
    assert f"until {until:%Y-%m-%d}" in str(refused.value)
    assert archive.load(message.id) == message
    client, name = _stranger(archive)
    locked_keys = set()
    for found in client.list_objects(name, prefix=message.prefix, recursive=True, include_version=True):
        try:
            client.remove_object(name, str(found.object_name), version_id=found.version_id)
        except S3Error as error:
            assert "WORM" in str(error.message)
            locked_keys.add(found.object_name)
    assert locked_keys == {message.media[0].key, f"{message.prefix}postback.xml"}


@locked
def test_an_original_that_a_stranger_wrote_over_or_deleted_is_brought_back(archive: Archive) -> None:
    message = archive.receive("one", picture(), words())
    first, second = (item.key for item in message.media)
    right = archive.vault.bucket.read(first)
    client, name = _stranger(archive)
    _write(client, name, first, b"something else")
    client.remove_object(name, second)
    client.remove_object(name, f"{message.prefix}postback.xml")
    assert set(archive.problems()) == {first, second, f"{message.prefix}postback.xml"}
    report = archive.verify(repair=True)
    assert report.problems == []
    assert {done for _, done in report.repaired} == {"brought back from an older version in the bucket"}
    assert archive.vault.bucket.read(first) == right
    assert archive.problems() == {}


@locked
def test_rebuild_finds_messages_that_a_stranger_deleted(archive: Archive, tmp_path: Path) -> None:
    kept = archive.receive("kept", picture())
    client, name = _stranger(archive)
    for found in list(client.list_objects(name, prefix=kept.prefix, recursive=True)):
        client.remove_object(name, str(found.object_name))
    assert archive.keys(kept.prefix) == set()
    settings = archive.vault.settings.model_copy(
        update={"database_url": f"sqlite:///{tmp_path / 'again.sqlite'}"}
    )
    again = Archive(Vault(settings), archive.provider)
    migrate(again.vault.catalog)
    assert rebuild(again.vault).messages == 1
    assert again.load(kept.id) == kept
    assert again.problems() == {}
    again.vault.close()


@holding
def test_a_hold_is_on_the_objects_themselves_until_it_is_released(archive: Archive) -> None:
    message = archive.receive("one", picture())
    disposition.hold(archive.vault, message.id, held=True)
    client, name = _stranger(archive)
    for found in client.list_objects(name, prefix=message.prefix, recursive=True, include_version=True):
        with pytest.raises(S3Error, match="WORM"):
            client.remove_object(name, str(found.object_name), version_id=found.version_id)
    with pytest.raises(RefusedError, match="it is held"):
        disposition.delete(archive.vault, message.id)
    assert archive.problems() == {}
    disposition.hold(archive.vault, message.id, held=False)
    disposition.delete(archive.vault, message.id)
    assert not list(client.list_objects(name, prefix=message.prefix, recursive=True, include_version=True))
    assert archive.problems() == {}


@holding
def test_verify_finds_a_hold_that_somebody_took_off_the_objects(archive: Archive) -> None:
    message = archive.receive("one", picture())
    disposition.hold(archive.vault, message.id, held=True)
    client, name = _stranger(archive)
    client.disable_object_legal_hold(name, message.media[0].key)
    assert list(archive.problems()) == [message.media[0].key]
    assert archive.verify(repair=True).problems == []
    assert client.is_object_legal_hold_enabled(name, message.media[0].key)


@holding
def test_what_comes_for_a_held_message_is_held_as_well(archive: Archive) -> None:
    message = archive.receive("one", picture(), failures=(500,))
    disposition.hold(archive.vault, message.id, held=True)
    disposition.retry(archive.vault, message.id)
    archiving.archive_message(archive.vault, message.id)
    stored = archive.load(message.id)
    assert archive.vault.bucket.is_held(stored.media[0].key)


@holding
def test_nothing_of_a_deleted_message_stays_in_any_version(archive: Archive) -> None:
    message = archive.receive("one", picture())
    archive.overwrite(message.media[0].key, b"a second version")
    disposition.delete(archive.vault, message.id)
    client, name = _stranger(archive)
    assert not list(client.list_objects(name, prefix=message.prefix, recursive=True, include_version=True))


@locked
def test_looking_whether_the_bucket_takes_something_in_leaves_nothing(archive: Archive) -> None:
    archive.vault.bucket.check(1000)
    client, name = _stranger(archive)
    assert not list(client.list_objects(name, prefix="probe", include_version=True))


def test_a_bucket_without_object_lock_is_refused_where_it_is_asked_for(
    minio: dict[str, str], tmp_path: Path
) -> None:
    plain = _settings(minio, tmp_path, MMSVAULT_S3_BUCKET="made-before")
    Vault(plain).bucket.make()
    assert not Vault(plain).bucket.can_lock
    asked = _settings(minio, tmp_path, MMSVAULT_S3_BUCKET="made-before", **HELD)
    with pytest.raises(ConfigurationError, match=r"S3_OBJECT_LOCK.*without Object Lock"):
        Vault(asked).bucket.make()


def test_the_server_encrypts_what_it_keeps(minio: dict[str, str], tmp_path: Path) -> None:
    vault = Vault(_settings(minio, tmp_path, MMSVAULT_S3_ENCRYPTION="sse-s3", MMSVAULT_S3_BUCKET="secret"))
    vault.bucket.make()
    vault.bucket.make()
    words = b"nobody reads this on the disk " * 20_000
    vault.bucket.put("messages/x", words, content_type="text/plain")
    assert vault.bucket.read("messages/x") == words
    files = [path for path in Path(minio["drives"]).rglob("*") if path.is_file() and "secret" in str(path)]
    assert files
    assert not any(b"nobody reads this" in path.read_bytes() for path in files)


def test_a_server_without_keys_to_encrypt_with_is_refused(tmp_path: Path) -> None:
    with servers.minio_server(tmp_path) as env:
        asked = _settings(env, tmp_path, MMSVAULT_S3_ENCRYPTION="sse-s3")
        with pytest.raises(ConfigurationError, match=r"S3_ENCRYPTION.*KMS"):
            Vault(asked).bucket.make()


@holding
def test_a_drive_that_is_damaged_or_lost_changes_nothing(archive: Archive, minio: dict[str, str]) -> None:
    messages = [archive.receive(f"n{number}", picture(number)) for number in range(3)]
    bucket = archive.vault.settings.s3_bucket
    drives = Path(minio["drives"])
    for path in (drives / "drive1" / bucket).rglob("*"):
        if path.is_file():
            path.write_bytes(bytes(len(path.read_bytes())))
    shutil.rmtree(drives / "drive2" / bucket / "messages")
    assert archive.verify().checked == 4 * len(messages)
    assert archive.problems() == {}
    assert archive.vault.bucket.read(messages[0].media[0].key)


def test_a_bucket_is_reached_by_a_name_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def resolve(host: str, port: int, *args: object, **kwargs: object) -> object:
        asked.append(host)
        return real("127.0.0.1", port, *args, **kwargs)

    real = socket.getaddrinfo
    with servers.minio_server(tmp_path, env={"MINIO_DOMAIN": "s3.test"}) as env:
        port = env["MMSVAULT_S3_ENDPOINT"].rpartition(":")[2]
        monkeypatch.setattr(socket, "getaddrinfo", resolve)
        vault = Vault(
            _settings(env, tmp_path, MMSVAULT_S3_ENDPOINT=f"http://s3.test:{port}", MMSVAULT_S3_STYLE="host")
        )
        vault.bucket.make()
        vault.bucket.put("a/b", b"kept", content_type="text/plain")
        assert vault.bucket.read("a/b") == b"kept"
    assert "mms-vault.s3.test" in asked


def test_what_the_server_refuses_is_said_in_plain_words(minio: dict[str, str], tmp_path: Path) -> None:
    right = _settings(minio, tmp_path, MMSVAULT_S3_BUCKET="said")
    Vault(right).bucket.make()
    for wrong, said in (
        ({"MMSVAULT_S3_BUCKET": "not-made"}, "no such bucket. Correct MMSVAULT_S3_BUCKET"),
        (
            {"MMSVAULT_S3_ACCESS_KEY": "nobody"},
            "does not know the access key. Correct MMSVAULT_S3_ACCESS_KEY",
        ),
        ({"MMSVAULT_S3_SECRET_KEY": "wrong"}, "secret key is wrong. Correct MMSVAULT_S3_SECRET_KEY"),
    ):
        vault = Vault(_settings(minio, tmp_path, **{"MMSVAULT_S3_BUCKET": "said", **wrong}))
        with pytest.raises(UnavailableError, match=said):
            vault.bucket.read("messages/x")
    with pytest.raises(NotFoundError):
        Vault(right).bucket.read("messages/x")


@pytest.mark.parametrize(
    "code", ["AccessDenied", "SlowDown", "InternalError", "NoSuchBucket", "SomethingNew"]
)
def test_a_refusal_is_waited_for(code: str) -> None:
    with pytest.raises(UnavailableError, match=code), translated("a/b"):
        raise S3Error(None, code, "said by the server", "/a/b", "1", "2")  # type: ignore[arg-type]


def test_originals_and_raw_postbacks_are_what_never_changes() -> None:
    folder = "messages/2026/11/20/sinch-x/"
    kept = [f"{folder}00.jpg", f"{folder}12.bin", f"{folder}postback.xml", f"{folder}postback-2.json"]
    kept += [f"{folder}00-2.jpg", f"{folder}evidence/00-0123456789abcdef.html"]
    others = [
        *(f"{folder}message.json", f"{folder}thumbs/00.webp", f"{folder}previews/00.mp4"),
        *(f"{folder}damaged/20261120T000000Z-00.jpg", "exports/x/00.zip", "quarantine/2026/11/20/x/body"),
        *(f"{folder}evidence/notes.txt", f"{folder}other/00-2.jpg"),
    ]
    assert [is_evidence(key) for key in kept] == [True] * 6
    assert [is_evidence(key) for key in others] == [False] * 8


def _settings(given: dict[str, str], folder: Path, **more: str) -> Settings:
    env = {**_without_drives(given), "MMSVAULT_DATA_DIR": str(folder / "vault"), **more}
    return Settings.load(**{name.removeprefix("MMSVAULT_").lower(): value for name, value in env.items()})


def _without_drives(given: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in given.items() if name != "drives"}


def _stranger(archive: Archive) -> tuple[Minio, str]:
    """Return a client of the bucket's server that knows nothing of the vault, and the bucket's name."""
    settings = archive.vault.settings
    address, secure = settings.bucket_address
    client = open_client(address, secure=secure, keys=settings.bucket_keys, region=settings.s3_region)
    return client, settings.s3_bucket


def _write(client: Minio, name: str, key: str, data: bytes) -> None:
    S3Bucket(client, name, region="us-east-1").put(key, data, content_type="text/plain")
