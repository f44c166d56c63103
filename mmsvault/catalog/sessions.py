"""Who is logged in, and how long somebody who guesses passwords has to wait.

A session is a random token that only the browser has; the catalog keeps its SHA-256. It ends at a
set time, when its person logs out, gets another password or is removed, and at once everywhere.
"""

import hashlib
import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import Engine, delete, func, insert, select

from mmsvault.catalog.connection import reading, writing
from mmsvault.catalog.people import Person, person
from mmsvault.catalog.tables import failures, sessions, users

LONGEST_WAIT = timedelta(minutes=15)
FAILURES_KEPT = timedelta(days=1)
MOST_FAILURES = 1000
"""Beyond, one more wrong password makes no difference."""


def begin(engine: Engine, name: str, *, now: datetime, span: timedelta) -> str:
    """Log a person in and return the token for their browser."""
    token = secrets.token_urlsafe(32)
    with writing(engine) as connection:
        connection.execute(delete(sessions).where(sessions.c.ends_at <= now))
        connection.execute(insert(sessions), {"digest": _digest(token), "name": name, "ends_at": now + span})
    return token


def find(engine: Engine, token: str, *, now: datetime) -> Person | None:
    """Return whose session this is, as they now are; None for one that has ended or never was."""
    if not token:
        return None
    found = (
        select(users)
        .join(sessions, sessions.c.name == users.c.name)
        .where(sessions.c.digest == _digest(token), sessions.c.ends_at > now)
    )
    with reading(engine) as connection:
        row = connection.execute(found).mappings().first()
    return person(row) if row else None


def end(engine: Engine, token: str) -> None:
    """Log out: the token is worth nothing from now on."""
    with writing(engine) as connection:
        connection.execute(delete(sessions).where(sessions.c.digest == _digest(token)))


def end_all(engine: Engine, name: str) -> int:
    """Log a person out wherever they are; return how many sessions that were."""
    with writing(engine) as connection:
        return connection.execute(delete(sessions).where(sessions.c.name == name)).rowcount


def counted(engine: Engine, *, now: datetime) -> dict[str, int]:
    """Return by name how many sessions people have now."""
    found = select(sessions.c.name, func.count().label("n")).where(sessions.c.ends_at > now)
    with reading(engine) as connection:
        return {row.name: row.n for row in connection.execute(found.group_by(sessions.c.name))}


def wait(engine: Engine, free: Mapping[str, int], *, now: datetime) -> timedelta:
    """Return how long whoever has one of these keys must wait; `free` wrong passwords cost nothing.

    Each further one doubles the wait.
    """
    longest = timedelta(0)
    with reading(engine) as connection:
        for row in connection.execute(select(failures).where(failures.c.key.in_(free))).mappings():
            over = row["count"] - free[row["key"]]
            if over >= 0:
                span = min(timedelta(seconds=2 ** min(over, 20)), LONGEST_WAIT)
                longest = max(longest, row["last_at"] + span - now)
    return longest


def count_failure(engine: Engine, keys: Mapping[str, int], *, now: datetime) -> None:
    """Remember a wrong password under these keys."""
    with writing(engine) as connection:
        connection.execute(delete(failures).where(failures.c.last_at < now - FAILURES_KEPT))
        for key in sorted(keys):  # one order for all, so that none waits for another in a circle
            known = connection.scalar(select(failures.c.count).where(failures.c.key == key).with_for_update())
            connection.execute(delete(failures).where(failures.c.key == key))
            count = min((known or 0) + 1, MOST_FAILURES)
            connection.execute(insert(failures), {"key": key, "count": count, "last_at": now})


def forget_failures(engine: Engine, keys: Mapping[str, int]) -> None:
    """Somebody had the right password after all."""
    with writing(engine) as connection:
        connection.execute(delete(failures).where(failures.c.key.in_(keys)))


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
