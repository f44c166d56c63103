"""When messages of a sender or keyword came in, day by day, and the latest pictures of each.

Both are read from the index over the column and the place: what is counted is what lies between two
days, and what is looked at are a few messages of each, whatever the size of the catalog.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy import ColumnElement, Connection, func, select

from mmsvault.catalog.places import ROOM, first_place
from mmsvault.catalog.tables import media, messages
from mmsvault.catalog.tallies import Tallied

LOOKED_AT = 12
"""Messages of each sender or keyword in which pictures are looked for."""
_DAY = 86_400_000_000 * ROOM


@dataclass(frozen=True)
class Picture:
    """A file that can be shown in little: its thumbnail and its message."""

    message_id: str
    thumbnail_key: str


def by_day(
    connection: Connection,
    tallied: Tallied,
    keys: Collection[str],
    *,
    days: int,
    today: date,
    inside: ColumnElement[bool] | None = None,
) -> dict[str, list[int]]:
    """Return for each key how many messages came in on each of the last days (UTC), the oldest first.

    `inside` is the condition that a message counts; all do without it.
    """
    column, place = messages.c[tallied.key], messages.c.place
    begins = first_place(datetime.combine(today - timedelta(days=days - 1), time(), UTC))
    day = ((place - begins) // _DAY).label("day")
    found = (
        select(column.label("key"), day, func.count().label("n"))
        .where(column.in_(keys), place >= begins, place < begins + days * _DAY)
        .group_by(column, day)
    )
    if inside is not None:
        found = found.where(inside)
    counted = {key: [0] * days for key in keys}
    for row in connection.execute(found):
        counted[row.key][row.day] = row.n
    return counted


def latest_pictures(
    connection: Connection,
    tallied: Tallied,
    keys: Collection[str],
    *,
    each: int,
    inside: ColumnElement[bool] | None = None,
) -> dict[str, list[Picture]]:
    """Return the latest pictures of each key, the newest first."""
    return {key: _pictures(connection, messages.c[tallied.key] == key, each, inside) for key in keys}


def _pictures(
    connection: Connection, condition: ColumnElement[bool], each: int, inside: ColumnElement[bool] | None
) -> list[Picture]:
    latest = select(messages.c.id, messages.c.place).where(condition).order_by(messages.c.place.desc())
    if inside is not None:
        latest = latest.where(inside)
    some = latest.limit(LOOKED_AT).subquery()
    found = (
        select(some.c.id, media.c.thumbnail_key)
        .join(media, media.c.message_id == some.c.id)
        .where(media.c.thumbnail_key != "")
        .order_by(some.c.place.desc(), media.c.position)
        .limit(each)
    )
    return [Picture(row.id, row.thumbnail_key) for row in connection.execute(found)]
