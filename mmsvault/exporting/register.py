"""The register of exports to the bucket, in the catalog: what was asked for, how far it is, what came.

Whoever works on an export has it until their last beat is too long ago; every beat asks as well
whether it is still wanted. Unlike the messages, the register cannot be made again from the bucket:
what it knows of a finished export stands in its set manifest, too.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from pydantic import AwareDatetime
from sqlalchemy import ColumnElement, Connection, Engine, delete, or_, select, true, update

from mmsvault.catalog import entering, writes
from mmsvault.catalog.connection import reading, writing
from mmsvault.catalog.number_text import NumberText
from mmsvault.catalog.tables import EXPORTS_CHANGED, exports, is_unfinished
from mmsvault.errors import NotFoundError
from mmsvault.exporting.packing import Written
from mmsvault.exporting.planning import Choice, Plan
from mmsvault.layout import EXPORTS
from mmsvault.message import Value, utc_now

ABANDONED_AFTER = timedelta(seconds=15)
SCHEDULE = "schedule"
"""Who made the exports that nobody asked for."""


class State(StrEnum):
    """Where an export stands. One that is ending is cancelled or deleted once nothing is left of it."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    ENDING = "ending"
    CANCELLED = "cancelled"


UNFINISHED = (State.WAITING, State.RUNNING, State.ENDING)


class Export(Value):
    """An export to the bucket. `messages` and `bytes` are done so far; `plan` is set once it began."""

    id: str
    name: str
    state: State
    choice: Choice
    plan: Plan | None
    volumes: tuple[Written, ...]
    made_by: str
    made_at: AwareDatetime
    began_at: AwareDatetime | None
    ended_at: AwareDatetime | None
    messages: int
    bytes: int
    reason: str
    beat_at: AwareDatetime

    @property
    def prefix(self) -> str:
        """Its folder in the bucket."""
        return f"{EXPORTS}{self.id}/"

    @property
    def left_out(self) -> int:
        """How many messages were deleted while it was made."""
        return sum(volume.left_out for volume in self.volumes)

    @property
    def share(self) -> float:
        """How much of it is done, from 0 to 1."""
        if self.state is State.DONE:
            return 1.0
        planned = self.plan.bytes if self.plan else 0
        return min(self.bytes / planned, 1.0) if planned else 0.0


def enter(
    catalog: Engine,
    choice: Choice,
    *,
    name: str,
    made_by: str,
    made_at: datetime,
    identity: str,
    sealed: str = "",
) -> Export | None:
    """Enter an export that waits to be made, and return it; None where `identity` is taken.

    `sealed` is its password, which is kept until it ends.
    """
    row: dict[str, Any] = {
        "id": identity,
        "name": name,
        "state": State.WAITING.value,
        "choice": choice.model_dump(mode="json"),
        "plan": None,
        "volumes": [],
        "made_by": made_by,
        "made_at": made_at,
        "began_at": None,
        "ended_at": None,
        "messages": 0,
        "bytes": 0,
        "reason": "",
        "worker": None,
        "beat_at": utc_now(),
        "sealed": sealed or None,
    }
    with writing(catalog) as connection:
        is_new = entering.insert_new(connection, exports, row)
        _tell_of_change(connection, changed=is_new)
    return _export(row) if is_new else None


def find(catalog: Engine, identity: str) -> Export:
    """Return an export. Raises NotFoundError."""
    with reading(catalog) as connection:
        row = connection.execute(select(exports).where(exports.c.id == identity)).mappings().first()
    if row is None:
        raise NotFoundError(f"There is no export {identity}.")
    return _export(row)


def sealed_password(catalog: Engine, identity: str) -> str:
    """Return an export's password as it was sealed; empty for one that has none, or has ended."""
    with reading(catalog) as connection:
        return connection.scalar(select(exports.c.sealed).where(exports.c.id == identity)) or ""


def latest(catalog: Engine, *, limit: int = 50) -> list[Export]:
    """Return the exports that were asked for last, the newest first."""
    query = select(exports).order_by(exports.c.made_at.desc(), exports.c.id).limit(limit)
    with reading(catalog) as connection:
        return [_export(row) for row in connection.execute(query).mappings()]


def stranded(catalog: Engine, *, before: datetime) -> list[str]:
    """Return the exports that are not finished and had no beat since then."""
    with reading(catalog) as connection:
        found = connection.scalars(select(exports.c.id).where(is_unfinished, exports.c.beat_at < before))
        return list(found)


def scheduled(catalog: Engine) -> list[Export]:
    """Return the exports that were asked for by the schedule."""
    query = select(exports).where(exports.c.made_by == SCHEDULE).order_by(exports.c.made_at)
    with reading(catalog) as connection:
        return [_export(row) for row in connection.execute(query).mappings()]


def try_again(catalog: Engine, identity: str) -> bool:
    """Have an export that failed made from its beginning; return whether it had."""
    row = exports.c.id == identity
    values: dict[str, Any] = {
        "state": State.WAITING.value,
        "plan": None,
        "volumes": [],
        "reason": "",
        "ended_at": None,
    }
    with writing(catalog) as connection:
        changed = connection.execute(
            update(exports)
            .where(row, exports.c.state == State.FAILED.value)
            .values(**values, messages=0, bytes=0, beat_at=utc_now(), recheck=False)
        )
        _tell_of_change(connection, changed=changed.rowcount == 1)
    return changed.rowcount == 1


def take(catalog: Engine, identity: str, *, worker: str) -> Export | None:
    """Return the export if the work on it is now `worker`'s."""
    now = utc_now()
    free = or_(
        exports.c.worker.is_(None), exports.c.worker == worker, exports.c.beat_at < now - ABANDONED_AFTER
    )
    unfinished = exports.c.state.in_([state.value for state in UNFINISHED])
    with writing(catalog) as connection:
        taken = connection.execute(
            update(exports)
            .where(exports.c.id == identity, free, unfinished)
            .values(worker=worker, beat_at=now)
        )
    return find(catalog, identity) if taken.rowcount == 1 else None


def begin(catalog: Engine, identity: str, *, worker: str, plan: Plan) -> bool:
    """Write the plan down, where the export is still wanted and `worker`'s."""
    values = {"state": State.RUNNING.value, "plan": plan.model_dump(mode="json"), "began_at": utc_now()}
    return _change(catalog, identity, worker=worker, states=(State.WAITING, State.RUNNING), values=values)


def beat(
    catalog: Engine, identity: str, *, worker: str, messages: int, bytes_: int, volumes: Sequence[Written]
) -> bool:
    """Say how far it is, and return whether it is still wanted and `worker`'s."""
    values = {
        "messages": messages,
        "bytes": bytes_,
        "volumes": [volume.model_dump(mode="json") for volume in volumes],
        "beat_at": utc_now(),
    }
    return _change(catalog, identity, worker=worker, states=(State.RUNNING,), values=values)


def being_made(catalog: Engine) -> list[Export]:
    """Return the exports that somebody works on, which may have any of the archive's messages in them."""
    # Put in order here: SQLite reads all that ever were to have them so.
    query = select(exports).where(is_unfinished, exports.c.state == State.RUNNING.value)
    with reading(catalog) as connection:
        found = [_export(row) for row in connection.execute(query).mappings()]
    return sorted(found, key=lambda one: one.made_at)


def begin_recheck(catalog: Engine, identity: str, *, worker: str) -> bool:
    """Say that the volumes are looked through as of now; return whether it is still wanted and `worker`'s."""
    return _change(catalog, identity, worker=worker, states=(State.RUNNING,), values={"recheck": False})


def end_checked(catalog: Engine, identity: str, *, worker: str) -> bool:
    """Write that it is done, unless a message was deleted since `begin_recheck`."""
    values = {"state": State.DONE.value, "ended_at": utc_now(), "worker": None, "sealed": None}
    return _change(
        catalog,
        identity,
        worker=worker,
        states=(State.RUNNING,),
        values=values,
        also=exports.c.recheck.is_(False),
    )


def end(catalog: Engine, identity: str, *, worker: str, state: State, reason: str = "") -> bool:
    """Write what came of it; an export that is ending can only be cancelled."""
    values = {"state": state.value, "reason": reason, "ended_at": utc_now(), "worker": None, "sealed": None}
    states = (State.ENDING,) if state is State.CANCELLED else (State.WAITING, State.RUNNING)
    return _change(catalog, identity, worker=worker, states=states, values=values)


def give_back(catalog: Engine, identity: str, *, worker: str) -> None:
    """Let another worker take it at once."""
    _change(catalog, identity, worker=worker, states=UNFINISHED, values={"worker": None})


def cancel(catalog: Engine, identity: str) -> bool:
    """Ask for the end of an export that is not finished; return whether there was one."""
    unfinished = exports.c.state.in_([State.WAITING.value, State.RUNNING.value])
    values = {"state": State.ENDING.value, "sealed": None}
    with writing(catalog) as connection:
        changed = connection.execute(
            update(exports).where(exports.c.id == identity, unfinished).values(values)
        )
        _tell_of_change(connection, changed=changed.rowcount == 1)
    return changed.rowcount == 1


def naming(catalog: Engine, number: NumberText) -> list[Export]:
    """Return the exports that name a number in what was asked for, in their name or in their files' names."""
    with reading(catalog) as connection:
        rows = connection.execute(select(exports).order_by(exports.c.made_at, exports.c.id)).mappings()
        found = [_export(row) for row in rows]
    return [one for one in found if number.is_in(*_texts_of(one), *(volume.name for volume in one.volumes))]


def hide(catalog: Engine, identity: str, number: NumberText) -> None:
    """Take a number out of what was asked for, and out of the name of an export that has no files."""
    found = find(catalog, identity)
    query, scope = number.without(found.choice.query), number.without(found.choice.scope)
    choice = found.choice.model_copy(update={"query": query, "scope": scope})
    values = {"choice": choice.model_dump(mode="json"), "reason": number.without(found.reason)}
    if found.state is not State.DONE:  # the files of others are called so
        values["name"] = number.without(found.name)
    with writing(catalog) as connection:
        connection.execute(update(exports).where(exports.c.id == identity).values(values))
        _tell_of_change(connection, changed=True)


def _texts_of(export: Export) -> tuple[str, ...]:
    return export.name, export.choice.query, export.choice.scope, export.reason


def forget(catalog: Engine, identity: str) -> None:
    """Strike an export that is finished from the register."""
    finished = exports.c.state.not_in([state.value for state in UNFINISHED])
    with writing(catalog) as connection:
        gone = connection.execute(delete(exports).where(exports.c.id == identity, finished))
        _tell_of_change(connection, changed=gone.rowcount == 1)


def _change(
    catalog: Engine,
    identity: str,
    *,
    worker: str,
    states: Sequence[State],
    values: dict[str, Any],
    also: ColumnElement[bool] | None = None,
) -> bool:
    with writing(catalog) as connection:
        changed = connection.execute(
            update(exports)
            .where(
                exports.c.id == identity,
                exports.c.worker == worker,
                exports.c.state.in_([state.value for state in states]),
                true() if also is None else also,
            )
            .values(values)
        )
        _tell_of_change(connection, changed="state" in values and changed.rowcount == 1)
    return changed.rowcount == 1


def _tell_of_change(connection: Connection, *, changed: bool) -> None:
    """Have the sweep keep the register in the bucket: whether it changed is seen without reading it."""
    if changed:
        writes.count_on(connection, EXPORTS_CHANGED)


def _export(row: Any) -> Export:
    return Export.model_validate({name: row[name] for name in Export.model_fields})
