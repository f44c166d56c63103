"""Hostile files through a whole vault: archived byte for byte, shown to nobody as anything active."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Error, Page, expect

from dashboard.links import Links
from mmsvault.catalog import queries
from mmsvault.errors import NotFoundError
from mmsvault.media import answers, sniffing
from mmsvault.media.answers import Told
from mmsvault.message import MediaItem, Message, MessageState
from mmsvault.sample.media import SampleFile
from mmsvault.sample.notices import Notice
from mmsvault.sample.provider import SampleProvider
from tests import hostile, polyglots
from tests.chromium import what_gets_out
from tests.house import House
from tests.integration.test_hostile_input import canary, keep_count
from tests.servers import until

MOST_MEMORY_KB = 400_000
ACTIVE = re.compile(r"html|xml|svg|script|wasm|java|flash|css", re.IGNORECASE)
INERT = re.compile(r"(?:image|video|audio)/[a-z0-9.-]+|text/plain(?:; charset=utf-8)?")
"""What may be shown in the browser; everything else is a download."""

Files = dict[str, SampleFile]


@dataclass(frozen=True)
class Hurt:
    """A vault that was sent messages of hostile files, by message id; `reached` is who met the canary."""

    house: House
    sent: dict[str, Files]
    messages: dict[str, Message]
    reached: list[str]

    def items(self) -> Iterator[tuple[str, SampleFile, MediaItem]]:
        """Give each file by name, as it was sent and as it is kept."""
        for identity, files in self.sent.items():
            for (name, file), item in zip(files.items(), self.messages[identity].media, strict=True):
                yield name, file, item


@pytest.fixture(scope="module")
def hurt(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hurt]:
    house = House(tmp_path_factory.mktemp("hostile"))
    with canary() as (port, reached), SampleProvider() as provider, house.up():
        sent = {
            "sinch-hostile": {name: kept(make()) for name, make in hostile.MADE.items()},
            "sinch-polyglots": named(polyglots.made(f"http://127.0.0.1:{port}")),
            "sinch-broken": named(polyglots.broken()),
        }
        for identity, files in sent.items():
            urls = tuple(provider.offer(file) for file in files.values())
            tracking_id = identity.removeprefix("sinch-")
            notice = Notice(tracking_id, "14085550123", "28444", datetime.now(UTC), urls=urls)
            assert provider.send(house.postbacks, notice) == 200
        with house.vault() as vault:

            def complete() -> dict[str, Message]:
                try:
                    found = {identity: queries.load(vault.catalog, identity) for identity in sent}
                except NotFoundError:
                    return {}
                files = [item for message in found.values() for item in message.media]
                return {} if any(item.next_attempt_at or item.preview_due_at for item in files) else found

            messages = until(complete, seconds=170, what="the hostile messages being archived")
            assert vault.queue.failed_job_registry.count == 0
        yield Hurt(house, sent, messages, reached)


def named(files: polyglots.Files) -> Files:
    return {name: kept(SampleFile(f"{n}.bin", *file)) for n, (name, file) in enumerate(files.items())}


def kept(file: SampleFile) -> SampleFile:
    """Return the file under a name with which it is kept: a page is taken for a text only."""
    told = Told(file.name, (file.content_type,))
    refused = answers.judge(told, size=len(file.data), beginning=file.data[: sniffing.HEAD_BYTES]).reason
    return replace(file, name=f"{file.name}.txt", content_type="text/plain") if refused else file


@pytest.mark.timeout(240)
def test_hostile_originals_are_kept_byte_for_byte(hurt: Hurt) -> None:
    assert {message.state for message in hurt.messages.values()} == {MessageState.ARCHIVED}
    with hurt.house.vault() as vault:
        for name, file, item in hurt.items():
            assert item.sha256 == hashlib.sha256(file.data).hexdigest(), name
            assert vault.bucket.read(item.key) == file.data, name


def test_nothing_in_a_file_makes_the_vault_ask_for_anything(hurt: Hurt) -> None:
    assert hurt.reached == []


def test_the_workers_memory_stays_small(hurt: Hurt) -> None:
    workers = hurt.house.processes("-m worker archive")
    assert workers
    for worker in workers:
        status = Path(f"/proc/{worker}/status").read_text()
        peak = int(re.search(r"VmHWM:\s+(\d+) kB", status)[1])  # type: ignore[index]
        assert peak < MOST_MEMORY_KB, worker


def test_nothing_active_is_ever_served_as_such(hurt: Hurt) -> None:
    visitor = hurt.house.visitor()
    links = Links(hurt.house.settings.generated.link_secret)
    with httpx.Client(base_url=hurt.house.dashboard, cookies=visitor, trust_env=False) as client:
        for name, _, item in hurt.items():
            shown = [(key, "image/webp") for key in (item.thumbnail_key,) if key]
            for key, content_type in ((item.key, item.content_type), *shown):
                for download in (False, True):
                    answer = client.get(f"/{links.sign(key, content_type, download=download)}")
                    assert answer.status_code == 200, name
                    said = answer.headers
                    assert not ACTIVE.search(said["content-type"]), name
                    assert said["x-content-type-options"] == "nosniff"
                    assert said["content-security-policy"].startswith("sandbox; default-src 'none'")
                    if download or not INERT.fullmatch(said["content-type"]):
                        assert said["content-disposition"].startswith("attachment"), name
    keep_count("files that are two things, or not what they say", len(hurt.sent["sinch-polyglots"]))
    keep_count("broken pictures, films and sounds", len(hurt.sent["sinch-broken"]))
    keep_count("bombs and other files that are made to hurt", len(hurt.sent["sinch-hostile"]))


def test_a_browser_that_opens_them_runs_nothing_and_asks_nobody(hurt: Hurt, page: Page) -> None:
    house = hurt.house
    house.enter(page)
    outside = what_gets_out(page, of=house.dashboard)
    for identity, message in hurt.messages.items():
        page.goto(f"{house.dashboard}/message?id={identity}")
        expect(page.get_by_text(message.media[0].sha256).first).to_be_attached()
    links = Links(house.settings.generated.link_secret)
    opened = 0
    for item in hurt.messages["sinch-polyglots"].media:
        if INERT.fullmatch(item.content_type):
            answer = page.request.get(f"{house.dashboard}/{links.sign(item.key, item.content_type)}")
            if answer.headers["content-disposition"].startswith("inline"):
                opened += opens(page, answer.url)
    assert opened > 25
    assert not outside
    assert not hurt.reached


def opens(page: Page, address: str) -> bool:
    """Return whether the browser shows what is there; what it cannot play is a download to it."""
    try:
        page.goto(address)
    except Error as error:
        assert "Download is starting" in error.message
        return False
    return True
