"""Every distinct statement that the product sends to its catalog, with the values of one that was sent.

Each process notes what it sends in a file of its own in the folder MMSVAULT_TEST_STATEMENTS. Processes
that a test starts do so by `tests/recording/sitecustomize.py`, which they find by PYTHONPATH.
"""

import json
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from sqlalchemy import Engine, event

FOLDER = "MMSVAULT_TEST_STATEMENTS"
RECORDING = Path(__file__).with_name("recording")
ROOT = Path(__file__).resolve().parent.parent
PRODUCT = tuple(f"{ROOT / name}{os.sep}" for name in ("mmsvault", "dashboard", "worker", "receiver"))
TESTS = f"{ROOT / 'tests'}{os.sep}"
READ_OR_CHANGED = ("SELECT", "INSERT", "UPDATE", "DELETE", "WITH")
MOST_SENDERS = 8
_REPEATED = (
    (
        re.compile(r"(?:\?|%\(\w+\)s(?:::[\w ]+(?:\[\])?)?)(?:, (?:\?|%\(\w+\)s(?:::[\w ]+(?:\[\])?)?))+"),
        "?, ...",
    ),
    (re.compile(r"%\(\w+\)s"), "?"),
    (re.compile(r"\s+"), " "),
)


@dataclass(frozen=True)
class Statement:
    """A statement as one was sent. `senders` are the product's functions that sent it, the inmost first.

    `sql` has its values written into it on PostgreSQL; on SQLite they are `values`.
    """

    dialect: str
    sql: str
    values: tuple[Any, ...]
    senders: tuple[str, ...]
    program: str = ""

    @property
    def form(self) -> str:
        """Return the statement without its values, lists of any length being one."""
        return form_of(self.sql)


def form_of(sql: str) -> str:
    """Return an SQL text as it is compared with others."""
    for pattern, instead in _REPEATED:
        sql = pattern.sub(instead, sql)
    return sql.strip()


def listen(note: Callable[[Statement, str], None]) -> Callable[[], None]:
    """Hand over each statement of the product that any engine sends; return what ends that.

    Beside each is the form of its text, before values were written into it.
    """

    def sent(connection: Any, cursor: Any, sql: str, given: Any, _context: object, is_many: bool) -> None:
        if sql.lstrip()[:6].upper().startswith(READ_OR_CHANGED) and (senders := senders_of(sys._getframe(1))):
            values = given[0] if is_many else given
            note(_statement(connection.dialect.name, cursor, sql, values, senders), form_of(sql))

    event.listen(Engine, "before_cursor_execute", sent)
    return lambda: event.remove(Engine, "before_cursor_execute", sent)


def senders_of(frame: FrameType | None) -> tuple[str, ...]:
    """Return the functions of the product that run, the inmost first; none where a test itself asks."""
    found: list[str] = []
    while frame and len(found) < MOST_SENDERS:
        path = frame.f_code.co_filename
        if path.startswith(PRODUCT):
            found.append(f"{frame.f_globals['__name__']}.{frame.f_code.co_qualname}")
        elif path.startswith(TESTS) and not path.startswith(__file__):
            break
        frame = frame.f_back
    return tuple(found)


def _statement(dialect: str, cursor: Any, sql: str, values: Any, senders: tuple[str, ...]) -> Statement:
    if dialect == "sqlite":
        return Statement(dialect, sql, tuple(values or ()), senders)
    from psycopg import ClientCursor  # noqa: PLC0415 - only where PostgreSQL is

    # Behind the event the driver takes `%%` for `%` where values come along, and not otherwise.
    written = ClientCursor(cursor.connection).mogrify(sql, values) if values else sql
    return Statement(dialect, written, (), senders)


def record(folder: Path, program: str) -> None:
    """Note every distinct statement of this process, and of those that it forks, in a file of its own."""
    seen: set[tuple[str, str]] = set()

    def note(statement: Statement, form: str) -> None:
        key = (statement.dialect, form)
        if key in seen:
            return
        seen.add(key)
        row = {**asdict(statement), "program": program}
        with (folder / f"{os.getpid()}.jsonl").open("a") as file:
            file.write(json.dumps(row, default=str) + "\n")

    folder.mkdir(parents=True, exist_ok=True)
    listen(note)


def recorded(folder: Path) -> Iterator[Statement]:
    """Give what all processes noted, each form once."""
    seen: set[tuple[str, str]] = set()
    for path in sorted(folder.glob("*.jsonl")):
        for line in path.read_text().splitlines():
            row = json.loads(line)
            made = Statement(**{**row, "values": tuple(row["values"]), "senders": tuple(row["senders"])})
            if (made.dialect, made.form) not in seen:
                seen.add((made.dialect, made.form))
                yield made


def is_from(statement: Statement, names: Sequence[str]) -> str | None:
    """Return the first of these functions or modules that a statement was sent by or for."""
    return next(
        (
            name
            for name in names
            for sender in statement.senders
            if sender == name or sender.startswith(f"{name}.")
        ),
        None,
    )
