"""Commands by which people keep what they found: tags, notes, names of senders and saved searches."""

from typing import Annotated

import typer
from rich.table import Table

from mmsvault import auditing, disposition, naming
from mmsvault.annotating import annotate
from mmsvault.catalog import names, queries
from mmsvault.catalog import searches as saved
from mmsvault.cli.answering import AsJson, for_people, harmless, keep_state, opened_vault, parsed, print_json
from mmsvault.errors import RejectedInputError
from mmsvault.message import normal_number, tag_of

Tags = Annotated[list[str] | None, typer.Option(help="A tag; give the option again for more.")]

searches = typer.Typer(no_args_is_help=True, help="Save queries under names, list and remove them.")


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (tag, note, name):
        app.command()(command)
    app.add_typer(searches, name="searches")


def tag(
    query: Annotated[str, typer.Argument(help="A search query, or ids of messages.")],
    *,
    add: Tags = None,
    remove: Tags = None,
    as_json: AsJson = False,
) -> None:
    """Add tags to all messages that a query finds, or take them away."""
    added = [tag_of(name) for name in add or []]
    removed = [" ".join(_clean(name).split()) for name in remove or []]
    if not added and not removed:
        raise RejectedInputError("Give --add TAG or --remove TAG.")
    with opened_vault() as vault:
        # All of them first: a tag that is added may change what the query finds.
        found = list(disposition.chosen(vault, query))
        for message_id in found:
            annotate(vault, message_id, tag=added, untag=removed)
        said = ", ".join([*(f"+{name}" for name in added), *(f"-{name}" for name in removed)])
        details = f"{said}: {len(found):,} messages"
        auditing.by_command(vault, "tagged", subject=query, details=details, messages=found)
    if as_json:
        print_json({"messages": len(found)})
    else:
        for_people().print(f"{len(found):,} messages are tagged so." if found else "No message matches.")


def note(
    message_id: Annotated[
        str, typer.Argument(metavar="ID", help="A message's id, or a query that finds just one.")
    ],
    text: Annotated[str | None, typer.Argument(help='The note; "" takes it away.')] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Show the note of a message, or write it."""
    with opened_vault() as vault:
        message = disposition.one(vault, message_id)
        if text is None:
            auditing.by_command(vault, "looked at", subject=message.id, messages=(message.id,))
        else:
            message = annotate(vault, message.id, note=text)
            auditing.by_command(vault, "wrote a note", subject=message.id, messages=(message.id,))
    if as_json:
        print_json({"id": message.id, "note": message.note})
    else:
        for_people().print(harmless(message.note or "The message has no note."))


def name(
    number: Annotated[
        str,
        typer.Argument(help="Whose, as `senders` lists it: 14085550123. Or the id of a message of theirs."),
    ],
    given: Annotated[str | None, typer.Argument(metavar="[NAME]", help='"" takes it away.')] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Show the name of a sender, or give one, by which `from:"Anna"` finds them."""
    with opened_vault() as vault:
        ids = disposition.named_ids(vault, number)
        sender = normal_number(queries.load(vault.catalog, ids[0]).sender if len(ids) == 1 else number)
        if given is None:
            known = names.of(vault.catalog, [sender]).get(sender, "")
        else:
            known = naming.name(vault, sender, given)
            auditing.by_command(vault, "named a sender", subject=sender, numbers=(sender,))
    if as_json:
        print_json({"number": sender, "name": known})
    else:
        for_people().print(harmless(known or "The sender has no name."))


@searches.command("save")
def save_search(
    name: Annotated[str, typer.Argument(help="For example: storm pictures")],
    query: Annotated[str, typer.Argument(help="For example: keyword:storm type:image")],
) -> None:
    """Save a query under a name, in place of the one that had it."""
    if not _clean(name).strip():
        raise RejectedInputError("A saved search needs a name.")
    with opened_vault() as vault:
        parsed(vault, query)
        saved.save(vault.catalog, _clean(name).strip(), _clean(query))
        keep_state(vault)


@searches.command("list")
def list_searches(*, as_json: AsJson = False) -> None:
    """List the saved searches."""
    with opened_vault() as vault:
        found = saved.list_all(vault.catalog)
    if as_json:
        print_json({"searches": [{"name": one.name, "query": one.query} for one in found]})
        return
    table = Table("name", "query")
    for one in found:
        table.add_row(harmless(one.name), harmless(one.query))
    for_people().print(table if found else "There is no saved search.")


@searches.command("remove")
def remove_search(name: Annotated[str, typer.Argument(help="The name that it was saved under.")]) -> None:
    """Forget a saved search."""
    with opened_vault() as vault:
        saved.remove(vault.catalog, name)
        keep_state(vault)


def _clean(text: str) -> str:
    """Return what a terminal handed over as text that every database holds."""
    return text.encode("utf-8", "replace").decode().replace("\0", "")
