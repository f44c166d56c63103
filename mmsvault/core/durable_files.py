"""Files and folders that are still there after a power cut.

What is in a file is on the disk once the file is forced; that a file or a folder is there at all, once the
folder that it is in is forced as well.
"""

import os
import sys
from contextlib import suppress
from pathlib import Path


def force(path: Path) -> None:
    """Return once a file's bytes, or the names in a folder, are on the disk. Raises OSError."""
    if sys.platform == "win32" and path.is_dir():  # it opens no folders, and forces their names itself
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: Path, *, mode: int = 0o700) -> None:
    """Make a folder, and those that it is in; return once their names are on the disk. Raises OSError.

    The name of one that is there is forced as well: another program may have made it just now.
    """
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    for one in reversed(missing or [folder]):
        one.mkdir(mode=mode, exist_ok=True)
        with suppress(PermissionError):  # one that may be written to, and not read
            force(one.parent)


def give_name(draft: Path, path: Path) -> None:
    """Have a forced draft take the place of `path`, and return once that is on the disk. Raises OSError."""
    draft.replace(path)
    force(path.parent)
