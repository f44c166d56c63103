"""An export written straight to files, while somebody waits for it."""

from datetime import datetime
from pathlib import Path

from mmsvault.errors import RejectedInputError
from mmsvault.exporting import planning
from mmsvault.exporting.outputs import to_file
from mmsvault.exporting.packing import Order, Progress, Written, pack, set_manifest
from mmsvault.exporting.planning import Choice
from mmsvault.exporting.signing import own_signer
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


def to_one_file(vault: Vault, order: Order, path: Path, *, progress: Progress) -> list[Written]:
    """Write the only volume of an export to `path`."""
    with to_file(path) as output:
        written = pack(vault, order, 1, output, progress=progress)
    return [written.model_copy(update={"name": path.name})]


def to_folder(vault: Vault, order: Order, folder: Path, *, progress: Progress) -> list[Written]:
    """Write all volumes and the set manifest into a folder; where one fails, none is left."""
    finished: list[Written] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RejectedInputError(f"{folder} cannot be made: {error.strerror}.") from error
    try:
        for number in range(1, max(1, len(order.plan.volumes)) + 1):
            with to_file(folder / order.volume_name(number)) as output:
                finished.append(pack(vault, order, number, output, progress=progress))
        with to_file(folder / order.set_name) as output:
            output.write(set_manifest(order, finished))
    except BaseException:
        for written in finished:
            (folder / written.name).unlink(missing_ok=True)
        raise
    return finished
