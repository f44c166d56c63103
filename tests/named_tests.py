"""The tests that pages of the documentation name as what shows a promise, and whether a run had them."""

import ast
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = ("guarantees", "threat-model")
Named = tuple[str, str]
"""A file below the project's folder, and a test in it."""


def page(name: str) -> str:
    return (ROOT / f"docs/{name}.md").read_text()


def named_in(text: str) -> list[Named]:
    """Return the tests that a text names, each once, in order."""
    return sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", text)))


def rows(text: str) -> list[list[str]]:
    """Return the cells of every row of a page's tables, without heads."""
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [line.strip("| ").split(" | ") for line in lines if not line.startswith("| promise |")]


@cache
def marks_of(path: Path) -> dict[str, frozenset[str]]:
    """Return the marks of every test of a file by the test's name, those of the whole file included."""
    tree = ast.parse(path.read_text())
    named: dict[str, set[str]] = {}
    """Marks that have a name in the file, `pytestmark` among them."""
    for node in tree.body:
        if isinstance(node, ast.Assign):
            named |= {to.id: set(_marks(node.value)) for to in node.targets if isinstance(to, ast.Name)}
    of_all = named.get("pytestmark", set())

    def marks(decorator: ast.expr) -> set[str]:
        is_name = isinstance(decorator, ast.Name)
        return named.get(decorator.id, set()) if is_name else set(_marks(decorator))

    return {
        node.name: frozenset(of_all.union(*map(marks, node.decorator_list)))
        for node in ast.walk(tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name.startswith("test_")
    }


def _marks(node: ast.expr) -> Iterator[str]:
    """Give the names of the marks of a decorator; those of single cases within it are not of the test."""
    if isinstance(node, (ast.List, ast.Tuple)):
        for one in node.elts:
            yield from _marks(one)
        return
    named = ast.unparse(node.func if isinstance(node, ast.Call) else node)
    if named.startswith("pytest.mark."):
        yield named.removeprefix("pytest.mark.")


@cache
def left_out() -> frozenset[str]:
    """Return the marks of tests that a plain run leaves out."""
    options = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]["addopts"]
    return frozenset(re.findall(r"not (\w+)", options))


def not_run(passed: set[str]) -> list[str]:
    """Return the named tests of which no case is among the node ids of a run's tests that passed."""
    had = {node.partition("[")[0] for node in passed}
    named = {f"{path}::{name}" for which in PAGES for path, name in named_in(page(which))}
    return sorted(named - had)
