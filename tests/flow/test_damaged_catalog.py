"""`up` after its catalog was damaged: it is made again from the bucket, without anybody's help."""

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from mmsvault.catalog import people, sqlite_file
from mmsvault.message import MessageState
from mmsvault.sample import media
from mmsvault.sample.provider import SampleProvider
from tests.flow.test_archive import notice
from tests.house import House
from tests.servers import until

PROGRAMS = ("valkey-server", "rclone", "-m receiver", "-m worker", "-m dashboard", "-m mmsvault")


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path, {"MMSVAULT_WORKERS": "1"})


@contextmanager
def cut_off(house: House) -> Iterator[None]:
    """Run a vault, and kill all of it at the end of the block as a power cut does."""
    with house.up() as process:
        yield
        os.kill(process.pid, signal.SIGKILL)
        until(lambda: not any(map(house.processes, PROGRAMS)), what="everything being gone")


def catalog(house: House) -> Path:
    return house.folder / "vault" / "catalog.sqlite"


def archive_one(house: House, provider: SampleProvider, name: str) -> None:
    assert provider.send(house.postbacks, notice(name, provider.offer(media.text(name)))) == 200
    house.archived(f"sinch-{name}")


DAMAGE: dict[str, Callable[[Path], object]] = {
    "header": lambda path: path.write_bytes(bytes(100) + path.read_bytes()[100:]),
    "empty": lambda path: path.write_bytes(b""),
    "missing": lambda path: path.unlink(),
    "pages": lambda path: path.write_bytes(path.read_bytes()[:8192] + bytes(path.stat().st_size - 8192)),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_catalog_is_made_again_by_the_next_start(
    house: House, provider: SampleProvider, damage: Callable[[Path], object]
) -> None:
    with cut_off(house):
        archive_one(house, provider, "before")
    for ending in ("-wal", "-shm"):
        catalog(house).with_name(f"catalog.sqlite{ending}").unlink(missing_ok=True)
    damage(catalog(house))
    house.log.unlink()
    with house.up():
        until(lambda: "MMS Vault is ready" in house.log.read_text(), what="the welcome")
        assert house.archived("sinch-before").state is MessageState.ARCHIVED
        archive_one(house, provider, "after")
    log = house.log.read_text()
    assert "It is made again from the bucket" in log
    assert log.index("the catalog is rebuilt") < log.index("MMS Vault is ready")
    assert log.count("rebuilding the catalog from the bucket") == 1
    assert sqlite_file.wants_rebuild(catalog(house)) == ""


def test_postbacks_are_kept_while_the_catalog_is_made_again_and_workers_wait(
    house: House, provider: SampleProvider
) -> None:
    with cut_off(house):
        archive_one(house, provider, "before")
    catalog(house).write_bytes(b"damaged" * 99)
    bucket = house.folder / "vault" / "bucket" / "mms-vault"
    elsewhere = bucket.rename(bucket.with_name("elsewhere"))
    bucket.touch()  # so that the rebuild has to wait
    house.log.unlink()
    with house.up():
        until(lambda: "waiting for a server" in house.log.read_text(), what="the rebuild waiting")
        assert httpx.post(house.postbacks, content=b"<x/>", trust_env=False).status_code == 200
        assert not house.processes("-m worker")
        assert "MMS Vault is ready" not in house.log.read_text()
        bucket.unlink()
        elsewhere.rename(bucket)
        house.archived("sinch-before")
        until(lambda: house.receipts().get("quarantined"), what="the postback being taken up")


def test_a_rebuild_that_was_cut_off_begins_again_and_makes_no_first_admin_before_its_end(
    house: House, provider: SampleProvider
) -> None:
    with cut_off(house):
        archive_one(house, provider, "before")
    catalog(house).write_bytes(b"damaged" * 99)
    bucket = house.folder / "vault" / "bucket" / "mms-vault"
    elsewhere = bucket.rename(bucket.with_name("elsewhere"))
    bucket.touch()
    house.log.unlink()
    with house.up() as process:
        until(lambda: "waiting for a server" in house.log.read_text(), what="the rebuild waiting")
        with house.vault() as vault:
            assert people.list_all(vault.catalog) == []
    assert process.returncode == 0
    bucket.unlink()
    elsewhere.rename(bucket)
    with house.up():
        house.archived("sinch-before")
        until(lambda: "MMS Vault is ready" in house.log.read_text(), what="the welcome")


def test_a_catalog_that_is_older_than_the_bucket_is_filled_up(
    house: House, provider: SampleProvider, tmp_path: Path
) -> None:
    with house.up():
        archive_one(house, provider, "before")
    older = shutil.copy(catalog(house), tmp_path / "older.sqlite")
    with house.up():
        archive_one(house, provider, "since")
    shutil.copy(older, catalog(house))
    for beside in ("-wal", "-shm"):  # where a program did not end by itself
        catalog(house).with_name(catalog(house).name + beside).unlink(missing_ok=True)
    with house.up():
        assert house.archived("sinch-since").state is MessageState.ARCHIVED
        until(lambda: "the catalog was older than the bucket" in house.log.read_text(), what="it being said")


def test_a_program_that_meets_damage_has_the_next_start_look_closely(
    house: House, provider: SampleProvider
) -> None:
    with house.up():
        archive_one(house, provider, "before")
    data = catalog(house).read_bytes()
    catalog(house).write_bytes(data[:4096] + b"\xff" * (len(data) - 4096))
    assert house.call("search", "--json").returncode == 1
    with house.up():
        assert house.archived("sinch-before").state is MessageState.ARCHIVED
