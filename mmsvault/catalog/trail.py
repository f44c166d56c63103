"""The trail: who looked, exported, changed or logged in; each entry's hash covers all before it.

Whoever changes or removes an entry breaks the chain from there on; whoever makes the whole chain
anew is found out by the copy in the bucket (see `mmsvault.auditing`). Entries are told apart by number
and hash: a catalog that was restored from a backup and went on may have others than the bucket with the
same numbers, and both are kept.

An entry names the messages that it is about by id, and their numbers by keyed hash (`trail_numbers`). Of
numbers in a search only the last two digits stay. `trail_about` is an index of both.
"""

import hashlib
import itertools
import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    Connection,
    Engine,
    RowMapping,
    Select,
    delete,
    func,
    insert,
    literal,
    or_,
    select,
    text,
    tuple_,
    update,
)

from mmsvault.catalog import filters, trail_numbers
from mmsvault.catalog.connection import reading, writing
from mmsvault.catalog.tables import trail, trail_about
from mmsvault.layout import message_id_in
from mmsvault.message import utc_now

FIRST = "0" * 64
"""What stands for the hash before the first entry."""
LONGEST_TEXT = 2000
LARGEST_NUMBER = 2**62
FIRST_YEAR, LAST_YEAR = 2000, 9998
PAGE = 1000
MOST_MESSAGES = 500
"""Messages that one entry names; what is about more has several entries."""
MOST_NUMBERS = 5_000
"""Hashes of numbers that one entry has: 500 messages have some recipients each."""
LONGEST_ID = 1000
WITH_SEARCHES = (
    *("searched", "exported", "tagged", "held", "released", "fetched again", "began to delete"),
    *("saved a search", "removed a search", "named a sender", "exported a list", "downloaded", "replayed"),
)
"""Actions whose subject or details are a search, or called after one: numbers may stand in them."""
WITH_SCOPES = ("added a person", "changed a person")
"""Actions whose details have a scope, which is a search; the subject is a person's name."""
OF_MESSAGES = (
    *("looked at", "downloaded", "tagged", "wrote a note", "held", "released", "began to delete"),
    *("deleted", "retired", "fetched again"),
)
"""Actions whose older entries name messages in the subject only."""


@dataclass(frozen=True)
class Entry:
    """`who` did `action` to `subject`, from the address `source`. `details` are in plain words.

    `messages` are ids, `numbers` keyed hashes of the numbers of senders and recipients.
    """

    number: int
    at: datetime
    who: str
    source: str
    action: str
    subject: str
    details: str
    previous: str
    hash: str
    messages: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return the entry for scripts and for the bucket; what it does not name is left out."""
        told = {**asdict(self), "at": _moment(self.at)}
        named = {"messages": list(self.messages), "numbers": list(self.numbers)}
        return {name: value for name, value in {**told, **named}.items() if name not in named or value}

    @classmethod
    def from_json(cls, told: dict[str, Any]) -> "Entry":
        """Return the entry that `as_json` gave. Raises ValueError, LookupError, TypeError."""
        named = {name: _texts(told.get(name, [])) for name in ("messages", "numbers")}
        entry = cls(**{**told, **named, "at": datetime.fromisoformat(told["at"])})
        if len(entry.messages) > MOST_MESSAGES or len(entry.numbers) > MOST_NUMBERS:
            raise ValueError("An entry names more messages or numbers than one has.")
        others = ("number", "at", "messages", "numbers")
        texts = [value for name, value in asdict(entry).items() if name not in others]
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
        # Entries of before name nothing, and keep the hash that they had.
        named = [self.messages, self.numbers] if self.messages or self.numbers else []
        words = json.dumps([self.previous, *said, self.details, *named], ensure_ascii=True)
        return hashlib.sha256(words.encode()).hexdigest()


def append(
    engine: Engine,
    action: str,
    *,
    who: str,
    source: str = "",
    subject: str = "",
    details: str = "",
    messages: Sequence[str] = (),
    numbers: Collection[str] = (),
) -> Entry:
    """Add an entry, one writer at a time, and return it.

    `messages` are the ids of all messages that it is about; their numbers are looked up. What is about more
    than MOST_MESSAGES gets several entries, of which the last is returned. `numbers` are more of them, as
    `normal_number` gives them. Raises UnavailableError.
    """
    in_search: set[str] = set()
    if action in WITH_SEARCHES:
        subject, of_subject = trail_numbers.without_numbers(subject)
        in_search.update(of_subject)
    if action in (*WITH_SEARCHES, *WITH_SCOPES):
        details, of_details = trail_numbers.without_numbers(details)
        in_search.update(of_details)
    given = {"who": who, "source": source, "subject": subject, "details": details}
    clean = {name: _clean(value) for name, value in given.items()}
    parts = [messages[start : start + MOST_MESSAGES] for start in range(0, len(messages), MOST_MESSAGES)]
    for count, part in enumerate(parts or [()], start=1):
        of_part = f", part {count:,} of {len(parts):,}" if len(parts) > 1 else ""
        told = {**clean, "details": f"{clean['details']}{of_part}".removeprefix(", ")}
        with writing(engine) as connection:
            made = _append(connection, action, told, part, {*numbers, *in_search})
    return made


def _append(
    connection: Connection, action: str, told: dict[str, Any], ids: Sequence[str], numbers: Collection[str]
) -> Entry:
    if connection.dialect.name == "postgresql":
        connection.execute(text("LOCK TABLE trail IN EXCLUSIVE MODE"))
    last = connection.execute(
        select(trail.c.number, trail.c.hash).order_by(trail.c.number.desc(), trail.c.hash.desc()).limit(1)
    ).first()
    number, previous = (last.number + 1, last.hash) if last else (1, FIRST)
    ids = [_clean(one)[:LONGEST_ID] for one in ids]
    known = {*numbers, *(trail_numbers.of_messages(connection, ids) if ids else ())} - {""}
    hashed = trail_numbers.hashes([trail_numbers.writing_key(connection)], known) if known else []
    draft = Entry(number, utc_now(), action=action, previous=previous, hash="", **told)
    named = replace(draft, messages=tuple(ids), numbers=tuple(sorted(hashed)[:MOST_NUMBERS]))
    made = replace(named, hash=named.true_hash())
    _insert(connection, [made], kept=False)
    return made


def _insert(connection: Connection, new: Sequence[Entry], *, kept: bool) -> None:
    """Enter entries with what they are about."""
    lists = [
        {"messages": json.dumps(one.messages, ensure_ascii=False), "numbers": json.dumps(one.numbers)}
        for one in new
    ]
    rows = [{**asdict(one), **listed, "kept": kept} for one, listed in zip(new, lists, strict=True)]
    connection.execute(insert(trail), rows)
    _index(connection, new)


def _index(connection: Connection, new: Sequence[Entry]) -> None:
    """Enter what these entries are about, in place of what was entered of them."""
    connection.execute(delete(trail_about).where(trail_about.c.hash.in_([one.hash for one in new])))
    told = [{"about": word, "number": one.number, "hash": one.hash} for one in new for word in about_of(one)]
    if told:
        connection.execute(insert(trail_about), told)


def about_of(entry: Entry) -> list[str]:
    """Return what an entry can be asked by: ids of messages and hashes of numbers."""
    if entry.messages or entry.numbers or entry.action not in OF_MESSAGES:
        return list(dict.fromkeys((*entry.messages, *entry.numbers)))
    words = (message_id_in(word) or word for word in entry.subject.split())
    return [word for word in dict.fromkeys(words) if "-" in word]


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


@dataclass(frozen=True)
class Asked:
    """Which entries are asked for; what is empty asks for all.

    `words` stand in subject or details. `message` is an id. `numbers` are the forms of one number. Entries
    are from `since` on, and before `until`.
    """

    who: str = ""
    action: str = ""
    words: str = ""
    message: str = ""
    numbers: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None


def latest(
    engine: Engine, *, who: str = "", action: str = "", words: str = "", limit: int = 200
) -> list[Entry]:
    """Return the newest entries, of one person, of one action, with these words in subject or details."""
    return asked_for(engine, Asked(who=who, action=action, words=words), limit=limit)


def asked_for(engine: Engine, asked: Asked, *, limit: int = 200) -> list[Entry]:
    """Return the newest of the entries that are asked for. Raises UnavailableError."""
    order = [trail.c.number.desc(), trail.c.hash.desc()]
    if asked.since or asked.until:  # by the index over times: else all entries may be looked at for a few
        order.insert(0, trail.c.at.desc())
    found = select(trail).order_by(*order).limit(limit)
    if asked.who:
        found = found.where(trail.c.who == asked.who)
    if asked.action:
        found = found.where(trail.c.action == asked.action)
    if asked.words:
        columns = (trail.c.subject, trail.c.details)
        found = found.where(or_(*(one.icontains(asked.words, autoescape=True) for one in columns)))
    if asked.since:
        found = found.where(trail.c.at >= asked.since)
    if asked.until:
        found = found.where(trail.c.at < asked.until)
    if asked.message:
        found = found.where(trail.c.hash.in_(_about([asked.message])))
    if asked.numbers:
        hashed = trail_numbers.hashes(trail_numbers.all_keys(engine), asked.numbers)
        found = found.where(trail.c.hash.in_(_about(hashed).union(_about_messages_of(asked.numbers))))
    return _read(engine, found)


def _about(words: Sequence[str]) -> Select[Any]:
    return select(trail_about.c.hash).where(trail_about.c.about.in_(words))


def _about_messages_of(numbers: Sequence[str]) -> Select[Any]:
    """Return what finds the entries about a number's messages that are still here.

    Entries of before have no hash of it.
    """
    return select(trail_about.c.hash).where(trail_about.c.about.in_(filters.ids_of_numbers(numbers)))


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
            new = list({entry.hash: entry for entry in page if entry.hash not in known}.values())
            if new:
                _insert(connection, new, kept=True)
            added += len(new)
    return added


def not_found_by(engine: Engine, page: Sequence[Entry]) -> list[Entry]:
    """Return those entries that the index lacks something of: asked by message or number, they would hide."""
    with reading(engine) as connection:
        counted = select(trail_about.c.hash, func.count().label("count")).group_by(trail_about.c.hash)
        found = counted.where(trail_about.c.hash.in_([entry.hash for entry in page]))
        counts = {row.hash: row.count for row in connection.execute(found)}
    return [entry for entry in page if counts.get(entry.hash, 0) != len(about_of(entry))]


def index_again(engine: Engine) -> int:
    """Index the entries that the index lacks something of; return how many those are."""
    count, here = 0, entries(engine)
    while page := list(itertools.islice(here, PAGE)):
        if lacking := not_found_by(engine, page):
            with writing(engine) as connection:
                _index(connection, lacking)
        count += len(lacking)
    return count


def _read(engine: Engine, found: Any) -> list[Entry]:
    with reading(engine) as connection:
        rows = connection.execute(found).mappings().all()
    return [_entry(row) for row in rows]


def _entry(row: RowMapping) -> Entry:
    named = {name: tuple(json.loads(row[name])) for name in ("messages", "numbers")}
    return Entry(**{**{name: value for name, value in row.items() if name != "kept"}, **named})


def _texts(listed: Any) -> tuple[str, ...]:
    """Return a list of ids or hashes. Raises TypeError, ValueError."""
    if not isinstance(listed, list) or not all(isinstance(one, str) for one in listed):
        raise TypeError("What an entry names is a list of texts.")
    if any(_clean(one)[:LONGEST_ID] != one for one in listed):
        raise ValueError("What an entry names is text that a catalog can hold.")
    return tuple(listed)


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _clean(words: str) -> str:
    return words.encode("utf-8", "replace").decode().replace("\0", "")[:LONGEST_TEXT]
