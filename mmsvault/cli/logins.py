"""Commands about people's logins: their second factor, and where they are logged in."""

from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from mmsvault import auditing
from mmsvault.catalog import people, second_factors, sessions
from mmsvault.cli.answering import AsJson, for_people, keep_state, opened_vault, print_json
from mmsvault.message import utc_now

Name = Annotated[str, typer.Argument(metavar="NAME", help="For example: anna or anna@example.org")]


def add_to(user: typer.Typer) -> None:
    """Add the commands to those about people."""
    user.command("second-factor")(second_factor)
    user.command("sessions")(list_sessions)


def second_factor(
    name: Name,
    *,
    reset: Annotated[
        bool, typer.Option("--reset", help="Take it away; they set up a new one at the next login.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Say whether somebody has a second factor, or take it away from who lost phone and recovery codes."""
    with opened_vault() as vault:
        kept = people.find(vault.catalog, name)
        was_reset = reset and second_factors.remove(vault.catalog, kept.name)
        if was_reset:
            sessions.end_all(vault.catalog, kept.name)
            auditing.by_command(vault, "reset a second factor", subject=kept.name)
            keep_state(vault)
        left = second_factors.recovery_codes_left(vault.catalog, kept.name)
    is_on = kept.has_second_factor and not was_reset
    if as_json:
        about = {"name": kept.name, "second_factor": is_on, "recovery_codes": left}
        print_json({**about, "reset": was_reset})
    elif was_reset:
        for_people().print(Text(f"{kept.name} has no second factor any more, and is logged out."))
    elif is_on:
        for_people().print(Text(f"{kept.name} has a second factor, and {left} recovery codes are left."))
    else:
        for_people().print(Text(f"{kept.name} has no second factor."))


def list_sessions(
    name: Name,
    *,
    end: Annotated[bool, typer.Option("--end", help="Log them out everywhere.")] = False,
    as_json: AsJson = False,
) -> None:
    """List where somebody is logged in, or log them out."""
    with opened_vault() as vault:
        kept = people.find(vault.catalog, name)
        idle = vault.settings.session_idle
        found = sessions.list_all(vault.catalog, kept.name, now=utc_now(), idle=idle)
        if end:
            ended = sessions.end_all(vault.catalog, kept.name)
            auditing.by_command(vault, "logged out a person", subject=kept.name, details=f"{ended} sessions")
    if as_json:
        print_json({"name": kept.name, "ended": end, "sessions": [one.as_json() for one in found]})
        return
    table = Table("began (UTC)", "last seen (UTC)", "from", "browser")
    for one in found:
        began, seen = (f"{at:%Y-%m-%d %H:%M}" for at in (one.began_at, one.seen_at))
        table.add_row(began, seen, Text(one.source), Text(one.browser))
    for_people().print(table if found else Text(f"{kept.name} is not logged in."))
    if end and found:
        for_people().print(Text(f"{kept.name} is logged out."))
