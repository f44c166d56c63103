"""A disk that keeps what was synced, and of the rest as little, or as odd a part, as it may.

It follows steps that strace saw. What a file holds is kept once the file was synced, what a folder lists
once the folder was; the rest may be lost with the power, each write and each entry for itself.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import TypeVar

from tests.file_log import NOT_FOLLOWED, Step

T = TypeVar("T")
NOT_KEPT = ("-shm",)
"""Endings of files that are made anew at each start (SQLite's index of its log is never synced)."""


@dataclass
class _File:
    """The writes of a file: where and what, or to which length it was cut. `synced` of them are kept."""

    done: list[tuple[int | None, bytes]] = field(default_factory=list)
    synced: int = 0
    at: int = 0
    appends: bool = False

    def content(self, done: Iterable[tuple[int | None, bytes]]) -> bytes:
        held = bytearray()
        for offset, data in done:
            if offset is None:  # cut or made longer
                size = int.from_bytes(data, "big")
                held = held[:size] + bytes(max(0, size - len(held)))
            else:
                held[len(held) : offset] = bytes(max(0, offset - len(held)))
                held[offset : offset + len(data)] = data
        return bytes(held)


@dataclass
class _Folder:
    """The changes of what a folder lists: names, with None for one that is gone. `synced` are kept."""

    done: list[dict[str, "_Node | None"]] = field(default_factory=list)
    synced: int = 0

    def entries(self, done: Iterable[dict[str, "_Node | None"]]) -> dict[str, "_Node"]:
        listed: dict[str, _Node | None] = {}
        for change in done:
            listed |= change
        return {name: node for name, node in listed.items() if node is not None}


_Node = _File | _Folder


class Disk:
    """What is below `root`, which itself is there for good, and empty at first."""

    def __init__(self, root: Path) -> None:
        self._root_path = root
        self._root = _Folder()
        self._syncing: dict[tuple[int, Path], tuple[_Node, int]] = {}

    @classmethod
    def holding(cls, root: Path) -> "Disk":
        """Return a disk that has what is below `root` now."""
        disk = cls(root)
        disk._root = _node_of(root)
        return disk

    def do(self, step: Step) -> None:
        """Follow a step; one that is not about this disk does nothing."""
        if step.call == "send" or not step.path.is_relative_to(self._root_path):
            return
        assert step.call not in NOT_FOLLOWED, f"{step.call} of {step.path} cannot be followed"
        getattr(self, f"_{step.call.replace(' ', '_')}")(step)

    def would_keep(self, step: Step) -> bool:
        """Return whether a sync that ends now keeps anything that is not kept yet."""
        node, count = self._syncing.get((step.thread, step.path), (self._root, 0))
        return step.call == "sync" and count > node.synced

    def unsynced(self) -> set[str]:
        """Return what would be lost or changed without power: files by their path, folders with a `/`."""
        found: set[str] = set()
        self._find_unsynced(self._root, "", found)
        return found

    def leave(self, place: Path, what: "Left") -> None:
        """Write into a folder what the power cut leaves."""
        self._leave(self._root, place, what)

    def _leave(self, node: _Node, place: Path, what: "Left") -> None:
        if isinstance(node, _File):
            place.write_bytes(node.content(what.of_file(node.done, node.synced)))
            place.chmod(0o600)
            return
        place.mkdir(mode=0o700, exist_ok=True)
        for name, one in node.entries(what.of_folder(node.done, node.synced)).items():
            if not name.endswith(NOT_KEPT):
                self._leave(one, place / name, what)

    def _find_unsynced(self, node: _Node, name: str, found: set[str]) -> None:
        if isinstance(node, _File):
            if node.synced < len(node.done):
                found.add(name)
            return
        kept, there = node.entries(node.done[: node.synced]), node.entries(node.done)
        for entry, one in there.items():
            path = f"{name}{entry}"
            if kept.get(entry) is not one:
                found.add(path if isinstance(one, _File) else f"{path}/")
            self._find_unsynced(one, path if isinstance(one, _File) else f"{path}/", found)

    def _folder(self, path: Path) -> _Folder:
        node: _Node = self._root
        for name in path.relative_to(self._root_path).parts:
            assert isinstance(node, _Folder)
            node = node.entries(node.done)[name]
        assert isinstance(node, _Folder), path
        return node

    def _node(self, path: Path) -> _Node | None:
        if path == self._root_path:
            return self._root
        folder = self._folder(path.parent)
        return folder.entries(folder.done).get(path.name)

    def _file(self, path: Path) -> _File:
        node = self._node(path)
        assert isinstance(node, _File), path
        return node

    def _open(self, step: Step) -> None:
        node = self._node(step.path)
        if isinstance(node, _Folder):
            return
        if node is None:
            node = _File()
            self._folder(step.path.parent).done.append({step.path.name: node})
        elif step.size == 0:
            node.done.append((None, bytes(1)))
        node.at, node.appends = 0, step.appends

    def _write(self, step: Step) -> None:
        file = self._file(step.path)
        offset = step.offset
        if offset is None:
            offset = len(file.content(file.done)) if file.appends else file.at
            file.at = offset + len(step.data)
        file.done.append((offset, step.data))

    def _copy(self, step: Step) -> None:
        source, begin = self._file(step.target), step.offset or 0
        data = source.content(source.done)[begin : begin + (step.size or 0)]
        self._write(Step("write", step.path, data=data))

    def _seek(self, step: Step) -> None:
        node = self._node(step.path)
        if isinstance(node, _File):
            node.at = step.offset or 0

    def _truncate(self, step: Step) -> None:
        self._file(step.path).done.append((None, (step.size or 0).to_bytes(8, "big")))

    def _rename(self, step: Step) -> None:
        node = self._node(step.path)
        old, new = self._folder(step.path.parent), self._folder(step.target.parent)
        if old is new:
            old.done.append({step.path.name: None, step.target.name: node})
        else:
            new.done.append({step.target.name: node})
            old.done.append({step.path.name: None})

    def _link(self, step: Step) -> None:
        self._folder(step.target.parent).done.append({step.target.name: self._node(step.path)})

    def _unlink(self, step: Step) -> None:
        self._folder(step.path.parent).done.append({step.path.name: None})

    _rmdir = _unlink

    def _symlink(self, step: Step) -> None:
        raise AssertionError(f"a symbolic link {step.path} cannot be followed")

    def _mkdir(self, step: Step) -> None:
        self._folder(step.path.parent).done.append({step.path.name: _Folder()})

    def _begin_sync(self, step: Step) -> None:
        if node := self._node(step.path):
            self._syncing[step.thread, step.path] = node, len(node.done)

    def _sync(self, step: Step) -> None:
        # By the path that it had when this began: it may have another one by now.
        if begun := self._syncing.pop((step.thread, step.path), None):
            node, count = begun
            node.synced = max(node.synced, count)


def _node_of(path: Path) -> _Folder:
    folder = _Folder()
    for one in path.iterdir():
        node: _Node = _node_of(one) if one.is_dir() else _File([(0, one.read_bytes())], synced=1)
        folder.done.append({one.name: node})
    folder.synced = len(folder.done)
    return folder


@dataclass(frozen=True)
class Left:
    """What a power cut leaves: of a file's writes, and of a folder's changes, those that are kept."""

    name: str
    of_file: Callable[[list[tuple[int | None, bytes]], int], list[tuple[int | None, bytes]]]
    of_folder: Callable[[list[dict[str, _Node | None]], int], list[dict[str, _Node | None]]]

    def __str__(self) -> str:
        return self.name


def _synced(done: list[T], synced: int) -> list[T]:
    return done[:synced]


def _all(done: list[T], _synced: int) -> list[T]:
    return done


def _torn(done: list[tuple[int | None, bytes]], synced: int) -> list[tuple[int | None, bytes]]:
    """Return all writes, with half of the last one if it was not synced."""
    if synced == len(done) or done[-1][0] is None:
        return done
    offset, data = done[-1]
    return [*done[:-1], (offset, data[: len(data) // 2])]


SYNCED = Left("only what was synced", _synced, _synced)
NAMES = Left("names, and of files what was synced", _synced, _all)
TORN = Left("everything, the last writes by half", _torn, _all)


def some(seed: int) -> Left:
    """Return a cut that keeps some of what was not synced: writes, and first changes of folders."""
    dice = Random(seed)

    def of_file(done: list[tuple[int | None, bytes]], synced: int) -> list[tuple[int | None, bytes]]:
        return [*done[:synced], *(one for one in done[synced:] if dice.random() < 0.5)]

    def of_folder(done: list[dict[str, _Node | None]], synced: int) -> list[dict[str, _Node | None]]:
        return done[: dice.randint(synced, len(done))]

    return Left(f"some of what was not synced ({seed})", of_file, of_folder)
