"""What runs came to: the table in docs/testing.md, and the list of faults that no test caught.

Each module has the row of its newest run; a run replaces the rows of its modules only.
"""

import json
import tomllib
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.mutation.mutants import Mutant
from tests.mutation.selection import FOLDER
from tests.mutation.trials import Outcome, Result

BEGIN, END = "<!-- mutants begin -->", "<!-- mutants end -->"
COLUMNS = ("module", "mutants", "caught", "survived", "equivalent", "not run", "share caught", "run")
HEAD = f"| {' | '.join(COLUMNS)} |\n|---|{'---:|' * 6}---|"
SURVIVORS = FOLDER / "survivors.toml"
ENOUGH = 0.9
"""The share of mutants that tests must catch."""


@dataclass(frozen=True)
class Row:
    """What came of a module's mutants; `run` is the day of the run and its commit."""

    module: str
    counts: Mapping[Outcome, int]
    run: str

    @property
    def share(self) -> float | None:
        """Return which share of the mutants that were tried was caught; None where none was tried."""
        return share_caught(self.counts)

    @property
    def is_whole(self) -> bool:
        """Say whether every mutant was tried."""
        return not self.counts.get(Outcome.NOT_RUN, 0)

    def __str__(self) -> str:
        numbers = (sum(self.counts.values()), *(self.counts.get(outcome, 0) for outcome in Outcome))
        return f"| `{self.module}` | {' | '.join(map(str, numbers))} | {percent(self.share)} | {self.run} |"


def count(results: Iterable[Result]) -> Counter[Outcome]:
    """Return how many mutants came to what."""
    return Counter(result.outcome for result in results)


def share_caught(counts: Mapping[Outcome, int]) -> float | None:
    """Return the share caught of those that ran and that a test could catch; None where there are none."""
    tried = counts.get(Outcome.CAUGHT, 0) + counts.get(Outcome.SURVIVED, 0)
    return counts.get(Outcome.CAUGHT, 0) / tried if tried else None


def percent(share: float | None) -> str:
    """Return a share in words; rounded down, so that nothing is more than it is."""
    return "-" if share is None else f"{int(share * 1000) / 10:.1f} %"


def read_rows(page: str) -> dict[str, Row]:
    """Return the rows of docs/testing.md by module."""
    rows = {}
    for line in page.partition(BEGIN)[2].partition(END)[0].splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == len(COLUMNS) and cells[1].isdigit() and cells[0].startswith("`"):
            counts = {outcome: int(cell) for outcome, cell in zip(Outcome, cells[2:6], strict=True)}
            rows[cells[0].strip("`")] = Row(cells[0].strip("`"), counts, cells[-1])
    return rows


def total(rows: Iterable[Row]) -> Counter[Outcome]:
    """Return the sum of rows."""
    summed: Counter[Outcome] = Counter()
    for row in rows:
        summed.update(row.counts)
    return summed


def with_rows(page: str, new: Sequence[Row], modules: Collection[str], *, cores: int) -> str:
    """Return docs/testing.md with new rows, in the order of `modules`; rows of other modules go."""
    before, _, rest = page.partition(BEGIN)
    rows = read_rows(page) | {row.module: row for row in new}
    kept = [rows[module] for module in modules if module in rows]
    summed = total(kept)
    made = (
        f"Written by `make mutate` on {cores} cores. {len(kept)} of {len(modules)} modules were tried: "
        f"of {sum(summed.values()):,} mutants, {summed[Outcome.CAUGHT]:,} were caught, "
        f"{summed[Outcome.SURVIVED]:,} survived, {summed[Outcome.EQUIVALENT]:,} are equivalent and "
        f"{summed[Outcome.NOT_RUN]:,} did not run. "
        f"Caught: {percent(share_caught(summed))}."
    )
    table = "\n".join((HEAD, *map(str, kept)))
    return f"{before}{BEGIN}\n{made}\n\n{table}\n{END}{rest.partition(END)[2]}"


def read_survivors(path: Path = SURVIVORS) -> list[dict[str, str]]:
    """Return the mutants that the newest run of each module left over."""
    return tomllib.loads(path.read_text()).get("mutant", []) if path.exists() else []


def key_of(mutant: Mutant) -> tuple[str, str, str, str]:
    """Return what a survivor is known by."""
    return mutant.module, mutant.operator, mutant.line, mutant.becomes


def write_survivors(module: str, results: Iterable[Result], path: Path = SURVIVORS) -> None:
    """Replace the survivors of a module by those of a run."""
    kept = [tuple(one.values()) for one in read_survivors(path) if one["module"] != module]
    new = [key_of(result.mutant) for result in results if result.outcome is Outcome.SURVIVED]
    tables = [
        "\n".join(
            f"{name} = {json.dumps(text, ensure_ascii=False)}"
            for name, text in zip(("module", "operator", "line", "becomes"), key, strict=True)
        )
        for key in sorted({*kept, *new})
    ]
    head = "# Mutants that no test caught in the newest run of their module. Written by `make mutate`.\n"
    path.write_text(head + "".join(f"\n[[mutant]]\n{table}\n" for table in tables))
