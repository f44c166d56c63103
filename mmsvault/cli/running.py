"""Commands that run programs: one of them in place of the command, or all under a supervisor."""

import json
import os
import sys
from importlib.metadata import version as version_of
from typing import Annotated

import typer

from mmsvault.cli import supervising
from mmsvault.errors import EXIT_WRONG, RejectedInputError, UnavailableError
from mmsvault.queueing.heartbeat import find_problems
from mmsvault.queueing.jobs import ARCHIVE_QUEUE, QUEUES
from mmsvault.settings import Settings
from mmsvault.starting import write_log
from mmsvault.terminal import visible

NAMES = ("up", "demo", "receiver", "worker", "sweep", "dashboard", "health")


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    for name in NAMES:
        app.command(name)(globals()[name])


def _version_asked(value: bool) -> None:
    if value:
        sys.stdout.write(f"MMS Vault {version_of('mms-vault')}\n")
        raise typer.Exit


def about(
    *,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version_asked, is_eager=True, help="Say which version it is."),
    ] = False,
) -> None:
    """Take the options of the command line as a whole."""


def up() -> None:
    """Run every part on this machine, on embedded servers where none are set, until Ctrl-C."""
    supervising.up()


def demo() -> None:
    """Do as `up` does, with a sample provider that sends real postbacks of every media kind."""
    supervising.demo()


def receiver() -> None:
    """Run the receiver: it keeps postbacks, and only then answers 200."""
    _become("receiver")


def worker(
    queue: Annotated[str, typer.Option(help=f"Which queue to work on: {', '.join(QUEUES)}.")] = ARCHIVE_QUEUE,
) -> None:
    """Run one worker of a queue; start as many as the machine carries."""
    if queue not in QUEUES:
        raise RejectedInputError(f"There is no queue {queue!r}; there are {', '.join(QUEUES)}.")
    _become("worker", queue)


def sweep() -> None:
    """Run the sweep, which takes up again what was left undone; one is enough, more do no harm."""
    _become("worker", "sweep")


def health(*, as_json: Annotated[bool, typer.Option("--json", help="Answer with JSON.")] = False) -> None:
    """Say whether the workers of this host get on with their work: for the health check of a container.

    Exit code 1 when one is stopped or hangs, and when none runs.
    """
    problems = find_problems(Settings.load().data_dir)
    if as_json:
        sys.stdout.write(json.dumps({"ok": not problems, "problems": problems}) + "\n")
    else:
        sys.stdout.write("\n".join(problems or ["Every worker of this host works."]) + "\n")
    if problems:
        raise typer.Exit(EXIT_WRONG)


def dashboard() -> None:
    """Run the dashboard, the gallery in the browser. Its first start prints a password for `admin`."""
    write_log()
    from mmsvault.cli.welcoming import first_login  # noqa: PLC0415 - the other programs do without
    from mmsvault.vault import Vault  # noqa: PLC0415

    vault = Vault(Settings.load())
    try:
        if login := first_login(vault):
            sys.stdout.write(f"{login}\n")
            sys.stdout.flush()
    except UnavailableError as error:  # the dashboard says so, and takes visitors once it is there
        sys.stderr.write(visible(f"{error}\n"))
    finally:
        vault.close()
    _become("dashboard")


def _become(module: str, *arguments: str) -> None:
    """Go on as the program: signals and exit codes are then its own."""
    os.execv(sys.executable, [sys.executable, "-m", module, *arguments])  # noqa: S606 - our own program
