"""Who is logged in, where, and until when.

A session is a random token that only the browser has; the catalog keeps its SHA-256. It ends at a
set time, when its person did nothing for a while, when they log out, get another password or are
removed, and at once everywhere.
"""

import hashlib
import secrets
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Engine, and_, delete, func, insert, select, update

from mmsvault.catalog.connection import reading, writing
from mmsvault.catalog.entering import insert_new
from mmsvault.catalog.people import Person, person
from mmsvault.catalog.tables import sessions, used_once, users
from mmsvault.errors import UnavailableError

NEVER = timedelta(0)
"""As the span of idleness after which sessions end: they do not."""
NOTED_EVERY = timedelta(minutes=1)
LONGEST_BROWSER = 60


@dataclass(frozen=True)
class Session:
    """Where a person is logged in. `id` names it and opens nothing; `source` is the address it began from."""

    id: str
    began_at: datetime
    seen_at: datetime
    ends_at: datetime
    source: str
    browser: str

    def as_json(self) -> dict[str, str]:
        """Return the session for scripts, without its id."""
        moments = {"began_at": self.began_at, "seen_at": self.seen_at, "ends_at": self.ends_at}
        told = {name: at.isoformat().replace("+00:00", "Z") for name, at in moments.items()}
        return {**told, "source": self.source, "browser": self.browser}


def begin(
    engine: Engine, name: str, *, now: datetime, span: timedelta, source: str = "", browser: str = ""
) -> str:
    """Log a person in and return the token for their browser."""
    token = secrets.token_urlsafe(32)
    row = {
        "digest": digest(token),
        "name": name,
        "ends_at": now + span,
        "began_at": now,
        "seen_at": now,
        "source": source,
        "browser": browser[:LONGEST_BROWSER],
    }
    with writing(engine) as connection:
        connection.execute(delete(sessions).where(sessions.c.ends_at <= now))
        connection.execute(insert(sessions), row)
    return token


def find(
    engine: Engine, token: str, *, now: datetime, idle: timedelta = NEVER, is_activity: bool = False
) -> Person | None:
    """Return whose session this is, as they now are; None for one that has ended or never was.

    `idle` is how long somebody may do nothing. With `is_activity` this is something that they do; it is
    noted once a minute at most.
    """
    if not token:
        return None
    found = (
        select(users, sessions.c.seen_at)
        .join(sessions, sessions.c.name == users.c.name)
        .where(sessions.c.digest == digest(token), _lives(now, idle))
    )
    with reading(engine) as connection:
        row = connection.execute(found).mappings().first()
    if row is None:
        return None
    if is_activity and row["seen_at"] <= now - (min(NOTED_EVERY, idle / 4) if idle else NOTED_EVERY):
        with suppress(UnavailableError):  # to look needs no catalog that takes something in
            _note(engine, token, now=now)
    return person(row)


def list_all(engine: Engine, name: str, *, now: datetime, idle: timedelta = NEVER) -> list[Session]:
    """Return where a person is logged in, the one that was seen last first."""
    found = select(sessions).where(sessions.c.name == name, _lives(now, idle))
    with reading(engine) as connection:
        rows = connection.execute(found.order_by(sessions.c.seen_at.desc(), sessions.c.digest)).mappings()
        return [
            Session(
                row["digest"], row["began_at"], row["seen_at"], row["ends_at"], row["source"], row["browser"]
            )
            for row in rows
        ]


def end(engine: Engine, token: str) -> None:
    """Log out: the token is worth nothing from now on."""
    with writing(engine) as connection:
        connection.execute(delete(sessions).where(sessions.c.digest == digest(token)))


def end_one(engine: Engine, name: str, session_id: str) -> bool:
    """End one of a person's sessions; return whether there was such a one."""
    ended = delete(sessions).where(sessions.c.name == name, sessions.c.digest == session_id)
    with writing(engine) as connection:
        return connection.execute(ended).rowcount > 0


def end_all(engine: Engine, name: str, *, but: str = "") -> int:
    """Log a person out wherever they are, `but` for the session of that id; return how many that were."""
    ended = delete(sessions).where(sessions.c.name == name, sessions.c.digest != but)
    with writing(engine) as connection:
        return connection.execute(ended).rowcount


def counted(engine: Engine, *, now: datetime, idle: timedelta = NEVER) -> dict[str, int]:
    """Return by name how many sessions people have now."""
    found = select(sessions.c.name, func.count().label("n")).where(_lives(now, idle))
    with reading(engine) as connection:
        return {row.name: row.n for row in connection.execute(found.group_by(sessions.c.name))}


def use_once(engine: Engine, what: str, *, now: datetime, ends_at: datetime) -> bool:
    """Return whether this is the first use of something that is good for one use, until it ends."""
    with writing(engine) as connection:
        connection.execute(delete(used_once).where(used_once.c.ends_at <= now))
        return insert_new(connection, used_once, {"digest": digest(what), "ends_at": ends_at})


def digest(token: str) -> str:
    """Return what the catalog keeps of a token: its SHA-256. It is the id of its session."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


def _lives(now: datetime, idle: timedelta) -> ColumnElement[bool]:
    if not idle:
        return sessions.c.ends_at > now
    return and_(sessions.c.ends_at > now, sessions.c.seen_at > now - idle)


def _note(engine: Engine, token: str, *, now: datetime) -> None:
    # With the power some notes may be lost: the person then logs in earlier than they would have to.
    with writing(engine, forced=False) as connection:
        seen = update(sessions).where(sessions.c.digest == digest(token), sessions.c.seen_at < now)
        connection.execute(seen.values(seen_at=now))
