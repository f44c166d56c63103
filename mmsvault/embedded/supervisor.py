"""The supervisor of `up`: starts the parts, says what they say, restarts those that end.

The servers are started first and ended last. A part that ends is started again at once, and with
growing pauses when it keeps ending; why it ended is said, and what helps. No part waits for another for
long, and none ends for another's sake: the receiver keeps postbacks in its spool whatever else fails.
When the supervisor is killed, its parts end with it (`tether`).
"""

import asyncio
import contextlib
import fcntl
import gc
import io
import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic

from rich.console import Console
from rich.text import Text

from mmsvault.embedded import forking, servers, tether
from mmsvault.embedded.part import Part, in_words
from mmsvault.embedded.pauses import Pauses
from mmsvault.errors import EXIT_DONE, EXIT_USAGE, ConfigurationError, VaultError
from mmsvault.runtime import failures
from mmsvault.settings import Settings
from mmsvault.settings.data_dir import SETTING as DATA_DIR_SETTING
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

    `prepare` is called when the servers are ready and before any program starts but the receiver; without
    it all start at once. Then `rebuild` runs, where it is wanted. `on_ready` is called once every program
    that can tell is ready. Raises VaultError where another vault runs in the same folder, and
    ConfigurationError where a vital part cannot start.
    """
    with alone(settings, has_looked=True):
        for part in programs:
            if part.is_vital and part.check:
                part.check()
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
    return {
        part.name: forking.fork(part.command, {**_look(), **part.env})
        for part in waited_for
        if _obstacle(part) is None
    }


def _obstacle(part: Part) -> str | None:
    """Return what keeps a part from starting now, None where nothing does."""
    try:
        if part.check:
            part.check()
    except ConfigurationError as error:
        return str(error)
    return None


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
    try:
        return not (settings.data_dir / LOCK).read_text().strip()
    except FileNotFoundError:
        return True
    except OSError:  # `alone` says what is wrong with it
        return False


@contextlib.contextmanager
def alone(settings: Settings, *, has_looked: bool = False) -> Iterator[None]:
    """Keep every other vault out of the folder. Raises VaultError where one runs in it.

    That the one before did not end cleanly stays to be seen, unless the caller `has_looked` what came of it.
    """
    path = settings.data_dir / LOCK
    try:
        opened = path.open("a+")
    except OSError as error:
        raise ConfigurationError(
            DATA_DIR_SETTING, f"{path.parent.absolute()} cannot be written to: {error.strerror}."
        ) from error
    with opened as file:
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
        self._tasks: list[asyncio.Task[None]] = []
        self._failed: set[str] = set()
        self._last_lines: dict[str, deque[str]] = {}
        self._is_terminal = sys.stdout.isatty()
        self._colours = {part.name: COLOURS[at % len(COLOURS)] for at, part in enumerate((*first, *rest))}

    async def run(self) -> int:
        """Run until asked to end; return 0, or 2 where a vital part cannot work with these settings."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._asked_to_end)
        try:
            await self._start_all()
            await self._ending.wait()
        finally:
            self._ending.set()
            await self._end(self._rest)
            await self._end(self._first)
            await asyncio.gather(*self._tasks)
        return self._code

    async def _start_all(self) -> None:
        telling = [part for part in self._rest if part.ready]
        self._start(self._first)
        self._start(part for part in telling if part.is_vital)
        if self._prepare:
            await self._settled(self._first)
            await self._prepared(self._prepare)
        self._start(part for part in telling if not part.is_vital)
        are_ready = await self._settled((*self._first, *telling))
        await self._make_again()
        if are_ready:
            await self._welcome(telling)
        # Workers come last: on a small machine they would only hold up what people wait for.
        self._start(part for part in self._rest if not part.ready)
        if not are_ready:
            self._tasks.append(asyncio.create_task(self._welcome(telling)))

    def _start(self, parts: Iterable[Part]) -> None:
        if not self._ending.is_set():
            self._tasks += [asyncio.create_task(self._keep(part)) for part in parts]

    async def _prepared(self, prepare: Callable[[], None]) -> None:
        """Have catalog and bucket made; where that cannot be, workers and dashboard say so as well."""
        if self._ending.is_set():
            return
        try:
            await asyncio.to_thread(prepare)
        except VaultError as error:
            self._say("up", f"{error} Until then, what comes in waits.")

    async def _welcome(self, telling: Sequence[Part]) -> None:
        """Greet once all of `telling` are ready, however long that takes."""
        for part in telling:
            while not await self._is_ready(part):
                if await self._ends_within(LOOKS_EVERY_SECONDS * 10):
                    return
        if not self._ending.is_set():
            await asyncio.to_thread(self._on_ready)

    def _asked_to_end(self) -> None:
        if self._ending.is_set():  # asked twice: at once, then
            for process in self._running.values():
                process.kill()
        else:
            self._ending.set()
            self._say("up", "ending")

    async def _keep(self, part: Part) -> None:
        """Run the part again and again until everything ends."""
        pauses, is_first, said = Pauses(longest_seconds=part.longest_pause_seconds), True, ""
        while not self._ending.is_set():
            pauses.started()
            obstacle = None
            if part.name not in self._begun:
                obstacle = await asyncio.to_thread(_obstacle, part)
            code = None if obstacle else await self._run_once(part)
            if self._ending.is_set():
                return
            self._failed.add(part.name)
            if part.is_vital and is_first and (obstacle or code == EXIT_USAGE):
                self._say("up", obstacle or f"{part.name} cannot start with these settings")
                self._code = EXIT_USAGE
                self._ending.set()
                return
            is_first, pause = False, pauses.ended()
            if code is not None:
                self._say_why(part, code, pause)
            elif obstacle and obstacle != said:
                self._say("up", f"{part.name} cannot start; the rest goes on. {obstacle}")
            said = obstacle or ""
            await self._ends_within(pause)

    def _say_why(self, part: Part, code: int, pause: float) -> None:
        """Say that the part ended, when it is started again, and where it failed, why and what helps."""
        again = f"starting it again in {pause:g} s" if pause else "starting it again"
        self._say("up", f"{part.name} ended ({in_words(code)}); {again}")
        if code > 0:
            lines = failures.end_of(part.log) if part.log else self._last_lines.get(part.name, ())
            why = failures.reason(list(lines))
            self._say("up", f"{part.name}: {why}. {failures.remedy(why)}")

    async def _ends_within(self, seconds: float) -> bool:
        """Wait so long, or until everything ends; return whether it does."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._ending.wait(), seconds)
        return self._ending.is_set()

    async def _make_again(self) -> None:
        """Have the catalog made again where that is wanted, before anything works on what is in it."""
        for pause in REBUILD_PAUSES_SECONDS:
            if self._ending.is_set() or not self._rebuild.is_wanted():
                return
            code = await self._run_until_ending(self._rebuild.part)
            if code and not self._ending.is_set():
                self._say("up", f"{self._rebuild.part.name} ended ({in_words(code)})")
                await self._ends_within(pause)
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
        self._last_lines[part.name] = deque(maxlen=failures.LINES_KEPT)
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
            text = line.decode(errors="replace").rstrip()
            self._last_lines[part.name].append(text)
            self._say(part.name, text)

    async def _is_ready(self, part: Part) -> bool:
        return part.ready is None or await asyncio.to_thread(part.ready)

    async def _settled(self, parts: Sequence[Part]) -> bool:
        """Wait until each part is ready, has failed or takes too long; return whether all are ready."""
        return all(await asyncio.gather(*(self._is_settled(part) for part in parts)))

    async def _is_settled(self, part: Part) -> bool:
        give_up = monotonic() + SECONDS_TO_GET_READY
        while not await self._is_ready(part):
            if part.name in self._failed or await self._ends_within(LOOKS_EVERY_SECONDS):
                return False
            if monotonic() > give_up:
                where = f"; its log is {part.log.absolute()}" if part.log else ""
                took = f"was not ready within {SECONDS_TO_GET_READY:g} s"
                self._say("up", f"{part.name} {took}; the rest goes on{where}. {failures.ASK_DOCTOR}")
                return False
        return True

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
        drawn = io.StringIO()  # not stdout: what is left of a line that did not get through would stay there
        console = Console(file=drawn, highlight=False, soft_wrap=True, force_terminal=self._is_terminal)
        console.print(Text.assemble((f"{name:<11}", self._colours.get(name, "bold")), said))
        # A terminal that is gone, or a full disk under a log, ends nothing.
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.write(drawn.getvalue())
            sys.stdout.flush()
