"""Which modules have faults put into them, which tests should catch those, and which faults change nothing.

modules.toml has a table for each module: `tests`, the quickest that ought to catch its faults, the
likeliest first; `sample = true` where they are quick enough for each run of CI. equivalents.toml lists
mutants that behave like the original, each with the reason.
"""

import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.mutation.mutants import Mutant

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Target:
    """A module and its tests, all as paths from the project's folder."""

    module: str
    tests: tuple[str, ...]
    sample: bool = False


@dataclass(frozen=True)
class Equivalent:
    """A mutant that no test can tell from the original.

    Without `becomes`, it is every mutant of the operator in lines of that text.
    """

    module: str
    operator: str
    line: str
    reason: str
    becomes: str | None = None

    def describes(self, mutant: Mutant) -> bool:
        """Say whether it is this mutant."""
        same = (self.module, self.operator, self.line) == (mutant.module, mutant.operator, mutant.line)
        return same and self.becomes in {None, mutant.becomes}


def read_targets(path: Path = FOLDER / "modules.toml") -> list[Target]:
    """Return the modules in the order of the file."""
    tables = tomllib.loads(path.read_text())
    return [
        Target(module, tuple(table["tests"]), sample=table.get("sample", False))
        for module, table in tables.items()
    ]


def read_equivalents(path: Path = FOLDER / "equivalents.toml") -> list[Equivalent]:
    """Return the mutants that change nothing."""
    return [Equivalent(**table) for table in tomllib.loads(path.read_text()).get("mutant", [])]


def choose(targets: Sequence[Target], names: Iterable[str]) -> list[Target]:
    """Return the targets of those modules or folders, or all. Raises LookupError for one that has none."""
    chosen: dict[str, Target] = {}
    for name in names:
        found = [
            one for one in targets if one.module == name or one.module.startswith(f"{name.rstrip('/')}/")
        ]
        if not found:
            raise LookupError(f"{name} is not in {FOLDER.name}/modules.toml.")
        chosen |= {one.module: one for one in found}
    return list(chosen.values()) or list(targets)
