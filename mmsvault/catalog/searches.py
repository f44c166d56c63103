"""Saved searches: queries that people come back to, each under a name of its own.

A query may tell of numbers and keywords, so it is seen by those who see what its maker does, and by
those who see everything.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine, delete, insert, select

from mmsvault.catalog.connection import reading, writing
from mmsvault.catalog.tables import searches
from mmsvault.errors import NotFoundError, RefusedError
from mmsvault.message import utc_now


@dataclass(frozen=True)
class SavedSearch:
    """A query under a name. `scope` is what whoever saved it sees; empty: everything."""

    name: str
    query: str
    saved_at: datetime
    saved_by: str = ""
    scope: str = ""

    def is_for(self, scope: str) -> bool:
        """Return whether somebody with this scope may know of it."""
        return scope in ("", self.scope)


def save(engine: Engine, name: str, query: str, *, saved_by: str = "", scope: str = "") -> SavedSearch:
    """Keep a query under a name, in place of the one that had it. The caller has parsed it.

    Raises RefusedError where the name is that of a search of others.
    """
    kept = SavedSearch(name, query, utc_now(), saved_by, scope)
    with writing(engine) as connection:
        known = _find(connection, name)
        if known and not known.is_for(scope):
            raise RefusedError("there is a saved search of this name already; choose another one")
        connection.execute(delete(searches).where(searches.c.name == name))
        connection.execute(insert(searches), vars(kept))
    return kept


def find(engine: Engine, name: str, *, scope: str = "") -> SavedSearch:
    """Return the search of that name, as far as somebody with this scope may know. Raises NotFoundError."""
    with reading(engine) as connection:
        found = _find(connection, name)
    if found is None or not found.is_for(scope):
        raise NotFoundError(f"There is no saved search {name!r}.")
    return found


def list_all(engine: Engine, *, scope: str = "") -> list[SavedSearch]:
    """Return by name all saved searches that somebody with this scope may know of."""
    with reading(engine) as connection:
        rows = connection.execute(select(searches).order_by(searches.c.name)).mappings()
        return [found for row in rows if (found := SavedSearch(**row)).is_for(scope)]


def remove(engine: Engine, name: str, *, scope: str = "") -> None:
    """Forget a saved search. Raises NotFoundError."""
    find(engine, name, scope=scope)
    with writing(engine) as connection:
        if not connection.execute(delete(searches).where(searches.c.name == name)).rowcount:
            raise NotFoundError(f"There is no saved search {name!r}.")


def _find(connection: Connection, name: str) -> SavedSearch | None:
    row = connection.execute(select(searches).where(searches.c.name == name)).mappings().first()
    return SavedSearch(**row) if row else None
