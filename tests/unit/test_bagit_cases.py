"""Every kind of bag that RFC 8493 names gets the right verdict, and bagit-python's where it is as strict."""

import zipfile
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

LESS_STRICT = {
    *(
        "version of one number",
        "space before a colon",
        "no space behind a colon",
        "two spaces behind a colon",
    ),
    *("lines the other way around", "third line", "empty line within", "not in every manifest"),
    *("line without a name", "line without a checksum", "tag manifest that cannot be read"),
    *(
        "fetch.txt of a file that no manifest lists",
        "fetch.txt of a tag file",
        "fetch.txt that leads out by a drive",
    ),
    *("fetch.txt that leads out by a share", "fetch.txt that leads out by backslashes"),
}
"""What bagit-python takes and the RFC does not."""
OTHERWISE = {"name with a percent sign"}
"""What the RFC takes and bagit-python does not: it leaves %25 as it is."""


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
    assert (len(VALID), len(INVALID)) == (50, 67)
    assert {case.section for case in (*VALID.values(), *INVALID.values())} == SECTIONS
    assert len({case.section for case in INVALID.values()}) >= 8


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


@pytest.mark.parametrize("name", sorted(VALID.keys() - OTHERWISE))
def test_bagit_python_calls_the_same_bags_whole(tmp_path: Path, name: str) -> None:
    assert peer_takes(unpacked(tmp_path, VALID[name]))


@pytest.mark.parametrize("name", sorted(INVALID.keys() - LESS_STRICT))
def test_bagit_python_refuses_the_same_bags(tmp_path: Path, name: str) -> None:
    assert not peer_takes(unpacked(tmp_path, INVALID[name]))
