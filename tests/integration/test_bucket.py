import hashlib
import io
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from minio.commonconfig import ENABLED
from minio.versioningconfig import VersioningConfig

from mmsvault.bucket import Bucket
from mmsvault.embedded.servers import bucket_part
from mmsvault.errors import NotFoundError, UnavailableError
from mmsvault.folder import FolderBucket
from mmsvault.s3.linking import public_links
from mmsvault.s3.objects import S3Bucket
from mmsvault.s3.talking import open_client
from mmsvault.settings import Settings
from mmsvault.vault import Vault
from tests import servers
from tests.servers import until


@pytest.fixture(scope="module", params=["folder", "minio"])
def bucket(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bucket]:
    """An empty bucket as files, and on a server."""
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "minio":
        with servers.minio_server(folder) as given:
            made = {name.removeprefix("MMSVAULT_").lower(): value for name, value in given.items()}
            opened = Vault(Settings.load(data_dir=str(folder), **made)).bucket
            opened.make()
            yield opened
        return
    made_here = Vault(Settings.load(data_dir=str(folder))).bucket
    made_here.make()
    yield made_here


@contextmanager
def shown(settings: Settings) -> Iterator[Bucket]:
    """Run the embedded server, and give the bucket as other programs see it."""
    part = bucket_part(settings)
    log, port = settings.data_dir / "log", settings.generated.s3_port
    with servers.running(part.command, log=log, port=port, env=part.env):
        address, _ = settings.bucket_address
        client = open_client(address, secure=False, keys=settings.bucket_keys, region=settings.s3_region)
        yield S3Bucket(client, settings.s3_bucket, region=settings.s3_region)


def test_what_was_put_comes_back_with_its_size_and_type(bucket: Bucket) -> None:
    data = bytes(range(256)) * 1000
    bucket.put("a/00.jpg", io.BytesIO(data), size=len(data), content_type="image/jpeg")
    assert bucket.read("a/00.jpg") == data
    assert bucket.look_up("a/00.jpg")[0] == len(data)
    assert bucket.content_type("a/00.jpg") in ("image/jpeg", "")
    assert b"".join(bucket.chunks("a/00.jpg", offset=10, length=5)) == data[10:15]
    assert bucket.beginning("a/00.jpg", most_bytes=300) == data[:300]
    assert bucket.whole("a/00.jpg", most_bytes=len(data) - 1) is None
    found = bucket.whole("a/00.jpg", most_bytes=len(data))
    assert found
    assert found == (data, bucket.look_up("a/00.jpg")[1])


def test_making_it_again_changes_nothing(bucket: Bucket) -> None:
    bucket.put("b", b"kept", content_type="text/plain")
    bucket.make()
    assert bucket.read("b") == b"kept"


def test_an_object_is_replaced_whole(bucket: Bucket) -> None:
    bucket.put("c", b"a longer first version", content_type="text/plain")
    bucket.put("c", b"short", content_type="text/plain")
    assert bucket.read("c") == b"short"


def test_an_empty_object_is_an_object(bucket: Bucket) -> None:
    bucket.put("empty", b"", content_type="text/plain")
    assert bucket.read("empty") == bucket.beginning("empty", most_bytes=5) == b""


def test_what_is_not_there_is_not_found(bucket: Bucket) -> None:
    with pytest.raises(NotFoundError, match="nowhere"):
        bucket.read("nowhere/at/all")
    with pytest.raises(NotFoundError):
        bucket.look_up("nowhere")
    bucket.remove("nowhere/at/all")
    assert list(bucket.list("nowhere/")) == []


def test_a_listing_gives_what_is_below_or_one_folder_each(bucket: Bucket) -> None:
    for key in ("listed/b", "listed/a/1", "listed/a/2"):
        bucket.put(key, b"12", content_type="text/plain")
    assert [(found.key, found.size) for found in bucket.list("listed/")] == [
        ("listed/a/1", 2),
        ("listed/a/2", 2),
        ("listed/b", 2),
    ]
    shallow = list(bucket.list("listed/", recursive=False))
    assert sorted((found.key, found.is_folder) for found in shallow) == [
        ("listed/a/", True),
        ("listed/b", False),
    ]
    assert bucket.erase("listed/a/") == 2
    assert [found.key for found in bucket.list("listed/")] == ["listed/b"]


def test_a_stream_that_breaks_leaves_nothing(bucket: Bucket) -> None:
    class Breaks:
        def read(self, _size: int = -1, /) -> bytes:
            if self.__dict__.setdefault("given", False):
                raise RuntimeError("broken")
            self.given = True
            return b"x" * 1000

    with pytest.raises(RuntimeError, match="broken"):
        bucket.put_stream("broken/stream", Breaks(), content_type="text/plain")
    assert list(bucket.list("broken/")) == []


def test_what_the_vault_writes_as_files_is_seen_by_other_programs_at_once(tmp_path: Path) -> None:
    settings = Settings.load(data_dir=str(tmp_path))
    ours = Vault(settings).bucket
    ours.make()
    with shown(settings) as theirs:
        ours.put("m/one/00.txt", b"one", content_type="text/plain")
        assert theirs.read("m/one/00.txt") == b"one"
        ours.put("m/one/01.txt", b"two", content_type="text/plain")
        until(lambda: [found.key for found in theirs.list("m/one/")] == ["m/one/00.txt", "m/one/01.txt"])
        theirs.put("m/one/02.txt", b"three", content_type="text/plain")
        assert ours.read("m/one/02.txt") == b"three"


def test_a_folder_whose_disk_is_not_mounted_takes_nothing_and_says_so(tmp_path: Path) -> None:
    folder = tmp_path / "disk" / "bucket"
    bucket = FolderBucket(folder)
    bucket.make()
    bucket.put("a/b", b"x", content_type="text/plain")
    (tmp_path / "disk").rename(tmp_path / "elsewhere")
    for use in (
        lambda: bucket.put("a/c", b"x", content_type="text/plain"),
        lambda: bucket.read("a/b"),
        lambda: bucket.look_up("a/b"),
        lambda: list(bucket.list("")),
        lambda: bucket.check(1),
    ):
        with pytest.raises(UnavailableError, match="is its disk mounted"):
            use()
    assert not (tmp_path / "disk").exists()


def test_no_key_leads_out_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    bucket = FolderBucket(tmp_path / "bucket")
    bucket.make()
    for key in ("../secret", "a/../../secret", str(tmp_path / "secret")):
        with pytest.raises(NotFoundError):
            bucket.read(key)
        with pytest.raises(NotFoundError):
            bucket.put(key, b"x", content_type="text/plain")
    assert (tmp_path / "secret").read_text() == "secret"


def test_a_server_that_is_away_is_unavailable() -> None:
    client = open_client("127.0.0.1:9", secure=False, keys=("a", "b"), region="us-east-1")
    away = S3Bucket(client, "tests", region="us-east-1")
    with pytest.raises(UnavailableError, match="Nothing listens where the bucket's server should"):
        away.read("x")


def test_a_browser_gets_one_object_by_a_link_as_the_type_that_the_link_says(tmp_path: Path) -> None:
    with servers.minio_server(tmp_path) as given:
        made = {name.removeprefix("MMSVAULT_").lower(): value for name, value in given.items()}
        public = made["s3_endpoint"].replace("127.0.0.1", "localhost")
        settings = Settings.load(data_dir=str(tmp_path), s3_public_endpoint=public, **made)
        kept = Vault(settings).bucket
        kept.make()
        kept.put("m/00.svg", b"<svg onload='alert(1)'/>", content_type="image/svg+xml")
        links = public_links(settings)
        assert links
        asked = {"content_type": "application/octet-stream", "disposition": "attachment"}
        link = links.sign("m/00.svg", **asked, lasts=timedelta(hours=1))
        assert link.startswith(f"{links.origin}/")
        answer = httpx.get(link, trust_env=False)
        assert answer.content == kept.read("m/00.svg")
        told = ("content-type", "content-disposition", "x-content-type-options")
        assert [answer.headers[name] for name in told] == [*asked.values(), "nosniff"]
        part = httpx.get(link, headers={"range": "bytes=1-3"}, trust_env=False)
        assert (part.status_code, part.content) == (206, b"svg")
        for changed in (link.replace("00.svg", "01.svg"), link.replace("octet-stream", "xhtml")):
            assert httpx.get(changed, trust_env=False).status_code == 403
    assert public_links(Settings.load(data_dir=str(tmp_path))) is None


def test_what_was_written_before_a_bucket_kept_versions_comes_back_and_leaves_like_any_version(
    tmp_path: Path,
) -> None:
    with servers.minio_server(tmp_path) as given:
        made = {name.removeprefix("MMSVAULT_").lower(): value for name, value in given.items()}
        kept = Vault(Settings.load(data_dir=str(tmp_path), **made)).bucket
        assert isinstance(kept, S3Bucket)
        kept.make()
        kept.put("m/00.txt", b"first", content_type="text/plain")
        kept._client.set_bucket_versioning(kept._name, VersioningConfig(ENABLED))
        kept.put("m/00.txt", b"second", content_type="text/plain")
        assert kept.bring_back("m/00.txt", hashlib.sha256(b"first").hexdigest())
        assert kept.read("m/00.txt") == b"first"
        kept.remove("m/00.txt")
        assert list(kept.deleted("m/")) == ["m/00.txt"]
        kept.undelete("m/00.txt")
        assert kept.read("m/00.txt") == b"first"
        assert kept.lock("m/") == ""
        assert kept.erase("m/") == 3
        assert list(kept._client.list_objects(kept._name, recursive=True, include_version=True)) == []
