"""Commands that run programs: one of them in place of the command, or all under a supervisor."""

import http.client
import os
import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from typing import Annotated
from urllib.parse import urlsplit

import typer

from mmsvault.catalog import forms
from mmsvault.embedded import supervisor
from mmsvault.embedded.part import Part
from mmsvault.errors import RejectedInputError, UnavailableError
from mmsvault.queueing.jobs import ARCHIVE_QUEUE, QUEUES
from mmsvault.settings import Settings
from mmsvault.starting import write_log

NAMES = ("up", "demo", "receiver", "worker", "sweep", "dashboard")


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    for name in NAMES:
        app.command(name)(globals()[name])


def up() -> None:
    """Run every part on this machine, on embedded servers where none are set, until Ctrl-C."""
    write_log()
    settings = Settings.load()
    sys.exit(_supervised(settings, parts(settings)))


def demo() -> None:
    """Do as `up` does, with a sample provider that sends real postbacks of every media kind."""
    write_log()
    # The sample provider is on this machine, which workers otherwise never fetch from.
    os.environ.setdefault("MMSVAULT_FETCH_PRIVATE_NETWORKS", "127.0.0.1/32")
    settings = Settings.load()
    sender = Part("provider", [sys.executable, "-m", "mmsvault.sample"])
    sys.exit(_supervised(settings, [*parts(settings), sender], is_demo=True))


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
        sys.stderr.write(f"{error}\n")
    finally:
        vault.close()
    _become("dashboard")


def _supervised(settings: Settings, programs: Sequence[Part], *, is_demo: bool = False) -> int:
    return supervisor.run(
        settings,
        programs,
        prepare=None if is_prepared(settings) else partial(prepare, settings),
        on_ready=partial(welcome, is_demo=is_demo),
    )


def is_prepared(settings: Settings) -> bool:
    """Make catalog and bucket where they are files here, and return whether that is all there is to do."""
    folder = settings.embedded_bucket_dir
    if folder is None or settings.database_url or settings.s3_object_lock:
        return False
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return forms.lay_out(settings.data_dir / "catalog.sqlite")


def prepare(settings: Settings) -> None:
    """Make catalog and bucket, so that whoever finds the vault ready finds them.

    Where a server is away, say so: receipts are kept meanwhile, and the workers go on trying.
    """
    from mmsvault.vault import Vault  # noqa: PLC0415 - the usual start does without

    vault = Vault(settings)
    try:
        vault.prepare()
    except UnavailableError as error:
        sys.stderr.write(f"{error} Until then, what comes in waits.\n")
    finally:
        vault.close()


def parts(settings: Settings) -> list[Part]:
    """Return the programs of a vault on one machine, in the order of starting."""
    python = sys.executable
    return [
        Part(
            "receiver",
            [python, "-m", "receiver"],
            ready=partial(_answers, f"{settings.receiver_address}/readyz"),
        ),
        Part("workers", [python, "-m", "worker", "workers"]),
        Part(
            "dashboard",
            [python, "-m", "dashboard"],
            ready=partial(_answers, f"{dashboard_address(settings)}/_stcore/health"),
        ),
    ]


def welcome(*, is_demo: bool = False) -> None:
    """Say where things are, once everything answers. A process of its own, as it loads much for a moment."""
    given = ["demo"] if is_demo else []
    subprocess.run([sys.executable, "-m", "mmsvault.cli.welcoming", *given], check=False)  # noqa: S603 - our own program


def dashboard_address(settings: Settings) -> str:
    """Return where the dashboard is."""
    return f"http://{settings.dashboard_host}:{settings.dashboard_port}"


def _answers(url: str) -> bool:
    at = urlsplit(url)
    connection = http.client.HTTPConnection(at.hostname or "", at.port, timeout=2)
    try:
        connection.request("GET", at.path)
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _become(module: str, *arguments: str) -> None:
    """Go on as the program: signals and exit codes are then its own."""
    os.execv(sys.executable, [sys.executable, "-m", module, *arguments])  # noqa: S606 - our own program
