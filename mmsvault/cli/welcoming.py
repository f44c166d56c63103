"""`python -m mmsvault.cli.welcoming [demo]`: says where things are, and the first time how to log in."""

import sys

from mmsvault import rehearsal
from mmsvault.auditing import note_settings
from mmsvault.catalog import people
from mmsvault.catalog.people import Role
from mmsvault.catalog.sqlite_file import wants_rebuild
from mmsvault.cli.admitting import first_admin
from mmsvault.cli.supervising import dashboard_address
from mmsvault.errors import UnavailableError
from mmsvault.settings import Settings
from mmsvault.settings.secrets import HIDDEN
from mmsvault.starting import start
from mmsvault.state import keeper
from mmsvault.vault import Vault

DEMO = "demo"


def welcome(settings: Settings, *, is_demo: bool) -> None:
    """Say where things are; a demo's visitor is always let in with the same password."""
    vault = Vault(settings)
    try:
        login = _demo_login(vault) if is_demo else first_login(vault)
    except UnavailableError as error:
        login = f"once the servers are there: `mmsvault dashboard` makes the first admin ({error})"
    finally:
        vault.close()
    sys.stdout.write(
        "\nMMS Vault is ready.\n"
        f"  dashboard     {dashboard_address(settings)}\n"
        + (f"  log in        {login}\n" if login else "")
        + f"  postback URL  {_shown_address(settings)}\n"
        f"  data          {settings.data_dir.absolute()}\n"
        + (f"  other commands  MMSVAULT_DATA_DIR={settings.data_dir} mmsvault status\n" if is_demo else "")
        + "Ctrl-C ends it; the data stays.\n\n"
    )
    sys.stdout.flush()


def _shown_address(settings: Settings) -> str:
    """Return the address for the provider; its token only on a terminal, since a journal keeps it."""
    address = rehearsal.address(settings)
    if sys.stdout.isatty():
        return address
    hidden = address.replace(settings.effective_token, HIDDEN)
    return f"{hidden} (`mmsvault postback-url` prints it whole)"


def first_login(vault: Vault) -> str:
    """Return how to log in the first time, nothing later. Raises UnavailableError."""
    vault.prepare()  # once more, for where a server was away until now
    password = first_admin(vault)
    note_settings(vault)
    if wants_rebuild(vault.settings.catalog_file):
        return "once `mmsvault rebuild` has brought back who was there"
    if reason := keeper.unopened(vault):
        return f"nobody can yet: {reason}"
    if password:
        return f"as {people.FIRST_ADMIN} with {password} (good once; `mmsvault user` lets others in)"
    if [one.name for one in people.list_all(vault.catalog)] == [DEMO] and vault.settings.has_passwords:
        return f"{_as_demo(vault)} (`mmsvault demo` filled this folder; `mmsvault user` lets others in)"
    return ""


def _demo_login(vault: Vault) -> str:
    vault.prepare()
    note_settings(vault)
    if DEMO not in {one.name for one in people.list_all(vault.catalog)}:
        password = vault.settings.generated.demo_password
        people.add(vault.catalog, DEMO, role=Role.ADMIN, password=password)
    return _as_demo(vault)


def _as_demo(vault: Vault) -> str:
    return f"as {DEMO} with {vault.settings.generated.demo_password}"


if __name__ == "__main__":
    start(lambda settings: welcome(settings, is_demo="demo" in sys.argv[1:]))
