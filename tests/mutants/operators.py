"""Which mistakes are made. Cosmic Ray has no operator for the two that matter most here: something is left out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cosmic_ray.operators.operator import Operator
from cosmic_ray.plugins import get_operator
from parso.python.tree import Keyword

# Those of Cosmic Ray that change what is done. Left out: swaps that no caller could miss (`==` for `is`), and those of
# `|`, which are annotations nearly everywhere.
NAMES = (
    *(f"ReplaceComparisonOperator_{swap}" for swap in ("Eq_NotEq", "NotEq_Eq", "Is_IsNot", "IsNot_Is")),
    *(f"ReplaceComparisonOperator_{swap}" for swap in ("Lt_LtE", "LtE_Lt", "Gt_GtE", "GtE_Gt", "Lt_Gt", "Gt_Lt")),
    *(f"ReplaceBinaryOperator_{swap}" for swap in ("Add_Sub", "Sub_Add", "Mul_Div", "Div_Mul", "BitAnd_BitOr")),
    *(f"ReplaceUnaryOperator_{swap}" for swap in ("Delete_Invert", "Delete_Not", "Delete_USub")),
    *("AddNot", "ReplaceTrueWithFalse", "ReplaceFalseWithTrue", "ReplaceAndWithOr", "ReplaceOrWithAnd"),
    *("ReplaceBreakWithContinue", "ReplaceContinueWithBreak", "ExceptionReplacer", "NumberReplacer"),
    *("RemoveDecorator", "ZeroIterationForLoop"),
)
# Calls whose arguments are conditions, each with how many come before them.
CONDITIONS = {"where": 0, "and_": 0, "or_": 0, "move": 3}


class LeaveOutCall(Operator):
    """Leaves out a call that is a statement of its own: a lock, an audit row, a follow-up."""

    def mutation_positions(self, node: Any) -> Iterator[Any]:
        """Yield where such a statement is."""
        if _is_call(node):
            yield node.start_pos, node.end_pos

    def mutate(self, node: Any, index: int) -> Any:
        """Replace it."""
        first = node.get_first_leaf()
        node.children[0] = Keyword("pass", first.start_pos, first.prefix)
        return node

    @classmethod
    def examples(cls) -> tuple[Any, ...]:
        """Return none: the tests have their own."""
        return ()


class LeaveOutCondition(Operator):
    """Leaves out one of several conditions."""

    def mutation_positions(self, node: Any) -> Iterator[Any]:
        """Yield each."""
        for argument in _conditions(node):
            yield argument.start_pos, argument.end_pos

    def mutate(self, node: Any, index: int) -> Any:
        """Leave out one, with a comma beside it."""
        at = node.children.index(_conditions(node)[index])
        begin = at if at + 1 < len(node.children) else at - 1
        del node.children[begin : begin + 2]
        return node

    @classmethod
    def examples(cls) -> tuple[Any, ...]:
        """Return none: the tests have their own."""
        return ()


def _is_call(node: Any) -> bool:
    if node.type != "simple_stmt":
        return False
    statement = node.children[0]
    if statement.type not in ("atom_expr", "power") or statement.get_first_leaf().value == "log":
        return False  # a log line is no act either
    last = statement.children[-1]
    return last.type == "trailer" and last.children[0].value == "("


def _conditions(node: Any) -> list[Any]:
    if node.type != "arglist":
        return []
    name = getattr(node.parent.get_previous_leaf(), "value", "")
    if name not in CONDITIONS:
        return []
    arguments = [one for one in node.children if one.type not in ("operator", "argument")]
    conditions = arguments[CONDITIONS[name] :]
    return conditions if len(conditions) > 1 else []


def operators() -> dict[str, Operator]:
    """Return all, by name."""
    found: dict[str, Operator] = {name: get_operator(f"core/{name}")() for name in NAMES}
    return {**found, "LeaveOutCall": LeaveOutCall(), "LeaveOutCondition": LeaveOutCondition()}
