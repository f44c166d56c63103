"""The table of attacks in docs/security.md, written by the run that made them (`make attacks`)."""

import os
from datetime import UTC, datetime
from pathlib import Path

WHERE = "MMSVAULT_TEST_ATTACKS"
BEGIN, END = "<!-- attacks begin -->", "<!-- attacks end -->"
HEAD = "| attack | what came of it | others meanwhile | run |\n|---|---|---|---|\n"


def record(attack: str, *, outcome: str, others: str) -> None:
    """Write the row of an attack into the file that the environment names; other rows stay."""
    where = os.environ.get(WHERE)
    if not where:
        return
    path = Path(where)
    before, _, rest = path.read_text().partition(BEGIN)
    kept, _, after = rest.partition(END)
    lines = {line.split(" | ")[0]: line for line in kept.splitlines() if line[:2] == "| "}
    lines.pop("| attack", None)
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    lines[f"| {attack}"] = f"| {attack} | {outcome} | {others} | {today} |"
    made = f"Made by `make attacks` on {os.cpu_count()} cores, attackers and all on the same machine.\n\n"
    path.write_text(f"{before}{BEGIN}\n{made}{HEAD}" + "\n".join(lines.values()) + f"\n{END}{after}")
