"""A catalog that a bad day left behind: one that cannot be read, and one that is older than its bucket.

A damaged SQLite file is set aside under `up`, and the catalog made again from the bucket by `rebuild` before
anything works on it. A catalog that can be read but lacks what came last (an older copy, a write that the
disk had not kept) is filled up by the first sweep: only days that lack something are read.
"""

from collections.abc import Iterator

import structlog

from mmsvault import auditing, layout, naming
from mmsvault.bucket import Listed
from mmsvault.catalog import sqlite_file, upkeep
from mmsvault.catalog.connection import set_aside, sqlite_path
from mmsvault.catalog.upkeep import Entered
from mmsvault.errors import NotFoundError, UnavailableError
from mmsvault.integrity.rebuilding import bury, enter_folders
from mmsvault.message import utc_now
from mmsvault.vault import Vault

log = structlog.get_logger(__name__)

WHOLE_DAYS = 3
"""So many days with messages, one after the other, that lack nothing: what is older lacks nothing either."""
MOST_WAITING = 2000
"""Of messages that wait for files, the newest that are compared with their records at each start."""


def set_damaged_aside(vault: Vault, *, closely: bool) -> str:
    """Set a damaged SQLite catalog aside, and have it rebuilt; return what is to be said, or nothing.

    A catalog that is missing beside a bucket with messages is rebuilt as well. Every page is looked at if
    `closely`. Raises UnavailableError where the file can be neither read nor renamed.
    """
    path = sqlite_path(vault.catalog)
    if path is None:
        return ""
    try:
        if reason := sqlite_file.damage(path, closely=closely):
            sqlite_file.want_rebuild(path, reason)
            aside = set_aside(vault.catalog, mark=f"broken-{utc_now():%Y%m%dT%H%M%SZ}")
            said = f"The catalog is damaged ({reason}); its file is kept as {aside}."
        elif not sqlite_file.is_there(path) and _has_something(vault):
            sqlite_file.want_rebuild(path, "it is missing")
            said = f"There is no catalog at {path}, and the bucket is not empty."
        else:
            said = ""
        sqlite_file.believe(path)
    except OSError as error:
        raise UnavailableError(f"The catalog {path} cannot be looked at: {error.strerror}.") from error
    return said and f"{said} It is made again from the bucket."


def _has_something(vault: Vault) -> bool:
    """Return whether there are messages or people in the bucket, or it is away and cannot tell."""
    try:
        return vault.bucket.exists() and any(
            found.is_folder for found in vault.bucket.list("", recursive=False)
        )
    except NotFoundError:
        return False
    except UnavailableError:
        return True


def fill_up(vault: Vault) -> int:
    """Enter what the newest days of the bucket have and the catalog does not; return how many messages.

    Where it lacks any, its waiting messages are compared with their records, and deletions are made up for.
    Raises UnavailableError.
    """
    found = sum(_fill_up_days(vault))
    waiting = upkeep.waiting_folders(vault.catalog, limit=0 if found else MOST_WAITING)
    caught_up = enter_folders(vault, waiting)
    if found:
        bury(vault)
        auditing.mend(vault)
        naming.restore(vault)
        log.warning(
            "the catalog was older than the bucket", entered=found, replaced=caught_up[Entered.REPLACED]
        )
    return found


def _fill_up_days(vault: Vault) -> Iterator[int]:
    """Give for each day, from the newest back to where days are whole, how many messages it lacked."""
    whole = 0
    for day in _days(vault):
        lacking = 0
        for batch in upkeep.batches(vault.bucket.list(day, recursive=False)):
            prefixes = {_id(found.key): found.key for found in batch if found.is_folder}
            known = upkeep.folders(vault.catalog, list(prefixes))
            new = [prefix for message_id, prefix in prefixes.items() if message_id not in known]
            lacking += enter_folders(vault, new)[Entered.NEW]
        yield lacking
        whole = 0 if lacking else whole + 1
        if whole == WHOLE_DAYS:
            return


def _days(vault: Vault) -> Iterator[str]:
    """Give the days' folders, the newest first."""
    for year in _newest_first(vault, layout.MESSAGES):
        for month in _newest_first(vault, year):
            yield from _newest_first(vault, month)


def _newest_first(vault: Vault, prefix: str) -> list[str]:
    found: list[Listed] = list(vault.bucket.list(prefix, recursive=False))
    return sorted((one.key for one in found if one.is_folder and _id(one.key).isdigit()), reverse=True)


def _id(prefix: str) -> str:
    return prefix.rstrip("/").rpartition("/")[2]
