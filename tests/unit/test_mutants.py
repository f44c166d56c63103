import ast
from pathlib import Path

import pytest
from cosmic_ray.mutating import mutate_code
from defusedxml.ElementTree import fromstring

from tests.mutation import report
from tests.mutation.mutants import Mutant, mutants_of, sample
from tests.mutation.operators import OWN_OPERATORS
from tests.mutation.report import Row, read_rows, read_survivors, with_rows, write_survivors
from tests.mutation.selection import Equivalent, Target, choose, read_equivalents, read_targets
from tests.mutation.trials import Durations, Outcome, Result, outcome_of, read_durations, set_aside
from tests.mutation.workspace import project_files

PROJECT = Path(__file__).parents[2]


def made(source: str) -> set[str]:
    """Return the lines that the mutants of a source have in the place of one of its own."""
    return {mutant.becomes for mutant in mutants_of("module.py", source) if mutant.code}


@pytest.mark.parametrize("name", OWN_OPERATORS)
def test_each_operator_does_what_its_examples_say(name: str) -> None:
    for example in OWN_OPERATORS[name].examples():
        changed = mutate_code(example.pre_mutation_code, OWN_OPERATORS[name](), example.occurrence)
        assert (changed or example.pre_mutation_code) == example.post_mutation_code


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("lease.check()", "pass"),
        ("await queue.put(receipt)", "pass"),
        ("self.waiting_bytes -= size", "pass"),
        ("raise OvertakenError('Another worker has it.')", "pass"),
        ("if size > limit: return 0", "if size >= limit: return 0"),
        ("return host in allowed", "return host not in allowed"),
        ("return await send(text, verify=True)", "return await send(text, verify=False)"),
        ("return query.where(scope, is_public)", "return query.where(is_public)"),
        ("return rows[0]", "return rows[ 1]"),
        ("return a and b", "return a or b"),
    ],
)
def test_what_a_line_does_is_left_out_or_turned_round(line: str, fault: str) -> None:
    assert fault in made(f"async def f():\n    {line}\n")


def test_an_exception_that_is_handled_and_an_item_of_a_table_are_left_out() -> None:
    assert "except (A,):" in made("def f():\n    try:\n        g()\n    except (A, b.C):\n        return 2\n")
    table = 'CALLS = {\n    "ptrace": (101, 117),\n    "kcmp": (312, 272),\n}\n'
    codes = [mutant.code for mutant in mutants_of("module.py", table)]
    tables = [ast.literal_eval(code.partition("=")[2].strip()) for code in codes]
    assert tables == [{"kcmp": (312, 272)}, {"ptrace": (101, 117)}]


def test_an_item_goes_with_its_comment_and_the_others_keep_theirs() -> None:
    table = "CALLS = (\n    a,  # one\n    b,  # two\n    c,  # three\n)\n"
    codes = [mutant.code for mutant in mutants_of("module.py", table)]
    assert codes == [table.replace(f"    {line}\n", "") for line in ("a,  # one", "b,  # two", "c,  # three")]


@pytest.mark.parametrize(
    "source",
    [
        '"""Text with 1 and True."""\n',
        "from __future__ import annotations\n",
        "SECONDS = 20\n",
        "def f(a: int | None = None, *, b: Literal[True]) -> dict[str, int] | None: ...\n",
        "x: int | None = None\n",
        "log.info('done', count=1, again=True)\n",
        "def f():\n    log.warning('away', after=0)\n",
        "def f():\n    counter.labels('x').inc()\n",
        "if TYPE_CHECKING:\n    import a\n",
        "def f(folder, name):\n    return folder / name\n",
        "def f():\n    assert found is not None\n",
        '__all__ = ["a", "b"]\n',
    ],
)
def test_types_texts_logs_and_settings_have_no_mutants(source: str) -> None:
    assert made(source) == set()


def test_an_error_is_left_out_and_its_text_is_not_changed() -> None:
    assert made("def f(n):\n    raise ValueError(n + 1, True)\n") == {"pass"}


def test_the_same_fault_is_made_once() -> None:
    codes = [mutant.code for mutant in mutants_of("m.py", "def f(a, b):\n    if a == b:\n        g()\n")]
    assert sorted(codes) == [
        "def f(a, b):\n    if a == b:\n        pass\n",
        "def f(a, b):\n    if not a == b:\n        g()\n",
    ]


def test_a_mutant_keeps_its_name_when_its_line_moves() -> None:
    source = "def f():\n    g()\n    h()\n    g()\n"
    names = [mutant.name for mutant in mutants_of("m.py", source)]
    assert names == [mutant.name for mutant in mutants_of("m.py", f"'''Text.'''\n\n{source}")]
    assert len(set(names)) == 3


def test_a_sample_is_the_same_for_the_same_commit_and_another_for_another() -> None:
    mutants = mutants_of("m.py", "def f():\n" + "".join(f"    g{n}()\n" for n in range(200)))
    chosen = [mutant.name for mutant in sample(mutants, 30, "a1b2")]
    assert len(set(chosen)) == 30
    assert chosen == [mutant.name for mutant in sample(reversed(mutants), 30, "a1b2")]
    assert chosen != [mutant.name for mutant in sample(mutants, 30, "a1b3")]


def test_an_equivalent_mutant_is_counted_for_itself_and_not_tried() -> None:
    mutants = mutants_of("m.py", "def f():\n    return a and b, a and b\n\ndef g():\n    return a or b\n")
    known = Equivalent(
        "m.py", "ReplaceAndWithOr", "return a and b, a and b", "Why.", becomes="return a or b, a and b"
    )
    to_try, aside = set_aside(mutants, [known])
    assert [(result.mutant.number, result.outcome) for result in aside] == [(0, Outcome.EQUIVALENT)]
    assert len(to_try) == len(mutants) - 1


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        (0, Outcome.SURVIVED),
        (1, Outcome.CAUGHT),
        (2, Outcome.CAUGHT),
        (4, Outcome.CAUGHT),
        (124, Outcome.CAUGHT),
        (-11, Outcome.CAUGHT),
        (5, Outcome.NOT_RUN),
    ],
)
def test_failing_tests_catch_a_mutant_and_no_tests_say_nothing(code: int, outcome: Outcome) -> None:
    assert outcome_of(code) is outcome


def test_the_time_limit_grows_with_what_tests_take_and_failing_files_are_known() -> None:
    text = """<testsuites><testsuite>
        <testcase classname="tests.unit.test_a" name="test_x" time="1.5"/>
        <testcase classname="tests.unit.test_a.TestY" name="test_y" time="0.5"/>
        <testcase classname="tests.unit.test_b" name="test_z" time="1"><failure/></testcase>
        <testcase classname="" name="tests.unit.test_c" time="0"><error/></testcase>
    </testsuite></testsuites>"""
    found = read_durations(fromstring(text))
    assert found.seconds["tests/unit/test_a.py"] == 2
    assert found.failing == {"tests/unit/test_b.py", "tests/unit/test_c.py"}
    both = Durations({"a": 1.0}, start_seconds=3.0) | Durations({"b": 2.0}, frozenset({"b"}), 1.0)
    assert both == Durations({"a": 1.0, "b": 2.0}, frozenset({"b"}), 3.0)
    few, more = (Durations({"a": 2.0, "b": 3.0}).limit_seconds(tests) for tests in (["a"], ["a", "b"]))
    assert more - few == 15


def a_row(module: str, caught: int, survived: int) -> Row:
    return Row(module, {Outcome.CAUGHT: caught, Outcome.SURVIVED: survived}, "2026-01-01, abc")


def test_a_run_replaces_the_rows_of_its_modules_only() -> None:
    page = f"# Title\n\n{report.BEGIN}\n{report.END}\n\nThe end.\n"
    page = with_rows(page, [a_row("b.py", 1, 1), a_row("a.py", 5, 0)], ["a.py", "b.py"], cores=2)
    page = with_rows(page, [a_row("b.py", 2, 0)], ["a.py", "b.py", "c.py"], cores=2)
    rows = read_rows(page)
    assert list(rows) == ["a.py", "b.py"]
    assert rows["b.py"].counts[Outcome.CAUGHT] == 2
    assert "2 of 3 modules" in page
    assert "Caught: 100.0 %." in page
    assert page.startswith("# Title")
    assert page.endswith("The end.\n")


def test_a_share_is_never_rounded_up_to_what_was_not_reached() -> None:
    assert report.percent(0.8999) == "89.9 %"
    assert report.percent(report.share_caught({Outcome.EQUIVALENT: 3})) == "-"


def test_survivors_of_a_module_are_those_of_its_newest_run(tmp_path: Path) -> None:
    kept = tmp_path / "survivors.toml"
    first, second = mutants_of("m.py", 'def f():\n    g("a\\n")\n    h()\n')
    other = mutants_of("o.py", "def f():\n    g()\n")
    write_survivors("o.py", [Result(other[0], Outcome.SURVIVED)], kept)
    write_survivors("m.py", [Result(first, Outcome.SURVIVED), Result(second, Outcome.SURVIVED)], kept)
    write_survivors("m.py", [Result(first, Outcome.SURVIVED), Result(second, Outcome.CAUGHT)], kept)
    found = [(one["module"], one["line"], one["becomes"]) for one in read_survivors(kept)]
    assert found == [("m.py", 'g("a\\n")', "pass"), ("o.py", "g()", "pass")]


def test_a_module_or_a_folder_is_chosen_and_an_unknown_one_is_refused() -> None:
    targets = [Target("a/b.py", ()), Target("a/c.py", ()), Target("ab/d.py", ())]
    assert choose(targets, ["a"]) == targets[:2]
    assert choose(targets, ["ab/d.py", "a/c.py"]) == [targets[2], targets[1]]
    assert choose(targets, []) == targets
    with pytest.raises(LookupError, match="ab/x"):
        choose(targets, ["ab/x.py"])


@pytest.mark.parametrize("target", read_targets(), ids=lambda target: target.module)
def test_every_module_of_the_table_exists_and_so_do_its_tests(target: Target) -> None:
    assert target.tests
    assert [path for path in (target.module, *target.tests) if not (PROJECT / path).is_file()] == []


def test_every_equivalent_mutant_exists_and_has_a_reason() -> None:
    found: dict[str, list[Mutant]] = {}
    for one in read_equivalents():
        if one.module not in found:
            found[one.module] = mutants_of(one.module, (PROJECT / one.module).read_text())
        near = [mutant for mutant in found[one.module] if mutant.line == one.line]
        assert any(one.describes(mutant) for mutant in near), one
        assert one.reason


def test_files_that_git_would_take_are_copied_and_others_are_not() -> None:
    files = project_files(PROJECT)
    assert "tests/unit/test_mutants.py" in files
    assert not any(path.startswith((".venv/", "var/")) for path in files)
