"""What commands say they have done is on the disk when they end: steps that strace saw, cut off there."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mmsvault.backup import copy
from mmsvault.backup.place import open_place
from mmsvault.backup.repository import open_repository
from mmsvault.catalog import key_values, people, queries
from mmsvault.errors import NotFoundError
from mmsvault.settings import Settings
from mmsvault.state import generations, keeper
from mmsvault.vault import Vault
from tests import file_log
from tests.file_log import Step
from tests.integration import exports
from tests.integration.archive import sha256
from tests.power_cut import NAMES, SYNCED, TORN, Disk, Left

FILES = (b"first file", b"second file")
CUTS = (SYNCED, NAMES, TORN)
PEOPLE = """
import sys
from mmsvault.catalog import people
from mmsvault.catalog.people import Role
from mmsvault.settings import Settings
from mmsvault.state import keeper
from mmsvault.vault import Vault
vault = Vault(Settings.load())
vault.prepare()
for name in "anna", "bela":
    people.add(vault.catalog, name, role=Role.VIEWER, password="a long enough password")
    assert keeper.keep(vault)
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = tmp_path.resolve() / "disk"
    made.mkdir()
    return made


@pytest.fixture
def source(tmp_path: Path) -> Iterator[Vault]:
    """A vault with a message, on another disk."""
    vault = opened(tmp_path / "source")
    vault.prepare()
    exports.kept(vault, "one", *FILES)
    yield vault
    vault.close()


def opened(data_dir: Path) -> Vault:
    return Vault(Settings.load(data_dir=data_dir))


def record(data_dir: Path, program: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Step]:
    monkeypatch.setenv("MMSVAULT_DATA_DIR", str(data_dir))
    steps = file_log.record([sys.executable, *program], tmp_path / "log")
    monkeypatch.delenv("MMSVAULT_DATA_DIR")
    return steps


def cut_off(disk: Disk, steps: list[Step], tmp_path: Path) -> Iterator[tuple[Left, Path]]:
    """Give what each kind of power cut leaves after the steps."""
    for step in steps:
        disk.do(step)
    for number, left in enumerate(CUTS):
        place = tmp_path / f"left-{number}"
        disk.leave(place, left)
        yield left, place


def lost_files(vault: Vault) -> list[str]:
    """Return what of the message is not in catalog and bucket."""
    try:
        message = queries.load(vault.catalog, "sinch-one")
        keys = [(item.key, item.sha256) for item in message.media]
        return [key for key, digest in keys if sha256(vault.bucket.read(key)) != digest]
    except NotFoundError as error:
        return [str(error)]


def test_an_export_is_whole_after_a_power_cut(
    root: Path, source: Vault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = root / "all.zip"
    program = ["-m", "mmsvault.cli", "export", "--output", str(out)]
    steps = record(source.settings.data_dir, program, monkeypatch, tmp_path)
    for _, place in cut_off(Disk(root), steps, tmp_path):
        assert (place / "all.zip").read_bytes() == out.read_bytes()


def test_an_archive_that_was_imported_is_in_bucket_and_catalog_after_a_power_cut(
    root: Path, source: Vault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = tmp_path / "all.zip"
    program = ["-m", "mmsvault.cli", "export", "--output", str(made)]
    record(source.settings.data_dir, program, monkeypatch, tmp_path)
    with_bucket = opened(root / "vault")
    with_bucket.prepare()
    with_bucket.close()
    disk = Disk.holding(root)
    steps = record(root / "vault", ["-m", "mmsvault.cli", "import", str(made)], monkeypatch, tmp_path)
    for left, place in cut_off(disk, steps, tmp_path):
        vault = opened(place / "vault")
        assert lost_files(vault) == [], left
        vault.close()


def test_what_a_rebuild_entered_is_in_the_catalog_after_a_power_cut(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault = opened(root / "vault")
    vault.bucket.make()
    before = opened(tmp_path / "before")
    before.prepare()
    exports.kept(before, "one", *FILES)
    for found in before.bucket.list(""):
        vault.bucket.put(found.key, before.bucket.read(found.key), content_type="")
    before.close()
    disk = Disk.holding(root)
    steps = record(root / "vault", ["-m", "mmsvault.cli", "rebuild"], monkeypatch, tmp_path)
    for left, place in cut_off(disk, steps, tmp_path):
        rebuilt = opened(place / "vault")
        assert lost_files(rebuilt) == [], left
        rebuilt.close()


def test_a_backup_is_whole_after_a_power_cut(
    root: Path, source: Vault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = ["-m", "mmsvault.cli", "backup", str(root / "backup")]
    steps = record(source.settings.data_dir, program, monkeypatch, tmp_path)
    for left, place in cut_off(Disk(root), steps, tmp_path):
        found = open_place(str(place / "backup"), source.settings)
        repository = open_repository(found, folder=tmp_path, passphrase=lambda: "")
        assert repository, left
        checked = copy.check(repository)
        assert checked.files > len(FILES)
        assert not checked.problems, left


def test_an_account_of_people_is_never_in_the_bucket_before_the_catalog_knows_it(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk, seen = Disk(root), set()
    for number, step in enumerate(record(root / "vault", ["-c", PEOPLE], monkeypatch, tmp_path)):
        if disk.would_keep(step) and "state" in str(step.path):
            for left in (NAMES, TORN):
                place = tmp_path / f"{number}-{left.name[:5]}"
                disk.leave(place, left)
                vault = opened(place / "vault")
                keys = set(generations.keys(vault))
                assert max(keys, default="") <= key_values.get(vault.catalog, keeper.KNOWN)
                seen |= keys
                vault.close()
        disk.do(step)
    assert len(seen) == 2
    disk.leave(tmp_path / "left", SYNCED)
    vault = opened(tmp_path / "left" / "vault")
    assert {one.name for one in people.list_all(vault.catalog)} == {"anna", "bela"}
    known = key_values.get(vault.catalog, keeper.KNOWN)
    assert generations.keys(vault)[0] == known
    assert len(generations.open_one(vault, known, secrets=(generations.secret_of(vault),)).state.people) == 2
    vault.close()
