"""Activations -> a callable that goes on from those very instructions.

Inner frames first: each activation becomes a function whose prologue (see `prologue`) restores it,
and an outer one's prologue calls the inner one where the original call stood.  So the frames are
ordinary Python frames again, called by one another without C between, and can be captured anew.

A running generator ends such a chain: what drives it executes its driving instruction (`for`,
`await`, `next(...)`) again, and that finds the generator where it stood.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import CellType, CodeType, FunctionType

from hetmig.errors import HetmigError
from hetmig.interpreter import proof, revival
from hetmig.interpreter.activation import NULL, UNBOUND, Activation, Resume
from hetmig.interpreter.assembly import assembled, callable_code, raised_at, state_values
from hetmig.interpreter.prologue import Shape, with_state

__all__ = ["prepare", "resume"]


Change = Callable[[CodeType], CodeType]


def prepare(
    stack: Sequence[Activation], change: Change | None = None
) -> Callable[[object], object]:
    """Do all that can fail, and return what runs the stack to its end.

    `stack` is outermost first.  The returned callable takes the result of the call the innermost
    activation waits for (ignored if it waits for none), runs, and returns what the outermost
    function returns; its exceptions pass through.  It can be called once.  `change` makes of the
    outermost function's code, with its prologue, that which runs.

    Raises HetmigError for a stack that does not fit together.
    """
    proof.require()
    if not stack:
        raise HetmigError("a stack without frames can't be put back")
    inner: FunctionType | None = None
    pending: list[object] = []
    for index in reversed(range(len(stack))):
        activation = stack[index]
        last = index == len(stack) - 1
        if inner is not None and activation.resume is not Resume.AFTER:
            raise HetmigError(f"{activation.address} has an inner frame but waits for no call")
        if inner is None and not last and activation.resume is Resume.AFTER:
            raise HetmigError(f"{activation.address} waits for a frame that is not there")
        inner, state = _put_back(activation, inner, None if index else change)
        if last:
            pending = state
    if inner is None:
        raise HetmigError("the outermost frame is a generator's, and nothing drives it")
    outermost = inner
    waits = stack[-1].resume is Resume.AFTER

    def run(result: object) -> object:
        if waits:
            pending[0] = result
        return outermost()

    return run


def resume(stack: Sequence[Activation], result: object = None) -> object:
    """Run a stack from where it stands to its end; see `prepare`."""
    return prepare(stack)(result)


def _put_back(
    activation: Activation, inner: FunctionType | None, change: Change | None
) -> tuple[FunctionType | None, list[object]]:
    """The function that is the frame again (None if a generator is), and its state."""
    if activation.generator is not None:
        return None, revival.fill(activation.generator, activation, inner)
    state: list[object] = []
    original = activation.code
    shape = Shape(
        activation.offset,
        activation.resume,
        inner is not None,
        tuple([slot is not UNBOUND for slot in activation.slots]),
        tuple([value is NULL for value in activation.stack]),
        False,
        raised_at(activation),
    )
    code = with_state(assembled(original, shape), state.pop)
    if change is not None:
        code = change(code)
    closure: tuple[CellType, ...] = ()
    if original.co_freevars:
        free = activation.slots[-len(original.co_freevars) :]
        closure = tuple(cell for cell in free if isinstance(cell, CellType))
        if len(closure) != len(free):
            raise HetmigError(f"{activation.address} has a free variable without its cell")
    state[:] = state_values(activation, code, inner)
    return callable_code(code, activation.globals, closure), state
