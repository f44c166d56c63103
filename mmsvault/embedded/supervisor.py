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
from dataclasses import dataclass
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
REBUILD_PAUSES_SECONDS = (1.0, 10.0, 0.0)
"""After each try that broke off. A server that is away is no such thing: the program waits for it."""

Process = asyncio.subprocess.Process | forking.Forked

COLOURS = ("cyan", "green", "magenta", "yellow", "blue", "bright_cyan", "bright_green", "bright_magenta")


@dataclass(frozen=True)
class Rebuild:
    """The program that makes the catalog again from the bucket, and whether that has to be done."""

    part: Part
    is_wanted: Callable[[], bool]


def run(
    settings: Settings,
    programs: Sequence[Part],
    *,
    prepare: Callable[[], None] | None,
    rebuild: Rebuild,
    on_ready: Callable[[], None],
) -> int:
    """Run the embedded servers and `programs` until SIGTERM or Ctrl-C, and return the exit code.

    `prepare` is called when the servers are ready and before any program starts but what keeps postbacks;
    without it all start at once. Then `rebuild` runs, where it is wanted. `on_ready` is called once every
    part that can tell is ready. Raises VaultError where another vault runs in the same folder.
    """
    with alone(settings, has_looked=True):
        servers.claim_ports(settings)
        first = servers.embedded_servers(settings)
        begun = {} if prepare else _forks(programs)
        gc.freeze()
        gc.enable()  # the forks do so once they have loaded what they need
        made = Supervisor(first, programs, begun=begun, prepare=prepare, rebuild=rebuild, on_ready=on_ready)
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


def ended_cleanly(settings: Settings) -> bool:
    """Return whether whoever ran last in this folder let go of it; ask before `run`."""
    with contextlib.suppress(FileNotFoundError):
        return not (settings.data_dir / LOCK).read_text().strip()
    return True


@contextlib.contextmanager
def alone(settings: Settings, *, has_looked: bool = False) -> Iterator[None]:
    """Keep every other vault out of the folder. Raises VaultError where one runs in it.

    That the one before did not end cleanly stays to be seen, unless the caller `has_looked` what came of it.
    """
    path = settings.data_dir / LOCK
    with path.open("a+") as file:
        file.seek(0)
        before = file.read()
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = before.strip() or "unknown"
            raise VaultError(
                f"A vault runs in {path.parent.absolute()} already (process {holder}); end it first, "
                "or set MMSVAULT_DATA_DIR."
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        os.fsync(file.fileno())
        yield
        file.truncate(0)  # not where an error passes by: then the next start looks closer
        file.write("" if has_looked else before)


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
        rebuild: Rebuild,
        on_ready: Callable[[], None],
    ) -> None:
        self._begun = dict(begun)
        self._rebuild = rebuild
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
            at_once = [part for part in telling if part.keeps_postbacks]
            keepers += [asyncio.create_task(self._keep(part)) for part in (*self._first, *at_once)]
            if self._prepare:
                await asyncio.gather(*(self._until_ready(part) for part in self._first))
                if not self._ending.is_set():
                    await asyncio.to_thread(self._prepare)
            keepers += [asyncio.create_task(self._keep(part)) for part in telling if part not in at_once]
            await asyncio.gather(*(self._until_ready(part) for part in (*self._first, *telling)))
            await self._make_again()
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

    async def _make_again(self) -> None:
        """Have the catalog made again where that is wanted, before anything works on what is in it."""
        for pause in REBUILD_PAUSES_SECONDS:
            if self._ending.is_set() or not self._rebuild.is_wanted():
                return
            code = await self._run_until_ending(self._rebuild.part)
            if code and not self._ending.is_set():
                self._say("up", f"{self._rebuild.part.name} ended ({in_words(code)})")
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._ending.wait(), pause)
        if not self._ending.is_set() and self._rebuild.is_wanted():
            self._say(
                "up",
                "The catalog could not be made again from the bucket. New messages are archived; end the "
                "vault and run `mmsvault rebuild`, which says what is wrong.",
            )

    async def _run_until_ending(self, part: Part) -> int:
        running, ending = asyncio.create_task(self._run_once(part)), asyncio.create_task(self._ending.wait())
        await asyncio.wait((running, ending), return_when=asyncio.FIRST_COMPLETED)
        ending.cancel()
        if not running.done():
            await self._end([part])
        return await running

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
