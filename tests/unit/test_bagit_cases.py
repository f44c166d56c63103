"""Every kind of bag that RFC 8493 names gets the right verdict, and bagit-python's where it is as strict."""

import zipfile
from collections import Counter
from pathlib import Path

import bagit
import pytest

from mmsvault.exporting.verifying import verify
from tests.bagit_cases import INVALID, VALID, Case

SECTIONS = {
    "1.3",
    "2.1",
    "2.1.1",
    "2.1.2",
    "2.1.3",
    "2.2.1",
    "2.2.2",
    "2.2.3",
    "2.2.4",
    "2.4",
    "3",
    "5.1",
    "5.2",
}


def zipped(folder: Path, case: Case, *, top: str) -> Path:
    path = folder / "bag.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in case.files.items():
            archive.writestr(top + name, data)
    return path


def unpacked(folder: Path, case: Case) -> Path:
    bag = folder / "bag"
    (bag / "data").mkdir(parents=True)
    for name, data in case.files.items():
        (bag / name).parent.mkdir(parents=True, exist_ok=True)
        (bag / name).write_bytes(data)
    return bag


def peer_takes(bag: Path) -> bool:
    """Return whether bagit-python calls it valid."""
    try:
        bagit.Bag(str(bag)).validate()
    except (bagit.BagError, ValueError, LookupError, OSError):
        return False
    return True


def test_there_are_cases_of_every_section_that_has_rules() -> None:
    assert (len(VALID), len(INVALID)) == (51, 66)
    assert {case.section for case in (*VALID.values(), *INVALID.values())} == SECTIONS
    assert min(Counter(case.section for case in INVALID.values()).values()) >= 1


@pytest.mark.parametrize("name", VALID)
def test_a_bag_that_keeps_the_rules_is_whole_packed_or_not(tmp_path: Path, name: str) -> None:
    case = VALID[name]
    for path in (*(zipped(tmp_path, case, top=top) for top in ("", "my-bag/")), unpacked(tmp_path, case)):
        proof = verify(path)
        assert proof.problems == []
        assert proof.files > 0


@pytest.mark.parametrize("name", INVALID)
def test_a_bag_that_breaks_a_rule_is_refused_with_its_reason_packed_or_not(tmp_path: Path, name: str) -> None:
    case = INVALID[name]
    for path in (zipped(tmp_path, case, top=""), unpacked(tmp_path, case)):
        problems = [problem.problem for problem in verify(path).problems]
        assert any(case.reason in problem for problem in problems), problems


@pytest.mark.parametrize("name", [name for name, case in VALID.items() if not case.differs])
def test_bagit_python_calls_the_same_bags_whole(tmp_path: Path, name: str) -> None:
    assert peer_takes(unpacked(tmp_path, VALID[name]))


@pytest.mark.parametrize("name", [name for name, case in INVALID.items() if not case.differs])
def test_bagit_python_refuses_the_same_bags(tmp_path: Path, name: str) -> None:
    assert not peer_takes(unpacked(tmp_path, INVALID[name]))
