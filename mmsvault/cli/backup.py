"""Commands that copy the vault elsewhere, and bring it back from there."""

import contextlib
import logging
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from mmsvault import auditing
from mmsvault.backup import copy, restoration
from mmsvault.backup.copy import BackedUp, Checked
from mmsvault.backup.place import Place, open_place
from mmsvault.backup.repository import Passphrase, Repository, open_repository
from mmsvault.backup.restoration import Restored
from mmsvault.cli.answering import AsJson, opened_vault, print_json, say
from mmsvault.cli.keeping import secret_in
from mmsvault.embedded import supervisor
from mmsvault.errors import EXIT_WRONG, NotFoundError, RejectedInputError
from mmsvault.settings import Settings
from mmsvault.starting import write_log
from mmsvault.vault import Vault

PassphraseFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        dir_okay=False,
        help="A file with the passphrase of an encrypted backup; else it asks.",
    ),
]
Snapshot = Annotated[
    str, typer.Option(metavar="NAME", help="Which snapshot, as `backup --list` names them; else the newest.")
]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(backup)
    app.command()(restore)


def backup(
    dest: Annotated[str, typer.Argument(metavar="DEST", help="A folder, or s3://BUCKET/PREFIX.")],
    *,
    encrypt: Annotated[
        bool, typer.Option("--encrypt", help="Encrypt a new backup with a passphrase; secrets go along.")
    ] = False,
    passphrase_file: PassphraseFile = None,
    keep: Annotated[int, typer.Option(min=1, help="How many snapshots to keep.")] = copy.SNAPSHOTS_KEPT,
    new: Annotated[
        bool, typer.Option("--new", help="Begin another backup where the one of before is gone.")
    ] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Make none: read the newest whole, and compare every file.")
    ] = False,
    list_snapshots: Annotated[bool, typer.Option("--list", help="Make none: list the snapshots.")] = False,
    as_json: AsJson = False,
) -> None:
    """Copy the vault to a folder or another bucket while it runs; what is there already is not copied again.

    Cut off, it goes on the next time. Exit code 1 when something is wrong with the backup.
    """
    with opened_vault() as vault:
        place = open_place(dest, vault.settings)
        ask = _passphrase(passphrase_file, is_new=encrypt)
        if list_snapshots:
            _say_snapshots(_there(vault, place, ask).snapshots(), as_json=as_json)
            return
        if check:
            with _progress() as progress:
                found = copy.check(_there(vault, place, ask), progress=progress)
            _say_checked(found, as_json=as_json)
            return
        with _progress() as progress:
            done = copy.back_up(
                vault,
                place,
                passphrase=ask,
                encrypts=encrypt,
                is_secret=encrypt or passphrase_file is not None,
                is_new=new,
                kept=keep,
                progress=progress,
            )
        details = f"{done.objects:,} objects, snapshot {done.snapshot}"
        auditing.by_command(vault, "backed up", subject=place.name, details=details)
        _say_backed_up(done, place, as_json=as_json)


def restore(
    src: Annotated[str, typer.Argument(metavar="SRC", help="Where `mmsvault backup` wrote to.")],
    *,
    passphrase_file: PassphraseFile = None,
    snapshot: Snapshot = "",
    state_secret: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            dir_okay=False,
            help="A file with the secret key that the bucket had: people come back by it where the backup is "
            "not encrypted.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Bring a backup back into an empty vault, and verify it. Exit code 1 when something is wrong then."""
    secret = secret_in(state_secret) if state_secret else ""
    write_log(logging.WARNING)
    settings = Settings.load()
    vault = Vault(settings)
    try:
        place = open_place(src, settings)
        with supervisor.alone(settings), _progress() as progress:
            repository = _there(vault, place, _passphrase(passphrase_file, is_new=False))
            done = restoration.restore(
                vault, repository, snapshot=snapshot, former_secret=secret, progress=progress
            )
        details = f"{done.objects:,} objects, {done.messages:,} messages, snapshot {done.snapshot}"
        auditing.by_command(vault, "restored", subject=place.name, details=details)
    finally:
        vault.close()
    _say_restored(done, as_json=as_json)
    if done.problems:
        raise typer.Exit(EXIT_WRONG)


def _there(vault: Vault, place: Place, ask: Passphrase) -> Repository:
    """Return the backup at a place. Raises NotFoundError."""
    found = open_repository(place, folder=vault.settings.temporary_dir, passphrase=ask)
    if found is None:
        raise NotFoundError(f"There is no backup of MMS Vault in {place.name}.")
    return found


def _passphrase(path: Path | None, *, is_new: bool) -> Passphrase:
    def ask() -> str:
        if path:
            return secret_in(path)
        if not sys.stdin.isatty():
            raise RejectedInputError("This backup is encrypted; give --passphrase-file FILE.")
        told: str = typer.prompt("Passphrase", hide_input=True, confirmation_prompt=is_new, err=True)
        return told

    return ask


def _say_snapshots(names: list[str], *, as_json: bool) -> None:
    if as_json:
        print_json({"snapshots": names})
        return
    for name in names:
        say(name)
    if not names:
        say("No backup was ever finished there.")


def _say_checked(found: Checked, *, as_json: bool) -> None:
    if as_json:
        problems = [{"key": key, "problem": problem} for key, problem in found.problems]
        print_json({"checked": found.files, "ok": not problems, "problems": problems})
    else:
        for key, problem in found.problems:
            say(f"{key}: {problem}")
        say(f"{found.files:,} files of the backup read, {len(found.problems):,} problems.")
    if found.problems:
        raise typer.Exit(EXIT_WRONG)


def _say_backed_up(done: BackedUp, place: Place, *, as_json: bool) -> None:
    if as_json:
        counts = ("snapshot", "objects", "bytes", "copied", "copied_bytes", "removed")
        print_json({**{name: getattr(done, name) for name in counts}, "encrypted": done.is_encrypted})
        return
    say(
        f"{done.objects:,} objects ({done.bytes:,} bytes) are in {place.name}; {done.copied:,} files "
        f"({done.copied_bytes:,} bytes) were copied now, and read back."
    )
    if not done.is_encrypted:
        say(
            "It is not encrypted, so the vault's own secrets are not in it: keep generated.json and "
            "signing-key.pem of the data directory, and the bucket's secret key, with your other secrets."
        )


def _say_restored(done: Restored, *, as_json: bool) -> None:
    people = done.rebuilt.state.people
    if as_json:
        counts = ("snapshot", "objects", "copied", "bytes", "messages", "checked")
        print_json(
            {
                **{name: getattr(done, name) for name in counts},
                "people": [{"name": name, "role": role} for name, role in people],
                "secrets": done.has_secrets,
                "problems": [{"key": one.key, "problem": one.problem} for one in done.problems],
            }
        )
        return
    for one in done.problems:
        say(f"{one.key}: {one.problem}")
    for name, role in people:
        say(f"{name} ({role}) can log in again.")
    say(
        f"{done.objects:,} objects, {done.messages:,} messages; {done.checked:,} objects checked, "
        f"{len(done.problems):,} problems."
    )
    if not people:
        say("Nobody can log in yet: `mmsvault user add NAME --role admin` lets somebody in.")
    if done.has_secrets:
        say("The provider's token and the signing key are those of before. Start the vault's programs now.")
    else:
        say(
            "The backup has no secrets. Bring back generated.json and signing-key.pem, or set "
            "MMSVAULT_POSTBACK_TOKEN to the token that the provider knows: with another one its messages "
            "are refused. Then start the vault's programs."
        )


@contextlib.contextmanager
def _progress() -> Iterator[Callable[[str, int], None]]:
    """Show a line for each step on a terminal's stderr, nothing elsewhere."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed:,.0f}"))
    tasks: dict[str, TaskID] = {}
    with Progress(
        *columns, TimeElapsedColumn(), console=console, transient=True, disable=not console.is_terminal
    ) as bars:

        def advance(step: str, more: int) -> None:
            if step not in tasks:
                tasks[step] = bars.add_task(step, total=None)
            bars.advance(tasks[step], more)

        yield advance
