"""The threat model names tests that there are."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/threat-model.md").read_text()
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)))


@cache
def functions_of(path: Path) -> frozenset[str]:
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return frozenset(
        node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, functions)
    )


@pytest.mark.parametrize(("path", "name"), NAMED)
def test_every_test_that_the_page_names_is_there(path: str, name: str) -> None:
    assert name.startswith("test_")
    assert name in functions_of(ROOT / path)


def test_every_attack_that_something_holds_against_has_a_test() -> None:
    holding, _, _ = PAGE.partition("## What does not hold")
    rows = [
        line
        for line in holding.splitlines()
        if line.startswith("| ") and line != "| attack | what holds | test |"
    ]
    attacks = [row for row in rows if row.count(" | ") == 2]
    assert len(attacks) > 30
    assert [row for row in attacks if "::test_" not in row] == []
