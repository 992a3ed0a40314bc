"""What the program calls at some point, in the words of its source."""

from __future__ import annotations

from hetmig.interpreter import cpython
from hetmig.interpreter.activation import slot_names
from hetmig.interpreter.frames import Position

__all__ = ["name_of_call"]

_OPERATIONS = {
    "BEFORE_WITH": "entering a `with` block",
    "WITH_EXCEPT_START": "leaving a `with` block",
    "BINARY_OP": "an operator",
    "BINARY_SUBSCR": "a subscript",
    "COMPARE_OP": "a comparison",
    "CONTAINS_OP": "a membership test",
    "FOR_ITER": "a loop's iterator",
    "GET_ITER": "the start of a loop",
    "IMPORT_NAME": "an import",
    "LOAD_ATTR": "an attribute's getter",
    "LOAD_METHOD": "an attribute's getter",
    "STORE_ATTR": "an attribute's setter",
    "STORE_SUBSCR": "an item's setter",
}
_NAMES = frozenset({"LOAD_GLOBAL", "LOAD_NAME", "LOAD_ATTR", "LOAD_METHOD"})


def name_of_call(where: Position) -> str:
    """What the program calls at this point, as it is written there.

    Read from the code, not from the stack: at the end of a call the stack holds stale pointers.
    """
    point, code = where.point, where.code
    if "CALL" not in point.name:
        return _OPERATIONS.get(point.name, f"the operation {point.name}")
    ready = point.below_call + 2  # the callable, and self or NULL
    for offset in range(point.start - 2, -2, -2):
        load = where.map.at(offset)
        if load.before is None or len(load.before) + load.effect > ready:
            continue  # computes an argument
        if load.name in _NAMES:
            return f"{code.co_names[load.argument >> cpython.NAME_SHIFT.get(load.name, 0)]}(...)"
        if load.name.startswith(("LOAD_FAST", "LOAD_DEREF")):
            names = slot_names(code)
            return f"{names[load.argument]}(...)" if load.argument < len(names) else "the call"
        if load.name not in ("PUSH_NULL", "SWAP", "PRECALL"):
            break
    return "the call"
