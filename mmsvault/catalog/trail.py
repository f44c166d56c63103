"""The trail: who looked, exported, changed or logged in; each entry's hash covers all before it.

Whoever changes or removes an entry breaks the chain from there on; whoever makes the whole chain
anew is found out by the copy in the bucket (see `mmsvault.auditing`). Entries are told apart by number
and hash: a catalog that was restored from a backup and went on may have others than the bucket with the
same numbers, and both are kept.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Engine, RowMapping, insert, literal, or_, select, text, tuple_, update

from mmsvault.catalog.connection import reading, writing
from mmsvault.catalog.tables import trail
from mmsvault.message import utc_now

FIRST = "0" * 64
"""What stands for the hash before the first entry."""
LONGEST_TEXT = 2000
LARGEST_NUMBER = 2**62
FIRST_YEAR, LAST_YEAR = 2000, 9998
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
        entry = cls(**{**told, "at": datetime.fromisoformat(told["at"])})
        texts = [value for name, value in asdict(entry).items() if name not in ("number", "at")]
        if type(entry.number) is not int or not all(isinstance(value, str) for value in texts):
            raise TypeError("An entry is a number, a time and texts.")
        if not 0 < entry.number <= LARGEST_NUMBER or not FIRST_YEAR <= entry.at.year <= LAST_YEAR:
            raise ValueError("An entry's number or time cannot be.")
        if entry.at.tzinfo is None or any(_clean(text) != text for text in texts):
            raise ValueError("An entry's time has a zone, and its texts are those that a catalog can hold.")
        return entry

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
            select(trail.c.number, trail.c.hash).order_by(trail.c.number.desc(), trail.c.hash.desc()).limit(1)
        ).first()
        number, previous = (last.number + 1, last.hash) if last else (1, FIRST)
        draft = Entry(number, utc_now(), action=action, previous=previous, hash="", **clean)
        made = Entry(**{**asdict(draft), "hash": draft.true_hash()})
        connection.execute(insert(trail), {**asdict(made), "kept": False})
    return made


def entries(engine: Engine) -> Iterator[Entry]:
    """Give all entries, the oldest first, page by page."""
    return (entry for entry, _ in with_place(engine))


def with_place(engine: Engine) -> Iterator[tuple[Entry, bool]]:
    """Give all entries, the oldest first, each with whether it is said to be in the bucket as well."""
    after: tuple[int, str] = (0, "")
    order = tuple_(trail.c.number, trail.c.hash)
    while True:
        past = tuple_(literal(after[0]), literal(after[1]))
        found = select(trail).where(order > past).order_by(trail.c.number, trail.c.hash).limit(PAGE)
        with reading(engine) as connection:
            rows = connection.execute(found).mappings().all()
        for row in rows:
            yield _entry(row), row["kept"]
        if len(rows) < PAGE:
            return
        after = (rows[-1]["number"], rows[-1]["hash"])


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
    found = select(trail).where(trail.c.kept.is_(False)).order_by(trail.c.number, trail.c.hash).limit(PAGE)
    return _read(engine, found)


def mark_kept(engine: Engine, hashes: Sequence[str], *, kept: bool = True) -> None:
    """Remember of the entries with these hashes that they are in the bucket, or are not."""
    with writing(engine) as connection:
        for start in range(0, len(hashes), PAGE):
            some = hashes[start : start + PAGE]
            connection.execute(update(trail).where(trail.c.hash.in_(some)).values(kept=kept))


def add(engine: Engine, kept: Sequence[Entry]) -> int:
    """Enter entries that the bucket has and this catalog has not; return how many those are.

    One with the number of another entry stands beside that one.
    """
    added = 0
    with writing(engine) as connection:
        for start in range(0, len(kept), PAGE):
            page = kept[start : start + PAGE]
            wanted = [entry.hash for entry in page]
            known = set(connection.scalars(select(trail.c.hash).where(trail.c.hash.in_(wanted))))
            rows = [{**asdict(entry), "kept": True} for entry in page if entry.hash not in known]
            if rows:
                connection.execute(insert(trail), rows)
            added += len(rows)
    return added


def _read(engine: Engine, found: Any) -> list[Entry]:
    with reading(engine) as connection:
        rows = connection.execute(found).mappings().all()
    return [_entry(row) for row in rows]


def _entry(row: RowMapping) -> Entry:
    return Entry(**{name: value for name, value in row.items() if name != "kept"})


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _clean(words: str) -> str:
    return words.encode("utf-8", "replace").decode().replace("\0", "")[:LONGEST_TEXT]
