"""The trail: who looked, exported, changed or logged in; each entry's hash covers all before it.

Whoever changes or removes an entry breaks the chain from there on; whoever makes the whole chain
anew is found out by the copy in the bucket (see `mmsvault.auditing`).
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Engine, func, insert, or_, select, text, update

from mmsvault.catalog.connection import reading, writing
from mmsvault.catalog.tables import trail
from mmsvault.message import utc_now

FIRST = "0" * 64
"""What stands for the hash before the first entry."""
LONGEST_TEXT = 2000
PAGE = 1000


@dataclass(frozen=True)
class Entry:
    """`who` did `action` to `subject`, from the address `source`. `details` are in plain words."""

    number: int
    at: datetime
    who: str
    source: str
    action: str
    subject: str
    details: str
    previous: str
    hash: str

    def as_json(self) -> dict[str, Any]:
        """Return the entry for scripts and for the bucket."""
        return {**asdict(self), "at": _moment(self.at)}

    @classmethod
    def from_json(cls, told: dict[str, Any]) -> "Entry":
        """Return the entry that `as_json` gave. Raises ValueError, LookupError, TypeError."""
        return cls(**{**told, "at": datetime.fromisoformat(told["at"])})

    def true_hash(self) -> str:
        """Return the hash that these words have after the entry before."""
        said = [self.number, _moment(self.at), self.who, self.source, self.action, self.subject]
        words = json.dumps([self.previous, *said, self.details], ensure_ascii=True)
        return hashlib.sha256(words.encode()).hexdigest()


def append(
    engine: Engine, action: str, *, who: str, source: str = "", subject: str = "", details: str = ""
) -> Entry:
    """Add an entry, one writer at a time, and return it."""
    given = {"who": who, "source": source, "subject": subject, "details": details}
    clean = {name: _clean(value) for name, value in given.items()}
    with writing(engine) as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("LOCK TABLE trail IN EXCLUSIVE MODE"))
        last = connection.execute(
            select(trail.c.number, trail.c.hash).order_by(trail.c.number.desc()).limit(1)
        ).first()
        number, previous = (last.number + 1, last.hash) if last else (1, FIRST)
        draft = Entry(number, utc_now(), action=action, previous=previous, hash="", **clean)
        made = Entry(**{**asdict(draft), "hash": draft.true_hash()})
        connection.execute(insert(trail), {**asdict(made), "kept": False})
    return made


def entries(engine: Engine, *, after: int = 0) -> Iterator[Entry]:
    """Give all entries after a number, the oldest first, page by page."""
    while True:
        found = select(trail).where(trail.c.number > after).order_by(trail.c.number).limit(PAGE)
        page = _read(engine, found)
        yield from page
        if len(page) < PAGE:
            return
        after = page[-1].number


def latest(
    engine: Engine, *, who: str = "", action: str = "", words: str = "", limit: int = 200
) -> list[Entry]:
    """Return the newest entries, of one person, of one action, with these words in subject or details."""
    found = select(trail).order_by(trail.c.number.desc()).limit(limit)
    if who:
        found = found.where(trail.c.who == who)
    if action:
        found = found.where(trail.c.action == action)
    if words:
        found = found.where(
            or_(*(column.icontains(words, autoescape=True) for column in (trail.c.subject, trail.c.details)))
        )
    return _read(engine, found)


def not_kept(engine: Engine) -> list[Entry]:
    """Return the oldest entries that are not in the bucket yet."""
    found = select(trail).where(trail.c.kept.is_(False)).order_by(trail.c.number).limit(PAGE)
    return _read(engine, found)


def mark_kept(engine: Engine, numbers: Sequence[int]) -> None:
    """Remember that these entries are in the bucket."""
    with writing(engine) as connection:
        connection.execute(update(trail).where(trail.c.number.in_(numbers)).values(kept=True))


def restore(engine: Engine, kept: Iterable[Entry]) -> int:
    """Enter what the bucket has of the trail into a catalog without any; return how many."""
    with writing(engine) as connection:
        if connection.scalar(select(func.count()).select_from(trail)):
            return 0
        rows = [{**asdict(entry), "kept": True} for entry in kept]
        if rows:
            connection.execute(insert(trail), rows)
        return len(rows)


def _read(engine: Engine, found: Any) -> list[Entry]:
    with reading(engine) as connection:
        rows = connection.execute(found).mappings().all()
    return [Entry(**{name: value for name, value in row.items() if name != "kept"}) for row in rows]


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _clean(words: str) -> str:
    return words.encode("utf-8", "replace").decode().replace("\0", "")[:LONGEST_TEXT]
