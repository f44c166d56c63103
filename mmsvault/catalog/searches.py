"""Saved searches: queries that people come back to, each under a name of its own."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, delete, insert, select

from mmsvault.catalog.connection import reading, writing
from mmsvault.catalog.tables import searches
from mmsvault.errors import NotFoundError
from mmsvault.message import utc_now


@dataclass(frozen=True)
class SavedSearch:
    """A query under a name."""

    name: str
    query: str
    saved_at: datetime


def save(engine: Engine, name: str, query: str) -> SavedSearch:
    """Keep a query under a name, in place of the one that had it. The caller has parsed it."""
    kept = SavedSearch(name, query, utc_now())
    with writing(engine) as connection:
        connection.execute(delete(searches).where(searches.c.name == name))
        connection.execute(insert(searches), {"name": name, "query": query, "saved_at": kept.saved_at})
    return kept


def find(engine: Engine, name: str) -> SavedSearch:
    """Return the search of that name. Raises NotFoundError."""
    with reading(engine) as connection:
        row = connection.execute(select(searches).where(searches.c.name == name)).mappings().first()
    if row is None:
        raise NotFoundError(f"There is no saved search {name!r}.")
    return SavedSearch(**row)


def list_all(engine: Engine) -> list[SavedSearch]:
    """Return all saved searches by name."""
    with reading(engine) as connection:
        return [
            SavedSearch(**row)
            for row in connection.execute(select(searches).order_by(searches.c.name)).mappings()
        ]


def remove(engine: Engine, name: str) -> None:
    """Forget a saved search. Raises NotFoundError."""
    with writing(engine) as connection:
        if not connection.execute(delete(searches).where(searches.c.name == name)).rowcount:
            raise NotFoundError(f"There is no saved search {name!r}.")
