"""Child processes that look into files, so that a hostile one costs a child and nothing else.

A child has a time limit that kills it, limits of memory and processor time, no network, no file to
read but the one at hand and the libraries, and no place to write; it is replaced now and then. It
inherits no connection and no secret. Previews are made in a child of their own for each, so that they
never hold up what is being stored.
"""

import contextlib
import os
import shutil
import stat
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from mmsvault.media import child_answers, confining, sniffing
from mmsvault.media.child import BrokenError, Child, Rights, Told, share_server, start_server
from mmsvault.media.facts import Facts, NotShownError

__all__ = ["BrokenError", "Sandbox", "share_server", "start_server"]

SECONDS_FOR_A_FILE = 20
SECONDS_FOR_A_PREVIEW = 120
PROCESSOR_SECONDS_FOR_A_PREVIEW = 180
MOST_PREVIEW_BYTES = 100 << 20
FILES_FOR_A_CHILD = 500


class Sandbox:
    """Looks into one file at a time, and makes one preview at a time; others wait.

    Safe to use from several threads. `folder` is where the file at hand is linked to: best on the file
    system where files are downloaded to, else they are copied.
    """

    def __init__(
        self,
        *,
        max_pixels: int,
        seconds: float = SECONDS_FOR_A_FILE,
        preview_seconds: float = SECONDS_FOR_A_PREVIEW,
        folder: Path | None = None,
    ) -> None:
        self._max_pixels = max_pixels
        self._seconds, self._preview_seconds = seconds, preview_seconds
        self._folder = folder
        self._inspector: _Inspector | None = None
        self._inspecting, self._making = threading.Lock(), threading.Lock()

    def inspect(self, path: Path, declared_type: str) -> Facts:
        """Return the facts of the file; one that kills the child is described from its first bytes.

        Raises UnavailableError where no child can be started.
        """
        try:
            with self._inspecting:
                return self._ready().inspect(path, declared_type, self._max_pixels, seconds=self._seconds)
        except BrokenError as error:
            return _described(path, declared_type, f"thumbnail not made: {error}")

    def make_preview(self, path: Path, content_type: str, *, into: Path, preview_type: str) -> str:
        """Write the preview to `into`, in a folder that is the child's own; return a remark or nothing.

        Raises NotShownError, and UnavailableError where no child can be started.
        """
        rights = Rights(most_file_bytes=MOST_PREVIEW_BYTES, readable=(path,), writable=into.parent)
        told = {
            "path": str(path),
            "content_type": content_type,
            "into": str(into),
            "preview_type": preview_type,
            "max_pixels": self._max_pixels,
        }
        try:
            with self._making, contextlib.closing(_Maker(rights)) as maker:
                answer = maker.make(told, seconds=self._preview_seconds)
            if answer.outcome == "made":
                _check_is_file(into)
        except BrokenError as error:
            raise NotShownError(f"preview not made: {error}") from error
        if answer.outcome == "not shown":
            raise NotShownError(answer.text)
        return answer.text

    def close(self) -> None:
        """End the child."""
        with self._inspecting:
            if self._inspector is not None:
                self._inspector.close()
                self._inspector = None

    def _ready(self) -> "_Inspector":
        if self._inspector is not None and not self._inspector.is_usable():
            self._inspector.close()
            self._inspector = None
        if self._inspector is None:
            self._inspector = _Inspector(self._folder)
        return self._inspector


class _Inspector:
    """A child with the one folder that it may read, where it finds the file at hand."""

    def __init__(self, folder: Path | None) -> None:
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        self._folder = Path(tempfile.mkdtemp(dir=folder, prefix="sandbox-"))
        self._file = self._folder / "file"
        self._left = FILES_FOR_A_CHILD
        try:
            self._child = Child(_inspect, Rights(readable=(self._folder,)))
        except BaseException:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise

    def inspect(self, path: Path, declared_type: str, max_pixels: int, *, seconds: float) -> Facts:
        self._left -= 1
        told = {"path": str(self._file), "declared_type": declared_type, "max_pixels": max_pixels}
        is_answered = False
        try:
            with self._holding(path):
                answer = self._child.ask(told, seconds=seconds)
            facts = child_answers.read_facts(*answer)
            is_answered = True
        except child_answers.WrongAnswerError as error:
            raise self._child.distrust(error) from error
        finally:
            if not is_answered:
                self._left = 0
        return facts

    @contextlib.contextmanager
    def _holding(self, path: Path) -> Iterator[None]:
        """Have the file in the child's folder, as a second name of it where that can be."""
        try:
            os.link(path, self._file)
        except OSError:
            shutil.copyfile(path, self._file)
        try:
            yield
        finally:
            self._file.unlink(missing_ok=True)

    def is_usable(self) -> bool:
        try:
            os.utime(self._folder)  # the sweep removes folders that nobody uses
        except FileNotFoundError:
            return False
        return self._left > 0

    def close(self) -> None:
        self._child.end()
        shutil.rmtree(self._folder, ignore_errors=True)


class _Maker:
    """A child that makes one preview."""

    def __init__(self, rights: Rights) -> None:
        self._child = Child(_make_preview, rights)

    def make(self, told: Told, *, seconds: float) -> child_answers.PreviewAnswer:
        try:
            return child_answers.read_preview(*self._child.ask(told, seconds=seconds))
        except child_answers.WrongAnswerError as error:
            raise self._child.distrust(error) from error

    def close(self) -> None:
        self._child.end()


def _check_is_file(made: Path) -> None:
    """Raise BrokenError unless there is a file of its own: no link to another, none that grew too large.

    The child that made it has ended, and changes it no more.
    """
    try:
        found = made.lstat()
    except FileNotFoundError:
        raise BrokenError("decoding it broke the decoder") from None
    if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1 or found.st_size > MOST_PREVIEW_BYTES:
        raise BrokenError("decoding it broke the decoder")


def _described(path: Path, declared_type: str, reason: str) -> Facts:
    return Facts(sniffing.true_type_of(path, declared_type), reason=reason)


# What follows runs in the child, which alone loads the decoders.


def _inspect(told: Told) -> tuple[Told, bytes]:
    from mmsvault.media.inspecting import inspect  # noqa: PLC0415 - see above

    confining.limit_processor_time(SECONDS_FOR_A_FILE)
    return child_answers.of_facts(inspect(told["path"], told["declared_type"], told["max_pixels"]))


def _make_preview(told: Told) -> tuple[Told, bytes]:
    from mmsvault.media.inspecting import make_preview  # noqa: PLC0415 - see above

    confining.limit_processor_time(PROCESSOR_SECONDS_FOR_A_PREVIEW)
    try:
        remark = make_preview(
            told["path"], told["content_type"], told["into"], told["preview_type"], told["max_pixels"]
        )
    except NotShownError as error:
        return child_answers.of_preview("not shown", str(error)), b""
    return child_answers.of_preview("made", remark), b""
