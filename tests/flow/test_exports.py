"""Exports as jobs of a running vault: made, killed half way, cancelled, asked for by the calendar."""

import io
import os
import random
import signal
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from urllib.parse import urljoin

import httpx
import pytest
from playwright.sync_api import Page, expect

from mmsvault import erasing
from mmsvault.exporting import register, verifying, working
from mmsvault.exporting.planning import Choice
from mmsvault.exporting.register import Export, State
from mmsvault.message import utc_now
from mmsvault.vault import Vault
from tests.house import House
from tests.integration.exports import kept
from tests.servers import until

FILE_BYTES = 500_000
MESSAGES = 40
ERASED = "14085550777"


@pytest.fixture(scope="module")
def filled(house: House) -> Iterator[Vault]:
    """The vault of a running house, with messages enough for an export to take a while."""
    chance = random.Random(8)
    with house.vault() as vault:
        for number in range(MESSAGES):
            kept(vault, f"export-{number}", chance.randbytes(FILE_BYTES), minutes=number, keyword="exported")
        yield vault


def requested(vault: Vault, *, volume_bytes: int = 0, keyword: str = "exported") -> str:
    choice = Choice(query=f"keyword:{keyword}", volume_bytes=volume_bytes, signed=True)
    entered = working.request(vault, choice, name="case", made_by="tests", made_at=utc_now())
    assert entered
    return entered.id


def ended(vault: Vault, identity: str, *, seconds: float = 120) -> Export:
    def look() -> Export | None:
        found = register.find(vault.catalog, identity)
        return found if found.state not in register.UNFINISHED else None

    return until(look, seconds=seconds, what="the export ending")


def fetched(vault: Vault, found: Export, folder: Path) -> list[Path]:
    paths = []
    for volume in found.volumes:
        path = folder / volume.name
        path.write_bytes(vault.bucket.read(found.prefix + volume.name))
        paths.append(path)
    return paths


def written_at(vault: Vault, found: Export) -> dict[str, datetime]:
    return {
        listed.key.removeprefix(found.prefix): listed.modified_at
        for listed in vault.bucket.list(found.prefix)
    }


def hold(house: House, process: int) -> bool:
    """Stop the process, unless it keeps others from writing just now; tell whether it is stopped."""
    os.kill(process, signal.SIGSTOP)
    if house.can_write():
        return True
    os.kill(process, signal.SIGCONT)
    return False


@contextmanager
def held(house: House) -> Iterator[int]:
    """Hold the worker that makes exports, and give its process."""
    (process,) = until(lambda: house.processes("-m worker exports"), what="the worker being there")
    until(lambda: hold(house, process), what="the worker being held outside of a transaction")
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGCONT)


@contextmanager
def held_half_way(
    house: House, vault: Vault, *, keyword: str = "exported"
) -> Iterator[tuple[str, int, Export]]:
    """Ask for an export and hold its worker when a part is made; give its id, the process and how far it is.

    The worker is held before it is asked, then runs a little at a time: it cannot be done before it is seen.
    """
    with held(house) as process:
        identity = requested(vault, volume_bytes=600_000, keyword=keyword)

        def run_a_little() -> Export | None:
            os.kill(process, signal.SIGCONT)
            until(lambda: hold(house, process), what="the worker being held again")
            found = register.find(vault.catalog, identity)
            return found if found.plan and len(found.volumes) >= len(found.plan.volumes) // 4 else None

        half = until(run_a_little, seconds=120, what="a part of the export")
        assert half.state is State.RUNNING
        yield identity, process, half


def test_an_export_finishes_though_its_worker_is_killed_half_way_and_begins_nothing_anew(
    house: House, filled: Vault, tmp_path: Path
) -> None:
    with held_half_way(house, filled) as (identity, process, half):
        before = written_at(filled, half)
        os.kill(process, signal.SIGKILL)
    found = ended(filled, identity)
    assert found.state is State.DONE
    assert found.volumes[: len(half.volumes)] == half.volumes
    after = written_at(filled, found)
    assert all(after[volume.name] == before[volume.name] for volume in half.volumes), "none is made twice"
    assert sum(volume.messages for volume in found.volumes) == MESSAGES
    for path in fetched(filled, found, tmp_path):
        assert verifying.verify(path).ok
    left = {listed.key for listed in filled.bucket.list(found.prefix)}
    assert left == {found.prefix + name for name in (*(one.name for one in found.volumes), "case-set.json")}


def test_a_number_erased_while_the_worker_is_half_way_is_in_no_volume_of_the_finished_export(
    house: House, filled: Vault
) -> None:
    chance = random.Random(24)
    for number in range(8):
        sender = ERASED if number % 4 == 1 else "14085550123"
        data = chance.randbytes(FILE_BYTES)
        kept(filled, f"mixed-{number}", data, minutes=number, keyword="mixed", sender=sender)
    with held_half_way(house, filled, keyword="mixed") as (identity, _process, _half):
        receipt = erasing.erase(filled, ERASED, who="tests")
    found = ended(filled, identity)
    assert [one["key"] for one in receipt["exports"]] == [found.prefix]
    assert {one["id"] for one in receipt["erased"]} == {"sinch-mixed-1", "sinch-mixed-5"}
    assert (found.state, found.left_out) == (State.DONE, 2)
    names = [
        name
        for volume in found.volumes
        for name in zipfile.ZipFile(io.BytesIO(filled.bucket.read(found.prefix + volume.name))).namelist()
    ]
    assert sum(name.endswith("message.json") for name in names) == 6
    assert not any("mixed-1/" in name or "mixed-5/" in name for name in names)


def test_a_cancelled_export_leaves_nothing_behind(house: House, filled: Vault) -> None:
    with held_half_way(house, filled) as (identity, _process, _half):
        working.cancel(filled, identity)
    found = ended(filled, identity)
    assert found.state is State.CANCELLED
    assert list(filled.bucket.list(found.prefix)) == []


def test_an_export_cancelled_before_it_began_is_never_made(house: House, filled: Vault) -> None:
    with held(house):
        identity = requested(filled)
        working.cancel(filled, identity)
    found = ended(filled, identity)
    assert found.state is State.CANCELLED
    assert list(filled.bucket.list(found.prefix)) == []


def test_the_command_line_writes_the_same_messages_to_a_file(
    house: House, filled: Vault, tmp_path: Path
) -> None:
    path = tmp_path / "out.zip"
    told = house.json("export", "--query", "keyword:exported", "--output", str(path), "--sign")
    assert told["messages"] == MESSAGES
    proof = house.json("verify-export", str(path), "--key", told["fingerprint"])
    assert (proof["ok"], proof["signature"]) == (True, "valid")
    with zipfile.ZipFile(path) as archive:
        assert sum(name.endswith("message.json") for name in archive.namelist()) == MESSAGES
    assert house.json("import", str(path)) == {
        "messages": MESSAGES,
        "new": 0,
        "known": MESSAGES,
        "problems": [],
        "remarks": [],
    }
    identity = requested(filled)
    found = ended(filled, identity)
    (job,) = fetched(filled, found, tmp_path)
    assert payload(job) == payload(path)
    working.delete(filled, identity)
    assert list(filled.bucket.list(found.prefix)) == []


def payload(path: Path) -> str:
    with zipfile.ZipFile(path) as archive:
        return archive.read("manifest-sha256.txt").decode()


@pytest.mark.parametrize(
    ("schedule", "name"), [("daily", "daily-2026-11-20"), ("monthly", "monthly-2026-10")]
)
def test_a_scheduled_export_is_asked_for_once(house: House, filled: Vault, schedule: str, name: str) -> None:
    more = {"MMSVAULT_EXPORT_SCHEDULE": schedule, "MMSVAULT_EXPORT_QUERY": "keyword:exported"}
    scheduled = House(house.folder, {**house.env, **more})
    with scheduled.vault() as vault:
        now = datetime(2026, 11, 21, 0, 5, tzinfo=UTC)
        (entered,) = working.ask_for_due(vault, now=now)
        assert entered.id == name
        assert working.ask_for_due(vault, now=now) == []
    found = ended(filled, name)
    assert found.state is State.DONE
    assert found.volumes[0].messages == (MESSAGES if schedule == "daily" else 0)


def test_the_dashboard_makes_an_archive_of_a_search_and_hands_it_out(
    house: House, filled: Vault, page: Page, tmp_path: Path
) -> None:
    house.enter(page)
    visitor = house.visitor()
    page.goto(f"{house.dashboard}/exports?query=keyword:exported")
    expect(page.get_by_role("textbox", name="Messages to export")).to_have_value("keyword:exported")
    page.get_by_role("button", name=f"Export {MESSAGES} messages").click()
    asked = until(
        lambda: [one for one in register.latest(filled.catalog) if one.name.startswith("mms-export-")],
        what="the export being asked for",
    )
    made = ended(filled, asked[0].id)
    (volume,) = made.volumes
    done = page.locator(f".st-key-export-{made.id}")
    expect(done.get_by_text(": Done")).to_be_visible()
    link = done.get_by_role("link", name=volume.name).get_attribute("href")
    address = urljoin(f"{house.dashboard}/exports", link)
    whole = httpx.get(address, timeout=60, cookies=visitor, trust_env=False)
    assert whole.status_code == 200
    assert sha256(whole.content).hexdigest() == volume.sha256
    assert "attachment" in whole.headers["content-disposition"]
    (tmp_path / "out.zip").write_bytes(whole.content)
    assert verifying.verify(tmp_path / "out.zip").signature == "valid"
    rest = httpx.get(
        address, headers={"range": f"bytes={volume.bytes - 100}-"}, cookies=visitor, trust_env=False
    )
    assert (rest.status_code, rest.content) == (206, whole.content[-100:])
    manifest = done.get_by_role("link", name="Set manifest").get_attribute("href")
    told = httpx.get(urljoin(f"{house.dashboard}/exports", manifest), cookies=visitor, trust_env=False).json()
    assert told["volumes"] == [volume.model_dump()]
    unsigned = address.partition("&signature=")[0]
    assert httpx.get(unsigned, cookies=visitor, trust_env=False).status_code == 403
    done.get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Delete for good").click()
    until(lambda: not list(filled.bucket.list(made.prefix)), what="the export being gone")
    until(
        lambda: httpx.get(address, cookies=visitor, trust_env=False).status_code == 404,
        what="its link leading nowhere",
    )
