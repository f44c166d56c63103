"""The bucket as files of this machine: what every program here writes and reads by itself.

The embedded S3 server stands over the same files, for programs of others. That every write went
through it would cost more than all the rest of keeping a picture (docs/decisions/0120).
"""

import os
import sys
import uuid
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from mmsvault.bucket import CHUNK_BYTES, PROBE_KEY, Bucket, Listed, SupportsRead
from mmsvault.core.durable_files import force, make_folder
from mmsvault.errors import NotFoundError, UnavailableError

HALF_WRITTEN = ".rclone_temp_put_"
"""What the name of a file begins with that is not whole yet, as the embedded server, too, names it; what
is left is swept away."""
MOST_FOLDERS_REMEMBERED = 10_000


class FolderBucket(Bucket):
    """Objects as files below `folder`, which `make` makes.

    A folder that is gone later is a disk that is not mounted: nothing is put into another one.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._forced: dict[Path, int] = {}
        """Folders, by their inode, that are on the disk with all that they are in."""

    def make(self) -> None:
        with _on_disk("", self._folder):
            make_folder(self._folder)

    def exists(self) -> bool:
        return self._folder.is_dir()

    def put(
        self,
        key: str,
        content: bytes | BinaryIO,
        *,
        content_type: str,  # noqa: ARG002 - the extension tells it
        size: int | None = None,  # noqa: ARG002 - the file tells it
        forced: bool = True,
    ) -> None:
        if isinstance(content, bytes):
            self._write(key, lambda file: file.write(content))
        else:
            self._write(key, lambda file: _copy(content, file))
        if forced:
            self.force([key])

    def put_new(self, key: str, content: bytes, *, content_type: str) -> bool:  # noqa: ARG002 - as above
        is_new = self._write(key, lambda file: file.write(content), place=_place_new)
        if is_new:
            self.force([key])
        return is_new

    def put_stream(self, key: str, source: SupportsRead, *, content_type: str) -> None:  # noqa: ARG002 - as above
        self._write(key, lambda file: _copy(source, file))
        self.force([key])

    def force(self, keys: Collection[str]) -> None:
        # Together is cheaper than one by one: the first takes most of the file system's log along.
        paths = [self._path(key) for key in keys]
        folders = dict.fromkeys(path.parent for path in paths)
        with _on_disk(", ".join(keys), self._folder):
            new = {one: number for folder in folders for one, number in self._unforced(folder)}
            for place in (*paths, *dict.fromkeys((*folders, *(folder.parent for folder in new)))):
                force(place)
        if len(self._forced) > MOST_FOLDERS_REMEMBERED:
            self._forced = {}
        self._forced |= new

    def chunks(self, key: str, *, offset: int = 0, length: int = 0) -> Iterator[bytes]:
        left = length or sys.maxsize
        with _on_disk(key, self._folder), self._path(key).open("rb") as file:
            file.seek(offset)
            while chunk := file.read(min(CHUNK_BYTES, left)):
                left -= len(chunk)
                yield chunk

    def look_up(self, key: str) -> tuple[int, str]:
        with _on_disk(key, self._folder):
            kept = self._path(key).stat()
        return kept.st_size, f"{kept.st_mtime_ns:x}-{kept.st_size:x}"

    def whole(self, key: str, *, most_bytes: int) -> tuple[bytes, str] | None:
        size, mark = self.look_up(key)
        return (self.read(key), mark) if size <= most_bytes else None

    def list(self, prefix: str, *, recursive: bool = True) -> Iterator[Listed]:
        try:
            with _on_disk(prefix, self._folder):
                entries = sorted(os.scandir(self._path(prefix)), key=lambda entry: entry.name)
        except NotFoundError:
            return
        for entry in entries:
            is_folder = entry.is_dir(follow_symlinks=False)
            if is_folder and recursive:
                yield from self.list(f"{prefix}{entry.name}/")
                continue
            try:
                found = entry.stat(follow_symlinks=False)
            except FileNotFoundError:  # removed or renamed since
                continue
            at = datetime.fromtimestamp(found.st_mtime, UTC)
            if is_folder:
                yield Listed(f"{prefix}{entry.name}/", 0, at)
            else:
                yield Listed(f"{prefix}{entry.name}", found.st_size, at)

    def remove(self, key: str) -> None:
        with suppress(NotFoundError), _on_disk(key, self._folder):
            self._path(key).unlink()

    def erase(self, prefix: str) -> int:
        keys = [found.key for found in self.list(prefix)] if prefix.endswith("/") else [prefix]
        for key in keys:
            self.remove(key)
        if prefix.endswith("/"):
            self._remove_folders(self._path(prefix))
        with _on_disk(prefix, self._folder):
            for folder in dict.fromkeys(
                (*(self._path(key).parent for key in keys), self._path(prefix).parent)
            ):
                with suppress(FileNotFoundError):
                    force(folder)
        return len(keys)

    def check(self, size: int) -> None:
        self.put(PROBE_KEY, bytes(size), content_type="")
        self.remove(PROBE_KEY)

    def _write(
        self,
        key: str,
        write: Callable[[BinaryIO], object],
        *,
        place: Callable[[Path, Path], object] = Path.replace,
    ) -> bool:
        """Write a file under another name and `place` it under its own once it is whole.

        Return whether it could be placed: not where a file is there that is not to be written over.
        """
        path = self._path(key)
        draft = path.with_name(f"{HALF_WRITTEN}{uuid.uuid4().hex}")
        try:
            with _on_disk(key, self._folder):
                with self._new(draft) as file:
                    write(file)
                try:
                    place(draft, path)
                except FileExistsError:
                    return False
                return True
        finally:
            with suppress(OSError):
                draft.unlink(missing_ok=True)

    def _new(self, path: Path) -> BinaryIO:
        while True:
            with suppress(FileNotFoundError):  # mostly its folder is there
                return path.open("xb")
            if not self._folder.is_dir():
                raise _away(self._folder)
            path.parent.mkdir(parents=True, exist_ok=True)  # `erase` may remove it again before the next line
            for folder in path.parents:  # a new folder may get the inode of one that was removed
                self._forced.pop(folder, None)

    def _unforced(self, folder: Path) -> Iterator[tuple[Path, int]]:
        """Give the folder and those above it that may not be on the disk yet, whoever made them."""
        while folder != self._folder:
            number = folder.stat().st_ino
            if self._forced.get(folder) == number:
                return
            yield folder, number
            folder = folder.parent

    def _remove_folders(self, folder: Path) -> None:
        """Remove the folder and those in it as far as they are empty: their names tell of what was there."""
        for place, _, _ in os.walk(folder, topdown=False):
            with suppress(OSError):
                Path(place).rmdir()

    def _path(self, key: str) -> Path:
        if ".." in key.split("/") or key.startswith("/"):
            raise NotFoundError(f"The bucket has no {key}.")
        return self._folder / key


def _copy(source: SupportsRead, file: BinaryIO) -> None:
    while chunk := source.read(CHUNK_BYTES):
        file.write(chunk)


def _place_new(draft: Path, path: Path) -> None:
    """Give a finished draft its name. Raises FileExistsError where another file has it."""
    try:
        path.hardlink_to(draft)  # one step, which never takes the place of another file
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        if path.exists():
            raise FileExistsError(path) from None
        draft.replace(path)


@contextmanager
def _on_disk(key: str, folder: Path) -> Iterator[None]:
    """Raise NotFoundError where the file is not there, UnavailableError for everything else."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError) as error:
        if not folder.is_dir():
            raise _away(folder) from error
        raise NotFoundError(f"The bucket has no {key}.") from error
    except OSError as error:
        raise UnavailableError(f"The disk refused {key}: {error}") from error


def _away(folder: Path) -> UnavailableError:
    return UnavailableError(
        f"The bucket's folder {folder} is not there; is its disk mounted? "
        "`mmsvault up` makes that of a new vault."
    )
