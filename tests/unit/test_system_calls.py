"""What the seccomp filter answers to each call, run here step by step as a kernel runs it, for both machines.

The numbers are written down once more, from the kernel's tables, so that a call that is missing in the
product, or has the number of another, is found.
"""

import errno
import struct
from collections.abc import Sequence

import pytest

from mmsvault.media import confining, system_calls
from mmsvault.media.system_calls import AARCH64, X86_64

ALLOWED, REFUSED, UNKNOWN = 0x7FFF0000, 0x00050000 | errno.EACCES, 0x00050000 | errno.ENOSYS
AUDIT = {X86_64: 0xC000003E, AARCH64: 0xC00000B7}

DANGEROUS: dict[str, tuple[int | None, int | None]] = {
    "execve": (59, 221),
    "execveat": (322, 281),
    "fork": (57, None),
    "vfork": (58, None),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "process_mrelease": (448, 448),
    "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438),
    "pidfd_send_signal": (424, 424),
    "kcmp": (312, 272),
    "migrate_pages": (256, 238),
    "move_pages": (279, 239),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "socket": (41, 198),
    "socketpair": (53, 199),
    "kill": (62, 129),
    "tkill": (200, 130),
    "tgkill": (234, 131),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "setpriority": (141, 140),
    "sched_setparam": (142, 118),
    "sched_setscheduler": (144, 119),
    "sched_setattr": (314, 274),
    "sched_setaffinity": (203, 122),
    "ioprio_set": (251, 30),
    "chmod": (90, None),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "chown": (92, None),
    "fchown": (93, 55),
    "lchown": (94, None),
    "fchownat": (260, 54),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    "setxattrat": (463, 463),
    "removexattr": (197, 14),
    "lremovexattr": (198, 15),
    "fremovexattr": (199, 16),
    "removexattrat": (466, 466),
    "file_setattr": (469, 469),
    "utime": (132, None),
    "utimes": (235, None),
    "futimesat": (261, None),
    "utimensat": (280, 88),
    "truncate": (76, 45),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "open_tree_attr": (467, 467),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "fanotify_init": (300, 262),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "prctl": (157, 167),
    "personality": (135, 92),
    "ioctl": (16, 29),
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "shmget": (29, 194),
    "semget": (64, 190),
    "msgget": (68, 186),
    "mq_open": (240, 180),
}
NEEDED: dict[str, tuple[int | None, int | None]] = {
    "read": (0, 63),
    "write": (1, 64),
    "openat": (257, 56),
    "close": (3, 57),
    "mmap": (9, 222),
    "munmap": (11, 215),
    "mprotect": (10, 226),
    "futex": (202, 98),
    "recvfrom": (45, 207),
    "sendto": (44, 206),
    "exit_group": (231, 94),
    "getrandom": (318, 278),
    "sched_getaffinity": (204, 123),
    "unlink": (87, None),
    "unlinkat": (263, 35),
    "ftruncate": (77, 46),
}
CLONE, CLONE3, PRLIMIT, FCNTL = (56, 220), (435, 435), (302, 261), (72, 25)
THREAD, VM, SIGCHLD = 0x10000, 0x100, 17
FLAGS_OF_NAMESPACES = {
    "mount": 0x00020000,
    "cgroup": 0x02000000,
    "names of the machine": 0x04000000,
    "messages between processes": 0x08000000,
    "user": 0x10000000,
    "processes": 0x20000000,
    "network": 0x40000000,
}


def answered(machine: str, number: int | None, *arguments: int, audit: int | None = None) -> int:
    """Return what the filter of a machine answers to a call."""
    assert number is not None
    given = struct.pack("=iIQ6Q", number, audit or AUDIT[machine], 0, *arguments, *[0] * (6 - len(arguments)))
    return run([struct.unpack("=HBBI", step) for step in confining._filter(machine)], given)


def run(program: Sequence[tuple[int, int, int, int]], given: bytes) -> int:
    """Run a filter as the kernel does (Documentation/networking/filter.rst)."""
    place, loaded = 0, 0
    while True:
        code, if_so, if_not, value = program[place]
        place += 1
        match code:
            case 0x20:
                (loaded,) = struct.unpack_from("=I", given, value)
            case 0x15:
                place += if_so if loaded == value else if_not
            case 0x35:
                place += if_so if loaded >= value else if_not
            case 0x45:
                place += if_so if loaded & value else if_not
            case 0x06:
                return value
            case _:
                pytest.fail(f"no such step: {code:#x}")


MACHINES = pytest.mark.parametrize("machine", [X86_64, AARCH64])


@MACHINES
@pytest.mark.parametrize("name", DANGEROUS)
def test_a_dangerous_call_is_refused_whatever_its_arguments_are(machine: str, name: str) -> None:
    number = DANGEROUS[name][machine == AARCH64]
    if number is None:
        assert system_calls.number(machine, name) is None
    for arguments in ((), (-1 & 0xFFFFFFFFFFFFFFFF,) * 6, (1, 2, 3)):
        assert number is None or answered(machine, number, *arguments) == REFUSED


def test_every_call_that_is_refused_is_one_that_is_known_to_be_dangerous() -> None:
    assert dict(system_calls.REFUSED) == DANGEROUS


@MACHINES
@pytest.mark.parametrize("name", NEEDED)
def test_what_a_decoder_needs_is_allowed(machine: str, name: str) -> None:
    number = NEEDED[name][machine == AARCH64]
    if number is not None:
        assert answered(machine, number) == ALLOWED


@MACHINES
@pytest.mark.parametrize("audit", [0x40000003, 0x40000028, *AUDIT.values()])
def test_calls_in_the_way_of_another_machine_are_refused(machine: str, audit: int) -> None:
    number = NEEDED["read"][machine == AARCH64]
    assert answered(machine, number, audit=audit) == (ALLOWED if audit == AUDIT[machine] else REFUSED)


@pytest.mark.parametrize("number", [0, 59, 101, 425, 520])
def test_calls_of_the_32_bit_kind_of_x86_64_are_refused(number: int) -> None:
    assert answered(X86_64, 0x40000000 | number) == REFUSED


@MACHINES
def test_a_thread_may_be_made_and_no_process(machine: str) -> None:
    clone, clone3 = (pair[machine == AARCH64] for pair in (CLONE, CLONE3))
    assert answered(machine, clone, THREAD | VM | 0x800) == ALLOWED
    assert answered(machine, clone, SIGCHLD) == REFUSED
    assert answered(machine, clone, VM | SIGCHLD) == REFUSED
    assert answered(machine, clone, 0) == REFUSED
    assert answered(machine, clone3) == UNKNOWN, "so that the C library takes clone"


@MACHINES
@pytest.mark.parametrize("kind", FLAGS_OF_NAMESPACES)
def test_neither_a_thread_nor_a_process_makes_a_namespace(machine: str, kind: str) -> None:
    flag, clone = FLAGS_OF_NAMESPACES[kind], CLONE[machine == AARCH64]
    assert answered(machine, clone, flag | THREAD | VM) == REFUSED
    assert answered(machine, clone, flag | SIGCHLD) == REFUSED


@MACHINES
def test_a_process_asks_for_its_own_limits_and_nobody_elses(machine: str) -> None:
    prlimit = PRLIMIT[machine == AARCH64]
    assert answered(machine, prlimit, 0, 7) == ALLOWED
    assert answered(machine, prlimit, 1, 7) == REFUSED
    assert answered(machine, prlimit, 4321, 7) == REFUSED


@MACHINES
@pytest.mark.parametrize(
    ("command", "is_allowed"), [(8, False), (10, False), (15, False), (3, True), (4, True)]
)
def test_no_file_is_made_to_signal_another_process(machine: str, command: int, *, is_allowed: bool) -> None:
    fcntl = FCNTL[machine == AARCH64]
    assert answered(machine, fcntl, 3, command) == (ALLOWED if is_allowed else REFUSED)
