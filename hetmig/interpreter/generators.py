"""Generators, coroutines and async generators: what they hold while nobody drives them.

They are read in place, and not touched.  How an equal one is made is told in `revival`.

Sources: `PyGenObject` and `_PyErr_StackItem` in CPython's pycore_genobject.h and pystate.h (3.11 to
3.13: genobject.h); PEP 342, PEP 380, PEP 492, PEP 525.
"""

from __future__ import annotations

import ctypes
import functools
from types import AsyncGeneratorType, CodeType, CoroutineType, FrameType, GeneratorType
from typing import Any

from hetmig.errors import NotMigratable, UnsupportedInterpreter
from hetmig.interpreter import cpython, proof
from hetmig.interpreter.activation import Activation, Generator, Resume
from hetmig.interpreter.frame_memory import FrameMemory, object_at
from hetmig.interpreter.frames import Position, address_of, position, read_frame
from hetmig.interpreter.prologue import original_position
from hetmig.interpreter.stackmap import stack_map
from hetmig.interpreter.unmovable import reason_to_stay

__all__ = [
    "GENERATORS",
    "GeneratorMemory",
    "address_of_owner",
    "at_yield",
    "capture_suspended",
    "code_of",
    "frame_of",
    "has_finalizer",
    "kind_of",
    "owner_of",
    "require",
]

GENERATORS = (GeneratorType, CoroutineType, AsyncGeneratorType)

_PREFIXES = {GeneratorType: "gi", CoroutineType: "cr", AsyncGeneratorType: "ag"}
_KINDS = {
    GeneratorType: "generator",
    CoroutineType: "coroutine",
    AsyncGeneratorType: "async generator",
}
_WORD = ctypes.sizeof(ctypes.c_void_p)


class _Head(ctypes.Structure):
    """What follows the object head; the interpreter's frame lies behind it."""

    _fields_ = [
        *([("code", ctypes.c_void_p)] if cpython.GENERATOR_KEEPS_CODE else []),
        ("weak_references", ctypes.c_void_p),
        ("name", ctypes.c_void_p),
        ("qualified_name", ctypes.c_void_p),
        ("exception", ctypes.c_void_p),
        ("outer_exceptions", ctypes.c_void_p),
        ("origin_or_finalizer", ctypes.c_void_p),
        ("hooks_inited", ctypes.c_byte),
        ("closed", ctypes.c_byte),
        ("running_async", ctypes.c_byte),
        ("frame_state", ctypes.c_byte),
    ]


class _ExceptionState(ctypes.Structure):
    """`_PyErr_StackItem`: one for the thread, one for each generator."""

    _fields_ = [("exception", ctypes.c_void_p), ("outer", ctypes.c_void_p)]


def kind_of(generator: Generator) -> str:
    """What it is called: "generator", "coroutine" or "async generator"."""
    return _KINDS[type(generator)]


def frame_of(generator: Generator) -> FrameType | None:
    """Its frame; None if it has come to its end."""
    frame: FrameType | None = getattr(generator, f"{_PREFIXES[type(generator)]}_frame")
    return frame


def code_of(generator: Generator) -> CodeType:
    """The compiler's own code of it."""
    code: CodeType = getattr(generator, f"{_PREFIXES[type(generator)]}_code")
    return original_position(code, 0).code


class GeneratorMemory:
    """A generator's memory, read in place."""

    def __init__(self, generator: Generator) -> None:
        self._head = _Head.from_address(id(generator) + object.__basicsize__)

    @property
    def frame_state(self) -> int:
        """`enum _framestate`, whose numbers differ between versions."""
        state: int = self._head.frame_state
        return state

    @property
    def has_finalizer(self) -> bool:
        """Whether an async generator that is dropped before its end is somebody's to close."""
        return bool(self._head.origin_or_finalizer)

    @property
    def handled(self) -> BaseException | None:
        """The exception its innermost active handler handles."""
        return _exception(self._head.exception)

    @property
    def handled_outside(self) -> BaseException | None:
        """While it runs, the exception handled by what drives it."""
        outer = self._head.outer_exceptions
        return _exception(_ExceptionState.from_address(outer).exception) if outer else None


def _exception(address: int | None) -> BaseException | None:
    value = object_at(address) if address else None
    return value if isinstance(value, BaseException) else None


def owner_of(frame: FrameType) -> Generator:
    """The generator whose frame this is."""
    generator: Generator = object_at(address_of_owner(frame))
    return generator


def address_of_owner(frame: FrameType) -> int:
    """Its address: no reference to it is made."""
    return FrameMemory(frame).address - require()


def has_finalizer(generator: AsyncGeneratorType[Any, Any]) -> bool:
    """Whether an event loop will close it if it is dropped before its end."""
    return GeneratorMemory(generator).has_finalizer


@functools.cache
def _states() -> tuple[int, int]:
    """The numbers for a frame that has not begun and for one that runs."""
    require()
    states: list[int] = []

    def known() -> Any:
        states.append(GeneratorMemory(generator).frame_state)
        yield

    generator = known()
    fresh = GeneratorMemory(generator).frame_state
    next(generator)
    return fresh, states[0]


@functools.cache
def require() -> int:
    """Prove how generators lie in memory; bytes from the object to the interpreter's frame.

    Raises UnsupportedInterpreter.
    """
    proof.require()
    reason = _check_states() or _check_exceptions()
    if reason:
        raise UnsupportedInterpreter(f"hetmig can't read the generators of this Python: {reason}")
    return _frame_offset(_sample())


def _frame_offset(generator: Generator) -> int:
    frame = frame_of(generator)
    assert frame is not None
    return FrameMemory(frame).address - id(generator)


def _sample() -> Any:
    yield


async def _async_sample() -> Any:
    yield


async def _coroutine_sample() -> None:
    pass


def _check_states() -> str:
    states: list[int] = []

    def known() -> Any:
        states.append(GeneratorMemory(generator).frame_state)
        yield

    coroutine = _coroutine_sample()
    fresh = [known(), _async_sample(), coroutine]
    offsets = {_frame_offset(one) for one in fresh}
    generator = fresh[0]
    states += [GeneratorMemory(one).frame_state for one in fresh]
    coroutine.close()
    next(generator)
    running, suspended = states[-1], GeneratorMemory(generator).frame_state
    if len(offsets) != 1 or not _WORD <= offsets.pop() <= 64 * _WORD:
        return "their frames are not where they should be"
    if len(set(states[:3])) != 1 or len({states[0], running, suspended}) != 3:
        return "they don't tell whether they run"
    return ""


def _check_exceptions() -> str:
    seen: list[bool] = []
    inner, outer = ValueError(), KeyError()

    def known() -> Any:
        try:
            raise inner
        except ValueError:
            memory = GeneratorMemory(generator)
            seen.append(memory.handled is inner and memory.handled_outside is outer)
            yield

    generator = known()
    try:
        raise outer
    except KeyError:
        next(generator)
    kept = GeneratorMemory(generator).handled is inner
    generator.close()
    inner.__traceback__ = outer.__traceback__ = inner.__context__ = None
    return (
        "" if seen == [True] and kept else "the exception handled there is not where it should be"
    )


def capture_suspended(generator: Generator) -> Activation | None:
    """What a generator that nobody drives holds; None if it has come to its end.

    Raises NotMigratable for one that runs, and UnsupportedInterpreter.
    """
    require()
    frame = frame_of(generator)
    if frame is None:
        return None
    held = GeneratorMemory(generator)
    new, running = _states()
    if held.frame_state == running:
        raise NotMigratable(f"this {kind_of(generator)} is running", frame=address_of(frame))
    memory = FrameMemory(frame)
    if held.frame_state == new:
        return _not_begun(code_of(generator), frame, memory)
    where = at_yield(frame)
    code = where.code
    if (reason := reason_to_stay(code, frame.f_globals)) is not None:
        raise NotMigratable(reason, frame=where.address)
    slots, stack, previous = read_frame(where, memory, len(where.point.before or ()) - 1)
    return Activation(
        code,
        frame.f_globals,
        where.point.start,
        Resume.YIELDED,
        slots,
        stack,
        [*previous[1:], held.handled] if previous else [],
    )


def _not_begun(code: CodeType, frame: FrameType, memory: FrameMemory) -> Activation:
    """What a generator holds that has not begun.

    Where a generator expression takes its iterator when it is made, that lies on its stack already.
    """
    map_ = stack_map(code)
    offsets = range(0, len(code.co_code), 2)
    start = next(o for o in offsets if map_.at(o).name == "RETURN_GENERATOR")
    where = Position(code, code, map_, map_.at(start))
    slots, stack, _ = read_frame(where, memory, len(where.point.before or ()))
    return Activation(code, frame.f_globals, 0, Resume.CREATED, slots, stack)


def at_yield(frame: FrameType) -> Position:
    """Where a suspended generator's frame stands.  Raises NotMigratable."""
    where = position(frame)
    if where is not None and where.point.name == "RESUME":  # behind the yield
        where = where._replace(point=where.map.at(where.point.start - 2))
    if where is None or where.point.name != "YIELD_VALUE" or where.point.before is None:
        raise NotMigratable("it is suspended where no `yield` is", frame=address_of(frame))
    return where
