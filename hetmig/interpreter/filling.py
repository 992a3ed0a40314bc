"""What lies on a value stack, by role; and a value stack filled from that, as one version wants it.

The order in which a program evaluates is the same in every version, so the values are too, but for
what each version adds for itself: NULL beside a callable, constants earlier or later, the exit of a
`with` block bound to its object or in two slots.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from types import CodeType, MethodType
from typing import Any, NamedTuple, TypeAlias, cast

from hetmig.errors import NotMigratable
from hetmig.interpreter import cpython
from hetmig.interpreter.activation import NULL
from hetmig.interpreter.labels import FILLED, Label, Labels, is_constant, is_value
from hetmig.interpreter.roles import Roles

__all__ = ["Entry", "Role", "entries_of", "fill", "fits"]

Role: TypeAlias = "tuple[str, str, str]"
"""A `Label` as plain data."""


class Entry(NamedTuple):
    """A value, and what it is for."""

    role: Role
    value: object


_MADE_HERE = frozenset({"nothing", "maker"})
"""Roles of slots which the destination fills from its own code: None, and the function behind a
comprehension whose first iterable is still being evaluated."""

_PAIRS = {"callable": "self", "exit": "exit self", "enter": "enter self"}
"""Roles of callables whose first argument may lie in the slot beside them."""


# -- from a stack to entries


def entries_of(roles: Roles, labels: Labels, stack: Sequence[object]) -> list[Entry]:
    """What lies on a stack, bottom first.  Raises NotMigratable."""
    if len(labels) != len(stack):
        raise NotMigratable("the value stack is of another depth than it should be")
    return list(_entries(roles, labels, stack))


def _entries(roles: Roles, labels: Labels, stack: Sequence[object]) -> Iterator[Entry]:
    index = 0
    while index < len(labels):
        label, value = labels[index], stack[index]
        index += 1
        if label.role in FILLED:
            if value is not NULL:
                raise NotMigratable("there is a value where none should be")
        elif label.role in _MADE_HERE:
            continue
        elif label.role == "raised at":
            yield Entry(_role(label), raised_where(roles, value))
        elif is_constant(label):
            yield Entry(("constant", label.node, ""), value)
        elif _is_pair(labels[index - 1 : index + 1]):
            first, second = _normal(value, stack[index])
            yield Entry(_role(label), first)
            if second is not NULL:
                yield Entry(_role(labels[index]), second)
            index += 1
        elif value is NULL and label.role != "saved":
            raise NotMigratable("a value is missing where one should be")
        else:
            yield Entry(_role(label), value)


def _role(label: Label) -> Role:
    return label.role, label.node, label.name


def _is_pair(labels: Labels) -> bool:
    return len(labels) == 2 and _PAIRS.get(labels[0].role) == labels[1].role


def _normal(first: object, second: object) -> tuple[object, object]:
    """A callable, and what it is to be called with first, or NULL."""
    return (second, NULL) if first is NULL else (first, second)


def raised_where(roles: Roles, unit: Any) -> tuple[int, str]:
    """Where in the source the instruction is that has raised: line and node."""
    point = roles.map.at(2 * unit)
    position = roles.position(point)
    return (position[0] if position else 0), roles.node(point)


def _unit_of(roles: Roles, value: Any) -> int:
    """An instruction of this version that stands for a place in the source; for its line."""
    line, node = value
    points = [roles.map.at(start) for start in sorted(roles.before)]
    for found in (
        [point for point in points if node and roles.node(point) == node],
        [point for point in points if (roles.position(point) or (0,))[0] == line],
    ):
        if found:
            return found[0].offset // 2
    raise NotMigratable("an exception has come from a place this Python does not have")


# -- from entries to a stack


def fits(labels: Labels, entries: Sequence[Entry]) -> str:
    """Why the entries don't fill these slots; "" if they do."""
    try:
        list(_filled(None, labels, list(entries)))
    except NotMigratable as error:
        return error.reason
    return ""


def fill(
    roles: Roles, labels: Labels, entries: Sequence[Entry], make: Callable[[CodeType], object]
) -> list[object]:
    """The stack, bottom first.  `make` makes a function of this frame's.  Raises NotMigratable."""
    return list(_filled(_Own(roles, make), labels, list(entries)))


class _Own(NamedTuple):
    """What this version adds by itself."""

    roles: Roles
    make: Callable[[CodeType], object]

    def value(self, label: Label) -> object:
        """The constant, or what is made of it."""
        if label.role == "nothing":
            return None
        constant = self.roles.constant(label)
        return self.make(cast("CodeType", constant)) if label.role == "maker" else constant


def _filled(own: _Own | None, labels: Labels, entries: list[Entry]) -> Iterator[object]:
    """Without `own`, only to see whether it can be done."""
    entries.reverse()
    index = 0
    while index < len(labels):
        label = labels[index]
        index += 1
        if label.role in FILLED:
            yield NULL
        elif label.role in _MADE_HERE:
            yield own.value(label) if own else None
        elif is_constant(label):
            if entries and _agree(label, _label(entries[-1])) and label.node:
                entries.pop()
            yield own.value(label) if own else None
        elif _is_pair(labels[index - 1 : index + 1]):
            index += 1
            yield from _as_pair(label, *_taken(label, entries))
        else:
            value, first = _taken(label, entries)
            yield _single(own, label, value, first) if own else None
    left = [_label(entry) for entry in entries if entry.role[0] != "constant"]
    if left:
        raise NotMigratable(f"there is no place for the {_words(left[0])}")


def _as_pair(label: Label, callable_: object, first: object) -> tuple[object, object]:
    if first is NULL and label.role == "callable" and not cpython.CALLABLE_BELOW_NULL:
        return NULL, callable_
    return callable_, first


def _single(own: _Own, label: Label, value: Any, first: object) -> object:
    if label.role == "raised at":
        return _unit_of(own.roles, value)
    return value if first is NULL else MethodType(value, first)


def _label(entry: Entry) -> Label:
    return Label(*entry.role)


def _taken(label: Label, entries: list[Entry]) -> tuple[object, object]:
    """The value for a slot, and what a callable is to be called with first (or NULL)."""
    while entries and entries[-1].role[0] == "constant" and not _agree(label, _label(entries[-1])):
        entries.pop()
    if not entries:
        raise NotMigratable(f"there is no {_words(label)}")
    entry = entries.pop()
    found = _label(entry)
    if not _agree(label, found):
        raise NotMigratable(f"there is the {_words(found)} in place of the {_words(label)}")
    beside = _PAIRS.get(found.role)
    if beside is not None and entries and entries[-1].role[0] == beside:
        return entry.value, entries.pop().value
    return entry.value, NULL


def _agree(one: Label, two: Label) -> bool:
    """Whether a slot may hold what comes from another."""
    if one.role != two.role and not (is_value(one) and is_value(two)):
        return False
    if is_constant(one) or is_constant(two):
        return bool(one.node) and one.node == two.node
    if one.node and two.node:
        return one.node == two.node
    # an instruction that loads two variables tells the place of the first alone
    return one.name == two.name or not (one.name and two.name)


def _words(label: Label) -> str:
    of = label.name or label.node
    return f"{label.role} of {of}" if of else label.role
