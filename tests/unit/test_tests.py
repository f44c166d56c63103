"""A test that passes has looked at something: none ends early, sleeps, or skips by itself."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
FILES = sorted(
    path for kind in ("unit", "integration", "flow", "browser") for path in (TESTS / kind).glob("*.py")
)


def functions_in(path: Path) -> list[ast.FunctionDef]:
    tree = ast.parse(path.read_text())
    return [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_") and node.col_offset <= 4
    ]


def own_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """Give everything within a function but what is within functions of its own."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)):
            yield child
            yield from own_nodes(child)


def called(path: Path) -> set[str]:
    """Return the names of everything that a file calls."""
    return {
        ast.unparse(node.func) for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)
    }


def test_there_are_tests_to_look_at() -> None:
    assert sum(len(functions_in(path)) for path in FILES) > 1500


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_no_test_ends_before_its_last_line(path: Path) -> None:
    """What is left out by a return counts as passed: write two tests, or an else."""
    early = [
        f"{path.name}:{node.lineno}"
        for test in functions_in(path)
        for node in own_nodes(test)
        if isinstance(node, ast.Return)
    ]
    assert early == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_only_what_is_not_on_a_machine_is_skipped(path: Path) -> None:
    """Use `require` of tests/servers.py, which fails where it may not be missing."""
    assert not called(path) & {"pytest.skip", "pytest.importorskip", "pytest.xfail", "pytest.mark.xfail"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_any_error_at_all_is_expected_by_no_test(path: Path) -> None:
    expected = {
        ast.unparse(node.args[0])
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.raises" and node.args
    }
    assert not expected & {"Exception", "BaseException"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_no_test_waits_a_fixed_time(path: Path) -> None:
    """Use `until` of tests/servers.py."""
    slept = [
        f"{path.name}:{node.lineno}"
        for test in functions_in(path)
        for node in own_nodes(test)
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("time.sleep", "sleep", "asyncio.sleep")
    ]
    assert slept == []
