"""Commands that run programs: one of them in place of the command, or all under a supervisor."""

import http.client
import os
import sys
from collections.abc import Sequence
from functools import partial
from typing import Annotated
from urllib.parse import urlsplit

import typer

from mmsvault.auditing import note_settings
from mmsvault.catalog import people
from mmsvault.catalog.people import Role
from mmsvault.cli.admitting import first_admin
from mmsvault.embedded import supervisor
from mmsvault.embedded.part import Part
from mmsvault.errors import RejectedInputError, UnavailableError
from mmsvault.queueing.jobs import ARCHIVE_QUEUE, QUEUES
from mmsvault.settings import Settings
from mmsvault.starting import write_log
from mmsvault.vault import Vault

DEMO = "demo"

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
    vault = Vault(Settings.load())
    try:
        vault.prepare()
        password = first_admin(vault)
        note_settings(vault)
        if password:
            sys.stdout.write(f"{_first_login(password)}\n")
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
        prepare=partial(prepare, settings),
        on_ready=partial(welcome, settings, is_demo=is_demo),
    )


def prepare(settings: Settings) -> None:
    """Make catalog and bucket, so that whoever finds the vault ready finds them.

    Where a server is away, say so: receipts are kept meanwhile, and the workers go on trying.
    """
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
            "receiver", [python, "-m", "receiver"], ready=partial(_answers, f"{_receiver(settings)}/readyz")
        ),
        Part("workers", [python, "-m", "worker", "workers"]),
        Part(
            "dashboard",
            [python, "-m", "dashboard"],
            ready=partial(_answers, f"{_dashboard(settings)}/_stcore/health"),
        ),
    ]


def welcome(settings: Settings, *, is_demo: bool = False) -> None:
    """Say where things are, once everything answers, and the first time how to log in."""
    login = _login(settings, is_demo=is_demo)
    sys.stdout.write(
        "\nMMS Vault is ready.\n"
        f"  dashboard     {_dashboard(settings)}\n"
        + (f"  log in        {login}\n" if login else "")
        + f"  postback URL  {settings.receiver_address}/postbacks/sinch/{settings.effective_token}\n"
        f"  data          {settings.data_dir.absolute()}\n"
        "Ctrl-C ends it; the data stays.\n\n"
    )
    sys.stdout.flush()


def _login(settings: Settings, *, is_demo: bool) -> str:
    """Return how to log in, where that is to be said: at the first start, and in a demo."""
    vault = Vault(settings)
    try:
        vault.prepare()  # once more, for where a server was away until now
        password = None if is_demo else first_admin(vault)
        note_settings(vault)
        if is_demo:
            return _demo_login(vault)
        return _first_login(password) if password else ""
    except UnavailableError as error:
        return f"once the servers are there: `mmsvault dashboard` makes the first admin ({error})"
    finally:
        vault.close()


def _first_login(password: str) -> str:
    return f"as {people.FIRST_ADMIN} with {password} (good once; `mmsvault user` lets others in)"


def _demo_login(vault: Vault) -> str:
    """Let the demo's visitor in, always with the same password."""
    password = vault.settings.generated.demo_password
    if DEMO not in {one.name for one in people.list_all(vault.catalog)}:
        people.add(vault.catalog, DEMO, role=Role.ADMIN, password=password)
    return f"as {DEMO} with {password}"


def _receiver(settings: Settings) -> str:
    return f"http://{settings.receiver_host}:{settings.receiver_port}"


def _dashboard(settings: Settings) -> str:
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
