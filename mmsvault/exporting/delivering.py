"""An export written straight to files, while somebody waits for it."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from mmsvault.catalog import upkeep
from mmsvault.errors import RejectedInputError
from mmsvault.exporting import planning
from mmsvault.exporting.holding import CLOCKS_DIFFER, messages_in
from mmsvault.exporting.outputs import refuse_taken, to_file
from mmsvault.exporting.packing import MessageGoneError, Order, Progress, Written, pack, set_manifest
from mmsvault.exporting.planning import Choice
from mmsvault.exporting.signing import own_signer
from mmsvault.message import utc_now
from mmsvault.vault import Vault

NAME = "mms-export"


def order(
    vault: Vault, choice: Choice, *, name: str, made_at: datetime, made_by: str, password: str = ""
) -> Order:
    """Return what is to be made, planned. Raises SearchError, UnavailableError."""
    choice = choice.model_copy(update={"region": vault.settings.default_region})
    return Order(
        name=name,
        choice=choice,
        plan=planning.plan(vault.catalog, choice),
        made_at=made_at,
        made_by=made_by,
        signer=own_signer(vault.settings.data_dir) if choice.signed else None,
        password=password,
    )


def to_one_file(
    vault: Vault, order: Order, path: Path, *, progress: Progress, replace: bool = False
) -> list[Written]:
    """Write the only volume of an export to `path`. Raises RejectedInputError where a file is in the way."""
    began_at = utc_now()
    written = _written(vault, order, 1, path, progress=progress, replace=replace)
    while messages_in(path) & upkeep.deleted_since(vault.catalog, began_at - CLOCKS_DIFFER):
        written = _written(vault, order, 1, path, progress=progress, replace=True)
    return [written.model_copy(update={"name": path.name})]


def to_folder(
    vault: Vault, order: Order, folder: Path, *, progress: Progress, replace: bool = False
) -> list[Written]:
    """Write all volumes and the set manifest into a folder, which is made; where one fails, none is left.

    Raises RejectedInputError, before anything is written, where a file is in the way.
    """
    finished: list[Written] = []
    began_at = utc_now()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RejectedInputError(f"{folder} cannot be made: {error.strerror}.") from error
    numbers = range(1, max(1, len(order.plan.volumes)) + 1)
    for name in (*map(order.volume_name, numbers), order.set_name):
        refuse_taken(folder / name, replace=replace)
    try:
        for number in numbers:
            path = folder / order.volume_name(number)
            finished.append(_written(vault, order, number, path, progress=progress, replace=replace))
        while again := _with_deleted(vault, folder, finished, since=began_at):
            for number in again:
                path = folder / order.volume_name(number)
                finished[number - 1] = _written(vault, order, number, path, progress=progress, replace=True)
        with to_file(folder / order.set_name, replace=replace) as output:
            output.write(set_manifest(order, finished))
    except BaseException:
        for written in finished:
            (folder / written.name).unlink(missing_ok=True)
        raise
    return finished


def _written(
    vault: Vault, order: Order, number: int, path: Path, *, progress: Progress, replace: bool
) -> Written:
    """Write a volume to a file, as often as a message of it is deleted meanwhile."""
    while True:
        try:
            with to_file(path, replace=replace) as output:
                return pack(vault, order, number, output, progress=progress)
        except MessageGoneError:
            continue


def _with_deleted(vault: Vault, folder: Path, finished: Sequence[Written], *, since: datetime) -> list[int]:
    """Return the numbers of the volumes that hold messages which are deleted by now."""
    gone = upkeep.deleted_since(vault.catalog, since - CLOCKS_DIFFER)
    return [
        number
        for number, written in enumerate(finished, start=1)
        if gone and gone & messages_in(folder / written.name)
    ]
