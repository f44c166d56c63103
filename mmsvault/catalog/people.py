"""People who may look at the archive: their role, what they may see of it, and their password.

A password is kept as its Argon2id hash only. One that the vault made and printed is good for
setting another one, and for nothing else.

Names are ASCII and are compared without case. Nothing else is folded or normalized: other letters that
only look alike, or become the same by Unicode's rules, would be another person's name. A subject of a
login provider (`sub`) keeps its case and is compared exactly.
"""

import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError
from sqlalchemy import Connection, Engine, RowMapping, delete, func, insert, select, text, update

from mmsvault.catalog import tries
from mmsvault.catalog.connection import reading, writing
from mmsvault.catalog.tables import selections, sessions, users
from mmsvault.errors import NotFoundError, RefusedError, RejectedInputError
from mmsvault.message import utc_now

FIRST_ADMIN = "admin"
SHORTEST_PASSWORD, LONGEST_PASSWORD = 12, 1000
_NAME = re.compile(r"[a-z0-9][a-z0-9._@+-]{0,99}")
_SUBJECT = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._@+|:=/-]{0,254}")


class Role(StrEnum):
    """What a person may do; each may do what those before it may."""

    VIEWER = "viewer"
    EXPORTER = "exporter"
    MANAGER = "manager"
    ADMIN = "admin"

    def includes(self, other: "Role") -> bool:
        """Return whether this role may do what `other` may."""
        order = list(Role)
        return order.index(self) >= order.index(other)


@dataclass(frozen=True)
class Person:
    """Somebody with a name. `scope` is what they see, in the language of `search`; empty: everything.

    `must_set_up` is whether they need a second factor and have none yet; whoever finds a person by a
    session says so.
    """

    name: str
    role: Role
    scope: str
    is_one_time: bool
    made_at: datetime
    has_second_factor: bool = False
    must_set_up: bool = False

    @property
    def is_ready(self) -> bool:
        """Whether nothing is left to do before they may do anything else."""
        return not (self.is_one_time or self.must_set_up)


def login_name(told: str) -> str:
    """Return a name as it is kept, whatever its case; empty for one that nobody can have."""
    return told.strip().lower() if told.isascii() else ""


def add(
    engine: Engine,
    name: str,
    *,
    role: Role,
    scope: str = "",
    password: str = "",
    is_subject: bool = False,
) -> str:
    """Enter a person and return their password: a one-time one where none is given.

    The caller has parsed the scope. A name that is a provider's subject keeps its case. Raises
    RejectedInputError for a name that is taken or odd.
    """
    given = password or one_time_password()
    row = _row(name, role=role, scope=scope, password=given, is_one_time=not password, is_subject=is_subject)
    with writing(engine) as connection:
        if _exactly(connection, str(row["name"])) is not None:
            raise RejectedInputError(f"There is a person {row['name']!r} already.")
        connection.execute(insert(users), row)
    return given


def make_first_admin(engine: Engine) -> str | None:
    """Make an admin where there is nobody yet, and return the one-time password; else None."""
    password = one_time_password()
    row = _row(FIRST_ADMIN, role=Role.ADMIN, scope="", password=password, is_one_time=True)
    with writing(engine) as connection:
        if connection.dialect.name == "postgresql":  # two first starts at once make one
            connection.execute(text("LOCK TABLE users IN EXCLUSIVE MODE"))
        if connection.scalar(select(func.count()).select_from(users)):
            return None
        connection.execute(insert(users), row)
    return password


def find(engine: Engine, name: str, *, is_subject: bool = False) -> Person:
    """Return the person of that name; a subject's case counts. Raises NotFoundError."""
    with reading(engine) as connection:
        row = _exactly(connection, name) if is_subject else _find(connection, name)
    if row is None:
        raise NotFoundError(f"There is no person {name!r}.")
    return person(row)


def list_all(engine: Engine) -> list[Person]:
    """Return everybody by name."""
    with reading(engine) as connection:
        return [person(row) for row in connection.execute(select(users).order_by(users.c.name)).mappings()]


def recognise(engine: Engine, name: str, password: str) -> Person | None:
    """Return the person if this is their password. It takes as long for a name that nobody has."""
    with reading(engine) as connection:
        row = _find(connection, name)
    hashed = row["password_hash"] if row else _nobodys_hash()
    try:
        PasswordHasher().verify(hashed, password[:LONGEST_PASSWORD].encode("utf-8", "replace"))
    except (Argon2Error, InvalidHashError):
        return None
    return person(row) if row else None


def set_password(engine: Engine, name: str, password: str = "") -> str:
    """Set a password (a one-time one where none is given) and end the person's sessions.

    Tries that were wrong are forgotten.
    """
    given = password or one_time_password()
    change = {"password_hash": hashed(given), "is_one_time": not password}
    tries.forget(engine, f" {_change(engine, name, change)}")
    return given


def fingerprint(engine: Engine, name: str) -> str:
    """Return what is another one after another password was set. Raises NotFoundError."""
    with reading(engine) as connection:
        row = _find(connection, name)
    if row is None:
        raise NotFoundError(f"There is no person {name!r}.")
    return hashlib.sha256(row["password_hash"].encode()).hexdigest()[:16]


def change(engine: Engine, name: str, *, role: Role, scope: str) -> None:
    """Set role and scope, as of now. Raises RefusedError where no admin would be left."""
    _change(engine, name, {"role": role.value, "scope": scope}, keeps_sessions=True)


def remove(engine: Engine, name: str) -> None:
    """Forget a person, and end their sessions and selections.

    Raises NotFoundError, RefusedError for the last admin.
    """
    with writing(engine) as connection:
        kept = _kept_name(connection, name)
        connection.execute(delete(selections).where(selections.c.owner == kept))
        connection.execute(delete(users).where(users.c.name == kept))
        _refuse_without_admin(connection)


def one_time_password() -> str:
    """Return a password that nobody guesses and that can be typed."""
    return "-".join(secrets.token_hex(3) for _ in range(4))


def hashed(password: str) -> str:
    """Return the Argon2id hash of a new password. Raises RejectedInputError."""
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        raise RejectedInputError(f"A password has at least {SHORTEST_PASSWORD} characters.")
    return PasswordHasher().hash(password)


def person(row: RowMapping) -> Person:
    """Return the person that a row is."""
    return Person(
        row["name"],
        Role(row["role"]),
        row["scope"],
        row["is_one_time"],
        row["made_at"],
        has_second_factor=bool(row["second_factor"]),
    )


@cache
def _nobodys_hash() -> str:
    return PasswordHasher().hash(one_time_password())


def _row(
    name: str, *, role: Role, scope: str, password: str, is_one_time: bool, is_subject: bool = False
) -> dict[str, object]:
    kept = name if is_subject else login_name(name)
    if not (_SUBJECT if is_subject else _NAME).fullmatch(kept):
        signs = ". _ @ + - | : = /" if is_subject else ". _ @ + -"
        raise RejectedInputError(f"A name has letters without accents, digits and {signs} only.")
    return {
        "name": kept,
        "password_hash": hashed(password),
        "role": role.value,
        "scope": scope,
        "is_one_time": is_one_time,
        "made_at": utc_now(),
    }


def _find(connection: Connection, name: str) -> RowMapping | None:
    """Return the person of exactly this name, else of this name in lower case."""
    return _exactly(connection, name) or _exactly(connection, login_name(name))


def _exactly(connection: Connection, name: str) -> RowMapping | None:
    if not name.isascii() or "\0" in name:  # no name, and for PostgreSQL no text
        return None
    return connection.execute(select(users).where(users.c.name == name)).mappings().first()


def _kept_name(connection: Connection, name: str) -> str:
    row = _find(connection, name)
    if row is None:
        raise NotFoundError(f"There is no person {name!r}.")
    return str(row["name"])


def _change(engine: Engine, name: str, values: dict[str, object], *, keeps_sessions: bool = False) -> str:
    """Set values of a person, and return the name that they have in the catalog."""
    with writing(engine) as connection:
        kept = _kept_name(connection, name)
        changed = {**values, "changed_at": utc_now()}
        connection.execute(update(users).where(users.c.name == kept).values(changed))
        if not keeps_sessions:
            connection.execute(delete(sessions).where(sessions.c.name == kept))
        _refuse_without_admin(connection)
    return kept


def _refuse_without_admin(connection: Connection) -> None:
    # Somebody who sees everything must be left, or nobody could let anybody in.
    admins = select(func.count()).where(users.c.role == Role.ADMIN.value, users.c.scope == "")
    if not connection.scalar(admins):
        raise RefusedError("this is the last admin; make another one first")
