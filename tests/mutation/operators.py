"""Which faults are made: a choice of cosmic-ray's operators, and some that it lacks.

The added ones leave out what a statement does: a call, an assignment, an error that is raised, an exception
that is handled, a condition of a query.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import parso
from cosmic_ray.operators.operator import Example, Operator
from cosmic_ray.operators.provider import OperatorProvider
from parso.python.tree import Keyword
from parso.tree import BaseNode, NodeOrLeaf

Position = tuple[tuple[int, int], tuple[int, int]]

LIBRARY_OPERATORS = (
    "AddNot",
    "NumberReplacer",
    "ReplaceAndWithOr",
    "ReplaceBreakWithContinue",
    "ReplaceContinueWithBreak",
    "ReplaceFalseWithTrue",
    "ReplaceOrWithAnd",
    "ReplaceTrueWithFalse",
    "ReplaceUnaryOperator_Delete_Not",
    "ReplaceUnaryOperator_Delete_USub",
    "ZeroIterationForLoop",
    *(f"ReplaceComparisonOperator_{pair}" for pair in ("Eq_NotEq", "NotEq_Eq", "Is_IsNot", "IsNot_Is")),
    *(f"ReplaceComparisonOperator_{pair}" for pair in ("Lt_LtE", "LtE_Lt", "Gt_GtE", "GtE_Gt")),
    *(f"ReplaceComparisonOperator_{pair}" for pair in ("Lt_GtE", "LtE_Gt", "Gt_LtE", "GtE_Lt")),
    *(f"ReplaceBinaryOperator_{pair}" for pair in ("Add_Sub", "Sub_Add", "Mul_Add", "Div_Mul")),
    *(
        f"ReplaceBinaryOperator_{pair}"
        for pair in ("FloorDiv_Mul", "Mod_Mul", "BitOr_BitAnd", "BitAnd_BitOr")
    ),
    *(f"ReplaceBinaryOperator_{pair}" for pair in ("LShift_RShift", "RShift_LShift")),
)


def span(node: NodeOrLeaf) -> Position:
    """Return where a node begins and ends."""
    return node.start_pos, node.end_pos


def last_trailer(node: NodeOrLeaf) -> str:
    """Return how what ends an expression begins: `(` for a call, `.` for an attribute, `[` for an item."""
    if node.type not in {"atom_expr", "power"}:
        return ""
    last = node.children[-1]
    return last.children[0].value if last.type == "trailer" else ""


class StatementRemover(Operator):  # type: ignore[misc]
    """Put `pass` in the place of a statement."""

    def mutation_positions(self, node: NodeOrLeaf) -> Iterator[Position]:
        """Give the statement that `node` is, where it is one that this operator leaves out."""
        if node.type == "simple_stmt" and self.matches(node.children[0]):
            yield span(node.children[0])

    def mutate(self, node: BaseNode, index: int) -> BaseNode:  # noqa: ARG002
        """Return the node without the statement."""
        statement = node.children[0]
        node.children[0] = Keyword("pass", statement.start_pos, statement.get_first_leaf().prefix)
        return node

    def matches(self, statement: NodeOrLeaf) -> bool:
        """Say whether this operator leaves the statement out."""
        raise NotImplementedError


class RemoveCall(StatementRemover):
    """Leave out a call whose answer nobody uses."""

    def matches(self, statement: NodeOrLeaf) -> bool:
        return last_trailer(statement) == "("

    @classmethod
    def examples(cls) -> Iterable[Example]:
        return (Example("lease.check()\n", "pass\n"), Example("await queue.put(one)\n", "pass\n"))


class RemoveAssignment(StatementRemover):
    """Leave out what is set in an object or an item, or added to a name."""

    def matches(self, statement: NodeOrLeaf) -> bool:
        if statement.type != "expr_stmt" or statement.children[1].type != "operator":
            return False
        return statement.children[1].value != "=" or last_trailer(statement.children[0]) in {".", "["}

    @classmethod
    def examples(cls) -> Iterable[Example]:
        return (
            Example("self.ended = True\n", "pass\n"),
            Example("waiting -= size\n", "pass\n"),
            Example("a = 1\n", "a = 1\n"),
        )


class RemoveRaise(StatementRemover):
    """Leave out an error that is raised."""

    def matches(self, statement: NodeOrLeaf) -> bool:
        return statement.type == "raise_stmt" or (
            statement.type == "keyword" and getattr(statement, "value", "") == "raise"
        )

    @classmethod
    def examples(cls) -> Iterable[Example]:
        return (Example("raise LookupError(name)\n", "pass\n"), Example("raise\n", "pass\n"))


class RemoveExcept(Operator):  # type: ignore[misc]
    """Handle one kind of exception less. cosmic-ray's own operator cannot read `except package.Name`."""

    def mutation_positions(self, node: NodeOrLeaf) -> Iterator[Position]:
        for kind in self._kinds(node):
            yield span(kind)

    def mutate(self, node: BaseNode, index: int) -> BaseNode:
        kinds = self._kinds(node)
        left = [kind.get_code().strip() for number, kind in enumerate(kinds) if number != index]
        node.children[1] = parso.parse(f" ({', '.join(left)}{',' if left else ''})")
        return node

    @staticmethod
    def _kinds(node: NodeOrLeaf) -> list[NodeOrLeaf]:
        if node.type != "except_clause":
            return []
        caught = node.children[1]
        if caught.type != "atom":
            return [caught]
        inside = caught.children[1]
        return list(inside.children[::2]) if inside.type == "testlist_comp" else [inside]

    @classmethod
    def examples(cls) -> Iterable[Example]:
        return (
            Example("try: f()\nexcept x.Y: pass\n", "try: f()\nexcept (): pass\n"),
            Example("try: f()\nexcept (A, x.Y) as e: pass\n", "try: f()\nexcept (A,) as e: pass\n", 1),
        )


class ReplaceMembership(Operator):  # type: ignore[misc]
    """Turn `in` into `not in`, and the other way round."""

    def mutation_positions(self, node: NodeOrLeaf) -> Iterator[Position]:
        if node.type == "comparison" and self._operator(node) in {"in", "not in"}:
            yield span(node.children[1])

    def mutate(self, node: BaseNode, index: int) -> BaseNode:  # noqa: ARG002
        node.children[1] = parso.parse(" not in" if self._operator(node) == "in" else " in")
        return node

    @staticmethod
    def _operator(node: BaseNode) -> str:
        return " ".join(str(node.children[1].get_code()).split())

    @classmethod
    def examples(cls) -> Iterable[Example]:
        return (Example("f = a in b\n", "f = a not in b\n"), Example("f = a not in b\n", "f = a in b\n"))


class RemoveCondition(Operator):  # type: ignore[misc]
    """Leave out one condition of `.where(...)`."""

    def mutation_positions(self, node: NodeOrLeaf) -> Iterator[Position]:
        for condition in self._conditions(node):
            yield span(condition)

    def mutate(self, node: BaseNode, index: int) -> BaseNode:
        left = [
            one.get_code().strip() for number, one in enumerate(self._conditions(node)) if number != index
        ]
        node.children[1:-1] = [parso.parse(", ".join(left))]
        return node

    @staticmethod
    def _conditions(node: NodeOrLeaf) -> list[NodeOrLeaf]:
        if (
            node.type != "trailer"
            or node.children[0].value != "("
            or len(node.children) != len("( x )".split())
        ):
            return []
        called = node.get_previous_sibling()
        if called is None or called.get_code().strip() != ".where":
            return []
        inside = node.children[1]
        return list(inside.children[::2]) if inside.type == "arglist" else [inside]

    @classmethod
    def examples(cls) -> Iterable[Example]:
        return (
            Example("q = select(a).where(a.b == 1)\n", "q = select(a).where()\n"),
            Example("q = q.where(a, *b)\n", "q = q.where(a)\n", 1),
        )


class RemoveItem(Operator):  # type: ignore[misc]
    """Leave out one item of a table that a module or a class has: a forbidden call, a secret setting."""

    def mutation_positions(self, node: NodeOrLeaf) -> Iterator[Position]:
        for item in self._items(node):
            yield item[0].start_pos, item[-1].end_pos

    def mutate(self, node: BaseNode, index: int) -> BaseNode:
        """Return the table without the item. The next one takes its place, behind the comment before it."""
        items = self._items(node)
        place = items[index][0].get_first_leaf().prefix
        if index + 1 < len(items):
            items[index + 1][0].get_first_leaf().prefix = place
        elif "\n" in place:
            comment, newline, _ = place.partition("\n")
            node.children[-1].prefix = comment + newline + node.children[-1].prefix.partition("\n")[2]
        del items[index]
        left = ("".join(part.get_code() for part in item) for item in items)
        node.children[1:-1] = [parso.parse("".join(f"{item}," for item in left))]
        return node

    @staticmethod
    def _items(node: NodeOrLeaf) -> list[list[NodeOrLeaf]]:
        if node.type != "atom" or len(node.children) != len("( x )".split()):
            return []
        inside = node.children[1]
        if inside.type not in {"testlist_comp", "dictorsetmaker"} or "comp_for" in inside.children[-1].type:
            return []
        items: list[list[NodeOrLeaf]] = [[]]
        for part in inside.children:
            if part.type == "operator" and part.value == ",":
                items.append([])
            else:
                items[-1].append(part)
        return [item for item in items if item]

    @classmethod
    def examples(cls) -> Iterable[Example]:
        return (
            Example('CALLS = {"a": 1, "b": (2, 3)}\n', 'CALLS = {"b": (2, 3),}\n'),
            Example("X = (a, b.c)\n", "X = (a,)\n", 1),
        )


OWN_OPERATORS: Mapping[str, type[Operator]] = {
    one.__name__: one
    for one in (
        RemoveCall,
        RemoveAssignment,
        RemoveRaise,
        RemoveExcept,
        ReplaceMembership,
        RemoveCondition,
        RemoveItem,
    )
}


def operators() -> dict[str, Any]:
    """Return every operator that is used, by its name."""
    library = OperatorProvider()
    return {name: library[name]() for name in LIBRARY_OPERATORS} | {
        name: one() for name, one in OWN_OPERATORS.items()
    }
