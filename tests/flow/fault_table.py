"""The fault table of docs/reliability.md, written by the run that measured it."""

import os
from datetime import UTC, datetime
from pathlib import Path

from tests.flow.traffic import Row

WHERE = "MMSVAULT_TEST_FAULT_TABLE"
BEGIN, END = "<!-- fault table begins -->", "<!-- fault table ends -->"
HEAD = """| fault | messages sent | 200s given | archived in the end | lost | doubled | run |
|---|---:|---:|---:|---:|---:|---|
"""


class FaultTable:
    """Rows as they come in; kept only where the run was asked to write them.

    Rows of faults that this run did not bring about stay as they are.
    """

    def __init__(self) -> None:
        self._rows: list[Row] = []

    def add(self, rows: list[Row]) -> None:
        self._rows.extend(rows)

    def write(self) -> None:
        """Replace the table in the file that the environment names."""
        where = os.environ.get(WHERE)
        if not where or not self._rows:
            return
        path = Path(where)
        before, _, rest = path.read_text().partition(BEGIN)
        after = rest.partition(END)[2]
        today = f"{datetime.now(UTC):%Y-%m-%d}"
        lines = {
            line.split(" | ")[0]: line for line in rest.partition(END)[0].splitlines() if line[:2] == "| "
        }
        lines.pop("| fault", None)
        for row in self._rows:
            counts = (row.sent, row.answered, row.archived, row.lost, row.doubled)
            cells = (f"| {row.fault}", *map(str, counts), f"{today} |")
            lines[cells[0]] = " | ".join(cells)
        made = f"Made by `make test-faults` on {os.cpu_count()} cores.\n\n"
        table = HEAD + "\n".join(lines.values())
        path.write_text(f"{before}{BEGIN}\n{made}{table}\n{END}{after}")
