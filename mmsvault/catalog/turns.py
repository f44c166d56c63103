"""Rights to do something once at a time in an archive, each a row: until when it counts, in microseconds.

That moment is also what tells one holder from another: nobody else writes the same.
"""

from datetime import datetime

from sqlalchemy import Engine, delete, update

from mmsvault.catalog.connection import retried, writing
from mmsvault.catalog.entering import insert_in_dialect
from mmsvault.catalog.tables import serials


@retried
def take_turn(
    engine: Engine, name: str, *, held: int | None, now: datetime, until_at: datetime
) -> int | None:
    """Take the right to do what `name` says until `until_at`, or renew the one that is `held`.

    Return what to renew it with; None where somebody else has it. Raises UnavailableError.
    """
    value = _microseconds(until_at)
    is_ours = serials.c.value < _microseconds(now) if held is None else serials.c.value == held
    with writing(engine, forced=False) as connection:
        taken = update(serials).where(serials.c.name == name, is_ours).values(value=value)
        if connection.execute(taken).rowcount == 1:
            return value
        if held is not None:
            return None
        new = insert_in_dialect(connection.dialect.name, serials).values(name=name, value=value)
        is_new = connection.scalar(new.on_conflict_do_nothing().returning(serials.c.name)) is not None
    return value if is_new else None


@retried
def end_turn(engine: Engine, name: str, *, held: int) -> None:
    """Let others have the right that is `held`. Raises UnavailableError."""
    with writing(engine, forced=False) as connection:
        connection.execute(delete(serials).where(serials.c.name == name, serials.c.value == held))


def _microseconds(at: datetime) -> int:
    return round(at.timestamp() * 1_000_000)
