"""The command that looks at everything and says what to do."""

import logging

import typer
from rich.box import SIMPLE
from rich.table import Table
from rich.text import Text

from mmsvault import rehearsal
from mmsvault.cli.answering import AsJson, for_people, harmless, print_json
from mmsvault.diagnosis import Finding, State, examine
from mmsvault.errors import EXIT_WRONG, ConfigurationError
from mmsvault.settings import Settings
from mmsvault.starting import write_log
from mmsvault.vault import Vault

COLOURS = {State.OK: "green", State.ADVICE: "yellow", State.WRONG: "bold red"}


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(doctor)
    app.command()(postback_url)


def postback_url(*, as_json: AsJson = False) -> None:
    """Print the address that your provider posts to, with its token."""
    address = rehearsal.address(Settings.load())
    if as_json:
        print_json({"url": address})
    else:
        typer.echo(address)


def doctor(*, as_json: AsJson = False) -> None:
    """Look at every setting and server, and say what to do. Exit code 1 when something is wrong."""
    write_log()
    logging.disable(logging.ERROR)  # what goes wrong is what is answered
    findings = _findings()
    is_ok = all(finding.state is not State.WRONG for finding in findings)
    if as_json:
        print_json({"ok": is_ok, "findings": [_as_json(finding) for finding in findings]})
    else:
        _show(findings)
    if not is_ok:
        raise typer.Exit(EXIT_WRONG)


def _as_json(finding: Finding) -> dict[str, str]:
    """Return what scripts are told of a finding; `setting` is there where a setting is to be set right."""
    told = {"check": finding.check, "state": finding.state, "said": finding.said, "advice": finding.advice}
    told["condition"] = finding.condition
    return {**told, "setting": finding.setting} if finding.setting else told


def _findings() -> list[Finding]:
    try:
        vault = Vault(Settings.load(), is_patient=False)
    except ConfigurationError as error:
        return [
            Finding(
                error.setting, State.WRONG, error.problem, "Set it right; docs/settings.md lists them all."
            )
        ]
    try:
        return list(examine(vault))
    finally:
        vault.close()


def _show(findings: list[Finding]) -> None:
    table = Table("", "", "", box=SIMPLE, show_header=False)
    for one in findings:
        said = f"{one.said}\n{one.advice}" if one.advice else one.said
        table.add_row(Text(one.state.value, style=COLOURS[one.state]), harmless(one.check), harmless(said))
    for_people().print(table)
    wrong = sum(one.state is State.WRONG for one in findings)
    for_people().print("Nothing is wrong." if not wrong else f"{wrong:,} of it is wrong.")
