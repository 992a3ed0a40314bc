"""Generators made anew: one that stands where another stood, in three steps.

What a generator holds may hold the generator itself.  So `new_generator` makes one that holds
nothing yet, `fill` hands it what it is to hold, and `prime` has it take that and stand where the
original stood.  Nobody may drive it in between.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Sequence
from types import AsyncGeneratorType, CellType, CodeType, CoroutineType, GeneratorType
from typing import Any

from hetmig.errors import HetmigError
from hetmig.interpreter.activation import NULL, UNBOUND, Activation, Generator, Resume
from hetmig.interpreter.assembly import assembled, callable_code, raised_at, state_values
from hetmig.interpreter.frame_memory import FrameMemory
from hetmig.interpreter.generators import frame_of
from hetmig.interpreter.prologue import Shape, state_of, takes_all_at_once, with_state
from hetmig.interpreter.stackmap import stack_map

__all__ = [
    "async_sample",
    "closed_generator",
    "fill",
    "new_generator",
    "outline",
    "prime",
    "stand",
    "stands_at_value",
]


Outline = tuple[int, str, int, int, bool, tuple[int, ...]]


def outline(activation: Activation, inner: bool = False) -> Outline:
    """What `new_generator` has to know of a generator beforehand, besides its code.

    The offset, how it goes on, which slots are bound and which places of the stack are NULL (as
    bits), whether it has called an inner frame, and `Shape.raised`.
    """
    bound = sum(1 << i for i, slot in enumerate(activation.slots) if slot is not UNBOUND)
    nulls = sum(1 << i for i, value in enumerate(activation.stack) if value is NULL)
    depth = len(activation.stack)
    how, raised = activation.resume.value, raised_at(activation)
    return activation.offset, how, bound, nulls | 1 << depth, inner, raised


def new_generator(
    code: CodeType,
    namespace: dict[str, Any],
    offset: int,
    resume: str,
    bound: int,
    nulls: int,
    inner: bool,
    raised: tuple[int, ...],
) -> Generator:
    """A generator (or coroutine, or async generator) of `code` that holds nothing yet.

    The further arguments are those of `outline`.  One that is suspended waits to be filled and
    primed; one that runs on waits to be primed, then filled, then driven.
    """
    if resume == _CREATED:
        return _called(code, namespace)
    # by identity: hashing a code object means hashing all it contains
    key = id(code), offset, resume, bound, nulls, inner, raised
    known = _behind_prologues.get(key)
    if known is None:
        while len(_behind_prologues) >= _MOST_KNOWN:
            _behind_prologues.pop(next(iter(_behind_prologues)), None)
        shape = _shape(code, offset, Resume(resume), bound, nulls)
        shape = shape._replace(inner=inner, raised=raised)
        known = _behind_prologues[key] = code, assembled(code, shape)
    state: list[object] = []
    return _called(with_state(known[1], state.pop), namespace)


_CREATED = Resume.CREATED.value
_MOST_KNOWN = 4096
_behind_prologues: dict[tuple[object, ...], tuple[CodeType, CodeType]] = {}


def _called(code: CodeType, namespace: dict[str, Any]) -> Generator:
    cells = _empty_cells(len(code.co_freevars)) if code.co_freevars else None
    made: Generator = callable_code(code, namespace, cells)()
    return made


@functools.lru_cache(maxsize=1024)
def _bits(number: int, count: int) -> tuple[bool, ...]:
    return tuple(bool(number >> i & 1) for i in range(count))


def _shape(code: CodeType, offset: int, resume: Resume, bound: int, nulls: int) -> Shape:
    slots = code.co_nlocals + len(code.co_freevars)
    slots += sum(name not in code.co_varnames for name in code.co_cellvars)
    depth = nulls.bit_length() - 1
    return Shape(offset, resume, False, _bits(bound, slots), _bits(nulls, depth), generator=True)


@functools.cache
def _empty_cells(count: int) -> tuple[CellType, ...] | None:
    # every slot is filled anew, so that nobody ever looks into these
    return tuple(CellType() for _ in range(count)) or None


def fill(generator: Generator, activation: Activation, inner: object = None) -> list[object]:
    """Hand a new generator what it is to hold; the list it will take that from, last value first.

    `inner` is the frame it has called, or stands for the result of a call.
    """
    frame = frame_of(generator)
    if frame is None:
        raise HetmigError("a generator that is to be filled has come to its end")
    if activation.resume is Resume.CREATED:
        _store(FrameMemory(frame), [*activation.slots, *activation.stack])
        return []
    state = state_of(frame.f_code)
    if state is None:
        raise HetmigError("a generator that is to be filled was not made for that")
    state[:] = state_values(activation, frame.f_code, inner)
    return state


def stand(
    generator: GeneratorType[Any, Any, Any] | CoroutineType[Any, Any, Any],
    held: tuple[object, ...],
) -> None:
    """Fill and prime a new generator with what `standing` found in another."""
    if held:
        live = generator.gi_code if isinstance(generator, GeneratorType) else generator.cr_code
        state = state_of(live)
        if state is None:
            raise HetmigError("a generator that is to be filled was not made for that")
        if takes_all_at_once(live):
            state.append(held)
        else:
            state.extend(reversed(held))
    generator.send(None)


def _store(memory: FrameMemory, slots: Sequence[object]) -> None:
    """Put the arguments of a generator that has not begun, and its cells, into their places.

    The one place where hetmig writes into the interpreter's memory: a frame which it has made
    itself, which has not begun, and which nobody else knows of.
    """
    for index, value in enumerate(slots):
        memory.store(index, None if value is UNBOUND or value is NULL else (value,))


def prime(generator: Generator) -> None:
    """Let a new generator go to where it is to stand; see `new_generator`."""
    if isinstance(generator, AsyncGeneratorType):
        with contextlib.suppress(StopIteration):  # that is how it hands out a value
            generator.asend(None).send(None)
    else:
        generator.send(None)


def stands_at_value(activation: Activation) -> bool:
    """Whether a suspended async generator has handed out a value, as against awaiting something."""
    map_ = stack_map(activation.code)
    return map_.at(map_.at(activation.offset).start - 2).is_async_wrap


async def async_sample() -> Any:
    """An async generator of no use but to make others of its kind."""
    yield


def closed_generator(code: CodeType, namespace: dict[str, Any]) -> Generator:
    """One that has come to its end."""
    made: Any = callable_code(code, namespace, _empty_cells(len(code.co_freevars)))()
    if isinstance(made, AsyncGeneratorType):
        with contextlib.suppress(StopIteration):
            made.aclose().send(None)
    else:
        made.close()
    closed: Generator = made
    return closed
