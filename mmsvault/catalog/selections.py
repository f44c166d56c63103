"""Messages that somebody selected, kept for a while so that an address can name many of them.

The id of a selection cannot be guessed, and it opens nothing for anybody but its owner. It names messages
only: what of them its owner may still see is asked again whenever it is used.
"""

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Engine, delete, insert, select

from mmsvault.catalog.connection import reading, writing
from mmsvault.catalog.tables import selections
from mmsvault.errors import NotFoundError, RejectedInputError

KEPT_FOR = timedelta(days=7)
KEPT_FOR_EACH = 50
"""Of each owner the newest so many are kept."""
MOST_MESSAGES = 10_000


def keep(engine: Engine, owner: str, ids: Sequence[str], *, now: datetime) -> str:
    """Keep the ids of messages and return the selection's id.

    Raises RejectedInputError for none, or too many.
    """
    if not ids or len(ids) > MOST_MESSAGES:
        raise RejectedInputError(f"A selection has between 1 and {MOST_MESSAGES:,} messages.")
    identity = secrets.token_urlsafe(16)
    row = {"id": identity, "owner": owner, "messages": list(ids), "made_at": now, "ends_at": now + KEPT_FOR}
    own = selections.c.owner == owner
    with writing(engine) as connection:
        older = select(selections.c.id).where(own).order_by(selections.c.made_at.desc())
        surplus = list(connection.scalars(older.offset(KEPT_FOR_EACH - 1)))
        connection.execute(delete(selections).where(selections.c.ends_at <= now))
        connection.execute(delete(selections).where(selections.c.id.in_(surplus)))
        connection.execute(insert(selections), row)
    return identity


def find(engine: Engine, identity: str, *, owner: str, now: datetime) -> tuple[str, ...]:
    """Return the ids in a selection. Raises NotFoundError for one that ended, is another's, or never was."""
    its = (selections.c.id == identity, selections.c.owner == owner, selections.c.ends_at > now)
    with reading(engine) as connection:
        found = connection.scalar(select(selections.c.messages).where(*its))
    if found is None:
        raise NotFoundError("This selection has expired.")
    return tuple(found)
