"""What a sandboxed child may not do, set by the child itself before it touches a stranger's bytes.

Limits of memory, processor time and file size hold everywhere. Where Linux allows it, to any user:
Landlock leaves no file to read but the libraries and what is given, and no place to write but the
child's own folder; a seccomp filter refuses the calls that `system_calls` lists. docs/media.md says
what holds where.
"""

import ctypes
import errno
import os
import platform
import resource
import signal
import site
import stat
import struct
import sys
import sysconfig
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mmsvault.media import system_calls

MEMORY_BYTES = 2 << 30

_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP = 1, 38, 22
_SECCOMP_MODE_FILTER = 2
_X32_BIT = 0x40000000
_ALLOW, _REFUSE, _NOT_KNOWN = 0x7FFF0000, 0x00050000 | errno.EACCES, 0x00050000 | errno.ENOSYS
_LOAD, _JUMP_EQUAL, _JUMP_FROM, _JUMP_BITS, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_CALL, _ARCHITECTURE, _FIRST_ARGUMENT, _SECOND_ARGUMENT = 0, 4, 16, 24
"""Places in what a filter is given; of an argument the low half, as both machines are little-endian."""
_CLONE_THREAD = 0x00010000
_CLONE_NAMESPACES = 0x7E020000  # mount, cgroup, uts, ipc, user, pid, net
_SIGNAL_COMMANDS = (8, 10, 15)  # F_SETOWN, F_SETSIG, F_SETOWN_EX: have the kernel signal another process

_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446
_LANDLOCK_VERSION = 1
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_FOLDER = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_REMOVE_FOLDER, _REMOVE_FILE = 1 << 4, 1 << 5
_MAKE = 0b1111111 << 6  # character device, folder, file, socket, fifo, block device, link
_MAKE_FILE = 1 << 8
_ALWAYS_HANDLED = _EXECUTE | _WRITE_FILE | _READ_FILE | _READ_FOLDER | _REMOVE_FOLDER | _REMOVE_FILE | _MAKE
_SINCE_VERSION = {2: 1 << 13, 3: 1 << 14, 5: 1 << 15}  # moves between folders, truncation, ioctl of devices
_NETWORK_VERSION, _ANY_TCP = 4, 0b11
_SCOPE_VERSION, _ANY_SCOPE = 6, 0b11  # abstract Unix sockets, signals
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _SINCE_VERSION[3]
_READS = _READ_FILE | _READ_FOLDER
_WRITES = _READS | _WRITE_FILE | _MAKE_FILE | _REMOVE_FILE | _SINCE_VERSION[3]

_SYSTEM_LIBRARIES = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib")
_SHARED_DATA = (
    "/usr/share/fonts",
    "/usr/local/share/fonts",
    "/usr/share/zoneinfo",
    "/etc/localtime",
    "/etc/ld.so.cache",
    "/dev/urandom",
)
_PACKAGES = Path(__file__).parents[1]


@dataclass(frozen=True)
class Held:
    """What this machine's kernel enforces for the child."""

    files: bool = False
    calls: bool = False


def confine(*, most_file_bytes: int, readable: Iterable[Path] = (), writable: Path | None = None) -> Held:
    """Take away what a decoder has no need of; return what the kernel enforces of it.

    `readable` are files and folders to read besides the libraries, `writable` is the one folder where
    files may be made. Limits hold everywhere.
    """
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_file_bytes, most_file_bytes))
    if sys.platform != "linux":
        return Held()
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        return Held()
    files = _keep_from_files(libc, [*libraries(), *readable], writable)
    _drop_capabilities(libc)
    return Held(files=files, calls=_keep_from_calling(libc))


def limit_processor_time(seconds: int) -> None:
    """Have the kernel end this process once it has used that much more processor time."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = int(used.ru_utime + used.ru_stime) + 1 + seconds
    resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def libraries() -> list[Path]:
    """Return where Python, its packages, the system's libraries and their data are."""
    paths = sysconfig.get_paths()
    places: list[str | Path] = [
        *(paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")),
        *(entry for entry in sys.path if Path(entry).name in {"site-packages", "dist-packages"}),
        *([site.getusersitepackages()] if site.ENABLE_USER_SITE else []),
        *_SYSTEM_LIBRARIES,
        *_SHARED_DATA,
        _PACKAGES,
    ]
    return list(dict.fromkeys(Path(place) for place in places if Path(place).exists()))


def _keep_from_files(libc: ctypes.CDLL, readable: Iterable[Path], writable: Path | None) -> bool:
    version = libc.syscall(_LANDLOCK_CREATE, None, ctypes.c_size_t(0), _LANDLOCK_VERSION)
    if version < 1:
        return False
    handled = _ALWAYS_HANDLED
    for since, rights in _SINCE_VERSION.items():
        handled |= rights if version >= since else 0
    network = _ANY_TCP if version >= _NETWORK_VERSION else 0
    scope = _ANY_SCOPE if version >= _SCOPE_VERSION else 0
    size = 24 if scope else 16 if network else 8
    rules = ctypes.create_string_buffer(struct.pack("QQQ", handled, network, scope)[:size], size)
    ruleset = libc.syscall(_LANDLOCK_CREATE, rules, ctypes.c_size_t(size), 0)
    if ruleset < 0:
        return False
    try:
        for place in readable:
            _allow(libc, ruleset, place, _READS & handled)
        if writable is not None:
            _allow(libc, ruleset, writable, _WRITES & handled)
        return bool(libc.syscall(_LANDLOCK_RESTRICT, ruleset, 0) == 0)
    finally:
        os.close(ruleset)


def _allow(libc: ctypes.CDLL, ruleset: int, path: Path, rights: int) -> None:
    """Allow what of the rights can be had of the file, or of what is beneath the folder."""
    place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        if not stat.S_ISDIR(os.fstat(place).st_mode):
            rights &= _OF_FILES
        beneath = ctypes.create_string_buffer(struct.pack("=Qi", rights, place), 12)
        libc.syscall(_LANDLOCK_ADD, ruleset, 1, beneath, 0)
    finally:
        os.close(place)


def _drop_capabilities(libc: ctypes.CDLL) -> None:
    """Be nobody special, where this runs as root: root could raise its own limits again."""
    header = ctypes.create_string_buffer(struct.pack("Ii", 0x20080522, 0), 8)
    libc.capset(header, ctypes.create_string_buffer(24))


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p))


def _keep_from_calling(libc: ctypes.CDLL) -> bool:
    machine = platform.machine()
    if machine not in system_calls.AUDIT_NUMBERS:
        return False
    code = b"".join(_filter(machine))
    kept = ctypes.create_string_buffer(code, len(code))
    program = _Program(len(code) // 8, ctypes.cast(kept, ctypes.c_void_p))
    return bool(libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0) == 0)


def _filter(machine: str) -> Sequence[bytes]:
    """Return the filter in the kernel's own small language: refuse some calls, allow the others."""
    allow, refuse = _step(_RETURN, _ALLOW), _step(_RETURN, _REFUSE)
    return (
        _step(_LOAD, _ARCHITECTURE),
        _step(_JUMP_EQUAL, system_calls.AUDIT_NUMBERS[machine], if_so=1),
        refuse,
        _step(_LOAD, _CALL),
        _step(_JUMP_FROM, _X32_BIT, if_not=1),
        refuse,
        *(step for call in system_calls.refused(machine) for step in _when(call, refuse)),
        # The C library falls back to `clone`, whose flags a filter can see.
        *_when(system_calls.number(machine, "clone3"), _step(_RETURN, _NOT_KNOWN)),
        *_when(
            system_calls.number(machine, "clone"),
            _step(_LOAD, _FIRST_ARGUMENT),
            _step(_JUMP_BITS, _CLONE_THREAD, if_so=1),
            refuse,
            _step(_JUMP_BITS, _CLONE_NAMESPACES, if_not=1),
            refuse,
            allow,
        ),
        *_when(
            system_calls.number(machine, "prlimit64"),
            _step(_LOAD, _FIRST_ARGUMENT),
            _step(_JUMP_EQUAL, 0, if_so=1),  # the process itself
            refuse,
            allow,
        ),
        *_when(
            system_calls.number(machine, "fcntl"),
            _step(_LOAD, _SECOND_ARGUMENT),
            *(step for command in _SIGNAL_COMMANDS for step in _when(command, refuse)),
            allow,
        ),
        allow,
    )


def _when(value: int | None, *steps: bytes) -> Sequence[bytes]:
    """Return the steps for when what was loaded is this value; the last of them returns."""
    return () if value is None else (_step(_JUMP_EQUAL, value, if_not=len(steps)), *steps)


def _step(code: int, value: int, *, if_so: int = 0, if_not: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_so, if_not, value)
