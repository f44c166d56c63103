"""Files on their way to the browser: by the dashboard, large ones by the bucket where it is reached."""

import asyncio
import functools
from collections.abc import Iterator
from types import SimpleNamespace
from urllib.parse import urlsplit

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response

from dashboard.gate import VISIT
from dashboard.links import Links
from dashboard.media_route import SMALL_BYTES, media_route
from dashboard.reading_room import ReadingRoom
from mmsvault.catalog.language import EVERYTHING, Query, parse
from mmsvault.s3.linking import public_links
from mmsvault.settings import Settings
from mmsvault.vault import Vault
from tests import servers

FOLDER = "messages/2026/11/24/sinch-1/"
TEAM = parse("keyword:storm")
LARGE = bytes(SMALL_BYTES + 1)


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReadingRoom]:
    """A room on MinIO, which browsers reach by another name than the dashboard does."""
    folder = tmp_path_factory.mktemp("minio")
    with servers.minio_server(folder) as given:
        made = {name.removeprefix("MMSVAULT_").lower(): value for name, value in given.items()}
        public = made["s3_endpoint"].replace("127.0.0.1", "localhost")
        settings = Settings.load(data_dir=str(folder), s3_public_endpoint=public, **made)
        vault = Vault(settings)
        vault.bucket.make()
        vault.bucket.put(f"{FOLDER}00.mp4", LARGE, content_type="video/mp4")
        vault.bucket.put(f"{FOLDER}01.svg", LARGE, content_type="image/svg+xml")
        vault.bucket.put(f"{FOLDER}thumbs/00.webp", b"small", content_type="image/webp")
        yield ReadingRoom(
            settings=settings,
            catalog=vault.catalog,
            bucket=vault.bucket,
            links=Links("secret"),
            vault=vault,
            public=public_links(settings),
        )
        vault.close()


def asked(
    room: ReadingRoom,
    key: str,
    content_type: str,
    *,
    holds: bool = True,
    scope: Query = TEAM,
    signature: str = "",
) -> Response:
    """Ask as a visitor who may see the message, or may not."""
    link = urlsplit(room.links.sign(f"{FOLDER}{key}", content_type))
    request = {
        "type": "http",
        "method": "GET",
        "path_params": {"key": link.path.partition("/")[2]},
        "query_string": (link.query + signature).encode(),
        "headers": [],
        VISIT: SimpleNamespace(view=SimpleNamespace(holds=lambda _: holds, scope=scope)),
    }
    answer: Response = asyncio.run(media_route(room).endpoint(Request(request)))
    return answer


def test_a_large_file_comes_from_the_bucket_as_it_would_from_here(room: ReadingRoom) -> None:
    sent = asked(room, "00.mp4", "video/mp4")
    assert sent.status_code == 307
    assert urlsplit(sent.headers["location"]).hostname == "localhost"
    assert sent.headers["cache-control"].startswith("private, max-age=")
    answer = httpx.get(sent.headers["location"], trust_env=False)
    assert (answer.content, answer.headers["content-type"]) == (LARGE, "video/mp4")
    assert answer.headers["content-disposition"].startswith("inline")


def test_an_active_type_is_a_download_from_the_bucket_too(room: ReadingRoom) -> None:
    answer = httpx.get(asked(room, "01.svg", "image/svg+xml").headers["location"], trust_env=False)
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment")


def test_a_thumbnail_is_answered_here(room: ReadingRoom) -> None:
    assert asked(room, "thumbs/00.webp", "image/webp").body == b"small"


def test_who_may_not_see_the_message_is_sent_nowhere(room: ReadingRoom) -> None:
    assert asked(room, "00.mp4", "video/mp4", holds=False).status_code == 404


def test_a_thumbnail_that_was_asked_for_is_read_once_from_the_bucket_until_it_is_deleted(
    room: ReadingRoom,
) -> None:
    key = f"{FOLDER}thumbs/01.webp"
    room.bucket.put(key, b"seen", content_type="image/webp")
    ask = functools.partial(asked, room, "thumbs/01.webp", "image/webp")
    first = ask(scope=EVERYTHING)
    room.bucket.remove(key)
    for scope in (EVERYTHING, TEAM):
        again = ask(scope=scope)
        assert (again.body, again.headers) == (b"seen", first.headers)
    assert ask(holds=False).status_code == 404, "the shelf is no way around a scope"
    room.shelf.forget("sinch-1")
    assert ask(scope=EVERYTHING).status_code == 404


def test_the_shelf_opens_nothing_without_a_signature(room: ReadingRoom) -> None:
    assert asked(room, "thumbs/00.webp", "image/webp", scope=EVERYTHING).status_code == 200
    assert asked(room, "thumbs/00.webp", "image/webp", scope=EVERYTHING, signature="x").status_code == 403


def test_originals_are_not_on_the_shelf(room: ReadingRoom) -> None:
    key = f"{FOLDER}02.jpg"
    room.bucket.put(key, b"original", content_type="image/jpeg")
    assert asked(room, "02.jpg", "image/jpeg").body == b"original"
    room.bucket.remove(key)
    assert asked(room, "02.jpg", "image/jpeg").status_code == 404
