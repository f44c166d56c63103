"""The account of a catalog, read from its tables, and an account merged into a catalog.

Of two accounts of a person the one that was changed last counts, and so for a saved search. Whoever is in
the catalog and not in the account, and was not changed since that was taken, was removed in between.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, delete, func, insert, select, update

from mmsvault.catalog import writes
from mmsvault.catalog.connection import reading, writing
from mmsvault.catalog.number_text import NumberText
from mmsvault.catalog.people import Role
from mmsvault.catalog.second_factors import STEP_SECONDS
from mmsvault.catalog.tables import (
    EXPORTS_CHANGED,
    exports,
    recovery_codes,
    searches,
    serials,
    sessions,
    users,
)
from mmsvault.state.record import KeptExport, KeptPerson, KeptSearch, State

UNFINISHED = ("waiting", "running")
LEFT_AS_IT_IS = "ending"
"""State of exports that are being cancelled or deleted: nothing is kept of them."""
WRITTEN_TOGETHER = timedelta(minutes=5)
"""A row is entered that long after its time at the most."""


@dataclass(frozen=True)
class Merged:
    """What an account changed in a catalog: names of people with their roles, counts of the rest."""

    people: tuple[tuple[str, Role], ...] = ()
    removed: tuple[str, ...] = ()
    searches: int = 0
    exports: int = 0


def take(engine: Engine, *, taken_at: datetime) -> State:
    """Return the account of the catalog as it is now."""
    with reading(engine) as connection:
        return State(
            left_out=0,
            taken_at=taken_at,
            people=tuple(_people(connection)),
            searches=tuple(_searches(connection)),
            exports=tuple(_exports(connection)),
        )


def version(engine: Engine) -> tuple[Any, ...]:
    """Return what differs after anything of the account was changed, without reading all of it."""
    with reading(engine) as connection:
        of_people = func.coalesce(users.c.changed_at, users.c.made_at)
        asked = (
            select(users.c.name, of_people).order_by(users.c.name),
            select(func.count()).select_from(recovery_codes),
            select(func.count(), func.max(searches.c.saved_at)),
            select(serials.c.value).where(serials.c.name == EXPORTS_CHANGED),
        )
        return tuple(tuple(map(tuple, connection.execute(one))) for one in asked)


def merge(engine: Engine, state: State) -> Merged:
    """Bring an account that this catalog does not know into it, in one transaction."""
    with writing(engine) as connection:
        people = {one.name: one for one in _people(connection)}
        came = tuple((one.name, one.role) for one in state.people if _bring(connection, one, people))
        found = _merge_searches(connection, state)
        register = set(connection.scalars(select(exports.c.id)))
        entered = [_export_row(one) for one in state.exports if one.id not in register]
        if entered:
            connection.execute(insert(exports), entered)
            writes.count_on(connection, EXPORTS_CHANGED)
        return Merged(came, tuple(_remove_people(connection, state)), found, len(entered))


def has_people(engine: Engine) -> bool:
    """Return whether anybody may log in."""
    with reading(engine) as connection:
        return bool(connection.scalar(select(func.count()).select_from(users)))


def forget_searches(engine: Engine, number: NumberText) -> int:
    """Remove the saved searches that name a number, in their scope as well; return how many those were."""
    with writing(engine) as connection:
        named = [one.name for one in _searches(connection) if number.is_in(one.query, one.name, one.scope)]
        connection.execute(delete(searches).where(searches.c.name.in_(named)))
    return len(named)


def _people(connection: Connection) -> Iterator[KeptPerson]:
    codes: dict[str, list[str]] = {}
    for row in connection.execute(select(recovery_codes).order_by(recovery_codes.c.digest)):
        codes.setdefault(row.name, []).append(row.digest)
    for found in connection.execute(select(users).order_by(users.c.name)).mappings():
        told = {
            **found,
            "role": Role(found["role"]),
            "changed_at": found["changed_at"] or found["made_at"],
            "recovery_codes": tuple(codes.get(found["name"], ())),
        }
        yield KeptPerson.model_construct(**{name: told[name] for name in KeptPerson.model_fields})


def _searches(connection: Connection) -> Iterator[KeptSearch]:
    for row in connection.execute(select(searches).order_by(searches.c.name)).mappings():
        yield KeptSearch.model_construct(**row)


def _exports(connection: Connection) -> Iterator[KeptExport]:
    found = select(exports).where(exports.c.state != LEFT_AS_IT_IS).order_by(exports.c.id)
    for row in connection.execute(found).mappings():
        told = {name: row[name] for name in KeptExport.model_fields} | {"volumes": tuple(row["volumes"])}
        if row["state"] in UNFINISHED:
            told |= {"state": "waiting", "volumes": (), "began_at": None, "messages": 0, "bytes": 0}
        yield KeptExport.model_construct(**told)


def _bring(connection: Connection, theirs: KeptPerson, here: dict[str, KeptPerson]) -> bool:
    """Enter a person, or what was changed of them; return whether that was so."""
    ours = here.get(theirs.name)
    if ours and ours.changed_at >= theirs.changed_at:
        return False
    row = {
        **theirs.model_dump(exclude={"name", "recovery_codes"}),
        "role": theirs.role.value,
        # A code that was used once may not be used again: none of before now counts.
        "second_factor_step": int(datetime.now(UTC).timestamp()) // STEP_SECONDS,
    }
    if ours:
        connection.execute(update(users).where(users.c.name == theirs.name).values(row))
        connection.execute(delete(sessions).where(sessions.c.name == theirs.name))
        connection.execute(delete(recovery_codes).where(recovery_codes.c.name == theirs.name))
    else:
        connection.execute(insert(users), {"name": theirs.name, **row})
    codes = [{"name": theirs.name, "digest": digest} for digest in theirs.recovery_codes]
    if codes:
        connection.execute(insert(recovery_codes), codes)
    return True


def _remove_people(connection: Connection, state: State) -> list[str]:
    """Remove who was removed before the account was taken, unless no admin would be left."""
    kept = {one.name for one in state.people}
    gone = [
        one.name
        for one in _people(connection)
        if one.name not in kept and one.changed_at < state.taken_at - WRITTEN_TOGETHER
    ]
    sees_all = (users.c.role == Role.ADMIN.value) & (users.c.scope == "")
    admins = select(func.count()).select_from(users).where(sees_all, users.c.name.not_in(gone))
    if not (kept and gone and connection.scalar(admins)):
        return []
    connection.execute(delete(users).where(users.c.name.in_(gone)))
    return gone


def _merge_searches(connection: Connection, state: State) -> int:
    ours = {one.name: one for one in _searches(connection)}
    theirs = {one.name: one for one in state.searches}
    newer = [one for one in theirs.values() if one.name not in ours or ours[one.name].saved_at < one.saved_at]
    until = state.taken_at - WRITTEN_TOGETHER
    gone = [one.name for one in ours.values() if one.name not in theirs and one.saved_at < until]
    connection.execute(delete(searches).where(searches.c.name.in_([*gone, *(one.name for one in newer)])))
    if newer:
        connection.execute(insert(searches), [one.model_dump() for one in newer])
    return len(newer)


def _export_row(kept: KeptExport) -> dict[str, Any]:
    told = kept.model_dump()
    return {**told, "volumes": list(told["volumes"]), "plan": None, "worker": None, "beat_at": kept.made_at}
