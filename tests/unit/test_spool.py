"""The spool's files: a batch is there whole or not at all, and what was handed on is what goes."""

import json
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from mmsvault.errors import UnavailableError
from mmsvault.message import Receipt
from mmsvault.queueing import spool as spools
from mmsvault.queueing.durable import Kept
from mmsvault.queueing.spool import Spool

Patch = pytest.MonkeyPatch


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "spool"


def kept(count: int) -> list[Kept]:
    return [
        Receipt.of(f"<{number}/>".encode(), provider="sinch").model_dump(mode="json")
        for number in range(count)
    ]


def there(folder: Path) -> set[str]:
    """Return the ids of the receipts in the folder; fail where anything else is in it."""
    return {json.loads(path.read_bytes())["id"] for path in folder.iterdir()}


def ids(receipts: Sequence[Kept]) -> set[str]:
    return {receipt["id"] for receipt in receipts}


def full_disk(monkeypatch: Patch, step: str) -> None:
    """Have a disk fail at one step of the second file that is written from now on."""
    calls = {"_write": 0, "replace": 0, "force": 1}
    write, replace, force = spools._write, Path.replace, spools.force

    def counted(name: str) -> None:
        calls[name] += 1
        if name == step.replace("half a write", "_write") and calls[name] == 2:
            raise OSError(28, "No space left on device")

    def _write(path: Path, content: bytes) -> None:
        if step == "half a write":
            path.write_bytes(content[:3])
        counted("_write")
        write(path, content)

    def _replace(path: Path, target: Path) -> Path:
        counted("replace")
        return replace(path, target)

    def _force(path: Path) -> None:
        counted("force")
        force(path)

    monkeypatch.setattr(spools, "_write", _write)
    monkeypatch.setattr(spools, "force", _force)
    monkeypatch.setattr(Path, "replace", _replace)


@pytest.mark.parametrize("step", ["_write", "half a write", "replace", "force"])
def test_a_batch_that_fails_leaves_nothing_of_itself_and_all_that_was_there(
    folder: Path, monkeypatch: Patch, step: str
) -> None:
    spool, before = Spool(folder), kept(2)
    spool.keep(before)
    full_disk(monkeypatch, step)
    with pytest.raises(UnavailableError, match="did not take the receipts"):
        spool.keep(kept(3))
    monkeypatch.undo()
    assert there(folder) == ids(before)
    after = kept(1)
    spool.keep(after)
    assert there(folder) == ids([*before, *after])


def test_a_receipt_is_handed_on_while_its_file_is_there_and_goes_afterwards(
    folder: Path, monkeypatch: Patch
) -> None:
    monkeypatch.setattr(spools, "DRAINED_AT_ONCE", 2)
    spool, receipts = Spool(folder), kept(5)
    spool.keep(receipts)
    taken: list[Kept] = []

    def take(batch: Sequence[Kept]) -> None:
        assert there(folder) == ids(receipts) - ids(taken)
        taken.extend(batch)

    assert spool.drain(take) == 5
    assert list(folder.iterdir()) == []
    assert sorted(ids(taken)) == sorted(ids(receipts))


def test_what_is_not_taken_stays_and_what_was_taken_before_is_gone(folder: Path, monkeypatch: Patch) -> None:
    monkeypatch.setattr(spools, "DRAINED_AT_ONCE", 2)
    spool, receipts = Spool(folder), kept(5)
    spool.keep(receipts)
    taken: list[Kept] = []

    def take_one_batch(batch: Sequence[Kept]) -> None:
        if taken:
            raise UnavailableError("full")
        taken.extend(batch)

    with pytest.raises(UnavailableError):
        spool.drain(take_one_batch)
    assert len(taken) == 2
    assert there(folder) == ids(receipts) - ids(taken)


def test_a_receipt_that_comes_during_a_drain_stays_for_the_next_one(folder: Path) -> None:
    spool, receipts, late = Spool(folder), kept(2), kept(1)
    spool.keep(receipts)
    assert spool.drain(lambda _: spool.keep(late)) == 2
    assert there(folder) == ids(late)
    taken: list[Kept] = []
    assert spool.drain(taken.extend) == 1
    assert ids(taken) == ids(late)


def test_a_draft_is_no_receipt(folder: Path) -> None:
    spool, receipts = Spool(folder), kept(1)
    spool.keep(receipts)
    (folder / ".2026-1.json.part").write_bytes(b'{"id": "half')
    taken: list[Kept] = []
    assert (len(spool), spool.count(at_most=9)) == (1, 1)
    assert spool.drain(taken.extend) == 1
    assert ids(taken) == ids(receipts)
    assert [path.name for path in folder.iterdir()] == [".2026-1.json.part"]


def test_receipts_are_for_nobody_else_of_the_machine(folder: Path) -> None:
    Spool(folder).keep(kept(1))
    (file,) = folder.iterdir()
    assert [stat.S_IMODE(path.stat().st_mode) for path in (folder, file)] == [0o700, 0o600]


def test_a_check_finds_a_disk_that_takes_nothing_and_leaves_nothing(folder: Path, monkeypatch: Patch) -> None:
    spool = Spool(folder)
    spool.check()
    assert list(folder.iterdir()) == []

    def full(path: Path, content: bytes) -> Any:
        path.write_bytes(content[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(spools, "_write", full)
    with pytest.raises(UnavailableError, match="cannot be written"):
        spool.check()
    assert list(folder.iterdir()) == []


def test_up_to_so_many_are_counted(folder: Path) -> None:
    spool = Spool(folder)
    assert (len(spool), spool.count(at_most=9)) == (0, 0)
    spool.keep(kept(5))
    assert (len(spool), spool.count(at_most=9), spool.count(at_most=3)) == (5, 5, 3)
