"""How often somebody may try to log in: a try is counted before it is looked at.

Tries are counted under several keys, such as a name and an address. Under each, some are free; after
those every further one has to wait, each twice as long as the one before. All dashboards count in the
catalog, in one transaction a try, so however many tries come at once, no more than the limit are
looked at. A try that was right is taken back.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine, delete, insert, select, text, update

from mmsvault.catalog.connection import writing
from mmsvault.catalog.tables import failures

FIRST_WAIT = timedelta(minutes=1)
LONGEST_WAIT = timedelta(minutes=15)
KEPT = timedelta(days=1)
MOST = 1000
"""Beyond, one more makes no difference."""


@dataclass(frozen=True)
class Limit:
    """`free` tries need no wait; one of those counted is forgiven in each span `forgiven_every`.

    A try that was right takes all of its key back. Where many people share a key (`is_shared`), as
    they share an address, it takes back itself only: others' wrong tries stay counted.
    """

    free: int
    forgiven_every: timedelta = LONGEST_WAIT
    is_shared: bool = False


Limits = Mapping[str, Limit]


def take(engine: Engine, limits: Limits, *, now: datetime) -> dict[str, datetime]:
    """Count a try under all of these keys, and return nothing; or count it under none of them.

    Then it may not be looked at: returned is for each key that has no try left until when that is so.
    """
    with writing(engine, forced=False) as connection:  # with the power some tries may be forgotten
        if connection.dialect.name == "postgresql":
            connection.execute(text("LOCK TABLE failures IN EXCLUSIVE MODE"))
        connection.execute(delete(failures).where(failures.c.last_at < now - KEPT))
        counts = _counts(connection, limits, now=now)
        waits = {
            key: until
            for key, (count, last_at) in counts.items()
            if (until := last_at + _wait(count - limits[key].free)) > now
        }
        if not waits:
            connection.execute(delete(failures).where(failures.c.key.in_(limits)))
            rows = [
                {"key": key, "count": min(counts[key][0] + 1 if key in counts else 1, MOST), "last_at": now}
                for key in limits
            ]
            connection.execute(insert(failures), rows)
    return waits


def take_back(engine: Engine, limits: Limits) -> None:
    """Uncount a try that was right."""
    alone = [key for key, limit in limits.items() if not limit.is_shared]
    shared = [key for key, limit in limits.items() if limit.is_shared]
    with writing(engine, forced=False) as connection:
        connection.execute(delete(failures).where(failures.c.key.in_(alone)))
        counted = update(failures).where(failures.c.key.in_(shared), failures.c.count > 0)
        connection.execute(counted.values(count=failures.c.count - 1))


def forget(engine: Engine, ending: str) -> None:
    """Uncount every try under the keys with this ending, such as a name."""
    with writing(engine) as connection:
        connection.execute(delete(failures).where(failures.c.key.endswith(ending, autoescape=True)))


def _counts(connection: Connection, limits: Limits, *, now: datetime) -> dict[str, tuple[int, datetime]]:
    """Return the tries that are counted under each key and not forgiven yet, and when the last one was."""
    found = connection.execute(select(failures).where(failures.c.key.in_(limits))).mappings()
    return {
        row["key"]: (
            max(0, row["count"] - (now - row["last_at"]) // limits[row["key"]].forgiven_every),
            row["last_at"],
        )
        for row in found
    }


def _wait(over: int) -> timedelta:
    """Return the wait before the next try, after so many more than the free ones."""
    if over < 0:
        return timedelta(0)
    return min(FIRST_WAIT * (1 << min(over, 20)), LONGEST_WAIT)
