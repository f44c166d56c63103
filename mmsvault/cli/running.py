"""Commands that run programs: one of them in place of the command, or all under a supervisor."""

import os
import sys
from functools import partial
from typing import Annotated

import httpx
import typer

from mmsvault.embedded import supervisor
from mmsvault.embedded.part import Part
from mmsvault.errors import RejectedInputError
from mmsvault.queueing.jobs import ARCHIVE_QUEUE, EXPORTS_QUEUE, QUEUES
from mmsvault.settings import Settings
from mmsvault.starting import write_log


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (up, demo, receiver, worker, sweep, dashboard):
        app.command()(command)


def up() -> None:
    """Run every part on this machine, on embedded servers where none are set, until Ctrl-C."""
    write_log()
    settings = Settings.load()
    sys.exit(supervisor.run(settings, parts(settings), on_ready=partial(welcome, settings)))


def demo() -> None:
    """Do as `up` does, with a sample provider that sends real postbacks of every media kind."""
    write_log()
    # The sample provider is on this machine, which workers otherwise never fetch from.
    os.environ.setdefault("MMSVAULT_FETCH_PRIVATE_NETWORKS", "127.0.0.1/32")
    settings = Settings.load()
    sender = Part("provider", [sys.executable, "-m", "mmsvault.sample"])
    sys.exit(supervisor.run(settings, [*parts(settings), sender], on_ready=partial(welcome, settings)))


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


def dashboard() -> None:
    """Run the dashboard, the gallery in the browser."""
    _become("dashboard")


def parts(settings: Settings) -> list[Part]:
    """Return the programs of a vault on one machine, in the order of starting."""
    python = sys.executable
    return [
        Part(
            "receiver", [python, "-m", "receiver"], ready=partial(_answers, f"{_receiver(settings)}/readyz")
        ),
        *(
            Part(f"worker-{number}", [python, "-m", "worker", ARCHIVE_QUEUE])
            for number in range(1, settings.workers + 1)
        ),
        Part("exports", [python, "-m", "worker", EXPORTS_QUEUE]),
        Part("sweep", [python, "-m", "worker", "sweep"]),
        Part(
            "dashboard",
            [python, "-m", "dashboard"],
            ready=partial(_answers, f"{_dashboard(settings)}/_stcore/health"),
        ),
    ]


def welcome(settings: Settings) -> None:
    """Say where things are, once everything answers."""
    sys.stdout.write(
        "\nMMS Vault is ready.\n"
        f"  dashboard     {_dashboard(settings)}\n"
        f"  postback URL  {_receiver(settings)}/postbacks/sinch/{settings.effective_token}\n"
        f"  data          {settings.data_dir.absolute()}\n"
        "Ctrl-C ends it; the data stays.\n\n"
    )
    sys.stdout.flush()


def _receiver(settings: Settings) -> str:
    return f"http://{settings.receiver_host}:{settings.receiver_port}"


def _dashboard(settings: Settings) -> str:
    return f"http://{settings.dashboard_host}:{settings.dashboard_port}"


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2, trust_env=False).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


def _become(module: str, *arguments: str) -> None:
    """Go on as the program: signals and exit codes are then its own."""
    os.execv(sys.executable, [sys.executable, "-m", module, *arguments])  # noqa: S606 - our own program
