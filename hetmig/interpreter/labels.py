"""The names of value-stack slots, which are the same in every version."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from hetmig.interpreter.stackmap import Point
from hetmig.interpreter.syntax import enclosing

__all__ = [
    "FILLED",
    "NULL",
    "POSITION",
    "Label",
    "Labels",
    "callee_of",
    "is_constant",
    "is_value",
    "merged",
]


class Label(NamedTuple):
    """What a slot is for."""

    role: str
    node: str = ""
    """The path of the node whose value, iterator, exit... it is; "" where no version tells."""
    name: str = ""
    """The variable it was loaded from, and the like."""


Labels: TypeAlias = "tuple[Label, ...]"

NULL, POSITION = Label("null"), Label("position")
FILLED = frozenset({"null", "position"})
"""Roles of slots that each version leaves empty as it needs them."""

_VALUES = frozenset({"value", "constant", "callable"})


def is_value(label: Label) -> bool:
    """Whether it is the value of an expression."""
    return label.role in _VALUES


def is_constant(label: Label) -> bool:
    """Whether the code itself holds the value."""
    return label.role == "constant"


def callee_of(point: Point, labels: Labels) -> Label:
    """What a call-like instruction calls."""
    below = point.below_call
    # (callable, self or NULL), or (method or NULL, callable or self)
    first = labels[below]
    return labels[below + 1] if first == NULL else first


def merged(known: Labels, labels: Labels) -> Labels:
    """What two ways lead to the same instruction with."""
    if known == labels or len(known) != len(labels):
        return known
    return tuple(
        one if one == two else _common(one, two) for one, two in zip(known, labels, strict=True)
    )


def _common(one: Label, two: Label) -> Label:
    """What comes from two branches: the value of the expression around both."""
    node = ""
    if one.node and two.node:
        others = set(enclosing(two.node))
        node = next((path for path in enclosing(one.node) if path in others), "")
    if one.role == two.role and (one.role not in ("constant", "maker") or one.name == two.name):
        return Label(one.role, node, one.name if one.name == two.name else "")
    return Label("value" if is_value(one) and is_value(two) else "mixed", node)
