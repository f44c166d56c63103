"""Child processes that look into files, so that a hostile one costs a child and nothing else.

A child has a time limit that kills it, limits of memory and processor time, no network and no place
to write; it is replaced now and then. It inherits no connection and no secret. Previews are made in
a child of their own for each, so that they never hold up what is being stored.
"""

import multiprocessing
import threading
from collections.abc import Callable
from concurrent.futures import TimeoutError as TooLongError
from multiprocessing import forkserver
from pathlib import Path
from typing import TypeVar

from pebble import ProcessExpired, ProcessPool

from mmsvault.media import confining, sniffing
from mmsvault.media.facts import Facts, NotShownError

SECONDS_FOR_A_FILE = 20
SECONDS_FOR_A_PREVIEW = 120
PROCESSOR_SECONDS_FOR_A_PREVIEW = 180
MOST_PREVIEW_BYTES = 100 << 20
FILES_FOR_A_CHILD = 500

T = TypeVar("T")


_PRELOADED = ["mmsvault.media.inspecting"]


def start_server() -> None:
    """Start the process that children are forked from, for all that are forked from this one to share."""
    multiprocessing.get_context("forkserver").set_forkserver_preload(_PRELOADED)
    forkserver.ensure_running()


def share_server() -> None:
    """Have children forked by the server that this process's parent started."""
    # What is replaced looks whether the server is alive by waiting for it, which its parent alone may do.
    forkserver._forkserver.ensure_running = lambda: None  # type: ignore[method-assign]  # noqa: SLF001


class BrokenError(Exception):
    """The child did not come back with an answer; the text says what happened."""


class Sandbox:
    """Looks into one file at a time, and makes one preview at a time; others wait.

    Safe to use from several threads.
    """

    def __init__(
        self,
        *,
        max_pixels: int,
        seconds: float = SECONDS_FOR_A_FILE,
        preview_seconds: float = SECONDS_FOR_A_PREVIEW,
    ) -> None:
        self._max_pixels = max_pixels
        self._seconds, self._preview_seconds = seconds, preview_seconds
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(_PRELOADED)
        self._inspectors = ProcessPool(
            max_workers=1, max_tasks=FILES_FOR_A_CHILD, initializer=_confine, context=context
        )
        self._makers: ProcessPool | None = None
        self._opening = threading.Lock()

    def inspect(self, path: Path, declared_type: str) -> Facts:
        """Return the facts of the file; one that kills the child is described from its first bytes."""
        try:
            return _answer(
                self._inspectors, _inspect, str(path), declared_type, self._max_pixels, seconds=self._seconds
            )
        except BrokenError as error:
            return _described(path, declared_type, f"thumbnail not made: {error}")

    def make_preview(self, path: Path, content_type: str, *, into: Path, preview_type: str) -> str:
        """Write the preview to `into`, in a folder that is the child's own; return a remark or nothing.

        Raises NotShownError.
        """
        with self._opening:
            if self._makers is None:
                context = multiprocessing.get_context("forkserver")
                self._makers = ProcessPool(max_workers=1, max_tasks=1, context=context)
        try:
            return _answer(
                self._makers,
                _make_preview,
                str(path),
                content_type,
                str(into),
                preview_type,
                self._max_pixels,
                seconds=self._preview_seconds,
            )
        except BrokenError as error:
            raise NotShownError(f"preview not made: {error}") from error

    def close(self) -> None:
        """End the children."""
        for pool in filter(None, (self._inspectors, self._makers)):
            pool.stop()  # type: ignore[no-untyped-call]  # Pebble leaves it open
            pool.join()


def _answer(pool: ProcessPool, task: Callable[..., T], *arguments: object, seconds: float) -> T:
    try:
        answer: T = pool.schedule(task, args=arguments, timeout=seconds).result()
    except TooLongError:
        raise BrokenError(f"it took longer than {seconds:g} s") from None
    except MemoryError:
        raise BrokenError(f"it needs more than {confining.MEMORY_BYTES >> 20:,} MB of memory") from None
    except ProcessExpired as error:
        raise BrokenError("decoding it broke the decoder") from error
    return answer


def _described(path: Path, declared_type: str, reason: str) -> Facts:
    return Facts(sniffing.true_type_of(path, declared_type), reason=reason)


# What follows runs in the child, which alone loads the decoders.


def _confine() -> None:
    confining.confine(most_file_bytes=0)


def _inspect(path: str, declared_type: str, max_pixels: int) -> Facts:
    from mmsvault.media.inspecting import inspect  # noqa: PLC0415 - see above

    confining.limit_processor_time(SECONDS_FOR_A_FILE)
    return inspect(path, declared_type, max_pixels)


def _make_preview(path: str, content_type: str, into: str, preview_type: str, max_pixels: int) -> str:
    from mmsvault.media.inspecting import make_preview  # noqa: PLC0415 - see above

    confining.confine(most_file_bytes=MOST_PREVIEW_BYTES, writable=Path(into).parent)
    confining.limit_processor_time(PROCESSOR_SECONDS_FOR_A_PREVIEW)
    return make_preview(path, content_type, into, preview_type, max_pixels)
