"""The embedded queue's append-only files, put in order before its server starts.

A power cut leaves zeros, half a command or rubbish at the end of such a file, and a bad disk anywhere in
it; the server refuses to start with either. Run as `python -I -S append_only_file.py FOLDER SERVER` by
`queue_server`, after a run that did not end cleanly. It loads nothing but the standard library: receipts wait
for it. See docs/decisions/0145.

Whatever is changed is copied first. What can be read is kept, before and after what cannot: each command of
the queue is safe by itself, and a job that is then in no list is found by the sweep.
"""

import mmap
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

FOLDER = "appendonlydir"
MANIFEST = "appendonly.aof.manifest"
LOG = "server.log"

_ENTRY = re.compile(r'file "?(appendonly\.aof\.\d+\.(?:base|incr)\.(?:aof|rdb))"? seq (\d+) type ([bhi])')
_NAME = re.compile(r"appendonly\.aof\.(\d+)\.(base|incr)\.(?:aof|rdb)")
_BEGINNING = re.compile(rb"\*[1-9]\d{0,6}\r\n\$\d{1,3}\r\n[A-Za-z]{2,24}\r\n")
_SNAPSHOTS = (b"REDIS", b"VALKEY")
_NEVER_AFTER_DAMAGE = (b"FLUSHALL", b"FLUSHDB", b"SWAPDB", b"EVAL", b"EVALSHA", b"FUNCTION", b"FCALL")
"""What nobody but an operator sends; bytes that only look like it are not run."""
_REFUSED = re.compile(
    r"Bad file format reading the append only file|Unexpected end of file reading the append only file"
    r"|reading the append only file .*unknown command|Unknown command .* reading the append only file"
    r"|Invalid AOF manifest|Fatal error loading the DB|Wrong signature trying to load|Internal error in RDB"
)
"""What the server says where it cannot read its own files; nothing of permissions or of memory."""
_LOG_BYTES = 4096
_LONGEST_NUMBER = 12

Range = tuple[int, int]


def main() -> None:
    """Put the files in order, and say what was done."""
    folder, server = Path(sys.argv[1]), sys.argv[2]
    try:
        for line in restore(folder, server=server):
            _say(folder, line)
    except OSError as error:
        _say(folder, f"The queue's files could not be put in order: {error.strerror}.")


def restore(folder: Path, *, server: str, mark: str = "") -> list[str]:
    """Put the files below `folder` in order; return what was done, one sentence each.

    `server` is the program that judges snapshots. Copies are named with `mark`. Raises OSError.
    """
    files, mark = folder / FOLDER, mark or f"damaged-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}"
    if not files.is_dir() or not any(
        _NAME.fullmatch(path.name) or path.name == MANIFEST for path in files.iterdir()
    ):
        return []
    aside = _free(folder / mark)
    listed, said = _listed(files, aside)
    kept = []
    for name in listed:
        sentence = _restore_file(files / name, aside=aside, server=server)
        said += [sentence] if sentence else []
        if (files / name).exists():
            kept.append(name)
    if kept != listed or not _is_manifest(files, listed):
        _write_manifest(files, kept)
    if not said and _was_refused(folder):
        files.rename(aside)
        files.mkdir(mode=0o700)
        said.append(
            "The server cannot read its append-only files, and they show no damage that can be mended. It "
            f"starts empty; the files are kept in {aside}. What the bucket and the catalog know goes on."
        )
    _force_folder(folder)
    return said


def readable(data: "bytes | mmap.mmap") -> list[Range]:
    """Return where the commands stand that can be read.

    Of a transaction that lacks its beginning or its end the commands are kept as single ones.
    """
    kept: list[Range] = []
    opened: Range | None = None
    has_gap, at = False, 0
    for begin, end, name in _commands(data):
        if begin != at and opened:
            kept.remove(opened)
            opened = None
        has_gap, at = has_gap or begin != at, end
        if name == b"MULTI":
            if opened:
                kept.remove(opened)
            opened = (begin, end)
        elif name == b"EXEC":
            if opened is None:
                continue
            opened = None
        elif has_gap and name in _NEVER_AFTER_DAMAGE:
            continue
        kept.append((begin, end))
    if opened:
        kept.remove(opened)
    return list(_joined(kept))


def _commands(data: "bytes | mmap.mmap") -> Iterator[tuple[int, int, bytes]]:
    """Give where each command begins and ends, and its name; what is no command is gone over."""
    at, size = 0, len(data)
    while at < size:
        found = _command(data, at)
        if found is None and data[at : at + 1] == b"#":  # a remark, such as a time
            end = data.find(b"\n", at, at + 64) + 1
            found = (end, b"") if end and data[at + 1 : end - 1].strip().isascii() else None
        if found is None:
            beginning = _BEGINNING.search(data, at + 1)
            if beginning is None:
                return
            at = beginning.start()
            continue
        yield at, found[0], found[1]
        at = found[0]


def _command(data: "bytes | mmap.mmap", at: int) -> tuple[int, bytes] | None:
    """Return where the command at this place ends, and its name; None where there is no whole one."""
    head = _number(data, at, b"*")
    if head is None or not head[0]:
        return None
    (count, at), name = head, b""
    for number in range(count):
        head = _number(data, at, b"$")
        if head is None:
            return None
        size, at = head
        if data[at + size : at + size + 2] != b"\r\n":
            return None
        if number == 0:
            name = bytes(data[at : at + size]).upper()
            if not name.isalpha():
                return None
        at += size + 2
    return at, name


def _number(data: "bytes | mmap.mmap", at: int, sign: bytes) -> tuple[int, int] | None:
    if data[at : at + 1] != sign:
        return None
    end = data.find(b"\r\n", at, at + _LONGEST_NUMBER)
    digits = data[at + 1 : end] if end > 0 else b""
    return (int(digits), end + 2) if digits.isdigit() else None


def _joined(ranges: list[Range]) -> Iterator[Range]:
    begin = end = 0
    for one in ranges:
        if one[0] != end:
            if end > begin:
                yield begin, end
            begin = one[0]
        end = one[1]
    if end > begin:
        yield begin, end


def _restore_file(path: Path, *, aside: Path, server: str) -> str:
    """Put one file in order; return what was done, or nothing where it is right."""
    with path.open("rb") as file:
        is_snapshot = file.read(6).startswith(_SNAPSHOTS)
    if is_snapshot or path.suffix == ".rdb":
        if is_snapshot and _is_snapshot_right(path, server):
            return ""
        copy = _kept(path, aside, move=True)
        return f"{path.name}, the queue's snapshot, is damaged and was left out; it is kept as {copy}."
    size = path.stat().st_size
    if not size:
        return ""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        kept = readable(data)
        if kept == [(0, size)]:
            return ""
        copy = _kept(path, aside)
        draft = path.with_name(f"temp-{path.name}")
        with draft.open("wb") as new:
            for begin, end in kept:
                new.write(data[begin:end])
            new.flush()
            os.fsync(new.fileno())
    draft.replace(path)
    _force_folder(path.parent)
    lost = size - sum(end - begin for begin, end in kept)
    return (
        f"{path.name} was damaged from byte {_first_gap(kept):,} on: {lost:,} of its {size:,} bytes cannot "
        f"be used and were cut out; the file as it was is kept as {copy}."
    )


def _first_gap(kept: list[Range]) -> int:
    return kept[0][1] if kept and not kept[0][0] else 0


def _is_snapshot_right(path: Path, server: str) -> bool:
    """Ask the server's program, which is its own checker when it is called so."""
    command = ["redis-check-rdb" if "redis" in Path(server).name else "valkey-check-rdb", str(path)]
    with suppress(OSError):
        return not subprocess.run(command, executable=server, capture_output=True, check=False).returncode  # noqa: S603 - our own program
    return True


def _listed(files: Path, aside: Path) -> tuple[list[str], list[str]]:
    """Return the files that make up the queue, in order, and what had to be said about their list."""
    manifest = files / MANIFEST
    text = manifest.read_bytes().decode("ascii", "replace") if manifest.exists() else ""
    entries = [_ENTRY.match(line) for line in text.splitlines()]
    found = [(entry[1], int(entry[2]), entry[3]) for entry in entries if entry and entry[3] != "h"]
    there = {path.name: path for path in files.iterdir() if _NAME.fullmatch(path.name)}
    increments = [seq for _, seq, kind in found if kind == "i"]
    newer = [name for name in there if _kind(name) == "i" and _seq(name) > max(increments, default=0)]
    is_whole = bool(entries) and all(entries) and all(name in there for name, _, _ in found) and not newer
    if is_whole and text.endswith("\n"):
        return [name for name, _, _ in found], []
    copy = f"; the list as it was is kept as {_kept(manifest, aside)}" if manifest.exists() else ""
    bases = sorted((name for name in there if _kind(name) == "b"), key=_seq)
    rest = sorted((name for name in there if _kind(name) == "i"), key=_seq)
    return bases[-1:] + rest, [
        f"The list of the queue's append-only files was made anew from the files{copy}."
    ]


def _kind(name: str) -> str:
    return "b" if ".base." in name else "i"


def _seq(name: str) -> int:
    found = _NAME.fullmatch(name)
    return int(found[1]) if found else 0


def _is_manifest(files: Path, listed: list[str]) -> bool:
    """Whether the manifest lists just these files, besides older ones that wait to be removed."""
    with suppress(OSError):
        text = (files / MANIFEST).read_bytes().decode("ascii", "replace")
        entries = [_ENTRY.match(line) for line in text.splitlines()]
        return (
            text.endswith("\n")
            and [entry and entry[1] for entry in entries if not entry or entry[3] != "h"] == listed
        )
    return False


def _write_manifest(files: Path, names: list[str]) -> None:
    lines = [f"file {name} seq {_seq(name)} type {_kind(name)}\n" for name in names]
    draft = files / f"temp-{MANIFEST}"
    with draft.open("w") as file:
        file.writelines(lines)
        file.flush()
        os.fsync(file.fileno())
    if lines:
        draft.replace(files / MANIFEST)
    else:  # the server makes a new one
        draft.unlink()
        (files / MANIFEST).unlink(missing_ok=True)
    _force_folder(files)


def _kept(path: Path, aside: Path, *, move: bool = False) -> Path:
    """Copy a file, or move it, into the folder of what is kept aside; return where it is now."""
    aside.mkdir(mode=0o700, exist_ok=True)
    copy = aside / path.name
    if move:
        path.rename(copy)
    else:
        shutil.copy2(path, copy)
        with copy.open("rb") as file:
            os.fsync(file.fileno())
    _force_folder(aside)
    return copy


def _free(path: Path) -> Path:
    number, free = 1, path
    while free.exists():
        number += 1
        free = path.with_name(f"{path.name}-{number}")
    return free


def _was_refused(folder: Path) -> bool:
    """Whether the server's last words were that it cannot read its files."""
    with suppress(OSError), (folder / LOG).open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - _LOG_BYTES))
        lines = file.read().decode(errors="replace").splitlines()
        return any(_REFUSED.search(line) for line in lines[-2:])
    return False


def _force_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _say(folder: Path, line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
    with suppress(OSError), (folder / LOG).open("a") as log:
        log.write(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {line}\n")


if __name__ == "__main__":
    main()
