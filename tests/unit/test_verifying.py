"""Old habits of bags, and archives made to do harm; BagIt's rules are in test_bagit_cases.py."""

import struct
import zipfile
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmsvault.exporting import tables
from mmsvault.exporting.opening import BrokenArchiveError, is_inside, opened
from mmsvault.exporting.verifying import verify

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


def test_half_a_signature_is_refused(tmp_path: Path) -> None:
    problems = verify(zipped(tmp_path, bag() | {"tagmanifest-sha256.txt.sig": b"x"})).problems
    assert any("part of the signature" in problem.problem for problem in problems), problems


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
