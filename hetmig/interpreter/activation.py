"""An activation: everything one frame is, as ordinary objects and no pointers."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from types import AsyncGeneratorType, CodeType, CoroutineType, GeneratorType
from typing import Any, TypeAlias

from hetmig.errors import FrameAddress

__all__ = ["NULL", "UNBOUND", "Activation", "Generator", "Marker", "Resume", "slot_names"]

Generator: TypeAlias = (
    "GeneratorType[Any, Any, Any] | CoroutineType[Any, Any, Any] | AsyncGeneratorType[Any, Any]"
)
"""Whatever owns a frame that can be suspended."""


class Marker:
    """Stands for a pointer that is NULL.  There is one of each name, on every machine."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return self._name

    def __reduce__(self) -> str:
        return self._name  # by reference: identity survives the journey


NULL = Marker("NULL")
"""An empty place on the value stack, as PUSH_NULL leaves it under a callable."""

UNBOUND = Marker("UNBOUND")
"""A local variable without a value: never bound, or deleted."""


class Resume(enum.Enum):
    """How a frame goes on."""

    AGAIN = "again"
    """Execute the instruction at `offset` again: it had no effect yet, or none that matters."""

    AFTER = "after"
    """Go on behind the call at `offset`, whose result is handed over."""

    YIELDED = "yielded"
    """A generator, suspended at the `yield` (or `yield from`, `await`) at `offset`."""

    CREATED = "created"
    """A generator that has not begun."""


def slot_names(code: CodeType) -> tuple[str, ...]:
    """The variables of a code object in the order of CPython's `localsplus`."""
    variables = code.co_varnames
    if not code.co_cellvars:
        return variables + code.co_freevars
    cells = tuple(name for name in code.co_cellvars if name not in variables)
    return variables + cells + code.co_freevars


@dataclass(eq=False)
class Activation:
    """One frame of a frozen stack.

    `slots` are the fast locals in the order of CPython's `localsplus`: arguments and locals, then
    cells which are not arguments, then free variables.  A place which holds a cell holds the cell
    object itself, so that closures go on sharing it.  `stack` is the value stack, bottom first;
    for a frame in a call (`Resume.AFTER`) without the operands of that call.
    """

    code: CodeType
    globals: dict[str, Any]
    offset: int
    resume: Resume
    slots: list[object]
    stack: list[object]
    handled: list[BaseException | None] = field(default_factory=list)
    """Exceptions whose handlers (`except`, `finally`, `with`) are active, outermost first."""
    namespace: dict[str, Any] | None = None
    """`f_locals` of module-level code; None for a function."""
    generator: Generator | None = None
    """The generator, coroutine or async generator whose running frame this is."""

    @property
    def slot_names(self) -> tuple[str, ...]:
        """The variable each slot belongs to."""
        return slot_names(self.code)

    @property
    def lineno(self) -> int:
        """The line the frame stands at (1-based)."""
        last = self.code.co_firstlineno
        for start, end, line in self.code.co_lines():
            last = last if line is None else line  # a jump that the compiler added has none
            if start <= self.offset < end:
                break
        return last

    @property
    def address(self) -> FrameAddress:
        """Function, file and line, for messages."""
        key = id(self.code), self.offset
        known = _addresses.get(key)
        if known is None:
            while len(_addresses) >= _MOST_KNOWN:
                _addresses.pop(next(iter(_addresses)), None)
            found = FrameAddress(self.code.co_qualname, self.code.co_filename, self.lineno)
            known = _addresses[key] = self.code, found
        return known[1]


_MOST_KNOWN = 4096
_addresses: dict[tuple[int, int], tuple[CodeType, FrameAddress]] = {}
"""By the identity of the code, which is kept here: hashing it means hashing all it contains."""
