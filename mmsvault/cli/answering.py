"""Commands that ask the archive and answer for people, or with `--json` for scripts."""

import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Annotated, Any

import typer
from pydantic import TypeAdapter
from redis.exceptions import RedisError
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from mmsvault import auditing, disposition
from mmsvault.catalog import counting, language, quarantine, queries, searches, totals, verdicts
from mmsvault.catalog.connection import migrate
from mmsvault.catalog.totals import AT_RISK
from mmsvault.core import streams
from mmsvault.embedded import supervisor
from mmsvault.errors import RejectedInputError, UnavailableError
from mmsvault.message import Message, pretty_json, utc_now
from mmsvault.ops import conditions
from mmsvault.ops.gather import gather
from mmsvault.queueing import figures
from mmsvault.queueing.spool import Spool
from mmsvault.settings import Settings
from mmsvault.starting import write_log
from mmsvault.state import keeper
from mmsvault.terminal import ascii_json, visible, visible_json, visible_line
from mmsvault.vault import Vault

AsJson = Annotated[bool, typer.Option("--json", help="Answer with JSON, for scripts.")]
Orders = Annotated[str, typer.Option(help=f"Which first: {', '.join(counting.ORDERS)}.")]
Most = Annotated[int, typer.Option(min=1, max=1_000_000, help="How many at the most.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (search, show, status, senders, keywords):
        app.command()(command)


def search(
    query: Annotated[
        str, typer.Argument(help='For example: 0147 storm, or from:14085550123 "old harbor"')
    ] = "",
    *,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many messages at the most.")] = 50,
    after: Annotated[str, typer.Option(help="The `next` of the page before.")] = "",
    saved: Annotated[str, typer.Option(help="The name of a saved search, to look within.")] = "",
    as_json: AsJson = False,
) -> None:
    """Find messages by number, keyword, words and more; the newest come first."""
    with opened_vault() as vault:
        within = searches.find(vault.catalog, saved).query if saved else ""
        asked = language.Query(parsed(vault, within).groups + parsed(vault, query).groups)
        page = queries.search(vault.catalog, asked, limit=limit, after=after or None)
        total = totals.total(vault.catalog, asked)
        auditing.by_command(vault, "searched", subject=f"{within} {query}".strip() or "everything")
    if as_json:
        found = [message.as_json() for message in page.messages]
        print_json({"total": total.messages, "messages": found, "next": page.next})
        return
    # Ids and numbers are there to be copied: the subject gives way.
    table = Table(box=SIMPLE, padding=(0, 1, 0, 0))
    for name in ("id", "received", "from", "keyword", "files", "state"):
        table.add_column(name, no_wrap=True, overflow="fold")
    table.add_column("subject")
    for message in page.messages:
        table.add_row(*(harmless(cell) for cell in _row(message)))
    if page.messages:
        for_people().print(table)
    for hint in language.hints(query, region=vault.settings.default_region):
        better = f" Did you mean: {hint.correction}" if hint.correction else ""
        sys.stderr.write(visible(f"{hint.problem}{better}\n"))
    more = "" if total.is_exact else "more than "
    shown = f"{len(page.messages)} of {more}{total.messages:,} messages"
    for_people().print(shown if total.messages else "No message matches.")


def show(
    message_id: Annotated[
        str, typer.Argument(metavar="ID", help="A message's id, or a query that finds just one.")
    ],
    *,
    as_json: AsJson = False,
) -> None:
    """Show one message with its files."""
    with opened_vault() as vault:
        message = disposition.one(vault, message_id)
        auditing.by_command(vault, "looked at", subject=message.id, messages=(message.id,))
    if as_json:
        print_json(message.as_json())
        return
    about = Table(show_header=False, box=None)
    for name, value in message.as_json().items():
        if name != "media":
            about.add_row(name, harmless(", ".join(value) if isinstance(value, list) else str(value)))
    for_people().print(about)
    files = Table("file", "state", "type", "bytes", Column("key", overflow="fold"), "reason", box=SIMPLE)
    for item in message.media:
        size = "" if item.size is None else f"{item.size:,}"
        cells = (
            str(item.position),
            item.state.value,
            item.content_type,
            size,
            item.key,
            item.doubt or item.reason,
        )
        files.add_row(*(harmless(cell) for cell in cells))
    for_people().print(files if message.media else "The message has no files.")


def status(*, as_json: AsJson = False) -> None:
    """Count what is archived, waiting and lost."""
    with opened_vault() as vault:
        counts = totals.counts(vault.catalog, at_risk_before=utc_now() + AT_RISK)
        queued = _queued(vault)
        spooled = len(Spool(vault.settings.spool_dir))
        waiting = quarantine.waiting(vault.catalog)
        verified = verdicts.latest(vault.catalog)
        wrong = [one for one in conditions.judge(gather(vault)) if one.stands]
    oldest = counts.oldest_pending_at
    answer = {
        "messages": counts.messages,
        "media": counts.media,
        "receipts": counts.receipts,
        "queues": queued,
        "spool": spooled,
        "at_risk": counts.at_risk,
        "oldest_pending_at": oldest.isoformat().replace("+00:00", "Z") if oldest else None,
        "bytes": counts.bytes,
        "quarantine": _quarantine(waiting),
        "verified": {one.extent.value: _verdict(one) for one in verified},
        "conditions": [_condition(one) for one in wrong],
    }
    if as_json:
        print_json(answer)
        return
    table = Table(show_header=False, box=None)
    said = {"quarantine": _quarantine_said(waiting), "conditions": _conditions_said(wrong)}
    for name, value in {**answer, **said}.items():
        text = (
            ", ".join(f"{key} {_said(number)}" for key, number in value.items())
            if isinstance(value, dict)
            else value
        )
        table.add_row(name, Text(str(text if text is not None else "-")))
    for_people().print(table)


def _quarantine(waiting: quarantine.Waiting) -> dict[str, Any]:
    newest = waiting.newest
    return {
        "waiting": waiting.count,
        "newest_at": newest.received_at.isoformat().replace("+00:00", "Z") if newest else None,
        "newest_reason": newest.reason if newest else None,
        "newest_key": newest.folder if newest else None,
    }


def _quarantine_said(waiting: quarantine.Waiting) -> str:
    newest = waiting.newest
    if newest is None:
        return "empty"
    return (
        f"{waiting.count:,} not understood; the newest, of {newest.received_at:%Y-%m-%d %H:%M} UTC: "
        f"{newest.reason} Correct it on the dashboard, or run `mmsvault replay {newest.folder}`."
    )


def _condition(one: conditions.Finding) -> dict[str, str]:
    return {
        "id": one.condition.id,
        "severity": one.condition.severity.value,
        "summary": one.answer.sentence,
        "details": one.answer.details,
        "advice": one.next_step,
    }


def _conditions_said(wrong: Sequence[conditions.Finding]) -> str:
    return "\n".join(f"{one.answer.sentence} {one.next_step}" for one in wrong) or "all is well"


def _verdict(one: verdicts.Verdict) -> dict[str, Any]:
    at = one.ended_at.isoformat().replace("+00:00", "Z")
    return {"at": at, "checked": one.checked, "problems": one.problems}


def _said(value: Any) -> str:
    if isinstance(value, dict):
        return f"on {value['at'][:10]} ({value['checked']:,} objects, {value['problems']:,} problems)"
    return f"{value:,}"


def senders(*, order: Orders = "last_at", limit: Most = 50, as_json: AsJson = False) -> None:
    """List who sent messages, with their counts, first and last time."""
    with opened_vault() as vault:
        tallies = counting.list_senders(vault.catalog, order=_order(order), limit=limit)
    _show_tallies("senders", tallies, as_json=as_json)


def keywords(*, order: Orders = "last_at", limit: Most = 50, as_json: AsJson = False) -> None:
    """List the keywords that messages came with, likewise."""
    with opened_vault() as vault:
        tallies = counting.list_keywords(vault.catalog, order=_order(order), limit=limit)
    _show_tallies("keywords", tallies, as_json=as_json)


def _order(name: str) -> counting.Order:
    for order in counting.ORDERS:
        if name == order:
            return order
    raise RejectedInputError(f"--order takes {', '.join(counting.ORDERS)}.")


def _show_tallies(name: str, tallies: list[counting.Tally], *, as_json: bool) -> None:
    if as_json:
        print_json({name: TypeAdapter(list[counting.Tally]).dump_python(tallies, mode="json")})
        return
    told = ("name",) if name == "senders" else ()
    table = Table(name, *told, "as written", "messages", "first (UTC)", "last (UTC)")
    for one in tallies:
        times = (f"{at:%Y-%m-%d %H:%M}" for at in (one.first_at, one.last_at))
        known = (harmless(one.known_as),) if told else ()
        table.add_row(harmless(one.key or "none"), *known, harmless(one.name), f"{one.messages:,}", *times)
    for_people().print(table if tallies else f"There are no {name} yet.")


def parsed(vault: Vault, query: str) -> language.Query:
    """Return which messages a query or ids name. Raises SearchError."""
    return disposition.query_of(vault, query)


@contextmanager
def opened_vault() -> Iterator[Vault]:
    """Give the vault of the settings, with its catalog in its newest form."""
    write_log(logging.WARNING)  # to stderr: stdout is for the answer
    vault = Vault(Settings.load(), is_patient=False)
    try:
        migrate(vault.catalog)
        yield vault
    finally:
        vault.close()


def keep_state(vault: Vault) -> None:
    """Have the bucket know at once what was changed of people and the like; else the sweep sees to it."""
    with suppress(UnavailableError):
        keeper.keep(vault)


def _queued(vault: Vault) -> dict[str, int]:
    try:
        return figures.lengths(vault.redis)
    except RedisError as error:
        raise queue_away(vault.settings) from error


def queue_away(settings: Settings) -> UnavailableError:
    """Return the error of a command that needs the queue and does not find it, with what to start."""
    return UnavailableError(f"The queue cannot be reached: {_what_to_start(settings)}")


def _what_to_start(settings: Settings) -> str:
    if not settings.embeds_redis:
        return "the Redis of MMSVAULT_REDIS_URL does not answer. Look at that setting and at the server."
    if supervisor.runs(settings):
        return "`mmsvault up` runs, and its Redis does not answer. Look at what `up` says."
    folder = settings.data_dir.absolute()
    return f"no vault runs in {folder}. Start it with `mmsvault up`, or set MMSVAULT_DATA_DIR."


def _row(message: Message) -> tuple[str, ...]:
    return (
        message.id,
        f"{message.received_at:%Y-%m-%d %H:%M}",
        message.sender,
        message.keyword,
        str(len(message.media)),
        message.state.value,
        message.subject,
    )


def for_people() -> Console:
    """Return where answers for people go; what is not a terminal has room for whole lines."""
    width = None if sys.stdout.isatty() else 200
    return Console(highlight=False, markup=False, emoji=False, width=width)


def harmless(text: str) -> Text:
    """Return text that others may have written, to print for people: nothing in it is obeyed."""
    return Text(visible(text))


def say(line: str) -> None:
    """Write one line for people, which may quote what others wrote."""
    sys.stdout.write(f"{visible_line(line)}\n")


def print_json(value: Any) -> None:
    """Write the answer for scripts, which a terminal may show as well."""
    text = visible_json(pretty_json(value))
    sys.stdout.write(text if streams.takes(text) else ascii_json(text))
