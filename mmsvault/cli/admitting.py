"""Commands about people: who may look at the archive, and the trail of who did what."""

import sys
from typing import Annotated

import typer
from rich.table import Table

from mmsvault import audit_chain, auditing
from mmsvault.catalog import people, trail
from mmsvault.catalog.people import Person, Role
from mmsvault.catalog.sqlite_file import wants_rebuild
from mmsvault.catalog.trail import Entry
from mmsvault.catalog.views import scope_of
from mmsvault.cli import logins
from mmsvault.cli.answering import (
    AsJson,
    Most,
    for_people,
    harmless,
    keep_state,
    opened_vault,
    print_json,
    say,
)
from mmsvault.cli.logins import Name
from mmsvault.errors import EXIT_WRONG
from mmsvault.state import keeper
from mmsvault.vault import Vault

AsRole = Annotated[Role, typer.Option("--role", help="What they may do; each may do what those before may.")]
Scope = Annotated[
    str, typer.Option(help='What they see: "keyword:storm number:28444" is either; empty: everything.')
]
FromStdin = Annotated[bool, typer.Option("--password-stdin", help="Read the password from stdin.")]

user = typer.Typer(no_args_is_help=True, help="Who may look at the archive, with which role and scope.")
audit = typer.Typer(no_args_is_help=True, help="Who did what, in a chain that shows when it was changed.")


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    logins.add_to(user)
    app.add_typer(user, name="user")
    app.add_typer(audit, name="audit")


@user.command("add")
def add(
    name: Name,
    *,
    role: AsRole = Role.VIEWER,
    scope: Scope = "",
    password_stdin: FromStdin = False,
    as_json: AsJson = False,
) -> None:
    """Let somebody in, and print a one-time password for their first login."""
    given = _from_stdin(wanted=password_stdin)
    with opened_vault() as vault:
        scope_of(scope, region=vault.settings.default_region)
        subject = vault.settings.names_are_subjects
        password = people.add(vault.catalog, name, role=role, scope=scope, password=given, is_subject=subject)
        auditing.by_command(vault, "added a person", subject=name, details=f"{role}, sees {scope or 'all'}")
        keep_state(vault)
    _say_password(name, "" if given else password, as_json=as_json)


@user.command("list")
def list_people(*, as_json: AsJson = False) -> None:
    """List everybody who may log in."""
    with opened_vault() as vault:
        found = people.list_all(vault.catalog)
    if as_json:
        print_json({"users": [_as_json(one) for one in found]})
        return
    table = Table("name", "role", "sees", "password", "second factor")
    for one in found:
        word = "one-time" if one.is_one_time else "own"
        factor = "yes" if one.has_second_factor else ""
        table.add_row(harmless(one.name), one.role, harmless(one.scope or "everything"), word, factor)
    for_people().print(table if found else "There is nobody yet; `mmsvault user add` lets somebody in.")


@user.command("password")
def password(name: Name, *, password_stdin: FromStdin = False, as_json: AsJson = False) -> None:
    """Give somebody a new one-time password; their sessions end."""
    given = _from_stdin(wanted=password_stdin)
    with opened_vault() as vault:
        made = people.set_password(vault.catalog, name, given)
        auditing.by_command(vault, "reset a password", subject=name)
        keep_state(vault)
    _say_password(name, "" if given else made, as_json=as_json)


@user.command("role")
def role(
    name: Name,
    role: Annotated[Role, typer.Argument(help="What they may do.")],
    *,
    scope: Annotated[str | None, typer.Option(help='What they see; left out: as before; "": all.')] = None,
    as_json: AsJson = False,
) -> None:
    """Change what somebody may do and see, as of now."""
    with opened_vault() as vault:
        seen = people.find(vault.catalog, name).scope if scope is None else scope
        scope_of(seen, region=vault.settings.default_region)
        people.change(vault.catalog, name, role=role, scope=seen)
        details = f"{role}, sees {seen or 'everything'}"
        auditing.by_command(vault, "changed a person", subject=name, details=details)
        keep_state(vault)
        changed = people.find(vault.catalog, name)
    if as_json:
        print_json(_as_json(changed))
    else:
        for_people().print(harmless(f"{changed.name} is now {details}."))


@user.command("remove")
def remove(name: Name, *, as_json: AsJson = False) -> None:
    """Let somebody in no longer; their sessions end."""
    with opened_vault() as vault:
        people.remove(vault.catalog, name)
        auditing.by_command(vault, "removed a person", subject=name)
        keep_state(vault)
    if as_json:
        print_json({"removed": name})
    else:
        for_people().print(harmless(f"{name} cannot log in any more."))


@audit.command("list")
def list_trail(
    *,
    who: Annotated[str, typer.Option(help="Of one person only.")] = "",
    action: Annotated[str, typer.Option(help='Of one action only, for example "looked at".')] = "",
    words: Annotated[str, typer.Option(help="With this in subject or details.")] = "",
    number: Annotated[
        str, typer.Option(help="About messages from or to this whole number, in any usual writing.")
    ] = "",
    message: Annotated[str, typer.Option(help="About the message with this id.")] = "",
    since: Annotated[
        str, typer.Option(help="From this day or time on (UTC), like 2014-02-03 or 2014-02-03T09:30.")
    ] = "",
    until: Annotated[str, typer.Option(help="Up to the end of this day, or before this time (UTC).")] = "",
    limit: Most = 50,
    as_json: AsJson = False,
) -> None:
    """List who did what, the newest first. With --json also the ids of the messages of each entry."""
    with opened_vault() as vault:
        asked = auditing.asked(
            vault.settings,
            who=who,
            action=action,
            words=words,
            message=message,
            number=number,
            since=auditing.moment_of(since),
            until=auditing.moment_of(until, is_end=True),
        )
        found = trail.asked_for(vault.catalog, asked, limit=limit)
    if as_json:
        named = [{"messages": [], "numbers": [], **entry.as_json()} for entry in found]
        print_json({"entries": named})
        return
    table = Table("number", "at (UTC)", "who", "from", "did", "to what", "details")
    for entry in found:
        table.add_row(*(harmless(cell) for cell in _row(entry)))
    for_people().print(table if found else "Nothing is in the trail that fits.")


@audit.command("verify")
def verify_trail(
    *,
    repair: Annotated[
        bool,
        typer.Option("--repair", help="Write what one side lacks from the other, and keep both branches."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check that no entry was changed or removed, here or in the bucket. Exit code 1 when one was."""
    with opened_vault() as vault:
        repaired = auditing.mend(vault) if repair else []
        found = audit_chain.compare(vault)
        entries = sum(1 for _ in trail.entries(vault.catalog))
    notes = [one for one in found.findings if one.is_note]
    if as_json:
        answer = {
            "entries": entries,
            "ok": not found.problems,
            "problems": [{"key": one.key, "problem": one.problem} for one in found.problems],
            "notes": [{"key": one.key, "note": one.problem} for one in notes],
        }
        print_json({**answer, "repaired": repaired} if repair else answer)
    else:
        for what in repaired:
            say(what)
        for one in found.findings:
            say(f"{one.key}: {one.problem}")
        say(f"{entries:,} entries checked, {len(found.problems):,} problems.")
    if found.problems:
        raise typer.Exit(EXIT_WRONG)


def first_admin(vault: Vault) -> str | None:
    """Make an admin where there is nobody yet; return the one-time password, None where there is somebody.

    Whoever the bucket knows comes back first; where it knows people and its account of them does not open,
    no admin is made; nor while the catalog waits to be made again from the bucket. Where a provider or a
    proxy names people there is none to make: anybody there could be called so.
    """
    if people.list_all(vault.catalog) or wants_rebuild(vault.settings.catalog_file):
        return None
    auditing.mend(vault)  # the chain of an earlier catalog goes on
    if keeper.restore(vault).people or keeper.unopened(vault):
        return None
    if not vault.settings.has_passwords:
        return None
    made = people.make_first_admin(vault.catalog)
    if made:
        auditing.by_command(vault, "added a person", subject=people.FIRST_ADMIN, details="the first admin")
    return made


def _from_stdin(*, wanted: bool) -> str:
    return sys.stdin.readline().rstrip("\r\n") if wanted else ""


def _say_password(name: str, password: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"name": name, "password": password})
    elif password:
        say(f"One-time password of {name}: {password}")
    else:
        say(f"The password of {name} is set.")


def _as_json(one: Person) -> dict[str, object]:
    about = {"name": one.name, "role": one.role, "scope": one.scope, "one_time": one.is_one_time}
    return {**about, "second_factor": one.has_second_factor}


def _row(entry: Entry) -> tuple[str, ...]:
    when = f"{entry.at:%Y-%m-%d %H:%M:%S}"
    return str(entry.number), when, entry.who, entry.source, entry.action, entry.subject, entry.details
