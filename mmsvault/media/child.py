"""One confined process that answers questions about files, seen from the worker and from within.

It is forked from a server of ours that never sees a stranger's bytes, by multiprocessing's forkserver.
The way there is multiprocessing's; the way back is a socket of our own, read as `child_frames` and
`child_answers` say. Nothing that the process sends is unpickled.
"""

import json
import multiprocessing
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

import structlog

from mmsvault.errors import UnavailableError
from mmsvault.media import child_frames, confining

SECONDS_TO_START = 60
SECONDS_TO_END = 10

Told = Mapping[str, Any]
Answering = Callable[[Told], tuple[Told, bytes]]
"""What a child does with a question: it returns its answer as JSON and bytes. The child finds it by name."""

log = structlog.get_logger(__name__)

_PRELOADED = ["mmsvault.media.preload"]
_KEPT_VARIABLES = ("PATH", "HOME", "LANG", "TZ", "TMPDIR", "VIRTUAL_ENV", "MMSVAULT_DATA_DIR")
_KEPT_BEGINNINGS = ("LC_", "PYTHON")
_EXIT_BROKEN, _EXIT_MEMORY = 1, 3

_context = multiprocessing.get_context("forkserver")
_starting = threading.Lock()
_is_shared = False
_warned: set[str] = set()


def start_server() -> None:
    """Start the process that children are forked from, for all that are forked from this one to share.

    It is given none of the settings, which hold secrets.
    """
    if _is_shared:
        return
    with _starting:
        _context.set_forkserver_preload(_PRELOADED)
        if _is_server_running():
            return
        given = dict(os.environ)
        try:
            for name in given:
                if name not in _KEPT_VARIABLES and not name.startswith(_KEPT_BEGINNINGS):
                    del os.environ[name]
            forkserver.ensure_running()
        finally:
            os.environ.update(given)


def share_server() -> None:
    """Have children forked by the server that this process's parent started."""
    global _is_shared  # noqa: PLW0603 - the server is one to a process, too
    _is_shared = True
    # What is replaced looks whether the server is alive by waiting for it, which its parent alone may do.
    forkserver._forkserver.ensure_running = lambda: None  # type: ignore[method-assign]  # noqa: SLF001


def _is_server_running() -> bool:
    process: int | None = forkserver._forkserver._forkserver_pid  # type: ignore[attr-defined]  # noqa: SLF001
    if process is None:
        return False
    return os.waitid(os.P_PID, process, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None


class BrokenError(Exception):
    """The child did not come back with an answer; the text says what happened."""


@dataclass(frozen=True)
class Rights:
    """What a child may do: see `confining.confine`."""

    most_file_bytes: int = 0
    readable: tuple[Path, ...] = ()
    writable: Path | None = None


class Child:
    """One process that answers; for one thread at a time."""

    def __init__(self, answering: Answering, rights: Rights) -> None:
        """Start the process. Raises UnavailableError."""
        ours, theirs = socket.socketpair()
        self._connection = ours
        self._process = _context.Process(target=_live, args=(theirs, answering, rights), daemon=True)
        try:
            start_server()
            with theirs:
                self._process.start()
            held, _ = child_frames.receive(ours, until=time.monotonic() + SECONDS_TO_START)
        except (OSError, EOFError, child_frames.FrameError) as error:
            self.end()
            raise UnavailableError("The process that looks into files cannot be started.") from error
        _warn_of_lacks(json.loads(held))  # written before it saw a stranger's bytes

    @property
    def process(self) -> int | None:
        """The id of the process."""
        return self._process.pid

    def ask(self, told: Told, *, seconds: float) -> tuple[bytes, bytes]:
        """Return the JSON and the bytes of the answer, which nobody has checked yet.

        Whatever goes wrong ends the child. Raises BrokenError.
        """
        until = time.monotonic() + seconds
        try:
            self._connection.settimeout(seconds)
            child_frames.send(self._connection, told)
            return child_frames.receive(self._connection, until=until)
        except TimeoutError:
            self.end()
            raise BrokenError(f"it took longer than {seconds:g} s") from None
        except (OSError, child_frames.FrameError) as error:
            raise self._broken(error) from error
        except BaseException:  # a late answer would be taken for that about the next file
            self.end()
            raise

    def distrust(self, problem: Exception) -> BrokenError:
        """End the process for an answer that none of ours gives, and return what to raise."""
        return self._broken(problem)

    def end(self) -> None:
        """End the process, which has no say in it."""
        self._connection.close()
        if self._process.pid is not None:
            if self._process.is_alive():
                self._process.kill()
            self._process.join(SECONDS_TO_END)

    def _broken(self, problem: Exception) -> BrokenError:
        self.end()
        code = self._process.exitcode
        log.warning("a decoder's process was ended", problem=str(problem), exit_code=code)
        if code == _EXIT_MEMORY:
            return BrokenError(f"it needs more than {confining.MEMORY_BYTES >> 20:,} MB of memory")
        return BrokenError("decoding it broke the decoder")


def _warn_of_lacks(held: Mapping[str, bool]) -> None:
    """Log once what this machine's kernel does not enforce."""
    lacks = {name for name, is_held in held.items() if not is_held} - _warned
    if lacks:
        _warned.update(lacks)
        log.warning("this machine's kernel confines decoders in part only", missing=sorted(lacks))


# What follows runs in the child.


def _live(connection: socket.socket, answering: Answering, rights: Rights) -> None:
    """Confine this process and answer questions until the worker is gone."""
    code = _EXIT_BROKEN
    try:
        _let_go(connection.fileno())
        held = confining.confine(
            most_file_bytes=rights.most_file_bytes, readable=rights.readable, writable=rights.writable
        )
        child_frames.send(connection, asdict(held))
        while True:
            told, _ = child_frames.receive(connection)
            child_frames.send(connection, *answering(json.loads(told)))
    except MemoryError:
        code = _EXIT_MEMORY
    finally:
        os._exit(code)  # nothing of the forked server's own is to run


def _let_go(kept: int) -> None:
    """Close all that is open but the connection: a terminal, and what multiprocessing has of its own."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal; the worker says when to end
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in range(3):
        os.dup2(nothing, standard)
    os.closerange(3, kept)
    os.closerange(kept + 1, os.sysconf("SC_OPEN_MAX"))
