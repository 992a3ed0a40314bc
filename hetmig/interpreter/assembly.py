"""Codes behind their prologues, assembled once, and the state that they take."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Iterator
from types import CellType, CodeType, FunctionType
from typing import Any, cast

from hetmig.interpreter import cpython
from hetmig.interpreter.activation import NULL, UNBOUND, Activation, Resume
from hetmig.interpreter.prologue import Shape, assemble, lasti_shift, takes_all_at_once
from hetmig.interpreter.stackmap import Point, Slot, Slots, StackMap, stack_map

__all__ = ["assemble_ahead", "assembled", "callable_code", "raised_at", "state_values"]

_CACHE_SIZE = 4096
_MOST_LOOPS = 16
_cache: dict[tuple[object, ...], tuple[CodeType, CodeType]] = {}


def state_values(activation: Activation, code: CodeType, inner: object) -> list[object]:
    """What a prologue takes, last value first: `list.pop` hands it out and forgets it.

    `inner` is the frame that was called, or stands for the result of the call.
    """
    original, slots = activation.code, activation.slots
    in_generator = activation.generator is not None or activation.resume is Resume.YIELDED
    if original.co_freevars and not in_generator:
        slots = slots[: -len(original.co_freevars)]
    bound = [slot for slot in slots if slot is not UNBOUND]
    values: list[object] = []
    if takes_all_at_once(code):
        if bound or activation.stack:
            values.append((*bound, *reversed(activation.stack)))
    else:
        if bound:
            values.append(tuple(bound))
        kinds = stack_map(original).at(activation.offset).before or ()
        values.extend(_one_by_one(activation, kinds, lasti_shift(code)))
    if activation.resume is Resume.AFTER:
        values.append(inner)
    values.reverse()
    return values


def _one_by_one(activation: Activation, kinds: Slots, shift: int) -> Iterator[object]:
    handled = iter(activation.handled)
    for kind, value in zip(kinds, activation.stack, strict=False):
        if kind is Slot.PREVIOUS_EXCEPTION:
            yield next(handled)
        elif kind is Slot.LAST_INSTRUCTION:
            if cpython.LASTI_IS_OBJECT:
                yield cast("int", value) + shift
        elif value is not NULL:
            yield value


def raised_at(activation: Activation) -> tuple[int, ...]:
    """What the prologue itself must know of where exceptions were raised; see `Shape.raised`."""
    if cpython.LASTI_IS_OBJECT or activation.resume is Resume.CREATED:
        return ()
    kinds = stack_map(activation.code).at(activation.offset).before or ()
    return tuple(
        cast("int", value)
        for kind, value in zip(kinds, activation.stack, strict=False)
        if kind is Slot.LAST_INSTRUCTION
    )


def callable_code(
    code: CodeType, namespace: dict[str, Any], closure: tuple[CellType, ...] | None
) -> FunctionType:
    """A function that can be called without arguments: its prologue overwrites them all."""
    function = FunctionType(
        code,
        namespace,
        code.co_name,
        # the code keeps its signature (zero-argument super() looks at it), so that a call without
        # arguments needs a default for each
        # (an empty tuple, since a generator expression may ask it for an iterator at once)
        ((),) * code.co_argcount,
        closure,
    )
    if code.co_kwonlyargcount:
        first = code.co_argcount
        keywords = code.co_varnames[first : first + code.co_kwonlyargcount]
        function.__kwdefaults__ = dict.fromkeys(keywords)
    return function


def assembled(code: CodeType, shape: Shape) -> CodeType:
    """The (cached) code that goes on with `code`; `with_state` lets it take its state."""
    # by identity: hashing a code object means hashing all it contains
    key = id(code), id(shape.resume), shape[2:], shape.offset  # members hash in Python
    known = _cache.get(key)
    if known is None:
        while len(_cache) >= _CACHE_SIZE:
            _cache.pop(next(iter(_cache)))
        known = _cache[key] = (code, assemble(code, shape))
    return known[1]


def assemble_ahead(code: CodeType) -> None:
    """Assemble for where a frame of this code will probably be captured, if it calls nothing.

    That is where its loops go round, and most have given all their variables a value by then.
    """
    if code.co_flags & (inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR):
        return
    map_ = stack_map(code)
    for point in itertools.islice(_rounds(map_), _MOST_LOOPS):
        if point.before is None:  # out of reach
            continue
        if set(point.before) <= {Slot.VALUE, Slot.LOOP_POSITION}:
            bound = (True,) * map_.slots
            nulls = tuple([slot is Slot.LOOP_POSITION for slot in point.before])  # of an iterator
            assembled(code, Shape(point.start, Resume.AGAIN, False, bound, nulls))


def _rounds(map_: StackMap) -> Iterator[Point]:
    """Where loops go round, as the handler of a signal sees it."""
    for offset in range(0, len(map_.code.co_code), 2):
        point = map_.at(offset)
        if point.start == offset and point.jump is not None and point.jump <= offset:
            yield point if point.name == "JUMP_BACKWARD" else map_.at(point.jump)
