"""What a power cut leaves of an embedded vault: steps that strace saw a worker do, cut off anywhere."""

import json
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from mmsvault import archiving
from mmsvault.catalog import queries, tables
from mmsvault.catalog.connection import reading, writing
from mmsvault.errors import NotFoundError
from mmsvault.integrity import recovery
from mmsvault.media.sandbox import Sandbox
from mmsvault.message import MessageState, Receipt, utc_now
from mmsvault.sample.media import SampleFile
from mmsvault.sample.notices import lower_case_xml
from mmsvault.sample.provider import SampleProvider
from mmsvault.settings import Settings
from mmsvault.vault import Vault
from tests import file_log
from tests.file_log import Step
from tests.integration.archive import notice, picture, sha256, words
from tests.power_cut import NAMES, SYNCED, TORN, Disk, Left, some

CUTS = (SYNCED, NAMES, TORN, some(2014), some(2026))


@dataclass(frozen=True)
class Case:
    """A receipt, and what must be kept once it was let go of: files in the bucket by their bytes, its row."""

    name: str
    receipt: Receipt
    files: tuple[SampleFile, ...] = ()
    state: MessageState | None = None
    outcome: str = "message"
    tracking_id: str = ""
    happens: str = ""
    keeps_body: bool = True

    @property
    def bodies(self) -> tuple[bytes, ...]:
        return (*([self.receipt.body] if self.keeps_body else []), *(file.data for file in self.files))

    @property
    def plan(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "receipt": self.receipt.model_dump(mode="json"),
            "happens": self.happens,
        }


def receipt(body: bytes) -> Receipt:
    return Receipt.of(body, provider="sinch", headers={}, source="127.0.0.1")


def cases(provider: SampleProvider) -> Iterator[Case]:
    def told(name: str, *files: SampleFile, url: str = "", **more: Any) -> Receipt:
        urls = (*map(provider.offer, files), *([url] if url else []))
        return receipt(lower_case_xml(notice(name, *urls, timestamp=utc_now(), **more)))

    drawn, said, late = picture(3), words("on the pier"), words("later")
    away = provider.offer(late, failures=(500,) * 20)
    page = SampleFile("x.html", "text/html", b"<!doctype html><title>Log in</title>" + b" " * 200)
    login = provider.offer(page, path="/login/picture.jpg")
    first = told("picture", drawn)
    archived, pending = MessageState.ARCHIVED, MessageState.PENDING
    yield Case("a picture", first, (drawn,), archived, tracking_id="picture")
    yield Case("two files", told("two", said, picture(4)), (said, picture(4)), archived, tracking_id="two")
    again = receipt(first.body)
    yield Case("the same once more", again, (drawn,), archived, "duplicate", "picture")
    other = told("picture", drawn, subject="another body")
    yield Case("another body", other, (drawn,), archived, "duplicate", "picture")
    more = told("picture", words("one more"))
    yield Case("a new file", more, (drawn, words("one more")), archived, "duplicate", "picture")
    yield Case("no files", told("bare"), (), archived, tracking_id="bare")
    yield Case("a file that is not there yet", told("late", url=away), (), pending, tracking_id="late")
    yield Case("a page in place of a file", told("page", url=login), (), pending, tracking_id="page")
    put_off = told("crowded", words("crowded"))
    yield Case("put off", put_off, (), pending, tracking_id="crowded", happens="its provider is away")
    taken = told("taken", words("taken"))
    overtaken = "another worker takes it over"
    yield Case("taken over", taken, (), pending, tracking_id="taken", happens=overtaken)
    yield Case("not understood", receipt(b"<no mms"), outcome="quarantined")
    yield Case("another notice", told("code", code="N402"), outcome="other", keeps_body=False)
    deleted = told("gone", words("gone"))
    yield Case("deleted", deleted, outcome="duplicate", happens="sinch-gone", keeps_body=False)


@dataclass
class Recording:
    """What a worker did with the cases below `root`, where `marks` tells when it let go of which."""

    root: Path
    cases: list[Case]
    steps: list[Step] = field(default_factory=list)

    @property
    def marks(self) -> Path:
        return self.root.parent / "marks"

    def ends(self) -> Iterator[tuple[Case, Disk]]:
        """Give the disk as it is when each case was let go of."""
        disk, left = Disk(self.root), iter(self.cases)
        for step in self.steps:
            disk.do(step)
            if step.call == "write" and step.path == self.marks:
                case = next(left)
                assert step.data.decode().strip() == case.name
                yield case, disk

    def before_each_sync(self) -> Iterator[tuple[int, Disk]]:
        """Give how many cases were let go of just before anything else is synced, and the disk then."""
        disk, released = Disk(self.root), 0
        for step in self.steps:
            if disk.would_keep(step):
                yield released, disk
            disk.do(step)
            released += step.call == "write" and step.path == self.marks
        yield released, disk


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory, provider: SampleProvider) -> Recording:
    folder = tmp_path_factory.mktemp("recorded").resolve()
    made = Recording(folder / "disk", list(cases(provider)))
    made.root.mkdir()
    plan = folder / "plan.json"
    plan.write_text(json.dumps([case.plan for case in made.cases]))
    os.environ |= env(made.root)
    try:
        program = [sys.executable, "-m", "tests.recorded_worker", str(plan), str(made.marks)]
        made.steps = file_log.record(program, folder / "log")
    finally:
        for name in env(made.root):
            del os.environ[name]
    return made


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    made = Sandbox(max_pixels=1_000_000, folder=tmp_path_factory.mktemp("sandbox"))
    yield made
    made.close()


def env(root: Path) -> dict[str, str]:
    return {
        "MMSVAULT_DATA_DIR": str(root / "vault"),
        "MMSVAULT_FETCH_PRIVATE_NETWORKS": "127.0.0.1/32",
    }


def opened(root: Path) -> Vault:
    given = {name.removeprefix("MMSVAULT_").lower(): value for name, value in env(root).items()}
    return Vault(Settings.load(**given))


def kept_bytes(vault: Vault) -> dict[str, str]:
    """Return the SHA-256 of everything in the bucket, by key."""
    return {found.key: sha256(vault.bucket.read(found.key)) for found in vault.bucket.list("")}


def missing(vault: Vault, case: Case) -> list[str]:
    """Return what of a case that was let go of is not there, without anything being fetched or done again."""
    kept = kept_bytes(vault)
    lost = [f"{case.name}: bytes {body[:60]!r}" for body in case.bodies if sha256(body) not in kept.values()]
    with reading(vault.catalog) as connection:
        row = tables.receipts.c
        outcome = connection.scalar(select(row.outcome).where(row.id == case.receipt.id))
    if outcome != case.outcome:
        lost.append(f"{case.name}: its receipt is {outcome} in the catalog")
    if case.state:
        try:
            message = queries.load(vault.catalog, f"sinch-{case.tracking_id}")
        except NotFoundError:
            return [*lost, f"{case.name}: its message is not in the catalog"]
        if message.state is MessageState.PENDING and not (case.state is message.state and message.due_at):
            lost.append(f"{case.name}: it is {message.state}, due {message.due_at}")
        named = [(item.key, item.sha256) for item in message.media if item.key]
        named += [(item.thumbnail_key, item.thumbnail_sha256) for item in message.media if item.thumbnail_key]
        named += [(f"{message.prefix}{one.name}", one.sha256) for one in message.postbacks]
        lost += [f"{case.name}: {key} is not what it was" for key, digest in named if kept.get(key) != digest]
        if case.state is MessageState.ARCHIVED and f"{message.prefix}message.json" not in kept:
            lost.append(f"{case.name}: no message.json")
        lost += [
            f"{case.name}: no {key}" for item in message.media for key in item.evidence if key not in kept
        ]
    return lost


def test_nothing_of_the_bucket_waits_for_the_disk_once_a_receipt_is_let_go_of(recording: Recording) -> None:
    waiting: dict[str, str] = {}
    for case, disk in recording.ends():
        for name in disk.unsynced():
            if name.startswith("vault/bucket"):
                waiting.setdefault(name, case.name)
    assert waiting == {}
    assert len(list(recording.ends())) == len(recording.cases)


@pytest.mark.parametrize("left", CUTS, ids=str)
def test_what_was_let_go_of_is_whole_after_a_power_cut_right_then(
    recording: Recording, tmp_path: Path, left: Left
) -> None:
    lost = []
    for number, (case, disk) in enumerate(recording.ends()):
        disk.leave(tmp_path / str(number), left)
        vault = opened(tmp_path / str(number))
        lost += missing(vault, case)
        vault.close()
    assert lost == []


def test_whenever_the_power_is_cut_work_goes_on_and_nothing_let_go_of_is_lost(
    recording: Recording, tmp_path: Path, sandbox: Sandbox
) -> None:
    lost, cuts = [], 0
    for number, (released, disk) in enumerate(recording.before_each_sync()):
        if released == len(recording.cases):
            break
        cuts += 1
        place = tmp_path / str(number)
        disk.leave(place, some(number) if number % 2 else SYNCED)
        vault = opened(place)
        vault.__dict__["sandbox"] = sandbox  # one for all: to start one takes longer than all the rest
        said = recovery.set_damaged_aside(vault, closely=True)
        assert not (said and released), said
        vault.prepare()
        in_hand = recording.cases[released]
        work_on(vault, in_hand)
        for case in recording.cases[:released]:
            lost += missing(vault, case)
        kept = kept_bytes(vault).values()
        lost += [f"{in_hand.name}, begun again" for body in in_hand.bodies if sha256(body) not in kept]
        del vault.__dict__["sandbox"]
        vault.close()
        shutil.rmtree(place)
    assert lost == []
    assert cuts > len(recording.cases) * 3


def work_on(vault: Vault, case: Case) -> None:
    """Do what is in hand once more, and then what is due, after the leases of the dead have run out."""
    archiving.archive_receipt(vault, case.plan["receipt"])
    with writing(vault.catalog) as connection:
        connection.execute(tables.messages.update().values(lease_token=None, lease_until_at=None))
    if case.state:
        archiving.archive_message(vault, f"sinch-{case.tracking_id}")
