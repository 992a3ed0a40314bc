"""What C code does after the Python function it has called returns, as Python functions.

Where such C code stood between two frames, one of these frames stands at the destination.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import CoroutineType, FunctionType, GeneratorType
from typing import Any, cast

from hetmig.interpreter import cpython
from hetmig.interpreter.activation import UNBOUND, Activation, Generator, Resume, slot_names
from hetmig.interpreter.generators import kind_of
from hetmig.interpreter.stackmap import stack_map

__all__ = ["bridge", "closed", "constructed", "created", "driver", "found", "iterated", "thrown"]


def constructed(inner: Callable[[], object], made: object) -> object:
    """The rest of `type.__call__`, after `made.__init__`."""
    result = inner()
    if result is not None:
        raise TypeError(f"__init__() should return None, not '{type(result).__name__}'")
    return made


def created(
    inner: Callable[[], object],
    cls: type,
    arguments: tuple[object, ...],
    keywords: dict[str, object],
) -> object:
    """The rest of `type.__call__`, after `cls.__new__`."""
    made = inner()
    if isinstance(made, cls):
        type(made).__init__(made, *arguments, **keywords)
    return made


def found(inner: Callable[[], object], owner: object, name: str) -> object:
    """The rest of a look-up in a class with `__getattr__`, after a property or the like."""
    try:
        return inner()
    except AttributeError:
        pass  # forgotten, as C code does: what follows is no consequence of it
    return type(owner).__getattr__(owner, name)  # type: ignore[attr-defined]


def iterated(inner: Callable[[], object]) -> object:
    """The rest of `iter(...)`, after `__iter__`."""
    iterator = inner()
    if not hasattr(type(iterator), "__next__"):
        raise TypeError(f"iter() returned non-iterator of type '{type(iterator).__name__}'")
    return iterator


def thrown(generator: GeneratorType[Any, Any, Any]) -> object:
    """The rest of `generator.throw(...)`, when the generator has taken the exception."""
    return generator.send(None)


def closed(generator: GeneratorType[Any, Any, Any]) -> object:
    """The rest of `generator.close()`, when the generator has taken the GeneratorExit."""
    try:
        generator.send(None)
    except GeneratorExit:
        return None
    except StopIteration as stop:
        return stop.value if cpython.CLOSE_RETURNS else None
    raise RuntimeError(f"{kind_of(generator)} ignored GeneratorExit")


def driver(rest: Callable[..., object], generator: Generator) -> Activation:
    """The activation of one of the last two, about to drive the generator."""
    function = cast("FunctionType", rest)
    code = function.__code__
    call = stack_map(code).at(_call_of(function))
    if cpython.PRECALL:
        call = stack_map(code).at(call.start - 2)
    send = vars(CoroutineType if isinstance(generator, CoroutineType) else GeneratorType)["send"]
    names = slot_names(code)
    slots: list[object] = [generator if name == "generator" else UNBOUND for name in names]
    stack: list[object] = [send, generator, None]
    return Activation(code, function.__globals__, call.start, Resume.AGAIN, slots, stack)


def bridge(rest: Callable[..., object], **variables: object) -> Activation:
    """The activation of one of these functions, where it waits for `inner`."""
    function = cast("FunctionType", rest)
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
