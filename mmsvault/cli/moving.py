"""The command that brings the vault to other servers."""

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from mmsvault import auditing, migrating
from mmsvault.cli.answering import AsJson, print_json, say
from mmsvault.embedded.borrowing import borrowed
from mmsvault.errors import EXIT_WRONG
from mmsvault.settings import Settings
from mmsvault.starting import write_log
from mmsvault.vault import Vault


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(migrate)


def migrate(
    to: Annotated[Path, typer.Option(metavar="FILE.env", help="Settings of the servers to go to.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Bring the whole vault to other servers, check it there, and leave it here as it is.

    End the vault first. Cut off, it is run again and goes on.
    """
    write_log(logging.WARNING)
    here = Settings.load()
    there = migrating.target_settings(to, here)
    source, target = Vault(here), Vault(there)
    try:
        with _borrowed(here, there), _progress() as progress:
            done = migrating.migrate(source, target, progress=progress)
            added = migrating.write_down_tokens(to, here, there)
        details = f"{done.objects:,} objects, {done.messages:,} messages"
        auditing.by_command(target, "migrated", subject=here.s3_bucket, details=details)
    finally:
        source.close()
        target.close()
    counts = {name: getattr(done, name) for name in ("objects", "copied", "bytes", "messages", "receipts")}
    if as_json:
        problems = [{"key": one.key, "problem": one.problem} for one in done.problems]
        print_json({**counts, "checked": done.checked, "problems": problems})
    else:
        for one in done.problems:
            say(f"{one.key}: {one.problem}")
        say(
            f"{done.objects:,} objects ({done.copied:,} copied now), {done.messages:,} messages, "
            f"{done.receipts:,} receipts that waited; {done.checked:,} objects checked there."
        )
        if added:
            say(f"{to} has {' and '.join(added)} now: those that the provider and your monitoring know.")
        if not done.problems:
            say(f"All is there. Start the vault's programs with the settings of {to} from now on.")
    if done.problems:
        raise typer.Exit(EXIT_WRONG)


@contextmanager
def _borrowed(here: Settings, there: Settings) -> Iterator[None]:
    """Run the embedded servers of both, and keep every vault out of their folders."""
    folders = {one.data_dir.absolute(): one for one in (there, here)}
    if there.data_dir.absolute() == here.data_dir.absolute() and there.embeds_redis:
        folders = {there.data_dir.absolute(): there}
    with ExitStack() as stack:
        for one in folders.values():
            stack.enter_context(borrowed(one))
        yield


@contextmanager
def _progress() -> Iterator[migrating.Progress]:
    """Show a bar for each step on a terminal's stderr, nothing elsewhere."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    tasks: dict[str, TaskID] = {}
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:

        def advance(step: str, more: int, total: int) -> None:
            if step not in tasks:
                tasks[step] = bars.add_task(step, total=total)
            bars.advance(tasks[step], more)

        yield advance
