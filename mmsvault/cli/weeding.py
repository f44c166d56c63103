"""Commands by which messages leave the archive for good: deleted, past their time, or erased on request."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from mmsvault import auditing, disposition, erasing, retention
from mmsvault.catalog import scrubbing
from mmsvault.cli.answering import AsJson, opened_vault, print_json, say
from mmsvault.cli.erasure_report import left_to_do
from mmsvault.errors import EXIT_WRONG, RefusedError, RejectedInputError
from mmsvault.exporting.holding import Holding, held, holding
from mmsvault.exporting.outputs import refuse_taken, to_file
from mmsvault.message import pretty_json

Which = Annotated[str, typer.Argument(metavar="QUERY", help="A search query, or ids of messages.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (delete, retire, erase):
        app.command()(command)


def delete(query: Which, *, yes: Yes = False, as_json: AsJson = False) -> None:
    """Delete messages for good, with all of their files; those that are held are refused."""
    if not query.strip():
        raise RejectedInputError("An empty query is every message; say which to delete.")
    deleted, refused = [], []
    with opened_vault() as vault:
        ids = list(disposition.chosen(vault, query))
        _ask_before_deleting(len(ids), yes=yes)
        # Said before as well: a deletion that is cut off has taken something away already.
        details = f"{len(ids):,} messages"
        auditing.by_command(vault, "began to delete", subject=query, details=details, messages=ids)
        for found in ids:
            try:
                numbers = disposition.delete(vault, found)
                auditing.by_command(vault, "deleted", subject=found, messages=(found,), numbers=numbers)
                deleted.append(found)
            except RefusedError as error:
                refused.append({"id": found, "reason": str(error)})
        exports = list(held(vault, deleted))
    if as_json:
        shown = [one.as_json() for one in exports]
        print_json({"deleted": len(deleted), "refused": refused, "exports": shown})
    else:
        for one in refused:
            say(f"{one['id']}: not deleted, {one['reason']}")
        say(f"{len(deleted):,} messages deleted.")
        _say_exports(exports)
    if refused:
        raise typer.Exit(EXIT_WRONG)


def retire(
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be deleted.")] = False,
    as_json: AsJson = False,
) -> None:
    """Delete the messages that are older than the archive keeps them, as the sweep does by itself.

    Held ones stay. MMSVAULT_KEEP_DAYS and MMSVAULT_KEEP_DAYS_BY_KEYWORD say how long that is.
    """
    retired: list[dict[str, object]] = []
    kept: list[dict[str, object]] = []
    with opened_vault() as vault:
        policy = retention.policy_of(vault.settings)
        for outcome in retention.retire(vault, dry_run=dry_run):
            told = {"id": outcome.message.id, "keyword": outcome.message.keyword, "days": outcome.days}
            (kept if outcome.reason else retired).append({**told, "reason": outcome.reason})
        ids = [str(one["id"]) for one in retired]
        exports = list(holding(vault.bucket, ids) if dry_run else held(vault, ids))
        if retired and not dry_run:
            scrubbing.scrub(vault.catalog)
    if as_json:
        shown = [one.as_json() for one in exports]
        print_json({"dry_run": dry_run, "retired": retired, "kept": kept, "exports": shown})
        return
    if policy.keeps_all:
        say("Messages are kept for ever; MMSVAULT_KEEP_DAYS would say how long.")
    for one in kept:
        say(f"{one['id']}: past its {one['days']:,} days and kept, {one['reason']}")
    for one in retired if dry_run else ():
        say(f"{one['id']}: past its {one['days']:,} days")
    say(f"{len(retired):,} messages {'would be ' if dry_run else ''}deleted, {len(kept):,} kept.")
    _say_exports(exports)


def erase(
    number: Annotated[str, typer.Argument(help="A whole phone number or address, in any usual writing.")],
    *,
    yes: Yes = False,
    receipt: Annotated[Path | None, typer.Option(help="Write the receipt into this file as well.")] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Write over a receipt that is there already.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Erase every message from a number or to it, for somebody who asks to be forgotten.

    Held ones stay, with the reason, and the exit code is 1 then. The receipt says what was erased, by
    id, and nothing of what was in it.
    """
    if receipt:
        _refuse_unwritable(receipt, replace=replace)
    with opened_vault() as vault:
        _ask_before_deleting(len(erasing.messages_of(vault, number)), yes=yes)
        done = erasing.erase(vault, number, who=auditing.this_person())
    if receipt:
        with to_file(receipt, replace=replace) as output:
            output.write(pretty_json(done).encode())
    if as_json:
        print_json(done)
    else:
        for one in done["kept"]:
            say(f"{one['id']}: not erased, {one['reason']}")
        say(f"{len(done['erased']):,} messages erased. The receipt is {done['key']} in the bucket.")
        _say_exports([Holding(**one) for one in done["exports"]])
        for line in left_to_do(done):
            say(line)
    if done["kept"]:
        raise typer.Exit(EXIT_WRONG)


def _refuse_unwritable(receipt: Path, *, replace: bool) -> None:
    """Raise RejectedInputError where the receipt could not be written: what is erased is gone by then."""
    refuse_taken(receipt, replace=replace)
    if not (receipt.parent.is_dir() and os.access(receipt.parent, os.W_OK)):
        raise RejectedInputError(f"{receipt} cannot be written: its folder is missing or read-only.")


def _say_exports(exports: list[Holding]) -> None:
    for one in exports:
        if one.is_being_made:
            say(f"{one.key}: {one.problem}.")
            continue
        said = one.problem or f"it holds {one.messages:,} of these messages"
        say(f"{one.key}: {said}; delete this export as well if they must be gone from there.")


def _ask_before_deleting(count: int, *, yes: bool) -> None:
    if not count or yes:
        return
    if not sys.stdin.isatty():
        raise RejectedInputError(f"{count:,} messages would be deleted; say --yes to do it.")
    typer.confirm(f"Delete {count:,} messages for good?", abort=True, err=True)
