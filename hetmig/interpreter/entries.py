"""How one frame came to be called by another, and what the caller does about it when put back.

If the interpreter itself went from the caller to the inner frame, the caller goes on after the call
with what the inner frame returns.  If C code stands between them, that C code has state nobody can
read, and the inner frame's result is not the call's, except where the kind of the call tells that
both are known: those are listed (here, in `driving` and in `through_c`), one by one; all else is
refused by name.

The memory of a call's operands is compared, not followed: at the end of a call, where a finalizer
may run, it is stale.
"""

from __future__ import annotations

import functools
import gc
from types import CellType, FrameType
from typing import NamedTuple

from hetmig.interpreter import cpython
from hetmig.interpreter.activation import Activation, Resume
from hetmig.interpreter.frame_memory import FrameMemory, object_at
from hetmig.interpreter.frames import Position
from hetmig.interpreter.inherited import hidden

__all__ = ["Entry", "called_directly", "living", "operands", "serves_star_calls"]


class Entry(NamedTuple):
    """How the caller goes on."""

    resume: Resume
    kept: int
    """How many places of its value stack it keeps, from the bottom."""
    operands: tuple[object, ...] = ()
    """What lies on those."""
    offset: int | None = None
    """At which instruction it goes on, if not at the one where it stands."""
    between: Activation | None = None
    """A frame between the two, which does what the C code does after its call."""


def operands(where: Position, memory: FrameMemory) -> list[int | None]:
    """The addresses on the value stack before the current instruction, bottom first."""
    base = where.map.slots
    return memory.references(base, base + len(where.point.before or ()))


_RESULT_IS_CALLEES = frozenset(
    {"CALL", "CALL_KW", "CALL_FUNCTION_EX", "BINARY_SUBSCR", "BINARY_OP", "LOAD_ATTR"}
)
"""Instructions that, where the interpreter enters a Python function for them without C between,
leave exactly its return value.  (The last three: `__getitem__` and properties.)"""

_CALLED_BY_STAR_CALL = frozenset(
    {"__iter__", "__next__", "__len__", "__length_hint__", "__getitem__", "keys", "__del__"}
)


def called_directly(
    where: Position, memory: FrameMemory, inner: FrameType, callee: FrameMemory
) -> Entry | None:
    """The entry, if `inner`'s return value is exactly what the current instruction leaves."""
    point = where.point
    if point.name not in _RESULT_IS_CALLEES or (point.name == "LOAD_ATTR" and point.argument & 1):
        return None
    if callee.entered_from(memory) or _is_star_call_of(where, memory, inner, callee):
        return _returning(point.below_call)
    return None


@functools.lru_cache(maxsize=256)
def _returning(kept: int) -> Entry:
    """The caller goes on with what the inner frame returns."""
    return Entry(Resume.AFTER, kept)


def _is_star_call_of(
    where: Position, memory: FrameMemory, inner: FrameType, callee: FrameMemory
) -> bool:
    """Whether `inner` is the very Python function that `f(*args)` calls.

    Some versions enter it through C, without any state of C's own.  Addresses are compared, never
    followed: if the callable is gone already (a `__del__` runs at the call's end), its slot is
    stale.  A function that could also run while the arguments are unpacked or dropped is refused.
    """
    if not cpython.STAR_CALL_ENTERS_THROUGH_C or where.point.name != "CALL_FUNCTION_EX":
        return False
    base = where.map.slots
    slot = base + where.point.below_call + 1  # (NULL, callable, args, kwargs)
    if memory.references(slot, slot + 1) != [callee.function]:
        return False
    if memory.address != callee.previous:
        return False
    function = object_at(callee.function)
    reference = callee.references(0, 1)[0] if inner.f_code.co_argcount else None
    first = object_at(reference) if reference else None
    return not isinstance(first, CellType) and not serves_star_calls(function, first)


def serves_star_calls(function: object, first: object) -> bool:
    """Whether `f(*args)` may call this method of `first` while it unpacks or drops arguments."""
    return any(
        vars(cls).get(name) is function
        for cls in type(first).__mro__
        for name in _CALLED_BY_STAR_CALL
    )


def living(address: int) -> object:
    """The object at an address, if there still is one that is known; youngest first."""
    for generation in range(3):
        for candidate in gc.get_objects(generation=generation):
            if id(candidate) == address:
                found: object = candidate
                return found
    return next((candidate for candidate in hidden() if id(candidate) == address), None)
