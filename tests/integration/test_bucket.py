import io
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from mmsvault.bucket import Bucket
from mmsvault.embedded.servers import bucket_part
from mmsvault.errors import NotFoundError, UnavailableError
from mmsvault.s3.linking import public_links
from mmsvault.s3.talking import open_client
from mmsvault.settings import Settings
from mmsvault.vault import Vault
from tests import servers


@pytest.fixture(scope="module", params=["rclone", "minio"])
def bucket(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bucket]:
    """An empty bucket on each server."""
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "minio":
        with servers.minio_server(folder) as given:
            made = {name.removeprefix("MMSVAULT_").lower(): value for name, value in given.items()}
            opened = Vault(Settings.load(data_dir=str(folder), **made)).bucket
            opened.make()
            yield opened
    else:
        settings = Settings.load(data_dir=str(folder))
        part = bucket_part(settings)
        port = settings.generated.s3_port
        with servers.running(part.command, log=folder / "log", port=port, env=part.env):
            opened = Vault(settings).bucket
            opened.make()
            yield opened


def test_what_was_put_comes_back_with_its_size_and_type(bucket: Bucket) -> None:
    data = bytes(range(256)) * 1000
    bucket.put("a/00.jpg", io.BytesIO(data), size=len(data), content_type="image/jpeg")
    assert bucket.get("a/00.jpg") == data
    assert bucket.describe("a/00.jpg")["size"] == len(data)
    with bucket.open("a/00.jpg", offset=10, length=5) as response:
        assert response.read() == data[10:15]


def test_making_it_again_changes_nothing(bucket: Bucket) -> None:
    bucket.put("b", b"kept", content_type="text/plain")
    bucket.make()
    assert bucket.get("b") == b"kept"


def test_an_object_is_replaced_whole(bucket: Bucket) -> None:
    bucket.put("c", b"a longer first version", content_type="text/plain")
    bucket.put("c", b"short", content_type="text/plain")
    assert bucket.get("c") == b"short"


def test_an_empty_object_is_an_object(bucket: Bucket) -> None:
    bucket.put("empty", b"", content_type="text/plain")
    assert bucket.get("empty") == b""


def test_what_is_not_there_is_not_found(bucket: Bucket) -> None:
    with pytest.raises(NotFoundError, match="nowhere"):
        bucket.get("nowhere/at/all")
    with pytest.raises(NotFoundError):
        bucket.describe("nowhere")


def test_a_server_that_is_away_is_unavailable() -> None:
    client = open_client("127.0.0.1:9", secure=False, keys=("a", "b"), region="us-east-1")
    away = Bucket(client, "tests", region="us-east-1")
    with pytest.raises(UnavailableError, match="cannot be reached"):
        away.get("x")


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
        assert answer.content == kept.get("m/00.svg")
        told = ("content-type", "content-disposition", "x-content-type-options")
        assert [answer.headers[name] for name in told] == [*asked.values(), "nosniff"]
        part = httpx.get(link, headers={"range": "bytes=1-3"}, trust_env=False)
        assert (part.status_code, part.content) == (206, b"svg")
        for changed in (link.replace("00.svg", "01.svg"), link.replace("octet-stream", "xhtml")):
            assert httpx.get(changed, trust_env=False).status_code == 403
    assert public_links(Settings.load(data_dir=str(tmp_path))) is None
