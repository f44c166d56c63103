"""Files on their way to the browser: by the dashboard, large ones by the bucket where it is reached.

The people are real ones: each has a role and a scope in the catalog, a session, and comes through the gate.
"""

import asyncio
from collections.abc import Callable, Iterator
from datetime import timedelta
from urllib.parse import urlsplit

import httpx
import pytest
from starlette.applications import Starlette

from dashboard.gate import Gate
from dashboard.links import Links
from dashboard.media_route import SMALL_BYTES, media_route
from dashboard.reading_room import ReadingRoom
from dashboard.visiting import COOKIE
from mmsvault.catalog import entering, people, sessions
from mmsvault.catalog.connection import migrate, writing
from mmsvault.catalog.people import Role
from mmsvault.message import utc_now
from mmsvault.s3.linking import public_links
from mmsvault.settings import Settings
from mmsvault.vault import Vault
from tests import servers
from tests.records import message

FOLDER = "messages/2026/11/24/sinch-1/"
LARGE = bytes(SMALL_BYTES + 1)
EVERYONE, TEAM, OTHERS, MOVED = "everyone", "team", "others", "moved"
SCOPES = {EVERYONE: "", TEAM: "keyword:storm", OTHERS: "keyword:sun", MOVED: "keyword:storm"}
Asked = Callable[..., httpx.Response]


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReadingRoom]:
    """A room on MinIO, which browsers reach by another name than the dashboard does."""
    folder = tmp_path_factory.mktemp("minio")
    with servers.minio_server(folder) as given:
        made = {name.removeprefix("MMSVAULT_").lower(): value for name, value in given.items()}
        public = made["s3_endpoint"].replace("127.0.0.1", "localhost")
        settings = Settings.load(data_dir=str(folder), s3_public_endpoint=public, **made)
        vault = Vault(settings)
        migrate(vault.catalog)
        vault.bucket.make()
        vault.bucket.put(f"{FOLDER}00.mp4", LARGE, content_type="video/mp4")
        vault.bucket.put(f"{FOLDER}01.svg", LARGE, content_type="image/svg+xml")
        vault.bucket.put(f"{FOLDER}thumbs/00.webp", b"small", content_type="image/webp")
        with writing(vault.catalog) as connection:
            assert entering.insert_whole(connection, message(keyword="storm", prefix=FOLDER))
        people.add(vault.catalog, "admin", role=Role.ADMIN)  # one stays, whatever becomes of the others
        for name, scope in SCOPES.items():
            people.add(vault.catalog, name, role=Role.VIEWER, scope=scope, password="correct horse battery")
        yield ReadingRoom(
            settings=settings,
            catalog=vault.catalog,
            bucket=vault.bucket,
            links=Links("secret"),
            vault=vault,
            public=public_links(settings),
        )
        vault.close()


@pytest.fixture(scope="module")
def asked(room: ReadingRoom) -> Asked:
    """Ask for a file of the message by a signed link, as a person who is logged in, or as nobody."""
    gate = Gate(Starlette(routes=[media_route(room)]), room)
    tokens = {
        name: sessions.begin(room.catalog, name, now=utc_now(), span=timedelta(hours=1)) for name in SCOPES
    }

    async def get(path: str, headers: dict[str, str]) -> httpx.Response:
        transport = httpx.ASGITransport(gate)
        async with httpx.AsyncClient(transport=transport, base_url="http://vault.example") as client:
            return await client.get(path, headers=headers)

    def ask(key: str, content_type: str, *, who: str = TEAM, signature: str = "") -> httpx.Response:
        link = room.links.sign(f"{FOLDER}{key}", content_type)
        headers = {"cookie": f"{COOKIE}={tokens[who]}"} if who else {}
        return asyncio.run(get(f"/{link.lstrip('/')}{signature}", headers))

    return ask


def test_a_large_file_comes_from_the_bucket_as_it_would_from_here(asked: Asked) -> None:
    sent = asked("00.mp4", "video/mp4")
    assert sent.status_code == 307
    assert urlsplit(sent.headers["location"]).hostname == "localhost"
    assert sent.headers["cache-control"].startswith("private, max-age=")
    answer = httpx.get(sent.headers["location"], trust_env=False)
    assert (answer.content, answer.headers["content-type"]) == (LARGE, "video/mp4")
    assert answer.headers["content-disposition"].startswith("inline")


def test_an_active_type_is_a_download_from_the_bucket_too(asked: Asked) -> None:
    answer = httpx.get(asked("01.svg", "image/svg+xml").headers["location"], trust_env=False)
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment")


def test_a_thumbnail_is_answered_here(asked: Asked) -> None:
    assert asked("thumbs/00.webp", "image/webp").content == b"small"


@pytest.mark.parametrize(
    ("key", "content_type"),
    [("00.mp4", "video/mp4"), ("01.svg", "image/svg+xml"), ("thumbs/00.webp", "image/webp")],
)
def test_who_may_not_see_the_message_is_sent_nowhere(asked: Asked, key: str, content_type: str) -> None:
    assert asked(key, content_type, who=EVERYONE).status_code in (200, 307)
    refused = asked(key, content_type, who=OTHERS)
    assert refused.status_code == 404
    assert "location" not in refused.headers
    assert asked(key, content_type, who="").status_code == 401


def test_another_scope_holds_for_files_as_well(asked: Asked, room: ReadingRoom) -> None:
    wanted = ("thumbs/00.webp", "image/webp")
    assert asked(*wanted, who=MOVED).status_code == 200
    people.change(room.catalog, MOVED, role=Role.VIEWER, scope=SCOPES[OTHERS])
    servers.until(lambda: asked(*wanted, who=MOVED).status_code == 404, what="the new scope holding")
    assert asked("00.mp4", "video/mp4", who=MOVED).status_code == 404


def test_a_thumbnail_that_was_asked_for_is_read_once_from_the_bucket_until_it_is_deleted(
    asked: Asked, room: ReadingRoom
) -> None:
    key, wanted = f"{FOLDER}thumbs/01.webp", ("thumbs/01.webp", "image/webp")
    room.bucket.put(key, b"seen", content_type="image/webp")
    first = asked(*wanted, who=EVERYONE)
    room.bucket.remove(key)
    for who in (EVERYONE, TEAM):
        again = asked(*wanted, who=who)
        assert (again.content, again.headers) == (b"seen", first.headers)
    assert asked(*wanted, who=OTHERS).status_code == 404, "the shelf is no way around a scope"
    room.shelf.forget("sinch-1")
    assert asked(*wanted, who=EVERYONE).status_code == 404


def test_the_shelf_opens_nothing_without_a_signature(asked: Asked) -> None:
    assert asked("thumbs/00.webp", "image/webp", who=EVERYONE).status_code == 200
    assert asked("thumbs/00.webp", "image/webp", who=EVERYONE, signature="x").status_code == 403


def test_originals_are_not_on_the_shelf(asked: Asked, room: ReadingRoom) -> None:
    key = f"{FOLDER}02.jpg"
    room.bucket.put(key, b"original", content_type="image/jpeg")
    assert asked("02.jpg", "image/jpeg").content == b"original"
    room.bucket.remove(key)
    assert asked("02.jpg", "image/jpeg").status_code == 404
