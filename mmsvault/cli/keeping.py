"""Commands that look after the archive: check and mend it, make its catalog again, hold messages."""

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from redis.exceptions import RedisError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rq import Queue

from mmsvault import auditing, disposition, replaying
from mmsvault.catalog import upkeep
from mmsvault.catalog.connection import is_broken, migrate, set_aside
from mmsvault.catalog.sqlite_file import have_rebuilt
from mmsvault.catalog.verdicts import Extent
from mmsvault.cli.answering import AsJson, opened_vault, print_json, queue_away, say
from mmsvault.embedded import supervisor
from mmsvault.errors import EXIT_WRONG, RejectedInputError, VaultError
from mmsvault.integrity import rebuilding, remembering, repairing, sampling
from mmsvault.integrity.checking import Problem
from mmsvault.message import Receipt, utc_now
from mmsvault.postbacks import PROVIDERS
from mmsvault.queueing.connection import connect_to_answer
from mmsvault.queueing.durable import DurableQueue
from mmsvault.queueing.jobs import open_queue
from mmsvault.replaying import Skipped
from mmsvault.settings import Settings
from mmsvault.starting import write_log
from mmsvault.terminal import visible
from mmsvault.vault import Vault

Which = Annotated[str, typer.Argument(metavar="QUERY", help="A search query, or ids of messages.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (verify, rebuild, replay, requeue, hold):
        app.command()(command)


def verify(
    *,
    repair: Annotated[bool, typer.Option("--repair", help="Mend what can be mended.")] = False,
    sample: Annotated[
        str, typer.Option(help="Read the bytes of a part only: 5%, 2/7 or a size like 10G.")
    ] = "",
    since: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Messages received since that day (UTC).")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check every object against its SHA-256, every row against the bucket, and the reverse.

    Exit code 1 when something is wrong, or still is after --repair.
    """
    began_at, extent = utc_now(), Extent.PART if sample or since else Extent.EVERYTHING
    with opened_vault() as vault:
        chosen = sampling.parse(sample, stored_bytes=lambda: upkeep.stored_bytes(vault.catalog))
        begins = since.replace(tzinfo=UTC) if since else None
        with _progress("checking", total=upkeep.count(vault.catalog, since=begins)) as done:
            report = repairing.verify_and_repair(
                vault, sample=chosen, since=begins.date() if begins else None, repair=repair, progress=done
            )
        remembering.remember(vault, report, extent=extent, began_at=began_at)
    if as_json:
        answer = {"checked": report.checked, "ok": not report.problems, "problems": _as_json(report.problems)}
        repaired = [{"key": key, "repair": what} for key, what in report.repaired]
        print_json({**answer, "repaired": repaired} if repair else answer)
    else:
        for key, what in report.repaired:
            say(f"{key}: {what}")
        _say_problems(report.problems)
        say(f"{report.checked:,} objects checked, {len(report.problems):,} problems.")
    _exit(wrong=bool(report.problems))


def rebuild(
    *,
    state_secret: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            dir_okay=False,
            help="A file with the secret key that the bucket had before: people were sealed with it.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make the catalog again from the bucket, into an empty or a damaged one; the vault may run."""
    secret = secret_in(state_secret) if state_secret else ""
    with _new_where_broken() as vault, _progress("reading", total=None) as done:
        rebuilt = rebuilding.rebuild(vault, progress=done, former_secret=secret)
        have_rebuilt(vault.settings.catalog_file)
    if as_json:
        people = [{"name": name, "role": role} for name, role in rebuilt.state.people]
        answer = {"messages": rebuilt.messages, "problems": _as_json(rebuilt.problems), "people": people}
        print_json({**answer, "removed_people": list(rebuilt.state.removed)})
    else:
        for name, role in rebuilt.state.people:
            say(f"{name} ({role}) can log in again.")
        for name in rebuilt.state.removed:
            say(f"{name} cannot log in: they were removed since this catalog was made.")
        _say_problems(rebuilt.problems)
        came_of = ", ".join(f"{count:,} {name.value}" for name, count in rebuilt.entered.items())
        say(f"{rebuilt.messages:,} messages in the bucket" + (f": {came_of}." if came_of else "."))
    _exit(wrong=bool(rebuilt.problems))


def secret_in(path: Path) -> str:
    """Return the secret that a file holds. Raises RejectedInputError."""
    try:
        secret = path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise RejectedInputError(f"{path} cannot be read.") from error
    if not secret:
        raise RejectedInputError(f"{path} is empty.")
    return secret


def replay(
    paths: Annotated[
        list[str],
        typer.Argument(metavar="PATH...", help="Files, folders, or keys like quarantine/2014/02/03/"),
    ],
    *,
    provider: Annotated[str, typer.Option(help="Whose postbacks the files are.")] = "sinch",
    body: Annotated[
        Path | None,
        typer.Option(help="A file with the corrected body, for one key in quarantine.", dir_okay=False),
    ] = None,
    wait: Annotated[float, typer.Option(min=0, help="Seconds to wait for what comes of them.")] = 30,
    as_json: AsJson = False,
) -> None:
    """Send postbacks through the vault once more, from files or from quarantine."""
    if provider not in PROVIDERS:
        raise RejectedInputError(f"There is no provider {provider!r}; there are {', '.join(PROVIDERS)}.")
    skipped: list[Skipped] = []
    sent: list[str] = []
    with opened_vault() as vault:
        found = replaying.receipts(vault, paths, provider=provider)
        if body:
            found = iter([_corrected(vault, list(found), body)])
        opened = open_queue(connect_to_answer(vault.settings.effective_redis_url))
        queue = DurableQueue(opened, replicas=vault.settings.effective_redis_replicas)
        for receipt in found:
            if isinstance(receipt, Receipt):
                if not sent:
                    _check_queue(vault.settings, opened)
                replaying.replay(vault, queue, receipt)
                sent.append(receipt.id)
            else:
                skipped.append(receipt)
        if sent and not body:
            details = f"{len(sent):,} postbacks"
            auditing.by_command(vault, "replayed", subject=", ".join(paths), details=details)
        came_of = replaying.outcomes(vault, sent, wait_seconds=wait)
    names = {"message": "messages", "duplicate": "duplicates"}
    kinds = ("message", "duplicate", "other", "quarantined", "waiting")
    answer = {"sent": len(sent), **{names.get(kind, kind): came_of[kind] for kind in kinds}}
    if as_json:
        print_json({**answer, "skipped": [{"path": one.path, "problem": one.problem} for one in skipped]})
    else:
        for one in skipped:
            say(f"{one.path}: {one.problem}")
        say(", ".join(f"{count:,} {name}" for name, count in answer.items()) + ".")
    _exit(wrong=bool(skipped))


def _check_queue(settings: Settings, queue: Queue) -> None:
    """Raise UnavailableError, with what to start, where the queue does not answer."""
    try:
        queue.connection.ping()
    except RedisError as error:
        raise queue_away(settings) from error


def _corrected(vault: Vault, found: list[Receipt | Skipped], path: Path) -> Receipt:
    """Return the one receipt of quarantine with the body of a file; the trail has who gave it.

    Raises RejectedInputError.
    """
    quarantined = [one for one in found if isinstance(one, Receipt) and one.quarantined_as]
    if len(found) != 1 or not quarantined:
        raise RejectedInputError("--body needs one key of a postback in quarantine, and nothing else.")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise RejectedInputError(f"{path} cannot be read: {error.strerror}.") from error
    corrected = replaying.correct(quarantined[0], data, by=auditing.this_person())
    auditing.note_correction(vault, corrected, who=auditing.this_person())
    return corrected


def requeue(
    query: Which,
    *,
    stored: Annotated[
        bool, typer.Option("--stored", help="Also those that are stored and not in doubt.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Fetch again, at the next sweep, the files of these messages that are waiting, lost or in doubt.

    Where another file comes than the one that is stored, both are kept.
    """
    again = partial(disposition.retry, stored=stored)
    counts = _decide(query, again, did="fetched again", details="{changed:,} files")
    answer = {"messages": sum(count > 0 for count in counts), "files": sum(counts)}
    if as_json:
        print_json(answer)
    else:
        say(f"{answer['files']:,} files of {answer['messages']:,} messages are due now.")


def hold(
    query: Which,
    *,
    release: Annotated[bool, typer.Option("--release", help="Hold them no longer.")] = False,
    as_json: AsJson = False,
) -> None:
    """Hold messages: nothing deletes them until they are released."""
    did = "released" if release else "held"
    decision = partial(disposition.hold, held=not release)
    news = _decide(query, decision, did=did, details="{messages:,} messages, {changed:,} as of now")
    if as_json:
        print_json({"messages": len(news), "changed": sum(news)})
    else:
        say(f"{len(news):,} messages are {did}, {sum(news):,} of them as of now.")


def _decide(query: str, decision: Callable[[Vault, str], int], *, did: str, details: str) -> list[int]:
    """Carry a decision out on each of the messages, enter it in the trail, and return what each came to."""
    with opened_vault() as vault:
        ids = list(disposition.chosen(vault, query))  # a query such as has:hold changes as it is worked on
        came_to = [decision(vault, one) for one in ids]
        said = details.format(messages=len(ids), changed=sum(came_to))
        auditing.by_command(vault, did, subject=query, details=said, messages=ids)
    return came_to


@contextmanager
def _new_where_broken() -> Iterator[Vault]:
    """Open the vault, with a new catalog where the file of the old one is broken."""
    write_log(logging.WARNING)
    vault = Vault(Settings.load(), is_patient=False)
    try:
        if is_broken(vault.catalog):
            if supervisor.runs(vault.settings):
                raise VaultError(
                    "The catalog's file is broken. End the vault first, then start it again: "
                    "it makes the catalog anew by itself."
                )
            aside = set_aside(vault.catalog, mark=f"broken-{utc_now():%Y%m%dT%H%M%SZ}")
            sys.stderr.write(visible(f"The catalog's file is broken; it is now {aside}.\n"))
        migrate(vault.catalog)
        yield vault
    finally:
        vault.close()


@contextmanager
def _progress(what: str, *, total: int | None) -> Iterator[Callable[[int], None]]:
    """Show a bar on a terminal's stderr, nothing elsewhere."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=total)
        yield lambda more: bar.advance(task, more)


def _as_json(problems: list[Problem]) -> list[dict[str, str]]:
    return [{"key": problem.key, "problem": problem.problem} for problem in problems]


def _say_problems(problems: list[Problem]) -> None:
    for problem in problems:
        say(f"{problem.key}: {problem.problem}")


def _exit(*, wrong: bool) -> None:
    if wrong:
        raise typer.Exit(EXIT_WRONG)
