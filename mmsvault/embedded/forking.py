"""A program of ours as a fork of this process, which has loaded many of its modules already.

Half of what a program does until it is ready is loading modules; so the first ones of a vault take
over those of the supervisor. Whoever ends is started again as a program of its own.
"""

import asyncio
import logging
import os
import runpy
import signal
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import NoReturn

from mmsvault.embedded import tether
from mmsvault.errors import EXIT_DONE, EXIT_WRONG

CAN_FORK = sys.platform == "linux"
LONGEST_LINE_BYTES = 1 << 20


class Forked:
    """A running fork: as much of `asyncio.subprocess.Process` as its supervisor uses."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.stdout = asyncio.StreamReader(limit=LONGEST_LINE_BYTES)
        self._code: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._ended = os.pidfd_open(pid)
        asyncio.get_running_loop().add_reader(self._ended, self._reap)

    @classmethod
    async def adopted(cls, pid: int, output: int) -> "Forked":
        """Listen to a fork that `fork` made before there was a loop."""
        made = cls(pid)
        await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(made.stdout), os.fdopen(output, "rb", 0)
        )
        return made

    async def wait(self) -> int:
        """Return the exit code once it has ended, negative for a signal."""
        return await asyncio.shield(self._code)

    def terminate(self) -> None:
        """Ask it to end."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """Make it end."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> None:
        if not self._code.done():  # else its id may be another's by now
            os.kill(self.pid, number)

    def _reap(self) -> None:
        _, status = os.waitpid(self.pid, 0)
        asyncio.get_running_loop().remove_reader(self._ended)
        os.close(self._ended)
        self._code.set_result(os.waitstatus_to_exitcode(status))


def fork(command: Sequence[str], env: Mapping[str, str]) -> tuple[int, int]:
    """Run `python -m MODULE [ARGUMENT ...]` as a fork; return its id, and where to read what it says.

    For a process with one thread and no event loop. What this one has open, the fork closes.
    """
    parent = os.getpid()
    output, said = os.pipe()
    process = os.fork()
    if process == 0:
        _become(command[2:], env, said=said, parent=parent)
    os.close(said)
    return process, output


def _become(words: Sequence[str], env: Mapping[str, str], *, said: int, parent: int) -> None:
    """Be the program and nothing else from here to the end."""

    def program() -> None:
        os.setsid()  # Ctrl-C is for the supervisor, which ends the parts in order
        nothing = os.open(os.devnull, os.O_RDWR)
        for source, target in ((nothing, 0), (said, 1), (said, 2)):
            os.dup2(source, target)
        os.closerange(3, os.sysconf("SC_OPEN_MAX"))
        tether.tie(parent)
        tether.be_called(["-m", *words])
        os.environ.update(env)
        sys.argv = list(words)
        runpy.run_module(words[0], run_name="__main__", alter_sys=True)

    live(program, broke_off=traceback.print_exc)


def live(program: Callable[[], None], *, broke_off: Callable[[], None]) -> NoReturn:
    """Run a program in a fork, and end the process with its exit code.

    `broke_off` says what error ended it; that is being handled then.
    """
    code = EXIT_WRONG
    try:
        program()
        code = EXIT_DONE
    except SystemExit as asked:
        code = asked.code if isinstance(asked.code, int) else EXIT_WRONG if asked.code else EXIT_DONE
    except BaseException:  # noqa: BLE001 - the end of a program, which says what ended it
        broke_off()
    finally:
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)  # what the parent would still do is not the program's
