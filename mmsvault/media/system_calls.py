"""The system calls that a decoder's child may not make, with their numbers on each machine.

Numbers are those of the kernel's tables: arch/x86/entry/syscalls/syscall_64.tbl and, for aarch64,
include/uapi/asm-generic/unistd.h. None where a machine has no such call.
"""

X86_64, AARCH64 = "x86_64", "aarch64"
AUDIT_NUMBERS = {X86_64: 0xC000003E, AARCH64: 0xC00000B7}

Numbers = dict[str, tuple[int | None, int | None]]

SOCKETS: Numbers = {"socket": (41, 198), "socketpair": (53, 199)}
PROGRAMS: Numbers = {"execve": (59, 221), "execveat": (322, 281)}
PROCESSES: Numbers = {"fork": (57, None), "vfork": (58, None)}
SIGNALS: Numbers = {
    "kill": (62, 129),
    "tkill": (200, 130),
    "tgkill": (234, 131),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "pidfd_send_signal": (424, 424),
}
OTHER_PROCESSES: Numbers = {
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "process_mrelease": (448, 448),
    "kcmp": (312, 272),
    "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438),
    "migrate_pages": (256, 238),
    "move_pages": (279, 239),
    "setpriority": (141, 140),
    "sched_setparam": (142, 118),
    "sched_setscheduler": (144, 119),
    "sched_setattr": (314, 274),
    "sched_setaffinity": (203, 122),
    "ioprio_set": (251, 30),
}
ATTRIBUTES_OF_FILES: Numbers = {
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
}
FILES_BY_HANDLE: Numbers = {"name_to_handle_at": (303, 264), "open_by_handle_at": (304, 265)}
NAMESPACES: Numbers = {"unshare": (272, 97), "setns": (308, 268)}
FILE_SYSTEMS: Numbers = {
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
}
KERNEL: Numbers = {
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "prctl": (157, 167),
    "personality": (135, 92),
    "ioctl": (16, 29),
}
MEMORY_OUTSIDE_OF_THE_LIMIT: Numbers = {
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "shmget": (29, 194),
    "semget": (64, 190),
    "msgget": (68, 186),
    "mq_open": (240, 180),
}

REFUSED: Numbers = {
    **SOCKETS,
    **PROGRAMS,
    **PROCESSES,
    **SIGNALS,
    **OTHER_PROCESSES,
    **ATTRIBUTES_OF_FILES,
    **FILES_BY_HANDLE,
    **NAMESPACES,
    **FILE_SYSTEMS,
    **KERNEL,
    **MEMORY_OUTSIDE_OF_THE_LIMIT,
}
LOOKED_INTO: Numbers = {"clone": (56, 220), "clone3": (435, 435), "prlimit64": (302, 261), "fcntl": (72, 25)}
"""What is refused or allowed by its arguments."""


def number(machine: str, name: str) -> int | None:
    """Return the number of a call on the machine, one of AUDIT_NUMBERS."""
    return {**REFUSED, **LOOKED_INTO}[name][machine == AARCH64]


def refused(machine: str) -> list[int]:
    """Return the numbers of all calls that are refused whatever their arguments are."""
    return [found for name in REFUSED if (found := number(machine, name)) is not None]
