"""The data directory belongs to the vault's user alone, whatever it was before.

Files that a program makes later are closed as well: `close_new_files` is called at every program's start.
"""

import hashlib
import os
import stat
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from mmsvault.core.durable_files import make_folder
from mmsvault.errors import ConfigurationError

SETTING = "MMSVAULT_DATA_DIR"
OTHERS = stat.S_IRWXG | stat.S_IRWXO
MAY_BE_LINKS = frozenset(("bucket", "catalog.sqlite", "redis", "spool", "tmp"))
"""What of the vault's own may lie on another disk, with a link to it: it is closed there."""
MAX_SOCKET_PATH_BYTES = 100
"""Of an address of a Unix socket; the kernel takes 107 (unix(7)), macOS 103."""
MAX_CATALOG_PATH_BYTES = 500
"""Of an SQLite file; SQLite takes 512 with what it appends (MAX_PATHNAME in its os_unix.c)."""
MAX_PATH_BYTES = 3000
"""Of the data directory; Linux takes 4095 (PATH_MAX), and a message's files stand deep in it."""


def close_new_files() -> None:
    """Have every file that this process and its children make be readable by its owner only."""
    os.umask(0o077)


def check_path(path: Path, *, setting: str, most_bytes: int) -> None:
    """Refuse a path that one of the servers or libraries could not open. Raises ConfigurationError."""
    try:
        given, size = str(path), len(str(path.absolute()).encode())
    except UnicodeEncodeError as error:
        raise ConfigurationError(
            setting, "its path is not in UTF-8; rename the folder, or choose another path"
        ) from error
    if "\0" in given:
        raise ConfigurationError(setting, "its path has a zero byte in it; choose another path")
    if size > most_bytes:
        raise ConfigurationError(
            setting,
            f"a path of {size:,} bytes comes of it, and at most {most_bytes:,} can be used; choose a shorter "
            "one",
        )


def prepare_data_dir(folder: Path) -> None:
    """Make the folder, or close one that is there, with what lies in it.

    A folder of somebody else is taken where others may not write in it, or where it is a volume that was
    given to this container. Raises ConfigurationError for any other, and for one in which somebody else has
    put something; and OSError.
    """
    make_folder(folder)
    if sys.platform == "win32":
        return
    about, us = folder.stat(), os.geteuid()
    if about.st_uid == us:  # first, so that nobody can put anything into it any more
        close(folder.resolve())
    elif about.st_mode & stat.S_IWOTH and not about.st_mode & stat.S_ISVTX and not folder.is_mount():
        raise ConfigurationError(
            SETTING,
            f"every user of this machine may change {folder.absolute()}, and it belongs to somebody else; "
            "run `chmod 700` on it as its owner, or name another folder",
        )
    for entry in list(os.scandir(folder)):
        with suppress(FileNotFoundError):  # a program that runs may have moved it
            owner = entry.stat(follow_symlinks=False).st_uid
            if owner not in (us, about.st_uid, 0):
                raise ConfigurationError(
                    SETTING,
                    f"another user of this machine has put {entry.name!r} into {folder.absolute()}; take it "
                    "away, or give it to the vault's user with `chown` if it is the vault's",
                )
            if owner == us:
                close(Path(entry.path))
                if about.st_uid == us and entry.is_symlink() and entry.name in MAY_BE_LINKS:
                    close(Path(entry.path).resolve())


def close(path: Path) -> None:
    """Take all rights from others; a link, and what is somebody else's, is left alone."""
    about = path.lstat()
    if about.st_mode & OTHERS and about.st_uid == os.geteuid() and not stat.S_ISLNK(about.st_mode):
        path.chmod(stat.S_IMODE(about.st_mode) & ~OTHERS)


def queue_socket(data_dir: Path) -> Path:
    """Return where the embedded queue listens: a Unix socket in a folder that is the vault's alone.

    Raises ConfigurationError where somebody else has made that folder.
    """
    path = data_dir.absolute() / "redis" / "queue.sock"
    if len(os.fsencode(path)) <= MAX_SOCKET_PATH_BYTES:
        return path
    digest = hashlib.sha256(os.fsencode(data_dir.absolute())).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()).absolute() / f"mmsvault-{digest}"
    if len(os.fsencode(folder / "queue.sock")) > MAX_SOCKET_PATH_BYTES:
        raise ConfigurationError(
            SETTING,
            "its path is too long for a socket, and so is that of the temporary directory; choose a shorter "
            "path, or set TMPDIR to one",
        )
    folder.mkdir(mode=0o700, exist_ok=True)
    about = folder.lstat()
    owners = (os.geteuid(), data_dir.stat().st_uid)
    if not stat.S_ISDIR(about.st_mode) or about.st_uid not in owners or about.st_mode & OTHERS:
        raise ConfigurationError(
            SETTING,
            f"its path is too long for a socket, and {folder}, which is used instead, belongs to somebody "
            "else; choose a shorter path",
        )
    return folder / "queue.sock"
