"""What the last `verify` found: of everything, and of a part.

It is about a moment, so it is not in the bucket: a catalog made anew has none until the next one.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Engine, delete, insert, select

from mmsvault.catalog.connection import reading, writing
from mmsvault.catalog.tables import verdicts


class Extent(StrEnum):
    """How much was looked at."""

    EVERYTHING = "everything"
    PART = "part"


@dataclass(frozen=True)
class Verdict:
    """How many objects were looked at, how many problems there are, and the first of them: key, problem."""

    extent: Extent
    began_at: datetime
    ended_at: datetime
    checked: int
    problems: int
    first: tuple[tuple[str, str], ...]


def keep(engine: Engine, verdict: Verdict) -> None:
    """Keep a verdict in place of the last one of its extent."""
    row = {**vars(verdict), "extent": verdict.extent.value, "first": [list(one) for one in verdict.first]}
    with writing(engine) as connection:
        connection.execute(delete(verdicts).where(verdicts.c.extent == verdict.extent.value))
        connection.execute(insert(verdicts), row)


def latest(engine: Engine) -> list[Verdict]:
    """Return the verdicts that there are, the newest first."""
    with reading(engine) as connection:
        rows = connection.execute(select(verdicts).order_by(verdicts.c.ended_at.desc())).mappings().all()
    return [
        Verdict(
            **{
                **row,
                "extent": Extent(row["extent"]),
                "first": tuple((key, problem) for key, problem in row["first"]),
            }
        )
        for row in rows
    ]


def failing(found: list[Verdict]) -> Verdict | None:
    """Return the verdict that says that something is wrong, unless everything was found right since."""
    for verdict in found:
        if verdict.problems:
            return verdict
        if verdict.extent is Extent.EVERYTHING:
            return None
    return None
