"""Mutants in a copy of a small project, with tests of its own, and what is left of what those start."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from time import monotonic

import pytest

from tests.mutation import contained
from tests.mutation.contained import TIMED_OUT, descendants
from tests.mutation.mutants import mutants_of
from tests.mutation.selection import Target
from tests.mutation.trials import Laboratory, Outcome, laboratory

SLEEPER = "import os, sys, time; print(os.getpid(), flush=True); time.sleep(600)"
STARTER = f"""
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", {SLEEPER!r}], start_new_session=True, stdout=subprocess.PIPE)
print(child.stdout.readline().decode(), flush=True)
"""
PRODUCT = """
def larger(a, b):
    if a > b:
        return a
    return b


def unused(a):
    return a and 2
"""
TESTS = """
from product import larger

def test_the_larger_of_two():
    assert larger(1, 2) == 2
    assert larger(2, 1) == 2
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / "tests").mkdir(parents=True)
    (folder / "product.py").write_text(PRODUCT)
    (folder / "tests" / "test_product.py").write_text(TESTS)
    (folder / "pyproject.toml").write_text("[tool.pytest.ini_options]\npythonpath = ['.']\n")
    subprocess.run(["git", "init", "--quiet", folder], check=True)  # noqa: S607
    return folder


def is_gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


def test_what_a_test_leaves_running_in_a_session_of_its_own_is_ended() -> None:
    command = [sys.executable, contained.__file__, "60", sys.executable, "-c", STARTER]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert is_gone(int(done.stdout))


@pytest.mark.parametrize("ended_by", ["time", "signal"])
def test_a_command_that_hangs_is_ended_with_what_it_started(ended_by: str) -> None:
    limit = "1" if ended_by == "time" else "60"
    script = f"{STARTER}\nimport time\ntime.sleep(600)"
    command = [sys.executable, contained.__file__, limit, sys.executable, "-c", script]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        left = [] if ended_by == "time" else [int(process.stdout.readline())]
        if left:
            assert left[0] in descendants(process.pid)
            process.send_signal(signal.SIGTERM)
        text = process.stdout.read()
        left = left or [int(text)]
        assert process.wait() == (TIMED_OUT if ended_by == "time" else 128 + signal.SIGTERM)
    assert all(is_gone(pid) for pid in left)


def test_mutants_are_caught_or_survive_in_the_copy_and_the_original_stays(project: Path) -> None:
    target = Target("product.py", ("tests/test_product.py",))
    mutants = mutants_of("product.py", PRODUCT)
    with laboratory(project, workers=1) as tried_in:
        durations = tried_in.measure(target.tests, limit_seconds=60)
        assert durations.failing == frozenset()
        results = list(tried_in.try_all(mutants, {"product.py": target}, durations, until=monotonic() + 600))
        folder = tried_in.folder
    outcomes = {(one.mutant.operator, one.mutant.becomes): one.outcome for one in results}
    assert outcomes["AddNot", "if not a > b:"] is Outcome.CAUGHT
    assert outcomes["ReplaceComparisonOperator_Gt_GtE", "if a >= b:"] is Outcome.SURVIVED
    assert outcomes["ReplaceAndWithOr", "return a or 2"] is Outcome.SURVIVED
    assert (project / "product.py").read_text() == PRODUCT
    assert not folder.exists()


def test_a_module_whose_tests_fail_without_a_fault_is_not_tried(project: Path) -> None:
    (project / "tests" / "test_product.py").write_text("def test_it():\n    assert False\n")
    target = Target("product.py", ("tests/test_product.py",))
    with laboratory(project, workers=1) as tried_in:
        durations = tried_in.measure(target.tests, limit_seconds=60)
        assert durations.failing == {*target.tests}
        mutants = mutants_of("product.py", PRODUCT)[:1]
        (result,) = tried_in.try_all(mutants, {"product.py": target}, durations, until=monotonic() + 600)
    assert result.outcome is Outcome.NOT_RUN


def test_the_copy_of_this_project_imports_itself_and_is_put_back_whatever_a_mutant_did(
    tmp_path: Path,
) -> None:
    project = Path(__file__).parents[2]
    workspace = Laboratory(project, tmp_path, workers=1).workspaces[0]
    asked = "import mmsvault, sys; print(mmsvault.__file__); print(sys.prefix)"
    python = workspace.environment()["PATH"].partition(os.pathsep)[0] + "/python"
    answer = subprocess.run([python, "-c", asked], cwd="/", check=True, capture_output=True, text=True)
    assert answer.stdout.splitlines()[0] == str(workspace.tree / "mmsvault" / "__init__.py")
    program = subprocess.run(
        [f"{Path(python).parent}/mmsvault", "--help"], cwd="/", check=True, capture_output=True, text=True
    )
    assert "Usage" in program.stdout
    module = workspace.tree / "mmsvault" / "leases.py"
    before = module.read_text()
    workspace.put("mmsvault/leases.py", before.replace("<", ">"))
    (workspace.tree / "mmsvault" / "errors.py").unlink()
    workspace.restore()
    assert module.read_text() == before
    assert (workspace.tree / "mmsvault" / "errors.py").exists()
