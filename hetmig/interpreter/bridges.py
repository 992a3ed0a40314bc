"""What C code does after the Python function it has called returns, as Python functions.

Where such C code stood between two frames, one of these frames stands at the destination.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import FunctionType

from hetmig.interpreter.activation import UNBOUND, Activation, Resume, slot_names
from hetmig.interpreter.stackmap import stack_map

__all__ = ["bridge", "constructed", "created", "iterated"]


def constructed(inner: Callable[[], object], made: object) -> object:
    """The rest of `type.__call__`, after `made.__init__`."""
    result = inner()
    if result is not None:
        raise TypeError(f"__init__() should return None, not '{type(result).__name__}'")
    return made


def created(inner: Callable[[], object], cls: type, arguments: tuple[object, ...]) -> object:
    """The rest of `type.__call__`, after `cls.__new__`."""
    made = inner()
    if isinstance(made, cls):
        type(made).__init__(made, *arguments)
    return made


def iterated(inner: Callable[[], object]) -> object:
    """The rest of `iter(...)`, after `__iter__`."""
    iterator = inner()
    if not hasattr(type(iterator), "__next__"):
        raise TypeError(f"iter() returned non-iterator of type '{type(iterator).__name__}'")
    return iterator


def bridge(function: FunctionType, **variables: object) -> Activation:
    """The activation of one of these functions, where it waits for `inner`."""
    code = function.__code__
    return Activation(
        code,
        function.__globals__,
        _call_of(function),
        Resume.AFTER,
        [variables.get(name, UNBOUND) for name in slot_names(code)],
        [],
    )


@functools.cache
def _call_of(function: FunctionType) -> int:
    """Where it calls `inner`: its first call."""
    map_ = stack_map(function.__code__)
    offsets = range(0, len(function.__code__.co_code), 2)
    return next(map_.at(offset).start for offset in offsets if map_.at(offset).name == "CALL")
