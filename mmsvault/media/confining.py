"""What a sandboxed child may not do, set by the child itself before it touches a stranger's bytes.

Limits of memory, processor time and file size hold everywhere. Where Linux allows it, to any user:
Landlock leaves no place to write but the child's own folder, and a seccomp filter takes away sockets,
other programs, and looking into other processes. docs/media.md says what holds where.
"""

import ctypes
import errno
import os
import platform
import resource
import signal
import struct
import sys
from collections.abc import Sequence
from pathlib import Path

MEMORY_BYTES = 2 << 30

_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP = 1, 38, 22
_SECCOMP_MODE_FILTER = 2
_ARCHITECTURES = {
    # audit number; socket, execve, execveat, ptrace, process_vm_readv, process_vm_writev, io_uring_setup
    "x86_64": (0xC000003E, (41, 59, 322, 101, 310, 311, 425)),
    "aarch64": (0xC00000B7, (198, 221, 281, 117, 270, 271, 425)),
}
_X32_BIT = 0x40000000
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000 | errno.EACCES
_LOAD, _JUMP_EQUAL, _JUMP_FROM, _RETURN = 0x20, 0x15, 0x35, 0x06

_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446
_LANDLOCK_VERSION = 1
_WRITE_FILE, _REMOVE_DIR, _REMOVE_FILE = 1 << 1, 1 << 4, 1 << 5
_MAKE = 0b1111111 << 6  # character device, folder, file, socket, fifo, block device, link
_REFER, _TRUNCATE = 1 << 13, 1 << 14


def confine(*, most_file_bytes: int, writable: Path | None = None) -> None:
    """Take away what a decoder has no need of; `writable` is the one folder where files may be made."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_file_bytes, most_file_bytes))
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        return
    _keep_from_writing(libc, writable)
    _keep_from_calling(libc)


def limit_processor_time(seconds: int) -> None:
    """Have the kernel end this process once it has used that much more processor time."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = int(used.ru_utime + used.ru_stime) + 1 + seconds
    resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def _keep_from_writing(libc: ctypes.CDLL, writable: Path | None) -> None:
    version = libc.syscall(_LANDLOCK_CREATE, None, ctypes.c_size_t(0), _LANDLOCK_VERSION)
    if version < 1:
        return
    handled = _WRITE_FILE | _REMOVE_DIR | _REMOVE_FILE | _MAKE
    handled |= (_REFER if version > 1 else 0) | (_TRUNCATE if version > 2 else 0)  # noqa: PLR2004 - as they came
    rules = ctypes.create_string_buffer(struct.pack("Q", handled), 8)
    ruleset = libc.syscall(_LANDLOCK_CREATE, rules, ctypes.c_size_t(8), 0)
    if ruleset < 0:
        return
    try:
        if writable is not None:
            _let_write(libc, ruleset, writable, handled & ~_REFER)
        libc.syscall(_LANDLOCK_RESTRICT, ruleset, 0)
    finally:
        os.close(ruleset)


def _let_write(libc: ctypes.CDLL, ruleset: int, folder: Path, rights: int) -> None:
    place = os.open(folder, os.O_PATH | os.O_CLOEXEC)
    try:
        beneath = ctypes.create_string_buffer(struct.pack("=Qi", rights, place), 12)
        libc.syscall(_LANDLOCK_ADD, ruleset, 1, beneath, 0)
    finally:
        os.close(place)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p))


def _keep_from_calling(libc: ctypes.CDLL) -> None:
    known = _ARCHITECTURES.get(platform.machine())
    if known is None:
        return
    code = b"".join(_filter(*known))
    kept = ctypes.create_string_buffer(code, len(code))
    program = _Program(len(code) // 8, ctypes.cast(kept, ctypes.c_void_p))
    libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0)


def _filter(architecture: int, refused: Sequence[int]) -> Sequence[bytes]:
    """Return the filter in the kernel's own small language: refuse these calls, allow the others."""

    def step(code: int, value: int, *, if_so: int = 0, if_not: int = 0) -> bytes:
        return struct.pack("=HBBI", code, if_so, if_not, value)

    count = len(refused)
    return (
        step(_LOAD, 4),  # the architecture that the call is made for
        step(_JUMP_EQUAL, architecture, if_not=count + 3),
        step(_LOAD, 0),  # the number of the call
        step(_JUMP_FROM, _X32_BIT, if_so=count + 1),
        *(step(_JUMP_EQUAL, call, if_so=count - at) for at, call in enumerate(refused)),
        step(_RETURN, _ALLOW),
        step(_RETURN, _REFUSE),
    )
