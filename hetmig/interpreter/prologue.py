"""The few instructions that put a frame back and jump to where it stood.

A re-entered function is the compiler's own bytes behind a prologue: the original instructions stay
untouched (every jump since CPython 3.11 is relative), the exception table is shifted, the line
table is prefixed.  So line numbers, tracebacks and speed are those of the original.

The state does not sit in the code: the prologue takes it, one value after the other, from a
callable among its constants, and nothing keeps it alive afterwards.  What the code depends on is
only a `Shape`, so that one assembled prologue serves every re-entry of the same shape.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import CodeType
from typing import NamedTuple

from bytecode import ConcreteBytecode, ConcreteInstr
from bytecode.concrete import ExceptionTableEntry
from bytecode.instr import InstrLocation

from hetmig.interpreter import cpython
from hetmig.interpreter.activation import Resume
from hetmig.interpreter.stackmap import Point, Slot, Slots, StackMap, stack_map

__all__ = [
    "Place",
    "Prologue",
    "Shape",
    "assemble",
    "is_packed",
    "lasti_shift",
    "original_position",
    "original_unit",
    "state_of",
    "takes_all_at_once",
    "with_state",
]


class Shape(NamedTuple):
    """All that a prologue's instructions depend on, besides the code it leads into."""

    offset: int
    """Byte offset of the instruction the frame stands at."""
    resume: Resume
    """How it goes on there."""
    inner: bool
    """Whether that is a call whose inner frame is to be re-entered first."""
    bound: tuple[bool, ...]
    """Which fast locals have a value."""
    nulls: tuple[bool, ...]
    """Which places of the value stack are NULL."""
    generator: bool = False
    """Whether the frame is a generator's.  One that is to run on, not to stay at its `yield`,
    waits in the prologue for being driven."""
    raised: tuple[int, ...] = ()
    """Where exceptions were raised (code units of the original), for the places of the value stack
    that say so, if no object can."""


@dataclass(frozen=True, eq=False)
class Prologue:
    """The last constant of a re-entry code: what it was made of."""

    code: CodeType
    """The compiler's own code."""
    length: int
    """Bytes before the original first instruction."""
    resumed: int
    """The instruction of the original that the prologue leads to."""
    inner_call: range
    """Where in the prologue the inner frame is called, in bytes; empty if there is none."""
    raised: Mapping[int, int]
    """Where the prologue raises, and what of the original that stands for; in code units."""
    packed: bool
    """Whether it takes locals and stack as one tuple."""


class Place(NamedTuple):
    """A position in the compiler's own code."""

    code: CodeType
    offset: int | None
    """In bytes; None inside a prologue, where the frame is not itself yet."""


def original_position(code: CodeType, offset: int) -> Place:
    """Translate a position in any code, re-entered or not, to the compiler's own."""
    prologue = _prologue_of(code)
    if prologue is None:
        return Place(code, offset)
    if offset >= prologue.length:
        return Place(prologue.code, offset - prologue.length)
    return Place(prologue.code, prologue.resumed if offset in prologue.inner_call else None)


def _prologue_of(code: CodeType) -> Prologue | None:
    last = code.co_consts[-1] if code.co_consts else None
    return last if type(last) is Prologue else None


@dataclass
class _Writer:
    """Collects concrete instructions and knows how long they are."""

    code: CodeType
    take_index: int
    location: InstrLocation | None
    instructions: list[ConcreteInstr] = field(default_factory=list)
    size: int = 0
    handlers: list[ExceptionTableEntry] = field(default_factory=list)
    raised: dict[int, int] = field(default_factory=dict)

    def emit(self, name: str, argument: int | None = None) -> None:
        """Append one instruction with room for its inline caches."""
        instruction = (
            ConcreteInstr(name, location=self.location)
            if argument is None
            else ConcreteInstr(name, argument, location=self.location)
        )
        self.instructions.append(instruction)
        self.size += instruction.size
        for _ in range(instruction.use_cache_opcodes()):
            self.instructions.append(ConcreteInstr("CACHE", 0, location=self.location))
            self.size += 2

    def call(self, push_callable: Callable[[], None]) -> range:
        """Call something without arguments; its result is left on the stack."""
        if cpython.CALLABLE_BELOW_NULL:
            push_callable()
            self.emit("PUSH_NULL")
        else:
            self.emit("PUSH_NULL")
            push_callable()
        if cpython.PRECALL:
            self.emit("PRECALL", 0)
        start = self.size
        self.emit("CALL", 0)
        return range(start, self.size)

    def take(self) -> None:
        """Push the next value of the state."""
        self.call(lambda: self.emit("LOAD_CONST", self.take_index))

    def raise_at(self, unit: int, depth: int) -> None:
        """Push the position that an exception leaves which the original's `unit` raises.

        No instruction pushes one.  So an exception is raised, and forgotten, under a handler that
        gets it; `depth` values lie below.
        """
        self.location = _location(self.code, 2 * unit)
        self.emit("LOAD_COMMON_CONSTANT", 0)  # AssertionError, as good as any
        here = self.size // 2
        self.emit("RAISE_VARARGS", 1)
        self.raised[here] = unit
        self.handlers.append(ExceptionTableEntry(here, here, here + 1, depth, True))
        self.emit("POP_TOP")


def assemble(code: CodeType, shape: Shape) -> CodeType:
    """Code that goes on with `code` from where `shape` says.

    Its constants end in a placeholder for the callable that yields the state, and the `Prologue`;
    `with_state` replaces the placeholder.
    """
    map_ = stack_map(code)
    point = map_.at(shape.offset)
    writer = _Writer(code, len(code.co_consts), _location(code, point.offset))
    if shape.generator:
        _begin_generator(writer, shape)
    elif code.co_freevars:
        writer.emit("COPY_FREE_VARS", len(code.co_freevars))
    if not shape.generator:
        # a frame counts as complete, for tracebacks and sys._getframe, from its RESUME on
        writer.emit("RESUME", 0)
    needed = _restore(writer, map_, shape)
    inner_call = range(0)
    if shape.inner:
        inner_call = writer.call(writer.take)
    elif shape.resume is Resume.AFTER:
        writer.take()
    elif shape.resume is Resume.YIELDED:
        writer.emit("LOAD_CONST", writer.take_index + 1)  # anything: nobody sees it
    if shape.resume is Resume.AFTER and point.leaves_nothing:
        writer.emit("POP_TOP")
    if shape.resume is Resume.AFTER and point.loads_method and cpython.CALLABLE_BELOW_NULL:
        writer.emit("PUSH_NULL")
    _jump(writer, _target(map_, point, shape.resume))
    head = _head(writer, map_, point, inner_call)
    packed = is_packed(point.before or (), shape.nulls)
    prologue = Prologue(code, writer.size, shape.offset, inner_call, writer.raised, packed)
    return code.replace(
        co_code=head.co_code + code.co_code,
        co_linetable=head.co_linetable + code.co_linetable,
        co_exceptiontable=head.co_exceptiontable,
        co_stacksize=max(code.co_stacksize, needed),
        co_consts=(*code.co_consts, None, prologue),
    )


def _target(map_: StackMap, point: Point, resume: Resume) -> int:
    """Where the prologue jumps to."""
    if resume is Resume.AFTER:
        return point.end
    if resume is Resume.YIELDED:
        before = map_.at(point.start - 2)
        if before.is_async_wrap:  # what an async generator yields, as against what it awaits
            return before.start
    return point.start


def with_state(code: CodeType, take: Callable[[], object]) -> CodeType:
    """An assembled code that takes its state from `take`, called once per value."""
    return code.replace(co_consts=(*code.co_consts[:-2], take, code.co_consts[-1]))


def state_of(code: CodeType) -> list[object] | None:
    """The state which a re-entry code still has to take, last value first; None for others."""
    if _prologue_of(code) is None:
        return None
    state: list[object] = code.co_consts[-2].__self__
    return state


def lasti_shift(code: CodeType) -> int:
    """By how many code units the original's instructions lie further back in a re-entry code."""
    prologue = _prologue_of(code)
    return prologue.length // 2 if prologue is not None else 0


def original_unit(code: CodeType, unit: int) -> int | None:
    """Translate the position that an exception has left; None if the prologue's own raised it."""
    prologue = _prologue_of(code)
    if prologue is not None and unit in prologue.raised:
        return prologue.raised[unit]
    offset = original_position(code, 2 * unit).offset
    return None if offset is None else offset // 2


def _location(code: CodeType, offset: int) -> InstrLocation | None:
    """The source position of an instruction, for tracebacks."""
    positions = next(itertools.islice(code.co_positions(), offset // 2, None))
    return None if positions[0] is None else InstrLocation(*positions)


def _begin_generator(writer: _Writer, shape: Shape) -> None:
    """Make the generator; one that is to run on is suspended right here until it is driven."""
    writer.emit("RETURN_GENERATOR")
    writer.emit("POP_TOP")
    writer.emit("RESUME", 0)
    if shape.resume is not Resume.YIELDED:
        writer.emit("LOAD_CONST", writer.take_index + 1)
        writer.emit("YIELD_VALUE", *cpython.YIELD_ARGUMENT)
        writer.emit("RESUME", 1)
        writer.emit("POP_TOP")


def _restore(writer: _Writer, map_: StackMap, shape: Shape) -> int:
    """Fast locals, cells and value stack; how much room on the value stack that takes.

    Whatever the call itself bound (arguments) is overwritten.
    """
    slots = map_.at(shape.offset).before
    assert slots is not None
    count = len(shape.bound)
    if not shape.generator:
        count -= len(writer.code.co_freevars)  # there they come with the function
    bound = [index for index in range(count) if shape.bound[index]]
    packed = len(shape.nulls) if is_packed(slots, shape.nulls) else 0
    if bound or packed:
        writer.take()
        writer.emit("UNPACK_SEQUENCE", len(bound) + packed)
        for index in bound:
            # into a cell's place goes the cell itself: that is MAKE_CELL's work done
            writer.emit("STORE_FAST", index)
    for index in range(_argument_count(writer.code)):
        if not shape.bound[index]:
            writer.emit("DELETE_FAST", index)
    raised, location = iter(shape.raised), writer.location
    for depth, null in list(enumerate(shape.nulls))[packed:]:
        if slots[depth] is Slot.LAST_INSTRUCTION and shape.raised:
            writer.raise_at(next(raised), depth)
            writer.location = location
        else:
            _restore_slot(writer, slots[depth], null)
    # all at once, or the stack and a call on top of it
    return max(len(bound) + packed + 3, len(shape.nulls) + 4)


def is_packed(kinds: Slots, nulls: Sequence[bool]) -> bool:
    """Whether locals and stack are taken as one tuple: there is nothing special on the stack."""
    return not any(nulls) and all(kind is Slot.VALUE for kind in kinds[: len(nulls)])


def takes_all_at_once(code: CodeType) -> bool:
    """Whether a re-entry code takes locals and stack as one tuple."""
    prologue = _prologue_of(code)
    return prologue is not None and prologue.packed


def _argument_count(code: CodeType) -> int:
    stars = bool(code.co_flags & 0x04) + bool(code.co_flags & 0x08)  # *args, **kwargs
    return code.co_argcount + code.co_kwonlyargcount + stars


def _restore_slot(writer: _Writer, kind: Slot, null: bool) -> None:
    """One place of the value stack; the chain of handled exceptions is rebuilt on the way."""
    if kind is Slot.PREVIOUS_EXCEPTION:
        writer.take()
        writer.emit("PUSH_EXC_INFO")
        writer.emit("POP_TOP")
    elif null:
        writer.emit("PUSH_NULL")
    else:
        writer.take()


def _jump(writer: _Writer, target: int) -> None:
    # back on the function's first line, where the original's line table starts from
    writer.location = InstrLocation(writer.code.co_firstlineno, None, None, None)
    distance = target // 2
    if distance:
        writer.emit("JUMP_FORWARD", distance)
    else:
        writer.emit("NOP")


def _head(writer: _Writer, map_: StackMap, point: Point, inner_call: range) -> CodeType:
    """Assemble the prologue alone, with the exception table of the whole."""
    concrete = ConcreteBytecode()
    concrete.first_lineno = writer.code.co_firstlineno
    concrete.extend(writer.instructions)
    shift = writer.size // 2
    table = list(writer.handlers)
    handler = map_.handler_of(point)
    if inner_call and handler is not None:
        # an exception of the inner frame goes where one of the original call would; returning
        # from it, CPython 3.13 and later look the handler up one code unit before the call
        table.append(
            ExceptionTableEntry(
                inner_call.start // 2 - 1,
                inner_call.stop // 2 - 1,
                handler.target // 2 + shift,
                handler.depth,
                handler.push_last_instruction,
            )
        )
    for entry in map_.handlers:
        table.append(
            ExceptionTableEntry(
                entry.start // 2 + shift,
                entry.stop // 2 - 1 + shift,
                entry.target // 2 + shift,
                entry.depth,
                entry.push_last_instruction,
            )
        )
    concrete.exception_table = table
    return concrete.to_code(stacksize=0, compute_exception_stack_depths=False)
