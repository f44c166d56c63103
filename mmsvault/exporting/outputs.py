"""Where a volume's bytes go: a file, or the bucket; there whole at the end, or not at all.

Bytes only ever go forward, so that the same archive has the same bytes wherever it is written, and
its own SHA-256 is known when the last one is.
"""

import hashlib
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from mmsvault.bucket import Bucket
from mmsvault.core.durable_files import force
from mmsvault.errors import RejectedInputError, UnavailableError

UNFINISHED = ".unfinished"


class Forward:
    """A stream that is only written, counted and hashed on its way to `target`."""

    def __init__(self, target: BinaryIO) -> None:
        self._target = target
        self._digest = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> int:
        """Pass the bytes on."""
        self._target.write(data)
        self._digest.update(data)
        self.size += len(data)
        return len(data)

    def flush(self) -> None:
        """Do nothing: what stands at the end counts."""

    @property
    def sha256(self) -> str:
        """The SHA-256 of everything written so far."""
        return self._digest.hexdigest()


@contextmanager
def to_file(path: Path, *, replace: bool = False) -> Iterator[Forward]:
    """Write a file under a temporary name, and give it its own once it is whole and on the disk.

    Raises RejectedInputError where it cannot be, or is there already and `replace` was not said.
    """
    refuse_taken(path, replace=replace)
    draft = path.with_name(f".{path.name}.{os.getpid()}{UNFINISHED}")
    try:
        file = draft.open("wb")
    except OSError as error:
        raise RejectedInputError(f"{path} cannot be written: {error.strerror}.") from error
    try:
        with file:
            yield Forward(file)
            file.flush()
            os.fsync(file.fileno())
        _give_name(draft, path, replace=replace)
        draft.unlink(missing_ok=True)
        force(path.parent)
    except OSError as error:
        raise UnavailableError(f"{path} cannot be written: {error.strerror}.") from error
    finally:
        draft.unlink(missing_ok=True)


def refuse_taken(path: Path, *, replace: bool) -> None:
    """Raise RejectedInputError where a file cannot be written to `path` without loss, before any work."""
    if path.is_symlink() or path.exists():
        if not path.is_file() or path.is_symlink():
            raise RejectedInputError(f"{path} is no ordinary file. Choose another name.")
        if not replace:
            raise RejectedInputError(f"{path} exists already. Choose another name, or add --replace.")


def _give_name(draft: Path, path: Path, *, replace: bool) -> None:
    """Give the draft its name; a file that came there meanwhile is replaced only where that was said."""
    if not replace:
        try:
            os.link(draft, path)
        except FileExistsError:
            raise RejectedInputError(
                f"{path} was made by another program meanwhile. Choose another name, or add --replace."
            ) from None
        except OSError:  # some file systems know no links
            refuse_taken(path, replace=False)
        else:
            return
    draft.replace(path)


@contextmanager
def to_bucket(bucket: Bucket, key: str, *, content_type: str) -> Iterator[Forward]:
    """Write an object while its bytes are made; one that is broken off never appears.

    The bytes go through a pipe to a thread that uploads them.
    """
    reading, writing = os.pipe()
    source = _Source(os.fdopen(reading, "rb", buffering=0))
    upload = threading.Thread(target=source.upload, args=(bucket, key, content_type), name="upload")
    upload.start()
    try:
        with os.fdopen(writing, "wb", buffering=1 << 20) as target:
            try:
                yield Forward(target)
                target.flush()
            except BaseException:
                source.broken_off = True
                raise
    except BrokenPipeError:  # the upload ended first, and says why
        pass
    finally:
        upload.join()
    if source.error:
        raise source.error


class BrokenOffError(Exception):
    """The maker of an object gave up: it must not appear."""


class _Source:
    """The far end of the pipe: a file for the bucket's client, which raises where it was broken off."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.broken_off = False
        self.error: BaseException | None = None

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        if not data and self.broken_off:
            raise BrokenOffError
        return data

    def upload(self, bucket: Bucket, key: str, content_type: str) -> None:
        try:
            bucket.put_stream(key, self, content_type=content_type)
        except BrokenOffError:
            pass
        except BaseException as error:  # noqa: BLE001 - raised again in the maker's thread
            self.error = error
        finally:
            self._file.close()
