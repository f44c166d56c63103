"""The sandbox with real children: what they may not do, and what hostile files cost."""

import contextlib
import ctypes
import errno
import fcntl
import json
import os
import pickle
import platform
import re
import resource
import signal
import socket
import stat
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import pytest

from mmsvault.media import child_answers, confining, inspecting, system_calls
from mmsvault.media import sandbox as module
from mmsvault.media.child import BrokenError, Child, Rights, Told
from mmsvault.media.facts import Facts, NotShownError
from mmsvault.media.sandbox import Sandbox
from mmsvault.sample import kinds, media
from tests import hostile
from tests.servers import until

MANY = 100_000_000
SECONDS = 20.0


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    running = Sandbox(max_pixels=MANY, seconds=SECONDS)
    yield running
    running.close()


def inspect(sandbox: Sandbox, folder: Path, data: bytes, declared: str = "") -> Facts:
    """Look into the file as the worker does; it stays as it is."""
    path = folder / "file"
    path.write_bytes(data)
    facts = sandbox.inspect(path, declared)
    assert path.read_bytes() == data
    return facts


# What a child does in its own process: as a decoder that was taken over would.


def call(told: Told) -> tuple[Told, bytes]:
    """Run one of the functions of this module."""
    answer = globals()[told["task"]](*told["arguments"])
    return {"answer": answer}, b""


def act_refused(act: str, own: str, other: str) -> int:
    """Return the number of the error that the kernel answers an act with, 0 for none."""
    try:
        ACTS[act](Path(own), Path(other))
    except OSError as error:
        return error.errno or -1
    return 0


def call_refused(name: str, *arguments: int) -> int:
    """Return the number of the error that the kernel answers a system call with, 0 for none."""
    number = system_calls.number(platform.machine(), name)
    libc = ctypes.CDLL(None, use_errno=True)
    given = [ctypes.c_long(argument) for argument in (*arguments, *[0] * (6 - len(arguments)))]
    own = os.getpid()
    ctypes.set_errno(0)
    answer = libc.syscall(ctypes.c_long(number), *given)
    leave_where_another_process_was_made(own)
    return ctypes.get_errno() if answer < 0 else 0


def leave_where_another_process_was_made(own: int) -> None:
    """End this process where it is a copy of `own`: that one answers, and nobody else."""
    if os.getpid() != own:
        os._exit(0)


def fork() -> None:
    own = os.getpid()
    os.fork()
    leave_where_another_process_was_made(own)


def own_limits_raised() -> bool:
    try:
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    except (ValueError, OSError):
        return False
    return True


def a_thread_ran() -> bool:
    ran = threading.Event()
    thread = threading.Thread(target=ran.set)
    thread.start()
    thread.join()
    return ran.is_set()


def open_descriptors() -> list[int]:
    found = []
    for number in range(1024):
        with contextlib.suppress(OSError):
            os.fstat(number)
            found.append(number)
    return found


def listed(folder: str) -> list[str]:
    return [path.name for path in Path(folder).iterdir()]


def read(path: str) -> str:
    return Path(path).read_text()


def two_processor_limits() -> list[int]:
    """Return the limits that are set before and after a second of work."""
    found = []
    for seconds in (0, 1.1):
        began = time.process_time()
        while time.process_time() - began < seconds:
            pass
        confining.limit_processor_time(30)
        found.append(resource.getrlimit(resource.RLIMIT_CPU)[0])
    return found


def variables() -> list[str]:
    return sorted(os.environ)


def take_memory() -> int:
    return len(bytearray(3 << 30))


def take_processor_time() -> None:
    confining.limit_processor_time(1)
    while True:
        pass


def abort() -> None:
    os.abort()


def wait() -> None:
    time.sleep(600)


# The calls themselves are what is tried, so nothing here is written the usual way.
ACTS: dict[str, Callable[[Path, Path], object]] = {
    "read a file of the vault": lambda _, other: os.open(other, os.O_RDONLY),
    "read the system's accounts": lambda *_: os.open("/etc/passwd", os.O_RDONLY),
    "read another process's environment": lambda *_: os.open(f"/proc/{os.getppid()}/environ", os.O_RDONLY),
    "read its own settings": lambda *_: os.open("/proc/self/environ", os.O_RDONLY),
    "list a folder": lambda _, other: list(other.parent.iterdir()),
    "list the root": lambda *_: list(Path("/").iterdir()),
    "write the file at hand": lambda own, _: os.open(own, os.O_WRONLY),
    "write a file of the vault": lambda _, other: os.open(other, os.O_WRONLY),
    "cut off the file at hand": lambda own, _: os.truncate(own, 0),
    "make a file": lambda own, _: os.open(own.with_name("new"), os.O_CREAT | os.O_WRONLY),
    "make a folder": lambda own, _: own.with_name("new").mkdir(),
    "make a link": lambda own, _: own.with_name("new").symlink_to("/etc/passwd"),
    "make another name": lambda own, other: own.with_name("new").hardlink_to(other),
    "make a pipe": lambda own, _: os.mkfifo(own.with_name("new")),
    "rename": lambda own, _: own.rename(own.with_name("new")),
    "remove": lambda own, _: own.unlink(),
    "change the mode": lambda own, _: own.chmod(0o777),
    "change the mode of what is open": lambda own, _: os.fchmod(os.open(own, os.O_RDONLY), 0o777),
    "change the owner": lambda own, _: os.chown(own, 65534, 65534),
    "change the times": lambda own, _: os.utime(own, (1, 1)),
    "set an attribute": lambda own, _: os.setxattr(own, "user.x", b"x"),
    "signal its worker's process": lambda *_: os.kill(os.getppid(), 0),
    "signal itself": lambda *_: os.kill(os.getpid(), 0),
    "fork": lambda *_: fork(),
    "run a program": lambda *_: os.execv("/bin/true", ["true"]),  # noqa: S606 - as above
    "start a program": lambda *_: os.posix_spawn("/bin/true", ["true"], {}),
    "connect": lambda *_: socket.create_connection(("127.0.0.1", 1), timeout=2),
    "open a Unix socket": lambda *_: socket.socket(socket.AF_UNIX),
    "make a pair of sockets": lambda *_: socket.socketpair(),
    "limit its worker's process": lambda *_: resource.prlimit(os.getppid(), resource.RLIMIT_NOFILE),
    "have another process signalled": lambda *_: fcntl.fcntl(connection(), fcntl.F_SETOWN, os.getppid()),
    "make memory outside of its limit": lambda *_: os.memfd_create("new"),
}
NAMESPACES = {"user": 0x10000000, "mount": 0x20000, "pid": 0x20000000, "network": 0x40000000}


def connection() -> int:
    """Return the one socket of the child, as somebody who took it over finds it."""
    return next(number for number in open_descriptors() if stat.S_ISSOCK(os.fstat(number).st_mode))


def frame(told: bytes, raw: bytes = b"") -> bytes:
    return struct.pack("!II", len(told), len(raw)) + told + raw


class Bomb:
    """What makes a file where it is unpickled."""

    def __init__(self, marker: str) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return os.mkdir, (self.marker,)


def absurd(**fields: object) -> bytes:
    told, _ = child_answers.of_facts(Facts("image/png"))
    return frame(json.dumps({**told, **fields}).encode())


PLAIN = json.dumps(child_answers.of_facts(Facts("image/png"))[0]).encode()
LIES: dict[str, Callable[[str], bytes]] = {
    "a pickle": lambda marker: pickle.dumps(Bomb(marker)),
    "a pickle in multiprocessing's frame": lambda marker: struct.pack("!i", 60) + pickle.dumps(Bomb(marker)),
    "a pickle in our frame": lambda marker: frame(pickle.dumps(Bomb(marker))),
    "a pickle in place of the thumbnail": lambda marker: frame(PLAIN, pickle.dumps(Bomb(marker))),
    "a frame of 4 GB": lambda _: struct.pack("!II", 0xFFFFFFFF, 0xFFFFFFFF),
    "a thumbnail of 5 MB": lambda _: frame(PLAIN, b"RIFF....WEBP" + bytes(5 << 20)),
    "a frame that is cut off": lambda _: frame(PLAIN)[:-1],
    "nothing": lambda _: b"",
    "no JSON": lambda _: frame(b"facts"),
    "JSON that is deep": lambda _: frame(b"[" * 500_000),
    "JSON of another shape": lambda _: frame(b"[]"),
    "a page for a thumbnail": lambda _: frame(PLAIN, b"<script>alert(1)</script>"),
    "a negative width": lambda _: absurd(width=-1),
    "a width that no column holds": lambda _: absurd(width=1 << 40),
    "a width that is a word": lambda _: absurd(width="640"),
    "a type with a line break": lambda _: absurd(content_type="image/png\r\nX: y"),
    "a text without an end": lambda _: absurd(text="x" * 900_000),
    "a reason without an end": lambda _: absurd(reason="x" * 5_000),
    "a text with NUL": lambda _: absurd(text="a\0b"),
    "half a character": lambda _: absurd(text="\ud800"),
    "a thousand codecs": lambda _: absurd(codecs=["x"] * 1000),
    "a field too many": lambda _: absurd(key="../../other"),
}


def lie(told: Told) -> tuple[Told, bytes]:
    """Answer in place of the decoder; the declared type says how."""
    kind, marker = told["declared_type"].split("|")
    left = memoryview(LIES[kind](marker))
    with contextlib.suppress(OSError):  # the worker hears no more of it than it must
        while left:
            left = left[os.write(connection(), left) :]
    os._exit(0)


def stall(_told: Told) -> tuple[Told, bytes]:
    os.write(connection(), frame(PLAIN)[:20])
    wait()
    raise AssertionError


def leave_a_link(told: Told) -> tuple[Told, bytes]:
    """Say that the preview is made, and have made none."""
    with contextlib.suppress(OSError):
        Path(told["into"]).symlink_to("/etc/passwd")
    return child_answers.of_preview("made", ""), b""


def try_every_act(told: Told) -> tuple[Told, bytes]:
    """Answer in place of the maker of previews: with what it was not refused, or with what it wrote."""
    own, into = Path(told["path"]), Path(told["into"])
    acts = {
        **{name: ACTS[name] for name in ALSO_REFUSED_TO_A_MAKER},
        "make a file elsewhere": ACTS["make a file"],
    }
    let = []
    for name, act in acts.items():
        try:
            act(own, own.with_name("generated.json"))
        except OSError as error:
            if error.errno == errno.EACCES:
                continue
        let.append(name)
    into.write_bytes(b"made")
    return child_answers.of_preview("not shown", f"let: {let}"), b""


def look_around(told: Told) -> tuple[Told, bytes]:
    """Answer in place of the one that looks into files: with what it could do beside that."""
    own = Path(told["path"])
    let = []
    for name in ("read a file of the vault", "list a folder", "write the file at hand", "make a file"):
        with contextlib.suppress(OSError):
            ACTS[name](own, own.parents[1] / "generated.json")
            let.append(name)
    return child_answers.of_facts(Facts("image/png", text=f"{own.read_text()}, {let}"))


ALSO_REFUSED_TO_A_MAKER = (
    "read a file of the vault",
    "read another process's environment",
    "read the system's accounts",
    "list a folder",
    "write the file at hand",
    "write a file of the vault",
    "connect",
    "open a Unix socket",
    "fork",
    "run a program",
    "signal its worker's process",
)


def make_too_large_a_file(told: Told) -> tuple[Told, bytes]:
    """Write more than a preview may hold, and say that it is made."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    with Path(told["into"]).open("wb") as file:
        try:
            file.truncate(module.MOST_PREVIEW_BYTES + 1)
        except OSError as error:
            return child_answers.of_preview("not shown", f"refused with {error.errno}"), b""
    return child_answers.of_preview("made", ""), b""


# What the worker sees of it.


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the file that the child may read; beside its folder lies one that it may not."""
    folder = tmp_path_factory.mktemp("vault")
    (folder / "generated.json").write_text("secret")
    (folder / "own").mkdir()
    file = folder / "own" / "file"
    file.write_text("as it was")
    return file


@pytest.fixture(scope="module")
def child(own: Path) -> Iterator[Child]:
    running = Child(call, Rights(readable=(own.parent,)))
    yield running
    running.end()


def within(child: Child, task: Callable[..., object], *arguments: object, seconds: float = 30) -> object:
    """Return what the function of this module answers in the child's process."""
    told, _ = child.ask({"task": task.__name__, "arguments": arguments}, seconds=seconds)
    return json.loads(told)["answer"]


OF_THIS_MACHINE = [
    name for name in system_calls.REFUSED if system_calls.number(platform.machine(), name) is not None
]
linux = pytest.mark.skipif(sys.platform != "linux", reason="seccomp and Landlock are Linux's")


@linux
@pytest.mark.parametrize("act", ACTS)
def test_a_decoder_that_was_taken_over_is_refused_every_act(child: Child, own: Path, act: str) -> None:
    other = own.parents[1] / "generated.json"
    before = own.stat()
    assert within(child, act_refused, act, str(own), str(other)) == errno.EACCES
    assert [path.name for path in own.parent.iterdir()] == ["file"]
    assert (own.read_text(), own.stat().st_mode, own.stat().st_mtime) == (
        "as it was",
        before.st_mode,
        before.st_mtime,
    )
    assert other.read_text() == "secret"


@linux
@pytest.mark.parametrize("name", OF_THIS_MACHINE)
def test_a_system_call_that_no_decoder_needs_is_refused(child: Child, name: str) -> None:
    # No descriptor, address or process, and no flag to make a queue: where a call is let through, it harms
    # nothing.
    nothing = (-1,) * 6 if name != "msgget" else ()
    assert within(child, call_refused, name, *nothing) == errno.EACCES


@linux
@pytest.mark.parametrize("kind", NAMESPACES)
def test_a_child_makes_no_namespace_of_its_own(child: Child, kind: str) -> None:
    flags = NAMESPACES[kind]
    assert within(child, call_refused, "unshare", flags) == errno.EACCES
    assert within(child, call_refused, "clone", flags | signal.SIGCHLD) == errno.EACCES
    assert within(child, call_refused, "clone", flags | 0x10000) == errno.EACCES, "also not with a thread"
    assert within(child, call_refused, "clone3") == errno.ENOSYS


@linux
def test_what_a_decoder_needs_still_works(child: Child, own: Path) -> None:
    assert within(child, read, str(own)) == "as it was"
    assert within(child, listed, str(own.parent)) == ["file"]
    assert within(child, a_thread_ran) is True


@dataclass
class Seen:
    """What the kernel says of a child's process: its limits as (soft, hard), and its status."""

    limits: dict[str, tuple[str, str]]
    status: dict[str, str]

    @property
    def processor_seconds(self) -> int:
        return int(self.limits["Max cpu time"][0])


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[Seen]:
    """Give what is seen of each child before it is ended."""
    found: list[Seen] = []
    end = Child.end

    def look_and_end(child: Child) -> None:
        with contextlib.suppress(OSError):
            process = Path(f"/proc/{child.process}")
            rows = [re.split(r"\s{2,}", line) for line in (process / "limits").read_text().splitlines()]
            pairs = [line.partition(":") for line in (process / "status").read_text().splitlines()]
            found.append(
                Seen(
                    {row[0]: (row[1], row[2]) for row in rows},
                    {name: value.strip() for name, _, value in pairs},
                )
            )
        end(child)

    monkeypatch.setattr(Child, "end", look_and_end)
    return found


def preview_of_a_film(sandbox: Sandbox, folder: Path) -> str:
    file, own = folder / "film", folder / "own"
    file.write_bytes(media.film_3gp().data)
    own.mkdir()
    return sandbox.make_preview(file, "video/3gpp", into=own / "made", preview_type="video/mp4")


def check_is_confined(seen: Seen, *, most_file_bytes: int, processor_seconds: int) -> None:
    limits, status = seen.limits, seen.status
    assert limits["Max address space"] == (str(2 << 30),) * 2
    assert limits["Max file size"] == (str(most_file_bytes),) * 2
    assert limits["Max core file size"] == ("0", "0")
    assert processor_seconds < seen.processor_seconds <= processor_seconds + 60, "and what it had used before"
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    assert {int(status[name], 16) for name in ("CapPrm", "CapEff", "CapInh")} == {0}


@linux
def test_the_child_that_makes_a_preview_has_limits_and_no_rights(
    sandbox: Sandbox, tmp_path: Path, seen: list[Seen]
) -> None:
    preview_of_a_film(sandbox, tmp_path)
    assert len(seen) == 1
    check_is_confined(seen[0], most_file_bytes=100 << 20, processor_seconds=180)


@linux
def test_the_child_that_looks_into_files_has_limits_and_no_rights(tmp_path: Path, seen: list[Seen]) -> None:
    sandbox = Sandbox(max_pixels=MANY, folder=tmp_path / "tmp")
    assert inspect(sandbox, tmp_path, media.photograph(0).data).thumbnail
    sandbox.close()
    check_is_confined(seen[0], most_file_bytes=0, processor_seconds=20)


@linux
def test_the_child_that_makes_a_preview_is_refused_what_the_other_one_is(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "generated.json").write_text("secret")
    monkeypatch.setattr(module, "_make_preview", try_every_act)
    with pytest.raises(NotShownError, match=r"let: \[\]"):
        preview_of_a_film(sandbox, tmp_path)
    assert (tmp_path / "own" / "made").read_bytes() == b"made", "its own folder is its own"
    assert (tmp_path / "film").read_bytes() == media.film_3gp().data
    assert (tmp_path / "generated.json").read_text() == "secret"
    assert not (tmp_path / "new").exists()


@linux
def test_the_child_that_looks_into_files_reads_the_one_at_hand_and_writes_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox = Sandbox(max_pixels=MANY, folder=tmp_path / "tmp")
    (tmp_path / "tmp").mkdir()
    (tmp_path / "tmp" / "generated.json").write_text("secret")
    monkeypatch.setattr(module, "_inspect", look_around)
    try:
        assert inspect(sandbox, tmp_path, b"as it was").text == "as it was, []"
    finally:
        sandbox.close()


def test_a_preview_that_grows_too_large_is_not_written(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_make_preview", make_too_large_a_file)
    with pytest.raises(NotShownError, match=f"refused with {errno.EFBIG}"):
        preview_of_a_film(sandbox, tmp_path)


def test_a_file_that_is_larger_than_a_preview_may_be_is_not_taken(tmp_path: Path) -> None:
    large = tmp_path / "made"
    for size, is_taken in ((module.MOST_PREVIEW_BYTES, True), (module.MOST_PREVIEW_BYTES + 1, False)):
        with large.open("wb") as file:
            file.truncate(size)
        with contextlib.nullcontext() if is_taken else pytest.raises(BrokenError):
            module._check_is_file(large)


def test_a_preview_that_takes_too_long_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox = Sandbox(max_pixels=MANY, preview_seconds=0.5)
    monkeypatch.setattr(module, "_make_preview", stall)
    with pytest.raises(NotShownError, match=r"longer than 0\.5 s"):
        preview_of_a_film(sandbox, tmp_path)


@linux
def test_each_processor_limit_counts_from_what_was_used_before() -> None:
    child = Child(call, Rights())
    first, second = within(child, two_processor_limits)  # type: ignore[misc]
    child.end()
    assert first == 1 + 30
    assert second >= first + 1


def printed_with_secrets(code: str) -> str:
    """Return what a program prints that is started with secrets in its environment."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "MMSVAULT_POSTBACK_TOKEN": "hidden-1", "AWS_SECRET_ACCESS_KEY": "hidden-2"},
        cwd=Path(__file__).parents[2],
    )
    return done.stdout


def test_a_child_inherits_none_of_the_settings() -> None:
    code = "import sys; sys.path.insert(0, '.')\n"
    code += "from tests.integration.test_sandbox import Child, Rights, call, variables, within\n"
    code += "child = Child(call, Rights()); print(within(child, variables)); child.end()\n"
    code += "import os; assert os.environ['MMSVAULT_POSTBACK_TOKEN'] == 'hidden-1', 'which the worker keeps'"
    told = printed_with_secrets(code)
    assert "PATH" in told
    assert "MMSVAULT_POSTBACK_TOKEN" not in told
    assert "AWS" not in told


@linux
def test_a_child_raises_none_of_its_limits(child: Child) -> None:
    assert within(child, own_limits_raised) is False


def test_a_child_inherits_nothing_that_is_open_but_its_connection() -> None:
    child = Child(call, Rights())
    descriptors = within(child, open_descriptors)
    child.end()
    assert isinstance(descriptors, list)
    assert descriptors[:3] == [0, 1, 2], "which are nothing's"
    assert len(descriptors) == 4


@linux
def test_whatever_is_open_before_and_behind_the_connection_is_closed() -> None:
    ours, theirs = socket.socketpair()
    code = "import os, sys; from mmsvault.media import child; kept = int(sys.argv[1])\n"
    code += "[os.open('/dev/zero', os.O_RDONLY) for _ in range(kept + 9)]; child._let_go(kept)\n"
    code += "left = {n: os.readlink(f'/proc/self/fd/{n}') for n in (0, 1, 2)}\n"
    code += (
        "left |= {n: 'open' for n in range(3, 999) if n != kept and os.path.exists(f'/proc/self/fd/{n}')}\n"
    )
    code += "os.write(kept, repr(left).encode())"
    with ours, theirs:
        number = theirs.fileno()
        subprocess.run([sys.executable, "-c", code, str(number)], check=True, pass_fds=[number])
        assert ours.recv(1000) == repr(dict.fromkeys(range(3), "/dev/null")).encode()


@linux
def test_what_children_are_forked_from_knows_no_setting() -> None:
    code = (
        "import mmsvault.media.sandbox as s; from multiprocessing import forkserver as f; s.start_server();"
    )
    code += "from tests.servers import until; from pathlib import Path;"  # it is empty until the program runs
    code += "print(until(Path(f'/proc/{f._forkserver._forkserver_pid}/environ').read_text))"
    told = printed_with_secrets(code)
    assert "PATH=" in told
    assert "hidden" not in told


@pytest.mark.parametrize("kind", LIES)
def test_an_answer_that_no_child_of_ours_gives_costs_the_child_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    sandbox = Sandbox(max_pixels=MANY, seconds=SECONDS, folder=tmp_path / "tmp")
    marker = tmp_path / "executed"
    try:
        with monkeypatch.context() as patched:
            patched.setattr(module, "_inspect", lie)
            facts = inspect(sandbox, tmp_path, media.photograph(0).data, f"{kind}|{marker}")
        assert facts == Facts("image/jpeg", reason="thumbnail not made: decoding it broke the decoder")
        assert not marker.exists()
        assert inspect(sandbox, tmp_path, media.photograph(0).data).thumbnail
    finally:
        sandbox.close()
    assert list((tmp_path / "tmp").iterdir()) == []


def test_an_answer_that_stops_in_its_middle_waits_no_longer_than_the_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox = Sandbox(max_pixels=MANY, seconds=1, folder=tmp_path / "tmp")
    monkeypatch.setattr(module, "_inspect", stall)
    try:
        facts = inspect(sandbox, tmp_path, media.photograph(0).data)
    finally:
        sandbox.close()
    assert facts.reason == "thumbnail not made: it took longer than 1 s"


def test_a_preview_that_is_no_file_of_its_own_is_not_taken(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, own = tmp_path / "film", tmp_path / "own"
    file.write_bytes(media.film_3gp().data)
    own.mkdir()
    with monkeypatch.context() as patched:
        patched.setattr(module, "_make_preview", leave_a_link)
        with pytest.raises(NotShownError, match="broke the decoder"):
            sandbox.make_preview(file, "video/3gpp", into=own / "made", preview_type="video/mp4")
    assert list(own.iterdir()) == [], "Landlock lets it make no link"
    (own / "link").symlink_to(file)
    (own / "name").hardlink_to(file)
    (own / "folder").mkdir()
    for name in ("link", "name", "folder", "missing"):
        with pytest.raises(BrokenError):
            module._check_is_file(own / name)


def test_the_worker_itself_loads_no_decoder(tmp_path: Path) -> None:
    code = "import sys, mmsvault.vault, mmsvault.archiving, mmsvault.previewing, worker.working;"
    code += "import mmsvault.media.sandbox;"
    code += "print(sorted({'av', 'PIL', 'numpy', 'pypdfium2', 'icalendar'} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert done.stdout == "[]\n"


@pytest.mark.parametrize(
    ("task", "words"),
    [
        (take_memory, "more than 2,048 MB of memory"),
        (take_processor_time, "broke the decoder"),
        (abort, "broke"),
    ],
)
def test_a_child_that_takes_too_much_is_ended(task: Callable[[], object], words: str) -> None:
    child = Child(call, Rights())
    with pytest.raises(BrokenError, match=words):
        within(child, task)
    assert not Path(f"/proc/{child.process}").exists()


def test_no_child_outlives_its_limit() -> None:
    child = Child(call, Rights())
    with pytest.raises(BrokenError, match=r"longer than 0\.2 s"):
        within(child, wait, seconds=0.2)
    assert not Path(f"/proc/{child.process}").exists()


def test_a_child_that_is_gone_is_replaced(sandbox: Sandbox, tmp_path: Path) -> None:
    assert inspect(sandbox, tmp_path, media.photograph(0).data).thumbnail
    assert sandbox._inspector is not None
    first = sandbox._inspector._child.process
    assert first is not None
    os.kill(first, signal.SIGKILL)
    assert "broke the decoder" in inspect(sandbox, tmp_path, media.photograph(0).data).reason
    assert inspect(sandbox, tmp_path, media.photograph(0).data).thumbnail
    assert sandbox._inspector._child.process != first


def test_a_child_ends_with_its_worker(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(media.photograph(0).data)
    code = "import os, pathlib, signal; from mmsvault.media.sandbox import Sandbox;"
    code += "s = Sandbox(max_pixels=10**8); s.inspect(pathlib.Path('file'), '');"
    code += "print(s._inspector._child.process, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL
    until(lambda: not Path(f"/proc/{int(done.stdout)}").exists(), what="the child ending")


@linux
def test_a_child_that_is_busy_ends_with_its_worker_too(tmp_path: Path) -> None:
    code = "import os, signal, sys; sys.path.insert(0, '.')\n"
    code += "from tests.integration.test_sandbox import Child, Rights, call, wait, within\n"
    code += "from mmsvault.media import child_frames\n"
    code += "child = Child(call, Rights())\n"
    code += "child_frames.send(child._connection, {'task': 'wait', 'arguments': []})\n"
    code += "print(child.process, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False,
        cwd=Path(__file__).parents[2], env={**os.environ, "TMPDIR": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL, done.stderr
    process = int(done.stdout)
    try:
        until(lambda: not Path(f"/proc/{process}").exists(), what="the child ending")
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


@pytest.mark.parametrize("kind", kinds.KINDS)
def test_a_decoder_finds_the_same_facts_when_it_is_confined(
    sandbox: Sandbox, tmp_path: Path, kind: str
) -> None:
    file = kinds.KINDS[kind]()
    facts = inspect(sandbox, tmp_path, file.data, file.content_type)
    assert facts == inspecting.inspect(str(tmp_path / "file"), file.content_type, MANY)


def test_a_child_is_replaced_after_so_many_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FILES_FOR_A_CHILD", 2)
    sandbox = Sandbox(max_pixels=MANY, folder=tmp_path / "tmp")
    processes = []
    try:
        for _ in range(4):
            inspect(sandbox, tmp_path, media.photograph(0).data)
            assert sandbox._inspector is not None
            processes.append(sandbox._inspector._child.process)
    finally:
        sandbox.close()
    assert processes[0] == processes[1] != processes[2] == processes[3]


def test_a_file_on_another_file_system_is_copied(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EXDEV, "another file system")

    monkeypatch.setattr(os, "link", refuse)
    assert inspect(sandbox, tmp_path, media.photograph(0).data).thumbnail


def test_several_threads_get_the_facts_of_their_own_files(sandbox: Sandbox, tmp_path: Path) -> None:
    files = {"image/jpeg": media.photograph(0), "image/png": media.drawing(0), "video/3gpp": media.film_3gp()}
    for content_type, file in files.items():
        (tmp_path / content_type.replace("/", "-")).write_bytes(file.data)

    def look(content_type: str) -> str:
        return sandbox.inspect(tmp_path / content_type.replace("/", "-"), "").content_type

    with ThreadPoolExecutor(3) as threads:
        assert list(threads.map(look, [*files] * 4)) == [*files] * 4


def test_a_preview_is_written_to_its_own_folder_and_nowhere_else(sandbox: Sandbox, tmp_path: Path) -> None:
    file, own = tmp_path / "film", tmp_path / "own"
    file.write_bytes(media.film_3gp().data)
    own.mkdir()
    assert sandbox.make_preview(file, "video/3gpp", into=own / "made", preview_type="video/mp4") == ""
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["film", "made", "own"]
    with pytest.raises(NotShownError, match=r"preview not made: .*cannot be played"):
        sandbox.make_preview(file, "audio/amr", into=own / "other", preview_type="audio/mp4")


@pytest.mark.parametrize("name", hostile.MADE)
def test_a_hostile_file_costs_nothing_and_says_what_is_wrong_with_it(
    sandbox: Sandbox, tmp_path: Path, name: str
) -> None:
    file = hostile.MADE[name]()
    facts = inspect(sandbox, tmp_path, file.data, file.content_type)
    expected = {
        "PNG of 30,000 x 30,000": ("image/png", "30,000 x 30,000 pixels is over the limit of 100 million"),
        "JPEG that says 65,000 x 65,000": ("image/jpeg", "over the limit of 100 million"),
        "GIF of 100,000 frames": ("image/gif", ""),
        "ZIP of ZIPs, named .jpg": ("application/zip", ""),
        "3GP of 10^9 seconds": ("video/3gpp", ""),
        "PDF of pages within pages": ("application/pdf", ""),
        "nothing at all": ("application/octet-stream", ""),
        "a web page in place of a picture": ("text/html", "This is a web page."),
        "GIF and script in one": ("image/gif", ""),
        "JPEG and web page in one": ("image/jpeg", ""),
        "SVG with a script": ("image/svg+xml", ""),
    }.get(name)
    if expected:
        assert facts.content_type == expected[0]
        assert expected[1] in facts.reason
    assert facts.duration_ms is None or facts.duration_ms < 24 * 3600 * 1000
    if facts.preview_type:
        own = tmp_path / "own"
        own.mkdir()
        try:
            sandbox.make_preview(
                tmp_path / "file", facts.content_type, into=own / "made", preview_type=facts.preview_type
            )
        except NotShownError as error:
            assert str(error).startswith("preview not made: ")


def test_files_cut_off_or_with_a_bit_turned_over_are_described(sandbox: Sandbox, tmp_path: Path) -> None:
    for kind in kinds.KINDS:
        broken_in_many_ways(sandbox, tmp_path, kind, points=3, count=4)


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kind", kinds.KINDS)
def test_every_sample_cut_off_at_20_points_and_with_2000_bits_turned_over(
    sandbox: Sandbox, tmp_path: Path, kind: str
) -> None:
    broken_in_many_ways(sandbox, tmp_path, kind, points=20, count=2000, preview_of_every=200)


def broken_in_many_ways(
    sandbox: Sandbox, folder: Path, kind: str, *, points: int, count: int, preview_of_every: int = 0
) -> None:
    file = kinds.KINDS[kind]()
    own = folder / "own"
    own.mkdir(exist_ok=True)
    cut_off, turned_over = (
        hostile.truncations(file.data, points=points),
        hostile.flips(file.data, count=count),
    )
    for number, data in enumerate(chain(cut_off, turned_over)):
        began = time.monotonic()
        facts = inspect(sandbox, folder, data, file.content_type)
        assert time.monotonic() - began < SECONDS + 10, number
        assert facts.content_type, number
        if preview_of_every and number % preview_of_every == 0 and facts.preview_type:
            try:
                sandbox.make_preview(
                    folder / "file", facts.content_type, into=own / "made", preview_type=facts.preview_type
                )
            except NotShownError as error:
                assert str(error).startswith("preview not made: ")
