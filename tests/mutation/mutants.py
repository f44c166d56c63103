"""The mutants of a module: where each operator can put a fault that says something of the tests."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import unified_diff
from functools import cache, cached_property
from itertools import pairwise
from pathlib import Path

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from parso.tree import NodeOrLeaf

from tests.mutation.operators import operators

EDGE_NUMBERS = frozenset("012")
"""Numbers that are an index or an edge. A larger one is a setting, and one more or less is no fault."""
ARITHMETIC_PARENTS = frozenset({"term", "arith_expr", "expr", "and_expr", "shift_expr"})
CONDITIONAL_PARENTS = frozenset({"if_stmt", "while_stmt", "test"})
NEGATIONS = frozenset(
    {"Eq_NotEq", "NotEq_Eq", "Is_IsNot", "IsNot_Is", "Lt_GtE", "LtE_Gt", "Gt_LtE", "GtE_Lt"}
)
NOT_RUN = ("TYPE_CHECKING", "__name__")
"""What is in the conditions of blocks that tests do not run."""
LOGGERS = frozenset({"log", "logger", "logging", "structlog"})
COUNTS = frozenset({".inc", ".observe", ".set_attribute"})


@dataclass(frozen=True)
class Mutant:
    """A fault: the `occurrence`-th place in `module` (a path from the project's folder) for `operator`.

    `line` is the text of the source line, and `number` tells apart the faults of the same operator in
    lines of the same text: together they are the mutant's name, which holds when lines move.
    """

    module: str
    operator: str
    occurrence: int
    row: int
    line: str
    number: int
    source: str

    @property
    def name(self) -> str:
        """Return what it is called in every run while its line stays as it is."""
        return f"{self.module}|{self.operator}|{self.line}|{self.number}"

    @cached_property
    def code(self) -> str:
        """Return the module's text with the fault; empty where that is no Python, or no change."""
        made = mutate_code(self.source, operators_by_name()[self.operator], self.occurrence)
        if made is None or made == self.source:
            return ""
        try:
            compile(made, self.module, "exec", dont_inherit=True)
        except SyntaxError:
            return ""
        return str(made)

    @cached_property
    def becomes(self) -> str:
        """Return the new text of the lines that change, not indented; empty where they only go."""
        changes = unified_diff(self.source.splitlines(), self.code.splitlines(), n=0, lineterm="")
        return " ".join(line[1:].strip() for line in changes if line[0] == "+" and line[:3] != "+++")

    @property
    def diff(self) -> str:
        """Return the fault as a diff."""
        lines = (self.source.splitlines(), self.code.splitlines())
        return "\n".join(
            unified_diff(*lines, self.module, f"{self.module} ({self.operator})", n=1, lineterm="")
        )


@cache
def operators_by_name() -> dict[str, object]:
    """Return the operators that are used, made once."""
    return operators()


def mutants_of(module: str, source: str) -> list[Mutant]:
    """Return every mutant of the module that says something about its tests, in the order of the lines."""
    lines = source.splitlines()
    seen: Counter[tuple[str, str]] = Counter()
    found = []
    for row, name, occurrence in sorted(_places(source)):
        line = lines[row - 1].strip()
        found.append(Mutant(module, name, occurrence, row, line, seen[name, line], source))
        seen[name, line] += 1
    return found


def read_mutants(project: Path, modules: Iterable[str]) -> list[Mutant]:
    """Return the mutants of modules of the project in that folder."""
    return [mutant for module in modules for mutant in mutants_of(module, (project / module).read_text())]


def sample(mutants: Iterable[Mutant], size: int, seed: str) -> list[Mutant]:
    """Return `size` of the mutants, the same ones for the same seed; names decide, not their order."""

    def draw(mutant: Mutant) -> bytes:
        return hashlib.sha256(f"{seed}|{mutant.name}".encode()).digest()

    chosen: list[Mutant] = []
    for mutant in sorted(mutants, key=draw):
        if len(chosen) == size:
            break
        if mutant.code:
            chosen.append(mutant)
    return chosen


def _places(source: str) -> Iterator[tuple[int, str, int]]:
    """Give row, operator and occurrence of every useful mutant; counted as cosmic-ray counts them."""
    nodes = list(ast_nodes(get_ast(source)))
    for name, operator in operators_by_name().items():
        occurrence = 0
        for node in nodes:
            for start, _ in operator.mutation_positions(node):  # type: ignore[attr-defined]
                if _is_useful(name, node):
                    yield start[0], name, occurrence
                occurrence += 1


def _is_useful(operator: str, node: NodeOrLeaf) -> bool:
    above = _with_ancestors(node)
    if any(rule(inner, outer) for inner, outer in pairwise(above) for rule in LEFT_OUT):
        return False
    kind, _, detail = operator.partition("_")
    if kind == "ReplaceBinaryOperator":
        return _is_arithmetic(node, detail)
    if operator == "ReplaceMembership" or detail in NEGATIONS:
        return not _is_condition(node)  # there AddNot makes the same fault
    rule = RULES.get(operator)
    return rule is None or rule(above)


def _with_ancestors(node: NodeOrLeaf) -> list[NodeOrLeaf]:
    above = [node]
    while above[-1].parent is not None:
        above.append(above[-1].parent)
    return above


def _is_arithmetic(node: NodeOrLeaf, detail: str) -> bool:
    """Say whether an operator stands between numbers or sets; `/` joins paths and `+` joins texts, too."""
    if node.parent.type not in ARITHMETIC_PARENTS:
        return False
    sides = [one for one in (node.get_previous_sibling(), node.get_next_sibling()) if one is not None]
    if detail == "Div_Mul":
        return any(side.type == "number" for side in sides)
    if detail == "BitOr_BitAnd":
        return any(one.type == "funcdef" for one in _with_ancestors(node))
    return not any(side.type in {"string", "fstring", "strings"} for side in sides)


def _is_condition(node: NodeOrLeaf) -> bool:
    return node.parent.type in CONDITIONAL_PARENTS and node.parent.children[0] is not node


def _is_new_negation(above: list[NodeOrLeaf]) -> bool:
    """Say whether `not` can be put before a condition, and is not there already."""
    node = above[0]
    condition = node.children[2 if node.type == "test" else 1]
    return not {condition.type, node.type} & {"not_test", "assert_stmt"} and not _names(condition, *NOT_RUN)


def _is_edge(above: list[NodeOrLeaf]) -> bool:
    return above[0].value in EDGE_NUMBERS and any(one.type == "funcdef" for one in above)


def _is_not_first(above: list[NodeOrLeaf]) -> bool:
    """Say whether an assignment is not the first one, without which every use fails."""
    return not any(one.type == "funcdef" and one.name.value == "__init__" for one in above)


def _is_table(above: list[NodeOrLeaf]) -> bool:
    """Say whether a module or a class sets it, and it is neither in another table nor `__all__`."""
    if any(one.type in {"funcdef", "lambdef", "decorator", "subscript", "atom"} for one in above[1:]):
        return False
    statements = [one for one in above if one.type == "expr_stmt"]
    return bool(statements) and not statements[0].get_first_leaf().value.startswith("__")


def _names(node: NodeOrLeaf, *names: str) -> bool:
    return any(getattr(one, "value", None) in names for one in ast_nodes(node))


def _is_annotation(inner: NodeOrLeaf, outer: NodeOrLeaf) -> bool:
    if outer.type in {"annassign", "tfpdef"}:
        return inner is outer.children[len(": x".split()) - 1 if outer.type == "annassign" else 2]
    return outer.type == "funcdef" and inner is outer.annotation


def _is_message(inner: NodeOrLeaf, outer: NodeOrLeaf) -> bool:
    """Say whether it is what an error says, or what only the checker of types reads."""
    return outer.type in {"raise_stmt", "assert_stmt", "import_from", "fstring_expr"} and inner is not outer


def _is_log(inner: NodeOrLeaf, _outer: NodeOrLeaf) -> bool:
    """Say whether it is a line of the log, or counts or traces what is done; also as a statement."""
    call = inner.children[0] if inner.type == "simple_stmt" else inner
    if call.type not in {"atom_expr", "power"}:
        return False
    named = call.get_first_leaf().value in LOGGERS
    return named or any(part.get_code().strip() in COUNTS for part in call.children)


def _is_main(inner: NodeOrLeaf, _outer: NodeOrLeaf) -> bool:
    return inner.type == "if_stmt" and _names(inner.children[1], *NOT_RUN)


RULES: Mapping[str, Callable[[list[NodeOrLeaf]], bool]] = {
    "AddNot": _is_new_negation,
    "NumberReplacer": _is_edge,
    "RemoveAssignment": _is_not_first,
    "RemoveItem": _is_table,
}
"""Where an operator is useful: of a node, and what it is in."""
LEFT_OUT: tuple[Callable[[NodeOrLeaf, NodeOrLeaf], bool], ...] = (
    _is_annotation,
    _is_message,
    _is_log,
    _is_main,
)
