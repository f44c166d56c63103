"""The fault table of docs/reliability.md, written by the run that measured it."""

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from tests.accounts import Row

WHERE = "MMSVAULT_TEST_FAULT_TABLE"
BEGIN, END = "<!-- fault table begins -->", "<!-- fault table ends -->"
HEAD = """| fault | messages sent | 200s given | archived in the end | lost | doubled | files compared | run |
|---|---:|---:|---:|---:|---:|---:|---|
"""
COLUMNS = 8


class FaultTable:
    """Rows as they come in, of runs that fail as well; kept only where the run was asked to write them.

    Rows of faults that this run did not bring about stay as they are.
    """

    def __init__(self) -> None:
        self._rows: dict[str, Row] = {}
        self._unfinished: set[str] = set()

    def add(self, rows: Sequence[Row], *, is_unfinished: bool = False) -> None:
        """Enter what was counted; `is_unfinished` where the test ended before it came to counting."""
        for row in rows:
            self._rows[row.fault] = row
            if is_unfinished:
                self._unfinished.add(row.fault)

    def has(self, fault: str) -> bool:
        return fault in self._rows

    def write(self) -> None:
        """Replace the table in the file that the environment names."""
        where = os.environ.get(WHERE)
        if not where or not self._rows:
            return
        path = Path(where)
        before, _, rest = path.read_text().partition(BEGIN)
        after = rest.partition(END)[2]
        lines = {line.split(" | ")[0]: _widened(line) for line in _lines(rest.partition(END)[0])}
        for row in self._rows.values():
            lines[f"| {row.fault}"] = self._line(row)
        made = f"Made by `make test-faults` on {os.cpu_count()} cores.\n\n"
        table = HEAD + "\n".join(lines.values())
        path.write_text(f"{before}{BEGIN}\n{made}{table}\n{END}{after}")

    def _line(self, row: Row) -> str:
        run = f"{datetime.now(UTC):%Y-%m-%d}"
        if row.fault in self._unfinished:
            run += ", not run to its end"
        elif not row.is_right():
            run += ", failed"
        counts = (row.sent, row.answered, row.archived, row.lost, row.doubled, row.compared)
        return " | ".join((f"| {row.fault}", *map(str, counts), f"{run} |"))


def expect(table: FaultTable, rows: Sequence[Row]) -> None:
    """Enter the rows, and fail where one is not right, with the id of each message that is not."""
    table.add(rows)
    problems = [f"{row.fault}: {problem}" for row in rows for problem in row.problems]
    assert problems == [], "\n".join(problems)
    assert [row for row in rows if not row.is_right()] == []


def _lines(table: str) -> list[str]:
    return [line for line in table.splitlines() if line[:2] == "| " and not line.startswith("| fault |")]


def _widened(line: str) -> str:
    """Return a row with all columns: earlier runs did not count the files that they compared."""
    cells = line.split(" | ")
    return line if len(cells) == COLUMNS else " | ".join([*cells[:-1], "", cells[-1]])
