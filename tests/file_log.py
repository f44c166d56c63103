"""What programs did to files and sockets, one step after the other, as strace saw it."""

import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.servers import require

LONGEST_WRITE_BYTES = 32 << 20
WRITES = ("write", "pwrite64", "writev", "pwritev", "pwritev2", "sendto", "sendmsg")
SYNCS = ("fsync", "fdatasync")
BY_NAME = ("rename", "link", "symlink", "unlink", "mkdir", "rmdir", "truncate")
NOT_FOLLOWED = ("copy_file_range", "fallocate", "splice")
CALLS = (
    *WRITES,
    *SYNCS,
    *NOT_FOLLOWED,
    *("sendfile", "open", "openat", "creat", "lseek", "truncate", "ftruncate"),
    *("rename", "renameat", "renameat2", "link", "linkat", "symlink", "symlinkat"),
    *("unlink", "unlinkat", "mkdir", "mkdirat", "rmdir"),
)
_LINE = re.compile(r"(?P<thread>\d+) +(?:<\.\.\. (?P<resumed>\w+) resumed>|(?P<call>\w+)\()(?P<rest>.*)")
_RESULT = re.compile(r"^(?P<arguments>.*)\) += (?P<value>-?\d+)(?:<(?P<place>[^<>]*)>?)?(?P<more>.*)$")
_PLACE = re.compile(r"(?:\d+|AT_FDCWD)<([^<>]*)>?(\(deleted\)|<\w+ \d+:\d+>)?")
_COPIED_FROM = re.compile(r", \[(\d+)\]")
_STRING = re.compile(r'"((?:\\x[0-9a-f]{2})*)"(\.\.\.)?')


@dataclass(frozen=True)
class Step:
    """One thing done. `call` is its kind:

    open (made where it is not there, emptied if `size` is 0), write (at `offset`; None: where the last one
    ended), copy (`size` bytes of `target`, from `offset`), seek, truncate (to `size`), rename and link (to
    `target`), unlink, mkdir, rmdir, begin sync, sync (of what was there when it began), send (to a socket;
    `path` tells which).
    """

    call: str
    path: Path
    thread: int = 0
    target: Path = Path()
    offset: int | None = None
    size: int | None = None
    data: bytes = b""
    appends: bool = False


def command_of(program: Sequence[str], log: Path) -> list[str]:
    """Return the command that runs a program, with all that it starts, and writes what they do into `log`."""
    strace = shutil.which("strace")
    require("strace", found=strace)
    # `trace` takes calls that this machine does not have, with a question mark.
    calls = ",".join(f"?{call}" for call in CALLS)
    options = ["-f", "--seccomp-bpf", "-qq", "-yy", "-xx", "-s", str(LONGEST_WRITE_BYTES), "-o", str(log)]
    return [str(strace), *options, "-e", f"trace={calls}", "-e", "signal=none", *program]


def record(program: Sequence[str], log: Path, *, seconds: float = 60) -> "list[Step]":
    """Run a program to its end, and return what it and all that it starts did."""
    done = subprocess.run(
        command_of(program, log), capture_output=True, text=True, timeout=seconds, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return list(steps(log))


def steps(log: Path) -> Iterator[Step]:
    """Give what was done, in order.

    A call that others came in between of counts from its end on; what is sent counts from its beginning.
    """
    begun: dict[int, str] = {}
    for line in log.read_text().splitlines():
        found = _LINE.match(line)
        if found is None or "+++" in line:
            continue
        thread, call, rest = int(found["thread"]), found["call"] or found["resumed"], found["rest"]
        if found["resumed"]:
            rest = begun.pop(thread) + rest
        elif rest.endswith("<unfinished ...>"):
            rest = begun[thread] = rest.removesuffix("<unfinished ...>").rstrip()
            if call in SYNCS:
                yield from _sync("begin sync", thread, rest)
            elif _is_socket(rest):
                yield from _sent(thread, rest)
            continue
        elif call in SYNCS:
            yield from _sync("begin sync", thread, rest)
        elif call in WRITES and _is_socket(rest):
            yield from _sent(thread, rest)
        yield from _step(thread, call, rest)


def _step(thread: int, call: str, rest: str) -> Iterator[Step]:
    found = _RESULT.match(rest)
    if found is None or int(found["value"]) < 0 or _is_socket(rest):
        return
    arguments, value = found["arguments"], int(found["value"])
    if call in SYNCS:
        yield from _sync("sync", thread, arguments)
    elif call in ("open", "openat", "creat"):
        yield from _opened(found["place"] or "", found["more"], arguments)
    elif call.startswith(BY_NAME):
        yield _named(call, arguments)
    elif place := _place(arguments):
        yield _done(call, place, arguments, value)


def _done(call: str, place: Path, arguments: str, value: int) -> Step:
    """Return what was done by a descriptor of the file at `place`."""
    if call in WRITES:
        is_placed = call.startswith("p")
        offset = int(arguments.split(", ")[3 if call == "pwrite64" else -1]) if is_placed else None
        return Step("write", place, offset=offset, data=_data(arguments)[:value])
    if call == "lseek":
        return Step("seek", place, offset=value)
    if call == "ftruncate":
        return Step("truncate", place, size=int(arguments.split(", ")[1]))
    if call == "sendfile":
        source = _path(_PLACE.findall(arguments)[1][0])
        begin = int(_COPIED_FROM.findall(arguments)[0])
        return Step("copy", place, target=source, offset=begin, size=value)
    return Step(call, place)


def _named(call: str, arguments: str) -> Step:
    names = [_path(one) for one, _ in _STRING.findall(arguments)]
    kind = call.removesuffix("2").removesuffix("at")
    if kind == "unlink" and "AT_REMOVEDIR" in arguments:
        kind = "rmdir"
    if kind == "truncate":
        return Step(kind, names[0], size=int(arguments.rpartition(", ")[2]))
    folders = [_path(one) for one, _ in _PLACE.findall(arguments)]
    whole = [folders[min(n, len(folders) - 1)] / name if folders else name for n, name in enumerate(names)]
    return Step(kind, whole[-1 if kind == "symlink" else 0], target=whole[-1])


def _opened(place: str, more: str, arguments: str) -> Iterator[Step]:
    makes = "O_CREAT" in arguments or "O_TRUNC" in arguments
    if place.startswith("\\x") and "(deleted)" not in more and (makes or "O_APPEND" in arguments):
        size = 0 if "O_TRUNC" in arguments else None
        yield Step("open", _path(place), size=size, appends="O_APPEND" in arguments)


def _sync(kind: str, thread: int, arguments: str) -> Iterator[Step]:
    if place := _place(arguments):
        yield Step(kind, place, thread)


def _sent(thread: int, arguments: str) -> Iterator[Step]:
    found = _PLACE.match(arguments)
    if found:
        yield Step("send", Path(found[1]), thread, data=_data(arguments))


def _is_socket(arguments: str) -> bool:
    return re.match(r"\d+<(TCP|TCPv6|UNIX)", arguments) is not None


def _place(arguments: str) -> Path | None:
    """Return which file the call's descriptor is of; None for one without a name, and for what is none."""
    found = _PLACE.match(arguments)
    if found is None or found[2] or not found[1].startswith("\\x2f"):
        return None
    return _path(found[1])


def _data(arguments: str) -> bytes:
    pieces = _STRING.findall(arguments)
    assert not any(cut for _, cut in pieces), "a write is longer than the log keeps"
    return b"".join(_bytes(piece) for piece, _ in pieces)


def _path(told: str) -> Path:
    return Path(_bytes(told).decode())


def _bytes(told: str) -> bytes:
    return bytes.fromhex(told.replace("\\x", ""))
