"""What each value-stack slot means at each instruction, by abstract interpretation.

The depth of the value stack before an instruction is a fact of the code, not of the run.  So is
which slot was pushed by the machinery of exceptions rather than by an expression: those need care
when the stack is put back.  `bytecode` knows the net effect of each instruction; what is added here
are the few that move such special slots about.
"""

from __future__ import annotations

import enum
import functools
from collections.abc import Iterator
from dataclasses import dataclass
from types import CodeType

from bytecode import ConcreteBytecode, ConcreteInstr

from hetmig.errors import NotMigratable
from hetmig.interpreter import cpython
from hetmig.interpreter.activation import slot_names

__all__ = ["Handler", "Point", "Slot", "Slots", "StackMap", "stack_map"]


class Slot(enum.Enum):
    """What a place on the value stack holds."""

    VALUE = "value"
    PREVIOUS_EXCEPTION = "previous exception"
    """What `sys.exception()` was before the handler of this slot began (PUSH_EXC_INFO)."""
    LAST_INSTRUCTION = "last instruction"
    """Where an exception was raised, for a later RERAISE: a position in the running code."""
    LOOP_POSITION = "loop position"
    """How far a loop is in the sequence in the slot below; NULL if that holds an iterator."""


Slots = tuple[Slot, ...]

_NEVER_RAISES = frozenset({"PUSH_EXC_INFO", "POP_EXCEPT", "NOT_TAKEN", "NOP"})
# The table covers them with the handler and depth of their neighbours, which are not theirs.


@dataclass(frozen=True)
class Point:
    """One instruction.  All offsets are bytes into `co_code`."""

    name: str
    argument: int
    start: int
    """Where to jump to execute it: its EXTENDED_ARG prefixes belong to it."""
    offset: int
    """The instruction proper, which is what positions and `f_lasti` refer to."""
    end: int
    """The next instruction, behind the inline caches."""
    jump: int | None
    before: Slots | None
    """The value stack before it, bottom first; None where no path leads."""
    effect: int
    """How many values more (or fewer) the stack holds after it."""

    @property
    def leaves_nothing(self) -> bool:
        """Whether this call-like instruction drops the result (the setters)."""
        return self.name.startswith(("STORE_", "DELETE_"))

    @functools.cached_property
    def below_call(self) -> int:
        """How many slots lie below the operands of this call-like instruction.

        It takes its operands and leaves one result, or none.
        """
        assert self.before is not None
        return len(self.before) + self.effect - (not self.leaves_nothing)

    @property
    def loads_method(self) -> bool:
        """Whether it loads an attribute that is called next: NULL lies below or above the value."""
        return self.name == "LOAD_METHOD" or (
            cpython.METHODS_BY_LOAD_ATTR and self.name == "LOAD_ATTR" and bool(self.argument & 1)
        )

    @property
    def is_async_wrap(self) -> bool:
        """Whether it marks the value on top as one that an async generator yields."""
        return cpython.ASYNC_WRAP in (self.name, (self.name, self.argument))


@dataclass(frozen=True)
class Handler:
    """An entry of the exception table, in bytes; `stop` is exclusive."""

    start: int
    stop: int
    target: int
    depth: int
    push_last_instruction: bool


class StackMap:
    """The instructions of a code object, each with its value stack."""

    def __init__(self, code: CodeType) -> None:
        self.code = code
        self.slots = len(slot_names(code))
        """How many variables lie below the value stack."""
        concrete = ConcreteBytecode.from_code(code)
        self.handlers = [
            Handler(
                2 * entry.start_offset,
                2 * entry.stop_offset + 2,
                2 * entry.target,
                entry.stack_depth,
                entry.push_lasti,
            )
            for entry in concrete.exception_table
        ]
        instructions = {start: (instr, end) for start, instr, end in _decode(concrete)}
        stacks = _interpret(instructions, self.handlers, code)
        self._points: dict[int, Point] = {}
        for start, (instruction, end) in instructions.items():
            point = _point(start, end, instruction, stacks.get(start))
            for offset in range(start, end, 2):
                self._points[offset] = point

    def at(self, offset: int) -> Point:
        """The instruction that covers `offset`, be it in its prefix or its inline caches."""
        return self._points[offset]

    def handler_of(self, point: Point) -> Handler | None:
        """Where an exception raised at `point` goes; None if it leaves the frame."""
        for handler in self.handlers:
            if handler.start <= point.offset < handler.stop:
                return handler
        return None


def _decode(concrete: ConcreteBytecode) -> Iterator[tuple[int, ConcreteInstr, int]]:
    """Yield (start, instruction, end) in bytes, inline caches counted to their instruction."""
    start = offset = 0
    current: ConcreteInstr | None = None
    for instruction in concrete:
        assert isinstance(instruction, ConcreteInstr)
        if instruction.name != "CACHE":
            if current is not None:
                yield start, current, offset
            start, current = offset, instruction
        offset += instruction.size
    if current is not None:
        yield start, current, offset


def _point(start: int, end: int, instruction: ConcreteInstr, before: Slots | None) -> Point:
    proper = start + instruction.size - 2
    argument = instruction.arg if instruction.require_arg() else 0
    return Point(
        instruction.name,
        argument,
        start,
        proper,
        end,
        _jump_target(start, instruction),
        before,
        instruction.stack_effect(jump=False),
    )


def _jump_target(start: int, instruction: ConcreteInstr) -> int | None:
    if instruction.name == "END_ASYNC_FOR":
        return None  # its argument says where its loop awaited, for tracing: it never jumps there
    target = instruction.get_jump_target(start // 2)
    return None if target is None else 2 * target


def _interpret(
    instructions: dict[int, tuple[ConcreteInstr, int]], handlers: list[Handler], code: CodeType
) -> dict[int, Slots]:
    stacks: dict[int, Slots] = {}
    todo: list[tuple[int, Slots]] = [(0, ())]
    while todo:
        start, stack = todo.pop()
        if start in stacks:
            if stacks[start] != stack:
                raise NotMigratable(
                    f"the value stack of {code.co_qualname} at offset {start} is ambiguous"
                )
            continue
        stacks[start] = stack
        instruction, end = instructions[start]
        if instruction.name not in _NEVER_RAISES:
            todo.extend(_after_exception(start + instruction.size - 2, stack, handlers))
        jump = _jump_target(start, instruction)
        if jump is not None:
            todo.append((jump, _execute(instruction, stack, jump=True)))
        if not (instruction.is_final() or instruction.is_uncond_jump()):
            todo.append((end, _execute(instruction, stack, jump=False)))
    return stacks


def _after_exception(
    offset: int, stack: Slots, handlers: list[Handler]
) -> Iterator[tuple[int, Slots]]:
    for handler in handlers:
        # a generator expression's table covers its last instructions, too, with less on the stack
        # than the handler wants: they never raise
        if handler.start <= offset < handler.stop and handler.depth <= len(stack):
            where = (Slot.LAST_INSTRUCTION,) if handler.push_last_instruction else ()
            yield handler.target, stack[: handler.depth] + where + (Slot.VALUE,)


def _execute(instruction: ConcreteInstr, stack: Slots, *, jump: bool) -> Slots:
    name = instruction.name
    if name == "PUSH_EXC_INFO":
        return (*stack[:-1], Slot.PREVIOUS_EXCEPTION, Slot.VALUE)
    if name == "SWAP":
        swapped = list(stack)
        swapped[-1], swapped[-instruction.arg] = swapped[-instruction.arg], swapped[-1]
        return tuple(swapped)
    if name == "COPY":
        return (*stack, stack[-instruction.arg])
    if name == "WITH_EXCEPT_START":
        return (*stack, Slot.VALUE)
    if name == "GET_ITER" and cpython.LOOP_POSITIONS:
        return (*stack, Slot.LOOP_POSITION)
    if name == "RETURN_GENERATOR":
        return (*stack, Slot.VALUE)  # the generator goes to the caller, its body finds a dummy
    # all others move nothing but plain values, so their net effect tells enough
    effect = instruction.stack_effect(jump=jump)
    return stack[:effect] if effect < 0 else stack + (Slot.VALUE,) * effect


_CACHE_SIZE = 4096
_cache: dict[int, StackMap] = {}


def stack_map(code: CodeType) -> StackMap:
    """The (cached) stack map of a code object."""
    # by identity: hashing a code object means hashing all it contains
    known = _cache.get(id(code))
    if known is None:
        while len(_cache) >= _CACHE_SIZE:
            _cache.pop(next(iter(tuple(_cache))), None)  # other threads prepare moves, too
        known = _cache[id(code)] = StackMap(code)
    return known
