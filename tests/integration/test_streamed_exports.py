"""Archives read by the programs of others, from files and from pipes, and archives of many members."""

import subprocess
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from shutil import which

import pytest

from mmsvault.exporting import bags
from mmsvault.exporting.outputs import Forward
from tests.integration.archive import Archive
from tests.integration.exports import kept, made
from tests.servers import require

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
PASSWORD = "höher 🐟"


def program(*names: str, needed: str) -> str:
    found = next((path for name in names if (path := which(name))), None)
    require(needed, found=found)
    return str(found)


def by_java(path: Path) -> dict[str, int]:
    """Return names and sizes as Java's ZipInputStream reads them from a pipe."""
    java = program("java", needed="java")
    source = Path(__file__).with_name("Streaming.java")
    with path.open("rb") as file:
        read = subprocess.run([java, str(source)], stdin=file, capture_output=True, check=True)
    lines = (line.split("\t") for line in read.stdout.decode().splitlines())
    return {name: int(size) for name, size in lines}


def by_bsdtar(path: Path, *options: str) -> set[str]:
    """Return the names that bsdtar lists from a pipe."""
    bsdtar = program("bsdtar", needed="bsdtar")
    listed = subprocess.run(
        [bsdtar, *options, "-t", "-f", "-"], input=path.read_bytes(), capture_output=True, check=True
    )
    assert listed.stderr == b""
    return set(listed.stdout.decode().splitlines())


def by_python(path: Path) -> dict[str, int]:
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        return {member.filename: member.file_size for member in archive.infolist()}


def checks_of(path: Path) -> Iterator[list[str]]:
    """Give the commands that test a ZIP file, and end with 0 where it is whole."""
    yield [program("unzip", needed="unzip"), "-t", "-q", str(path)]
    yield [program("7zz", "7z", needed="7zip"), "t", str(path)]


def by_busybox(path: Path) -> list[str]:
    """Return the command by which BusyBox tests a ZIP file; it knows the first form alone (no ZIP64)."""
    return [program("busybox", needed="busybox"), "unzip", "-t", "-q", str(path)]


def assert_every_program_reads(path: Path, *commands: list[str]) -> None:
    sizes = by_python(path)
    assert by_java(path) == sizes
    assert by_bsdtar(path) == set(sizes)
    for command in (*checks_of(path), *commands):
        read = subprocess.run(command, capture_output=True, check=False)
        assert read.returncode == 0, read.stdout + read.stderr


def test_an_archive_is_read_whole_from_files_and_from_pipes(archive: Archive, tmp_path: Path) -> None:
    kept(archive.vault, "one", b"first", b"second " * 100_000, b"large " * 1_000_000, subject="Grüße 🐟")
    kept(archive.vault, "empty", b"", minutes=1)
    path = made(archive.vault, tmp_path / "out.zip", formats=("eml", "pdf"), signed=True)
    assert_every_program_reads(path, by_busybox(path))


def test_an_encrypted_archive_is_read_whole_from_a_pipe(archive: Archive, tmp_path: Path) -> None:
    message = kept(archive.vault, "one", b"first", b"large " * 1_000_000)
    path = made(archive.vault, tmp_path / "out.zip", password=PASSWORD)
    assert f"data/{message.media[1].key}" in by_bsdtar(path, "--passphrase", PASSWORD)
    bsdtar = program("bsdtar", needed="bsdtar")
    command = [bsdtar, "--passphrase", PASSWORD, "-x", "-O", "-f", "-", f"data/{message.media[1].key}"]
    read = subprocess.run(command, input=path.read_bytes(), capture_output=True, check=True)
    assert read.stdout == b"large " * 1_000_000


def written(path: Path, contents: Iterator[bytes], *, password: str = "") -> Path:
    """Write a ZIP file with these contents."""
    with path.open("wb") as file, bags.Bag(written_at=NOON, scratch=path.parent) as bag:
        members = (bag.add(f"{number:06d}", content) for number, content in enumerate(contents))
        bags.write(Forward(file), members, password=password)
    return path


def test_an_archive_of_more_members_than_fit_the_first_form_is_read_whole(tmp_path: Path) -> None:
    path = written(tmp_path / "many.zip", (b"%d" % number for number in range(66_000)))
    sizes = by_java(path)
    assert sizes == {f"data/{number:06d}": len(str(number)) for number in range(66_000)}
    assert by_bsdtar(path) == set(sizes)


@pytest.mark.parametrize("content", [bytes, lambda size: b"x" * size])
def test_members_beyond_four_gibibytes_are_read_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: Callable[[int], bytes]
) -> None:
    monkeypatch.setattr(bags, "LARGE_FROM_BYTES", 1 << 20)  # what lies beyond has the form of what is beyond
    path = written(tmp_path / "large.zip", (content(size) for size in (0, 5, 900_000, 900_000, 2_000_000, 3)))
    assert b"\x01\x00\x10\x00" in path.read_bytes(), "sizes of 64 bits before the data"
    assert_every_program_reads(path)


def test_the_bounds_of_the_first_form_are_kept_to_the_member(tmp_path: Path) -> None:
    for count in (bags.LARGE_FROM_FILES, bags.LARGE_FROM_FILES + 1):
        path = written(tmp_path / "bound.zip", (b"" for _ in range(count)))
        with zipfile.ZipFile(path) as archive:
            assert len(archive.namelist()) == count


def test_an_archive_that_is_broken_off_is_none(tmp_path: Path) -> None:
    def contents() -> Iterator[bytes]:
        yield b"whole"
        raise OSError("broken off")

    with pytest.raises(OSError, match="broken off"):
        written(tmp_path / "broken.zip", contents())
    assert not zipfile.is_zipfile(tmp_path / "broken.zip")
