"""All workers of one machine, forked from one process that has loaded what they need.

Loaded once, the modules are in memory once: a worker of its own costs a tenth of what a program of
its own does, and is there at once. The crew's own process opens no connection and has one thread;
it starts again who ended, and when it is killed, its workers end with it.
"""

import gc
import os
import select
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial

import structlog

from mmsvault.embedded import forking, tether
from mmsvault.embedded.part import in_words
from mmsvault.embedded.pauses import Pauses
from mmsvault.errors import EXIT_DONE, EXIT_WRONG
from mmsvault.media import sandbox
from mmsvault.queueing.jobs import ARCHIVE_QUEUE, EXPORTS_QUEUE
from mmsvault.settings import Settings
from mmsvault.starting import start
from mmsvault.vault import Vault
from worker import working

log = structlog.get_logger(__name__)

ALL = "workers"
"""What `python -m worker` is told to become the crew; each of its workers is called by its own job."""
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)


def run(settings: Settings) -> None:
    """Keep every worker of this machine running until SIGTERM."""
    jobs = [*[ARCHIVE_QUEUE] * settings.workers, EXPORTS_QUEUE, "sweep"]
    vault = Vault(settings)
    vault.load()
    sandbox.start_server()
    gc.collect()
    gc.freeze()  # what is here now is looked at no more, and so stays shared
    if code := Crew(jobs, partial(working.work, vault)).run():
        sys.exit(code)


class Crew:
    """Keeps a process running for each of the jobs, which `work` does until SIGTERM."""

    def __init__(self, jobs: list[str], work: Callable[[str], None]) -> None:
        self._jobs = dict(enumerate(jobs))
        self._work = work
        self._pauses = {number: Pauses() for number in self._jobs}
        self._running: dict[int, int] = {}
        self._due = dict.fromkeys(self._jobs, 0.0)
        self._ending = False
        self._code = EXIT_DONE

    def run(self) -> int:
        """Run until SIGTERM; return the exit code."""
        heard, told = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(told)
        for number in _SIGNALS:
            signal.signal(number, self._asked)
        while not self._ending:
            self._start_due()
            self._wait(heard, until=min(self._due.values(), default=None))
            self._reap()
        for process in self._running:
            os.kill(process, signal.SIGTERM)  # it may have ended, but its id is kept until it is reaped
        while self._running:
            self._wait(heard)
            self._reap()
        return self._code

    def _asked(self, number: int, _frame: object) -> None:
        self._ending = self._ending or number != signal.SIGCHLD

    def _wait(self, heard: int, *, until: float | None = None) -> None:
        """Wait for a signal, or until it is time."""
        select.select([heard], [], [], None if until is None else max(0.0, until - time.monotonic()))
        with suppress(BlockingIOError):
            while os.read(heard, 512):
                pass

    def _start_due(self) -> None:
        for number, at in list(self._due.items()):
            if at <= time.monotonic():
                del self._due[number]
                self._pauses[number].started()
                self._running[self._fork(self._jobs[number])] = number

    def _fork(self, job: str) -> int:
        parent = os.getpid()
        # A signal between the two would be answered by the parent's handlers, in the child.
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        process = os.fork()
        if process == 0:
            _become(job, parent, partial(self._work, job))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        return process

    def _reap(self) -> None:
        """Take note of who ended, and when to start them again."""
        while self._running:
            process, status = os.waitpid(-1, os.WNOHANG)
            if process == 0:
                return
            number = self._running.pop(process, None)
            code = os.waitstatus_to_exitcode(status)
            if self._ending:
                continue
            if number is None:  # the sandbox's server, which every worker relies on
                log.warning("the sandbox ended; all workers are started again", how=in_words(code))
                self._code, self._ending = EXIT_WRONG, True
                continue
            pause = self._pauses[number].ended()
            self._due[number] = time.monotonic() + pause
            log.warning("a worker ended; it is started again", job=self._jobs[number], how=in_words(code))


def _become(job: str, parent: int, work: Callable[[], None]) -> None:
    """Be a worker and nothing else from here to the end."""

    def program() -> None:
        signal.set_wakeup_fd(-1)
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        tether.tie(parent)
        sandbox.share_server()
        tether.be_called(["-m", "worker", job])
        start(lambda _settings: work())

    forking.live(program, broke_off=partial(log.exception, "a worker broke off"))
