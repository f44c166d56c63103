"""BagIt's rules for SHA-256 bags, each by a small bag of its own; and archives made to do harm."""

import os
import struct
import zipfile
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmsvault.exporting import tables
from mmsvault.exporting.opening import BrokenArchiveError, is_inside, opened
from mmsvault.exporting.verifying import verify
from tests.servers import require

HELLO = b"hello\n"
DECLARED = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
Files = dict[str, bytes]


def listed(files: Files, *names: str) -> bytes:
    return "".join(f"{sha256(files[name]).hexdigest()}  {name}\n" for name in names).encode()


def bag(**more: bytes) -> Files:
    """A small bag that is right; `more` are files under data/ by their stems."""
    files = {"data/hello.txt": HELLO, **{f"data/{name}.txt": data for name, data in more.items()}}
    files["manifest-sha256.txt"] = listed(files, *files)
    files["bagit.txt"] = DECLARED
    files["bag-info.txt"] = b"Payload-Oxum: 6.1\nContact-Name: A\n  and B\n"
    files["tagmanifest-sha256.txt"] = listed(files, "bagit.txt", "bag-info.txt", "manifest-sha256.txt")
    return files


def zipped(folder: Path, files: Files, *, top: str = "") -> Path:
    path = folder / "bag.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(top + name, data)
    return path


def untagged(files: Files, changes: Files) -> Files:
    return {name: data for name, data in (files | changes).items() if name != "tagmanifest-sha256.txt"}


def alone(files: Files, name: str, data: bytes) -> Files:
    return files | {name: data}


VALID: dict[str, Callable[[], Files]] = {
    "as it should be": bag,
    "without tag manifest and bag-info": lambda: {
        name: data for name, data in bag().items() if "tag" not in name and name != "bag-info.txt"
    },
    "CRLF": lambda: untagged(bag(), {"manifest-sha256.txt": listed(bag(), "data/hello.txt")[:-1] + b"\r\n"}),
    "older version": lambda: untagged(bag(), {"bagit.txt": DECLARED.replace(b"1.0", b"0.97")}),
    "UTF-16 tag files": lambda: untagged(
        bag(),
        {
            "bagit.txt": DECLARED.replace(b"UTF-8", b"UTF-16"),
            "bag-info.txt": "Payload-Oxum: 6.1\n".encode("utf-16"),
            "manifest-sha256.txt": listed(bag(), "data/hello.txt").decode().encode("utf-16"),
        },
    ),
    "encoded name": lambda: untagged(
        {"data/50%0A.txt": HELLO, "bagit.txt": DECLARED},
        {"manifest-sha256.txt": f"{sha256(HELLO).hexdigest()}  data/50%250A.txt\n".encode()},
    ),
}
INVALID: dict[str, tuple[Callable[[], Files], str]] = {
    "no bagit.txt": (lambda: {"data/hello.txt": HELLO, "x": b""}, "no bagit.txt"),
    "byte order mark": (
        lambda: untagged(bag(), {"bagit.txt": b"\xef\xbb\xbf" + DECLARED}),
        "byte order mark",
    ),
    "space before the colon": (
        lambda: untagged(bag(), {"bagit.txt": DECLARED.replace(b":", b" :")}),
        "two lines",
    ),
    "no version": (lambda: untagged(bag(), {"bagit.txt": DECLARED.replace(b"1.0", b".97")}), "no version"),
    "no encoding": (lambda: untagged(bag(), {"bagit.txt": b"BagIt-Version: 1.0\n"}), "encoded"),
    "no manifest": (lambda: {"bagit.txt": DECLARED, "data/hello.txt": HELLO}, "no manifest"),
    "changed payload": (lambda: alone(bag(), "data/hello.txt", b"jello\n"), "was changed"),
    "changed tag file": (lambda: alone(bag(), "bag-info.txt", b"Payload-Oxum: 6.1\n"), "was changed"),
    "missing payload": (
        lambda: {name: data for name, data in bag(other=b"x").items() if name != "data/other.txt"},
        "missing",
    ),
    "unlisted payload": (lambda: alone(bag(), "data/extra.txt", b"x"), "not listed"),
    "wrong count": (lambda: untagged(bag(), {"bag-info.txt": b"Payload-Oxum: 7.1\n"}), "is said to be"),
    "listed twice": (
        lambda: untagged(bag(), {"manifest-sha256.txt": bag()["manifest-sha256.txt"] * 2}),
        "twice",
    ),
    "listed twice and differently": (
        lambda: untagged(
            bag(), {"manifest-sha256.txt": bag()["manifest-sha256.txt"] + b"0" * 64 + b"  data/hello.txt\n"}
        ),
        "twice and differently",
    ),
    "not in every manifest": (
        lambda: untagged(bag(), {"manifest-sha512.txt": b""}),
        "not listed in manifest-sha512.txt",
    ),
    "outside by dots": (
        lambda: untagged(
            bag(), {"manifest-sha256.txt": bag()["manifest-sha256.txt"] + b"0" * 64 + b"  ../../x\n"}
        ),
        "outside of the bag",
    ),
    "outside by fetch": (
        lambda: untagged(bag(), {"fetch.txt": b"http://m.example/x - ../../x\n"}),
        "leads out",
    ),
    "unreadable line": (lambda: untagged(bag(), {"manifest-sha256.txt": b"what?\n"}), "cannot be read"),
    "half a signature": (lambda: alone(bag(), "tagmanifest-sha256.txt.sig", b"x"), "part of the signature"),
}


@pytest.mark.parametrize("name", VALID)
def test_a_bag_that_keeps_the_rules_is_called_whole(tmp_path: Path, name: str) -> None:
    for top in ("", "my-bag/"):
        assert verify(zipped(tmp_path, VALID[name](), top=top)).problems == []


@pytest.mark.parametrize("name", INVALID)
def test_a_bag_that_breaks_a_rule_is_refused_with_its_reason(tmp_path: Path, name: str) -> None:
    make, reason = INVALID[name]
    problems = verify(zipped(tmp_path, make())).problems
    assert any(reason in problem.problem for problem in problems), problems


def test_old_habits_are_warned_of(tmp_path: Path) -> None:
    digest = sha256(HELLO).hexdigest()
    old = DECLARED.replace(b"1.0", b"0.97")
    for line in (
        f"{digest} *data/hello.txt\n",
        f"{digest}  ./data/hello.txt\n",
        f"{digest}  data/HELLO.txt\n",
    ):
        files = {"bagit.txt": old, "data/hello.txt": HELLO, "manifest-sha256.txt": line.encode()}
        if "HELLO" in line:
            files["manifest-sha256.txt"] += f"{digest}  data/hello.txt\n".encode()
        proof = verify(zipped(tmp_path, files))
        assert proof.ok
        assert proof.warnings


@pytest.mark.parametrize(
    "name", ["../x", "a/../../x", "/etc/passwd", "\\\\server\\x", "C:\\x", "c:x", "~/x", "a\\..\\x", ""]
)
def test_a_name_that_leads_out_of_the_archive_is_refused(tmp_path: Path, name: str) -> None:
    assert not is_inside(name)
    if name:
        proof = verify(zipped(tmp_path, bag() | {name: b"x"}))
        assert "leads out" in proof.problems[0].problem


def test_an_archive_that_would_grow_without_measure_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bagit.txt", DECLARED)
    raw = bytearray(path.read_bytes())
    entry = raw.index(b"PK\x01\x02")
    raw[entry + 24 : entry + 28] = struct.pack("<I", 0xF0000000)  # its size unpacked
    path.write_bytes(raw)
    with pytest.raises(BrokenArchiveError, match="would grow"), opened(path):
        pass


def test_files_that_lie_over_each_other_are_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path, {"bagit.txt": DECLARED, "data/a": b"x" * 1000})
    raw = bytearray(path.read_bytes())
    entry = raw.rindex(b"PK\x01\x02")
    raw[entry + 20 : entry + 28] = struct.pack("<II", 100_000, 100_000)
    path.write_bytes(raw)
    with pytest.raises(BrokenArchiveError, match="over each other"), opened(path):
        pass


def test_what_is_no_archive_is_said_to_be_none(tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(b"PK not really")
    assert "no whole ZIP file" in verify(tmp_path / "x.zip").problems[0].problem
    assert "There is no" in verify(tmp_path / "nowhere.zip").problems[0].problem
    whole = zipped(tmp_path, bag()).read_bytes()
    (tmp_path / "x.zip").write_bytes(whole[: len(whole) // 2])
    assert "no whole ZIP file" in verify(tmp_path / "x.zip").problems[0].problem


@given(st.text())
def test_no_cell_is_a_formula(text: str) -> None:
    cell = tables.safe(text)
    assert not cell.lstrip().startswith(("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20"))
    assert not cell.startswith(("\t", "\r", "\n"))


def test_every_case_of_the_conformance_suite_gets_the_right_verdict() -> None:
    """The Library of Congress' suite is not part of this project: run where a copy of it is."""
    folder = os.environ.get("MMSVAULT_TEST_BAGIT_SUITE", "")
    require("bagit-suite", found=folder and Path(folder).is_dir())
    wrong = []
    for kind in sorted(Path(folder).glob("v*/*")):
        for case in sorted(path for path in kind.iterdir() if path.is_dir()):
            proof = verify(case)
            right = proof.ok == (kind.name in ("valid", "warning"))
            # Copies by git lack this file, and then the bag is not whole.
            if not right and not (
                case.name == "special-system-files" and ".DS_Store" in proof.problems[0].path
            ):
                wrong.append((case.relative_to(folder), proof.problems))
    assert not wrong
