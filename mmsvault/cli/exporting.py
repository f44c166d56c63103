"""Commands over archives that leave the house: make one, prove one, bring one back."""

import dataclasses
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from mmsvault import auditing, disposition, importing
from mmsvault.cli.answering import AsJson, opened_vault, print_json, say
from mmsvault.errors import EXIT_WRONG, RejectedInputError
from mmsvault.exporting import delivering, packing, sets
from mmsvault.exporting.outputs import refuse_taken
from mmsvault.exporting.packing import Order, Written
from mmsvault.exporting.planning import FORMATS, SHEET_ORDERS, VOLUME_BYTES, Choice, size_in_bytes, zone_of

PasswordFile = Annotated[
    Path | None, typer.Option(metavar="FILE", help="A file whose first line is the password; - asks for it.")
]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(export)
    app.command("verify-export")(verify_export)
    app.command("import")(import_archive)


def export(
    *,
    query: Annotated[str, typer.Option(help="Which messages, as in `search`; all without it.")] = "",
    output: Annotated[
        str,
        typer.Option(
            metavar="FILE|DIR/",
            help="One ZIP file; or a folder for volumes, which is made where it ends in /.",
        ),
    ] = "",
    replace: Annotated[
        bool, typer.Option("--replace", help="Write over files that are there already.")
    ] = False,
    volume_size: Annotated[
        str, typer.Option(help="Split at this size, like 500M or 4G; 4G in a folder, never in one file.")
    ] = "",
    thumbnails: Annotated[bool, typer.Option(help="Take thumbnails and previews along.")] = True,
    formats: Annotated[
        list[str] | None,
        typer.Option("--format", help=f"Add the messages in this form as well: {', '.join(FORMATS)}."),
    ] = None,
    sheet_order: Annotated[
        str,
        typer.Option(
            help="Which message of a contact sheet is first: oldest or newest. Without it, the oldest where "
            "all messages are of one sender."
        ),
    ] = "",
    zone: Annotated[
        str, typer.Option(help="The time zone of contact sheets, for example Europe/Zurich; else UTC.")
    ] = "",
    sign: Annotated[bool, typer.Option("--sign", help="Sign it with this vault's Ed25519 key.")] = False,
    password_file: PasswordFile = None,
    as_json: AsJson = False,
) -> None:
    """Write messages to ZIP files that open anywhere and prove themselves (BagIt)."""
    target = Path(output)
    into_folder = target.is_dir() or output.endswith(("/", os.sep))
    if not into_folder:
        refuse_taken(target, replace=replace)
    chosen = Choice(
        query=query,
        volume_bytes=size_in_bytes(volume_size) if volume_size else VOLUME_BYTES * into_folder,
        thumbnails=thumbnails,
        formats=_formats(formats or []),
        signed=sign,
        sheet_order=_sheet_order(sheet_order),
        zone=zone,
    )
    zone_of(zone)  # a wrong one is refused now
    password = _password(password_file)
    chosen = chosen.model_copy(update={"encrypted": bool(password)})
    with opened_vault() as vault:
        if ids := disposition.named_ids(vault, query):
            chosen = chosen.model_copy(update={"query": "", "ids": ids})
        made_at = packing.made_now()
        name = f"{delivering.NAME}-{made_at:%Y%m%dT%H%M%SZ}" if into_folder else target.stem
        order = delivering.order(
            vault, chosen, name=name, made_at=made_at, made_by=packing.this_person(), password=password
        )
        order = dataclasses.replace(order, noted_as=auditing.this_person())
        auditing.by_command(vault, "exported", subject=query or "every message", details=name)
        with _progress("exporting", total=order.plan.bytes) as done:
            if into_folder or len(order.plan.volumes) > 1:
                folder = target if into_folder else target.parent
                write = partial(delivering.to_folder, vault, order, folder)
            else:
                folder = target.parent
                write = partial(delivering.to_one_file, vault, order, target)
            written = write(progress=lambda _, size: done(size), replace=replace)
    _tell(order, folder, written, as_json=as_json)


def verify_export(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="A ZIP file, the folder it was unpacked to, or NAME-set.json."),
    ],
    *,
    key: Annotated[str, typer.Option(help="The fingerprint of the key that must have signed it.")] = "",
    password_file: PasswordFile = None,
    as_json: AsJson = False,
) -> None:
    """Check an archive, offline: every file, every manifest, the signature. Exit code 1 where it fails."""
    total = file.stat().st_size if file.is_file() else None
    with _progress("checking", total=total) as done:
        proof = sets.verify_any(file, password=_password(password_file), trusted=key, progress=done)
    if as_json:
        print_json(
            {
                "ok": proof.ok,
                "files": proof.files,
                "bytes": proof.bytes,
                "problems": [{"path": flaw.path, "problem": flaw.problem} for flaw in proof.problems],
                "warnings": [{"path": flaw.path, "problem": flaw.problem} for flaw in proof.warnings],
                "signature": proof.signature,
                "fingerprint": proof.fingerprint,
                "info": proof.info,
            }
        )
    else:
        for flaw in (*proof.problems, *proof.warnings):
            say(f"{flaw.path}: {flaw.problem}")
        signed = f", signed by the key {proof.fingerprint}" if proof.fingerprint else ""
        verdict = "whole and unchanged" if proof.ok else "NOT whole and unchanged"
        say(f"{file}: {verdict}; {proof.files:,} files, {proof.bytes:,} bytes{signed}.")
    if not proof.ok:
        raise typer.Exit(EXIT_WRONG)


def import_archive(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A ZIP file or an unpacked folder.")],
    *,
    password_file: PasswordFile = None,
    as_json: AsJson = False,
) -> None:
    """Bring the messages of an archive into this vault; what is here already is not doubled."""
    with opened_vault() as vault, _progress("importing", total=None) as done:
        came_of = importing.import_archive(vault, file, password=_password(password_file), progress=done)
    answer = {
        "messages": came_of.messages,
        "new": came_of.new,
        "known": came_of.known,
        "problems": [{"path": flaw.path, "problem": flaw.problem} for flaw in came_of.problems],
        "remarks": [{"path": flaw.path, "remark": flaw.problem} for flaw in came_of.remarks],
    }
    if as_json:
        print_json(answer)
    else:
        for flaw in (*came_of.problems, *came_of.remarks):
            say(f"{flaw.path}: {flaw.problem}")
        say(f"{came_of.messages:,} messages: {came_of.new:,} new, {came_of.known:,} here already.")
    if came_of.problems:
        raise typer.Exit(EXIT_WRONG)


def _tell(order: Order, folder: Path, written: list[Written], *, as_json: bool) -> None:
    messages = sum(volume.messages for volume in written)
    if as_json:
        volumes = [{**volume.model_dump(), "path": str(folder / volume.name)} for volume in written]
        signed = order.signer.fingerprint if order.signer else ""
        print_json({"messages": messages, "volumes": volumes, "fingerprint": signed})
        return
    for volume in written:
        say(f"{folder / volume.name}: {volume.messages:,} messages, {volume.bytes:,} bytes")
    signed = f" Signed by the key {order.signer.fingerprint}." if order.signer else ""
    say(f"{messages:,} messages exported.{signed}")


def _formats(given: list[str]) -> tuple[str, ...]:
    chosen = [name for one in given for name in one.split(",") if name]
    for name in chosen:
        if name not in FORMATS:
            raise RejectedInputError(f"There is no format {name!r}; there are {', '.join(FORMATS)}.")
    return tuple(sorted(set(chosen)))


def _sheet_order(given: str) -> str:
    if given and given not in SHEET_ORDERS:
        raise RejectedInputError(
            f"The order of a contact sheet is {' or '.join(SHEET_ORDERS)}, not {given!r}."
        )
    return given


def _password(source: Path | None) -> str:
    if source is None:
        return ""
    if str(source) == "-":
        told: str = typer.prompt("Password", hide_input=True, err=True)
        return told
    try:
        lines = source.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise RejectedInputError(f"{source} cannot be read: {error}") from error
    if not lines or not lines[0]:
        raise RejectedInputError(f"{source} has no password in its first line.")
    return lines[0]


@contextmanager
def _progress(what: str, *, total: int | None) -> Iterator[Callable[[int], None]]:
    """Show a bar on a terminal's stderr, nothing elsewhere."""
    console = Console(stderr=True)
    columns = (
        *(TextColumn("{task.description}"), BarColumn(), DownloadColumn()),
        *(TransferSpeedColumn(), TimeRemainingColumn()),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=total)
        yield lambda more: bar.advance(task, more)
