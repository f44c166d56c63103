"""What waits in quarantine: an index over its folders in the bucket, which tell everything."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine, Select, delete, insert, select

from mmsvault.catalog import tallies
from mmsvault.catalog.connection import reading, retried, writing
from mmsvault.catalog.tables import quarantine
from mmsvault.catalog.tallies import Kind

_WAITS = quarantine.c.understood_as == ""


@dataclass(frozen=True)
class Quarantined:
    """A postback in quarantine: its folder, why it is there, when and from where it came.

    `kept_at` is when it was put there, `times` how often the same body came on that day.
    `understood_as` is the code of one that was understood since, as another notice.
    """

    folder: str
    reason: str
    source: str
    received_at: datetime
    kept_at: datetime
    times: int = 1
    understood_as: str = ""


@dataclass(frozen=True)
class Waiting:
    """How many postbacks wait in quarantine, and the newest of them."""

    count: int
    newest: Quarantined | None


@retried
def enter(engine: Engine, one: Quarantined) -> None:
    """Enter a postback, in place of what was known of its folder."""
    with writing(engine) as connection:
        connection.execute(delete(quarantine).where(quarantine.c.folder == one.folder))
        connection.execute(insert(quarantine), asdict(one))


@retried
def leave(engine: Engine, folders: Iterable[str]) -> None:
    """Forget what is not in quarantine any more."""
    with writing(engine) as connection:
        for folder in folders:
            connection.execute(delete(quarantine).where(quarantine.c.folder == folder))


@retried
def known(engine: Engine) -> set[str]:
    """Return all folders that are entered."""
    with reading(engine) as connection:
        return set(connection.scalars(select(quarantine.c.folder)))


@retried
def waiting(engine: Engine) -> Waiting:
    """Return how many postbacks wait, and the newest."""
    with reading(engine) as connection:
        count = tallies.total(connection, Kind.QUARANTINE)
        found = _read(connection, _newest().limit(1)) if count else []
    return Waiting(count, found[0] if found else None)


@retried
def newest(engine: Engine, *, limit: int) -> list[Quarantined]:
    """Return what waits, the newest first."""
    with reading(engine) as connection:
        return _read(connection, _newest().limit(limit))


def _newest() -> Select[tuple[object, ...]]:
    order = (quarantine.c.kept_at.desc(), quarantine.c.folder.desc())
    return select(quarantine).where(_WAITS).order_by(*order)


def _read(connection: Connection, found: Select[tuple[object, ...]]) -> list[Quarantined]:
    return [Quarantined(**row) for row in connection.execute(found).mappings()]
