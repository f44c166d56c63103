"""The supervisor of `up`: starts the parts, says what they say, restarts those that end.

The servers are started first and ended last. A part that ends is started again at once, and with
growing pauses when it keeps ending. When the supervisor is killed, its parts end with it (`tether`).
"""

import asyncio
import contextlib
import fcntl
import gc
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from time import monotonic

from rich.console import Console
from rich.text import Text

from mmsvault.embedded import forking, servers, tether
from mmsvault.embedded.part import Part, in_words
from mmsvault.embedded.pauses import Pauses
from mmsvault.errors import EXIT_DONE, EXIT_USAGE, EXIT_WRONG, UnavailableError, VaultError
from mmsvault.settings import Settings
from mmsvault.terminal import visible_with_colours

LOCK = "up.lock"
SECONDS_TO_GET_READY = 60.0
LOOKS_EVERY_SECONDS = 0.05
SECONDS_TO_END = 30.0

Process = asyncio.subprocess.Process | forking.Forked

COLOURS = ("cyan", "green", "magenta", "yellow", "blue", "bright_cyan", "bright_green", "bright_magenta")


def run(
    settings: Settings,
    programs: Sequence[Part],
    *,
    prepare: Callable[[], None] | None,
    on_ready: Callable[[], None],
) -> int:
    """Run the embedded servers and `programs` until SIGTERM or Ctrl-C, and return the exit code.

    `prepare` is called when the servers are ready and before any program starts; without it all start
    at once. `on_ready` is called once every part that can tell is ready. Raises VaultError where
    another vault runs in the same folder.
    """
    with alone(settings):
        servers.claim_ports(settings)
        first = servers.embedded_servers(settings)
        begun = {} if prepare else _forks(programs)
        gc.freeze()
        gc.enable()  # the forks do so once they have loaded what they need
        made = Supervisor(first, programs, begun=begun, prepare=prepare, on_ready=on_ready)
        return asyncio.run(made.run())


def _forks(programs: Sequence[Part]) -> dict[str, tuple[int, int]]:
    """Begin those of our programs that people wait for, while this process has neither thread nor loop."""
    waited_for = [part for part in programs if part.is_ours and part.ready] if forking.CAN_FORK else []
    return {part.name: forking.fork(part.command, {**_look(), **part.env}) for part in waited_for}


def runs(settings: Settings) -> bool:
    """Return whether `up` or `demo` runs in this folder."""
    try:
        with (settings.data_dir / LOCK).open("a+") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


@contextlib.contextmanager
def alone(settings: Settings) -> Iterator[None]:
    """Keep every other vault out of the folder. Raises VaultError where one runs in it."""
    path = settings.data_dir / LOCK
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            raise VaultError(
                f"A vault runs in {path.parent.absolute()} already (process {holder}); end it first, "
                "or set MMSVAULT_DATA_DIR."
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def _look() -> dict[str, str]:
    """Return what tells a part to write for a person."""
    return {"FORCE_COLOR": "1"} if sys.stdout.isatty() else {}


class Supervisor:
    """Runs `first`, after or with them those of `rest` that can tell that they are ready, then the others."""

    def __init__(
        self,
        first: Sequence[Part],
        rest: Sequence[Part],
        *,
        begun: Mapping[str, tuple[int, int]],
        prepare: Callable[[], None] | None,
        on_ready: Callable[[], None],
    ) -> None:
        self._begun = dict(begun)
        self._first = first
        self._rest = rest
        self._prepare = prepare
        self._on_ready = on_ready
        self._ending = asyncio.Event()
        self._code = EXIT_DONE
        self._running: dict[str, Process] = {}
        self._console = Console(highlight=False, soft_wrap=True)
        self._colours = {part.name: COLOURS[at % len(COLOURS)] for at, part in enumerate((*first, *rest))}

    async def run(self) -> int:
        """Run until asked to end; return 0, 1 where a server never got ready, 2 for bad settings."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._asked_to_end)
        keepers: list[asyncio.Task[None]] = []
        try:
            telling = [part for part in self._rest if part.ready]
            keepers += [asyncio.create_task(self._keep(part)) for part in self._first]
            if self._prepare:
                await asyncio.gather(*(self._until_ready(part) for part in self._first))
                if not self._ending.is_set():
                    await asyncio.to_thread(self._prepare)
            keepers += [asyncio.create_task(self._keep(part)) for part in telling]
            await asyncio.gather(*(self._until_ready(part) for part in (*self._first, *telling)))
            if not self._ending.is_set():
                await asyncio.to_thread(self._on_ready)
            if not self._ending.is_set():
                # Workers come last: on a small machine they would only hold up what people wait for.
                keepers += [asyncio.create_task(self._keep(part)) for part in self._rest if not part.ready]
            await self._ending.wait()
        except UnavailableError as error:
            self._say("up", str(error))
            self._code = EXIT_WRONG
        finally:
            self._ending.set()
            await self._end(self._rest)
            await self._end(self._first)
            await asyncio.gather(*keepers)
        return self._code

    def _asked_to_end(self) -> None:
        if self._ending.is_set():  # asked twice: at once, then
            for process in self._running.values():
                process.kill()
        else:
            self._say("up", "ending")
        self._ending.set()

    async def _keep(self, part: Part) -> None:
        """Run the part again and again until everything ends."""
        pauses, is_first = Pauses(), True
        while not self._ending.is_set():
            pauses.started()
            code = await self._run_once(part)
            if self._ending.is_set():
                return
            if code == EXIT_USAGE and is_first:
                self._say("up", f"{part.name} cannot start with these settings")
                self._code = EXIT_USAGE
                self._ending.set()
                return
            is_first = False
            pause = pauses.ended()
            self._say(
                "up",
                f"{part.name} ended ({in_words(code)}); starting it again"
                + (f" in {pause:g} s" if pause else ""),
            )
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ending.wait(), pause)

    async def _run_once(self, part: Part) -> int:
        """Run the part to its end, saying what it says; return its exit code."""
        process = await self._begin(part)
        self._running[part.name] = process
        try:
            await self._say_what(part, process)
            return await process.wait()
        finally:
            del self._running[part.name]

    async def _begin(self, part: Part) -> Process:
        if forked := self._begun.pop(part.name, None):
            return await forking.Forked.adopted(*forked)
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", str(tether.__file__), str(os.getpid()), *part.command),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={**os.environ, **_look(), **part.env},
            start_new_session=True,  # Ctrl-C is for the supervisor, which ends the parts in order
            limit=forking.LONGEST_LINE_BYTES,
        )

    async def _say_what(self, part: Part, process: Process) -> None:
        if process.stdout is None:
            return
        while True:
            try:
                line = await process.stdout.readline()
            except ValueError:  # a line without an end; what came of it is dropped
                continue
            if not line:
                return
            self._say(part.name, line.decode(errors="replace").rstrip())

    async def _until_ready(self, part: Part) -> None:
        """Wait until the part says that it is ready. Raises UnavailableError when it takes too long."""
        give_up = monotonic() + SECONDS_TO_GET_READY
        while part.ready and not self._ending.is_set() and not await asyncio.to_thread(part.ready):
            if monotonic() > give_up:
                where = f"; its log is {part.log.absolute()}" if part.log else ""
                raise UnavailableError(f"{part.name} was not ready within {SECONDS_TO_GET_READY:g} s{where}.")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ending.wait(), LOOKS_EVERY_SECONDS)

    async def _end(self, parts: Sequence[Part]) -> None:
        """Ask the parts to end, and make them after a while."""
        ending = [self._running[part.name] for part in parts if part.name in self._running]
        for process in ending:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
        if not ending:
            return
        _, late = await asyncio.wait(
            [asyncio.create_task(process.wait()) for process in ending], timeout=SECONDS_TO_END
        )
        for process in ending if late else ():
            with contextlib.suppress(ProcessLookupError):
                process.kill()

    def _say(self, name: str, line: str) -> None:
        said = Text.from_ansi(visible_with_colours(line))
        self._console.print(Text.assemble((f"{name:<11}", self._colours.get(name, "bold")), said))
