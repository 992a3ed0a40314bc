"""Activations -> a callable that goes on from those very instructions.

Inner frames first: each activation becomes a function whose prologue (see `prologue`) restores it,
and an outer one's prologue calls the inner one where the original call stood.  So the frames are
ordinary Python frames again, called by one another without C between, and can be captured anew.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import CellType, CodeType, FunctionType

from hetmig.errors import HetmigError
from hetmig.interpreter import layout
from hetmig.interpreter.activation import NULL, UNBOUND, Activation, Resume
from hetmig.interpreter.prologue import Shape, assemble, with_state
from hetmig.interpreter.stackmap import Slot, stack_map

__all__ = ["prepare", "resume"]

_CACHE_SIZE = 4096
_cache: dict[tuple[int, Shape], tuple[CodeType, CodeType]] = {}


def prepare(stack: Sequence[Activation]) -> Callable[[object], object]:
    """Do all that can fail, and return what runs the stack to its end.

    `stack` is outermost first.  The returned callable takes the result of the call the innermost
    activation waits for (ignored if it waits for none), runs, and returns what the outermost
    function returns; its exceptions pass through.  It can be called once.

    Raises HetmigError for a stack that does not fit together.
    """
    layout.require()
    if not stack:
        raise HetmigError("a stack without frames can't be put back")
    inner: FunctionType | None = None
    pending: list[object] = []
    for activation in reversed(stack):
        if inner is not None and activation.resume is not Resume.AFTER:
            raise HetmigError(f"{activation.address} has an inner frame but waits for no call")
        state = _state(activation, inner)
        if inner is None:
            pending = state
        inner = _function(activation, state)
    outermost = inner
    assert outermost is not None
    waits = stack[-1].resume is Resume.AFTER

    def run(result: object) -> object:
        if waits:
            pending[0] = result
        return outermost()

    return run


def resume(stack: Sequence[Activation], result: object = None) -> object:
    """Run a stack from where it stands to its end; see `prepare`."""
    return prepare(stack)(result)


def _state(activation: Activation, inner: FunctionType | None) -> list[object]:
    """What the prologue takes, last value first: `list.pop` hands it out and forgets it."""
    code = activation.code
    count = len(activation.slots) - len(code.co_freevars)
    values: list[object] = []
    bound = tuple(slot for slot in activation.slots[:count] if slot is not UNBOUND)
    if bound:
        values.append(bound)
    kinds = stack_map(code).at(activation.offset).before or ()
    handled = iter(activation.handled)
    for kind, value in zip(kinds, activation.stack, strict=False):
        if kind is Slot.PREVIOUS_EXCEPTION:
            values.append(next(handled))
        elif value is not NULL:
            values.append(value)
    if activation.resume is Resume.AFTER:
        values.append(inner)
    values.reverse()
    return values


def _function(activation: Activation, state: list[object]) -> FunctionType:
    code = activation.code
    shape = Shape(
        offset=activation.offset,
        after=activation.resume is Resume.AFTER,
        inner=activation.resume is Resume.AFTER and state[0] is not None,
        bound=tuple(slot is not UNBOUND for slot in activation.slots),
        nulls=tuple(value is NULL for value in activation.stack),
    )
    closure = tuple(activation.slots[len(activation.slots) - len(code.co_freevars) :])
    if not all(isinstance(cell, CellType) for cell in closure):
        raise HetmigError(f"{activation.address} has a free variable without its cell")
    function = FunctionType(
        with_state(_assembled(code, shape), state.pop),
        activation.globals,
        code.co_name,
        # the code keeps its signature (zero-argument super() looks at it), so that a call without
        # arguments needs a default for each; the prologue overwrites them all
        (None,) * code.co_argcount,
        closure,  # type: ignore[arg-type]
    )
    first = code.co_argcount
    keywords = code.co_varnames[first : first + code.co_kwonlyargcount]
    function.__kwdefaults__ = dict.fromkeys(keywords)
    return function


def _assembled(code: CodeType, shape: Shape) -> CodeType:
    # by identity: hashing a code object means hashing all it contains
    key = id(code), shape
    known = _cache.get(key)
    if known is None:
        while len(_cache) >= _CACHE_SIZE:
            _cache.pop(next(iter(_cache)))
        known = _cache[key] = (code, assemble(code, shape))
    return known[1]
