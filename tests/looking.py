"""Pages of the dashboard run by Streamlit's AppTest, over a vault of the test's own."""

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import pytest
import streamlit as st
from starlette.applications import Starlette
from streamlit.testing.v1 import AppTest

from dashboard import alerts, visiting
from dashboard.links import Links
from dashboard.main import application
from dashboard.reading_room import ReadingRoom, open_for_visitors
from mmsvault.catalog.connection import migrate
from mmsvault.catalog.people import Person, Role
from mmsvault.message import utc_now
from mmsvault.ops.conditions import Finding, judge
from mmsvault.ops.facts import Facts, QueueFacts
from mmsvault.ops.gather import archive_facts
from mmsvault.settings import Settings
from mmsvault.vault import Vault
from tests.integration.archive import embedded_bucket
from tests.servers import redis_server


@contextmanager
def reading_room(settings: Settings) -> Iterator[ReadingRoom]:
    """Open the room that pages of this process work with."""
    vault = Vault(settings)
    migrate(vault.catalog)
    room = ReadingRoom(
        settings=settings, catalog=vault.catalog, bucket=vault.bucket, links=Links("secret"), vault=vault
    )
    open_for_visitors(room)
    st.cache_data.clear()
    alerts.findings.clear()
    try:
        yield room
    finally:
        vault.close()


@contextmanager
def servers(folder: Path) -> Iterator[Settings]:
    """Run the queue and the embedded bucket, and give the settings of a vault on them."""
    with redis_server(folder) as url, embedded_bucket(folder):
        yield settings_in(folder / "vault", redis_url=url)


@contextmanager
def own_room(shared: Settings, test: str) -> Iterator[ReadingRoom]:
    """Open a room with a catalog and a bucket of the test's own, on servers that others use as well."""
    name = sha256(test.encode()).hexdigest()[:20]
    own = {"database_url": f"sqlite:///{shared.data_dir / name}.sqlite", "s3_bucket": f"b{name}"}
    with reading_room(settings_in(shared.data_dir, redis_url=shared.redis_url, **own)) as room:
        room.bucket.make()
        yield room


class _NoPages(Starlette):
    """Stands for Streamlit, of which a process can have one only."""

    def __init__(self, script: Path) -> None:
        assert script.exists()
        super().__init__()

    def lifespan(self) -> None:
        """Return that nothing is to be begun."""


def without_pages(room: ReadingRoom) -> Starlette:
    """Return the dashboard's whole server over a room, but for Streamlit's own pages."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(st, "App", _NoPages)
        return application(room)


def findings(room: ReadingRoom, *, queue: QueueFacts | None = None) -> list[Finding]:
    """Return what is found of this archive, and of programs that are as `queue` says."""
    now = utc_now()
    archive = archive_facts(room.vault, now=now)
    return list(judge(Facts(room.settings, now, archive=archive, queue=queue)))


def settings_in(folder: Path, **given: object) -> Settings:
    return Settings.load(data_dir=folder, **given)


def look_at(
    page: str, monkeypatch: pytest.MonkeyPatch, *, role: Role = Role.ADMIN, scope: str = "", **query: str
) -> AppTest:
    """Run a page, `module.function` of the dashboard, as somebody with this role sees it."""
    person = Person("tests", role, scope, is_one_time=False, made_at=utc_now())
    monkeypatch.setattr(visiting, "recognise", lambda _room, _headers, **_: person)
    monkeypatch.setattr(visiting, "client_address", lambda *_: "127.0.0.1")
    module, _, function = page.rpartition(".")
    importlib.import_module(f"dashboard.{module}")
    app = AppTest.from_function(_script, default_timeout=120, args=(f"dashboard.{module}", function))
    for name, value in query.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception, app.exception
    return app


def texts(app: AppTest) -> str:
    """Return everything that the page says in words of its own elements."""
    said = (app.text, app.caption, app.info, app.warning, app.error, app.markdown, app.code, app.title)
    return "\n".join(str(one.value) for kind in said for one in kind)


def _script(module: str, function: str) -> None:
    import importlib  # noqa: PLC0415 - runs as a script of its own

    getattr(importlib.import_module(module), function)()
