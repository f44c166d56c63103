"""Hostile files through a whole vault: archived byte for byte, shown to nobody as anything active."""

import hashlib
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from dashboard.links import Links
from mmsvault.catalog import queries
from mmsvault.errors import NotFoundError
from mmsvault.message import Message, MessageState
from mmsvault.sample.notices import Notice
from mmsvault.sample.provider import SampleProvider
from tests import hostile
from tests.house import House
from tests.servers import until

MOST_MEMORY_KB = 400_000
FILES = {name: make() for name, make in hostile.MADE.items()}
INERT = ("image/jpeg", "image/png", "image/gif", "video/3gpp", "text/plain")
ACTIVE = re.compile(r"html|xml|svg|script", re.IGNORECASE)


@pytest.fixture(scope="module")
def hurt(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[House, Message]]:
    """A vault that was sent one message of hostile files."""
    house = House(tmp_path_factory.mktemp("hostile"))
    with SampleProvider() as provider, house.up():
        urls = tuple(provider.offer(file) for file in FILES.values())
        notice = Notice("hostile", "14085550123", "28444", datetime.now(UTC), urls=urls)
        assert provider.send(house.postbacks, notice) == 200
        with house.vault() as vault:

            def complete() -> Message | None:
                try:
                    message = queries.load(vault.catalog, "sinch-hostile")
                except NotFoundError:
                    return None
                waits = any(item.next_attempt_at or item.preview_due_at for item in message.media)
                return None if waits else message

            message = until(complete, seconds=150, what="the hostile message being archived")
            assert vault.queue.failed_job_registry.count == 0
        yield house, message


def test_hostile_originals_are_kept_byte_for_byte(hurt: tuple[House, Message]) -> None:
    house, message = hurt
    assert message.state is MessageState.ARCHIVED
    with house.vault() as vault:
        for item, (name, file) in zip(message.media, FILES.items(), strict=True):
            assert item.sha256 == hashlib.sha256(file.data).hexdigest(), name
            assert vault.bucket.get(item.key) == file.data, name


def test_the_workers_memory_stays_small(hurt: tuple[House, Message]) -> None:
    house, _ = hurt
    workers = house.processes("-m worker archive")
    assert workers
    for worker in workers:
        status = Path(f"/proc/{worker}/status").read_text()
        peak = int(re.search(r"VmHWM:\s+(\d+) kB", status)[1])  # type: ignore[index]
        assert peak < MOST_MEMORY_KB, worker


def test_nothing_active_is_ever_served_as_such(hurt: tuple[House, Message]) -> None:
    house, message = hurt
    visitor = house.visitor()
    links = Links(house.settings.generated.link_secret)
    for item in message.media:
        for download in (False, True):
            link = links.sign(item.key, item.content_type, download=download)
            answer = httpx.get(f"{house.dashboard}/{link}", cookies=visitor, trust_env=False)
            assert answer.status_code == 200
            said = answer.headers
            assert not ACTIVE.search(said["content-type"]), item.content_type
            assert said["x-content-type-options"] == "nosniff"
            assert said["content-security-policy"].startswith("sandbox; default-src 'none'")
            if item.content_type not in INERT or download:
                assert said["content-disposition"].startswith("attachment"), item.content_type
