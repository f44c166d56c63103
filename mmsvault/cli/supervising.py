"""`up` and `demo`: every part of a vault on this machine, under a supervisor.

They load as little as can be: people wait for them, and their process stays.
"""

import http.client
import os
import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from mmsvault.catalog import forms, sqlite_file
from mmsvault.embedded import supervisor
from mmsvault.embedded.part import Part
from mmsvault.embedded.pauses import RECEIVER_SECONDS
from mmsvault.errors import UnavailableError
from mmsvault.runtime import ports
from mmsvault.settings import Settings
from mmsvault.settings.forms import from_here
from mmsvault.settings.sources import Origin, origin, secrets_folder
from mmsvault.terminal import visible

DEMO_DIR = Path("var") / "demo"
"""Where the demo's data are, as long as no other folder is set."""


def up() -> None:
    """Run every part until Ctrl-C, on embedded servers where none are set; exits."""
    settings = Settings.load()
    sys.exit(_supervised(settings, parts(settings)))


def demo() -> None:
    """Do as `up` does, with a sample provider and in a folder of its own."""
    if origin("data_dir", secrets_folder=secrets_folder(None), is_given=False) is Origin.DEFAULT:
        # Or `up` would find the sample's messages and people among its own.
        os.environ["MMSVAULT_DATA_DIR"] = str(DEMO_DIR)
    # The sample provider is on this machine, which workers otherwise never fetch from.
    os.environ.setdefault("MMSVAULT_FETCH_PRIVATE_NETWORKS", "127.0.0.1/32")
    settings = Settings.load()
    sender = Part("provider", [sys.executable, "-m", "mmsvault.sample"])
    sys.exit(_supervised(settings, [*parts(settings), sender], is_demo=True))


def _supervised(settings: Settings, programs: Sequence[Part], *, is_demo: bool = False) -> int:
    _ = settings.bucket_keys  # workers and dashboard would refuse to start without
    catalog = settings.catalog_file
    closely = catalog is not None and is_in_doubt(settings, catalog)
    is_ready = is_prepared(settings)
    if not is_ready:
        check(settings)
    return supervisor.run(
        settings,
        programs,
        prepare=None if is_ready else partial(prepare, settings, closely=closely),
        rebuild=supervisor.Rebuild(
            Part("rebuild", [sys.executable, "-m", "mmsvault.cli.catalog_recovery"]),
            is_wanted=lambda: bool(sqlite_file.wants_rebuild(catalog)),
        ),
        on_ready=partial(welcome, is_demo=is_demo),
    )


def is_prepared(settings: Settings) -> bool:
    """Make catalog and bucket where they are files here, and return whether that is all there is to do."""
    folder, catalog = settings.embedded_bucket_dir, settings.catalog_file
    if folder is None or catalog is None or settings.database_url or settings.s3_object_lock:
        return False
    if is_in_doubt(settings, catalog) or sqlite_file.wants_rebuild(catalog):
        return False
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    is_empty = not any(folder.iterdir())
    return (is_empty or sqlite_file.is_there(catalog)) and forms.lay_out(catalog)


def is_in_doubt(settings: Settings, catalog: Path) -> bool:
    """Return whether the catalog may be damaged: then every page of it is looked at."""
    try:
        is_damaged = bool(sqlite_file.damage(catalog, closely=False))
    except OSError:  # the programs say what it is
        return False
    return is_damaged or sqlite_file.is_in_doubt(catalog) or not supervisor.ended_cleanly(settings)


def check(settings: Settings) -> None:
    """Raise ConfigurationError for addresses of catalog and bucket that can never work; nothing is asked."""
    from mmsvault.vault import Vault  # noqa: PLC0415 - the usual start does without

    vault = Vault(settings)
    _ = vault.catalog, vault.bucket
    vault.close()


def prepare(settings: Settings, *, closely: bool = False) -> None:
    """Make catalog and bucket, so that whoever finds the vault ready finds them.

    A catalog that is damaged is set aside, to be made again from the bucket; every page is looked at if
    `closely`. Where a server is away, say so: receipts are kept meanwhile, and the workers go on trying.
    """
    from mmsvault.integrity.recovery import set_damaged_aside  # noqa: PLC0415 - the usual start does without
    from mmsvault.vault import Vault  # noqa: PLC0415

    vault = Vault(settings)
    try:
        if said := set_damaged_aside(vault, closely=closely):
            sys.stderr.write(visible(f"{said}\n"))
        vault.prepare()
    except UnavailableError as error:
        sys.stderr.write(visible(f"{error} Until then, what comes in waits.\n"))
    finally:
        vault.close()


def parts(settings: Settings) -> list[Part]:
    """Return the programs of a vault on one machine, in the order of starting."""
    python = sys.executable
    return [
        Part(
            "receiver",
            [python, "-m", "receiver"],
            ready=partial(_answers, f"{here(settings.receiver_host, settings.receiver_port)}/readyz"),
            check=partial(ports.check, settings.receiver_host, settings.receiver_port, program="RECEIVER"),
            longest_pause_seconds=RECEIVER_SECONDS,
            is_vital=True,
        ),
        Part("workers", [python, "-m", "worker", "workers"]),
        Part(
            "dashboard",
            [python, "-m", "dashboard"],
            ready=partial(
                _answers, f"{here(settings.dashboard_host, settings.dashboard_port)}/_stcore/health"
            ),
            check=partial(ports.check, settings.dashboard_host, settings.dashboard_port, program="DASHBOARD"),
        ),
    ]


def welcome(*, is_demo: bool = False) -> None:
    """Say where things are, once everything answers. A process of its own, as it loads much for a moment."""
    given = ["demo"] if is_demo else []
    subprocess.run([sys.executable, "-m", "mmsvault.cli.welcoming", *given], check=False)  # noqa: S603 - our own program


def dashboard_address(settings: Settings) -> str:
    """Return where the dashboard is."""
    return f"http://{settings.dashboard_host}:{settings.dashboard_port}"


def here(host: str, port: int) -> str:
    """Return where a program of this machine answers that listens on `host`."""
    name = from_here(host)
    return f"http://{f'[{name}]' if ':' in name else name}:{port}"


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
