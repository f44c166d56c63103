"""What a decoder's child asks Landlock for, of each version of it, with a kernel that only listens.

What Landlock refuses of programs, connections and signals, the seccomp filter refuses as well; so only
here it is seen that both do.
"""

import ctypes
import os
import struct
from pathlib import Path
from typing import Any

import pytest

from mmsvault.media import confining

CREATE, ADD, RESTRICT = 444, 445, 446
EXECUTE, WRITE, READ, LIST = 1, 2, 4, 8
REMOVE, MAKE_FILE, MAKE_ALL = 0b11 << 4, 1 << 8, 0b1111111 << 6
MOVE, TRUNCATE, DEVICES = 1 << 13, 1 << 14, 1 << 15


class Kernel:
    """Answers as a kernel with this version of Landlock, and keeps what it was asked for."""

    def __init__(self, version: int) -> None:
        self.version = version
        self.asked: tuple[int, ...] = ()
        self.rules: dict[str, int] = {}
        self.is_restricted = False

    def syscall(self, number: int, *arguments: Any) -> int:
        if number == CREATE and arguments[0] is None:
            return self.version
        if number == CREATE:
            size = arguments[1].value
            assert size == len(arguments[0])
            self.asked = struct.unpack(f"={size // 8}Q", arguments[0].raw)
            return os.open(os.devnull, os.O_RDONLY)
        if number == ADD:
            rights, place = struct.unpack("=Qi", arguments[2].raw)
            self.rules[str(Path(f"/proc/self/fd/{place}").readlink())] = rights
            return 0
        assert number == RESTRICT
        self.is_restricted = True
        return 0


def confined(kernel: Kernel, readable: list[Path], writable: Path | None = None) -> bool:
    libc: Any = kernel
    return confining._keep_from_files(libc, readable, writable)


@pytest.mark.parametrize(
    ("version", "more", "others"),
    [
        (1, 0, ()),
        (2, MOVE, ()),
        (3, MOVE | TRUNCATE, ()),
        (4, MOVE | TRUNCATE, (0b11,)),
        (5, MOVE | TRUNCATE | DEVICES, (0b11,)),
        (6, MOVE | TRUNCATE | DEVICES, (0b11, 0b11)),
        (7, MOVE | TRUNCATE | DEVICES, (0b11, 0b11)),
    ],
)
def test_everything_that_landlock_knows_is_taken_away(
    version: int, more: int, others: tuple[int, ...]
) -> None:
    kernel = Kernel(version)
    assert confined(kernel, [])
    assert kernel.asked == (EXECUTE | WRITE | READ | LIST | REMOVE | MAKE_ALL | more, *others)
    assert (kernel.rules, kernel.is_restricted) == ({}, True)


def test_what_is_readable_is_read_and_neither_run_nor_written(tmp_path: Path) -> None:
    file, folder, own = tmp_path / "file", tmp_path / "folder", tmp_path / "own"
    file.touch()
    folder.mkdir()
    own.mkdir()
    kernel = Kernel(7)
    assert confined(kernel, [file, folder], own)
    assert kernel.rules == {
        str(file): READ,
        str(folder): READ | LIST,
        str(own): READ | LIST | WRITE | MAKE_FILE | TRUNCATE | 1 << 5,
    }


def test_without_landlock_nothing_is_claimed() -> None:
    kernel = Kernel(-1)
    assert not confined(kernel, [])
    assert not kernel.is_restricted
    assert ctypes.sizeof(ctypes.c_size_t) == 8, "as the sizes above take it"
