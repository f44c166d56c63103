"""A child process that looks into files, so that a hostile one costs a child and nothing else.

The child has a time limit that kills it, limits of memory and processor time, and is replaced now
and then. It inherits no connection and no secret.
"""

import multiprocessing
import resource
from concurrent.futures import TimeoutError as TooLongError
from pathlib import Path

from pebble import ProcessExpired, ProcessPool

from mmsvault.media import sniffing
from mmsvault.media.inspecting import Facts, inspect

SECONDS_FOR_A_FILE = 20
MEMORY_BYTES = 2 << 30
FILES_FOR_A_CHILD = 500


class Sandbox:
    """Looks into one file at a time; others wait. Safe to use from several threads."""

    def __init__(self, *, max_pixels: int, seconds: float = SECONDS_FOR_A_FILE) -> None:
        self._max_pixels = max_pixels
        self._seconds = seconds
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["mmsvault.media.inspecting"])
        self._pool = ProcessPool(
            max_workers=1, max_tasks=FILES_FOR_A_CHILD, initializer=_confine, context=context
        )

    def inspect(self, path: Path, declared_type: str) -> Facts:
        """Return the facts of the file; one that kills the child is described from its first bytes."""
        task = self._pool.schedule(
            inspect, args=(str(path), declared_type, self._max_pixels), timeout=self._seconds
        )
        try:
            facts: Facts = task.result()
        except TooLongError:
            return _described(path, declared_type, f"decoding took longer than {self._seconds:g} s")
        except (ProcessExpired, MemoryError):
            return _described(path, declared_type, "decoding it broke the decoder")
        return facts

    def close(self) -> None:
        """End the child."""
        self._pool.stop()  # type: ignore[no-untyped-call]  # Pebble leaves it open
        self._pool.join()


def _described(path: Path, declared_type: str, problem: str) -> Facts:
    with path.open("rb") as file:
        content_type = sniffing.true_type(file.read(sniffing.HEAD_BYTES), declared_type)
    return Facts(content_type, reason=f"thumbnail not made: {problem}")


def _confine() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
