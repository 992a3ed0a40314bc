"""One live frame: where it stands, and what it holds."""

from __future__ import annotations

from collections.abc import Iterator
from types import CodeType, FrameType
from typing import Any, NamedTuple

from hetmig.errors import FrameAddress, NotMigratable
from hetmig.interpreter.activation import NULL, UNBOUND
from hetmig.interpreter.frame_memory import FrameMemory, object_at
from hetmig.interpreter.prologue import original_position, original_unit
from hetmig.interpreter.stackmap import Point, Slot, StackMap, stack_map

__all__ = ["Position", "address_of", "calling", "position", "read_frame"]


class Position(NamedTuple):
    """Where a frame stands, in the compiler's own code."""

    live: CodeType
    """The code it executes: the compiler's own, or that behind a prologue."""
    code: CodeType
    map: StackMap
    point: Point

    @property
    def address(self) -> FrameAddress:
        """Function, file and line, for messages."""
        line = list(self.code.co_positions())[self.point.offset // 2][0]
        return FrameAddress(
            self.code.co_qualname, self.code.co_filename, line or self.code.co_firstlineno
        )


def address_of(frame: FrameType) -> FrameAddress:
    """Function, file and line of a live frame, for messages."""
    code = frame.f_code
    return FrameAddress(code.co_qualname, code.co_filename, frame.f_lineno or code.co_firstlineno)


def position(frame: FrameType) -> Position | None:
    """Where a live frame stands; None while it is still being re-entered."""
    live, last = frame.f_code, frame.f_lasti
    known = _positions.get((id(live), last))
    if known is not None:
        return known
    code, offset = original_position(live, last)
    if offset is None or offset < 0:
        return None
    map_ = stack_map(code)
    found = Position(live, code, map_, map_.at(offset))
    if live is code:  # what is behind a prologue is there once, and not to be kept
        while len(_positions) >= _MOST_KNOWN:
            _positions.pop(next(iter(_positions)), None)
        _positions[id(live), last] = found
    return found


_MOST_KNOWN = 4096
_positions: dict[tuple[int, int], Position] = {}
"""By the identity of the code, which is kept here, and the position in it."""


def calling(where: Position) -> Position:
    """The same, for a frame that has called another one.

    A PRECALL that was specialised for what it calls (of a hot loop's C functions) makes the whole
    call, and goes on behind the CALL which follows it.
    """
    if where.point.name != "PRECALL":
        return where
    return where._replace(point=where.map.at(where.point.end))


def read_frame(
    where: Position, memory: FrameMemory, depth: int
) -> tuple[list[object], list[object], list[BaseException | None]]:
    """Locals and cells, the stack's lowest `depth` places, and what its handlers' slots hold."""
    base, kinds = where.map.slots, where.point.before or ()
    if not depth:
        return memory.objects(0, base, UNBOUND), [], []
    if kinds[:depth].count(Slot.VALUE) == depth:
        found = memory.plain(0, base + depth)
        if found is not None:
            return found[:base], found[base:], []
    return memory.objects(0, base, UNBOUND), *_read_stack(where, memory, depth)


def _read_stack(
    where: Position, memory: FrameMemory, depth: int
) -> tuple[list[object], list[BaseException | None]]:
    """The value stack's lowest `depth` places, and what its handlers' slots hold."""
    kinds, base = where.point.before, where.map.slots
    assert kinds is not None
    values: list[object] = []
    previous: list[BaseException | None] = []
    for kind, reference in zip(kinds, memory.references(base, base + depth), strict=False):
        if kind is Slot.LOOP_POSITION and reference is None:
            values[-1] = _loop_over(values[-1], memory.number(base + len(values)), where)
            reference = 0
        if kind is Slot.LAST_INSTRUCTION:
            number = memory.number(base + len(values)) if reference is None else None
            values.append(_original_instruction(where, number, reference))
            continue
        if reference is None:
            raise NotMigratable("a number is where no number should be", frame=where.address)
        value = object_at(reference) if reference else NULL
        if kind is Slot.PREVIOUS_EXCEPTION:
            previous.append(value if isinstance(value, BaseException) else None)
            value = None  # rebuilt at the destination, never carried
        values.append(value)
    return values, previous


def _original_instruction(where: Position, number: int | None, reference: int | None) -> int:
    """A saved position (a number, or an `int`), translated to the compiler's own code."""
    unit = object_at(reference or 0) if number is None else number
    found = original_unit(where.live, unit)
    if found is None:
        raise NotMigratable(
            "an exception has come out of a frame just put back", frame=where.address
        )
    return found


def _loop_over(sequence: Any, position: int, where: Position) -> Iterator[Any]:
    """The iterator that stands where a loop stands that keeps none: it goes on just like it."""
    if position > len(sequence):
        # an iterator can't be set behind the end, and the list may yet grow again
        raise NotMigratable(
            "the list of a running loop is shorter by now than the loop has come",
            frame=where.address,
        )
    iterator = iter(sequence)
    iterator.__setstate__(position)
    return iterator  # type: ignore[no-any-return]
