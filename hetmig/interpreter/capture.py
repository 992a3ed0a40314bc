"""A live stack -> activations, by reading alone.

From the innermost frame outwards: each is asked what it is doing, how the next one was entered from
it (see `entries`), and which values it holds.  Nothing is touched: after a capture, and after a
refused one, the program goes on as if nothing had been.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator, Sequence
from types import FrameType
from typing import Any

from hetmig.errors import NotMigratable
from hetmig.interpreter import cpython, proof
from hetmig.interpreter.activation import Activation, Resume
from hetmig.interpreter.call_names import name_of_call
from hetmig.interpreter.driving import driven
from hetmig.interpreter.entries import Entry, called_directly
from hetmig.interpreter.frame_memory import FrameMemory
from hetmig.interpreter.frames import (
    Position,
    address_of,
    calling,
    position,
    read_frame,
)
from hetmig.interpreter.generators import GeneratorMemory, owner_of
from hetmig.interpreter.through_c import called_through_c
from hetmig.interpreter.unmovable import reason_of_its_object, reason_to_stay

__all__ = ["address_of", "capture", "position"]


def capture(
    frame: FrameType, *, root: FrameType, callee: FrameType | None = None
) -> list[Activation]:
    """Capture `frame` and its callers up to, not including, `root`; outermost first.

    Without `callee`, `frame` is to execute its current instruction (again): the caller knows that
    it had no effect yet (see `safepoint`).  With `callee`, the frame `frame` has called and which
    captures it, `frame` goes on after that call.

    Raises NotMigratable, with the reason and the frame, where that can't be exact, and
    UnsupportedInterpreter.  The program can go on in both cases.
    """
    proof.require()
    if frame is root:
        raise NotMigratable("the task is only about to go on", frame=address_of(frame))
    current = sys.exception()
    read: list[_Read] = []
    inner, outer = callee, frame
    entered = FrameMemory(inner) if inner is not None else None
    while outer is not root:
        memory = FrameMemory(outer)
        read.extend(_read(outer, memory, inner, entered))
        back = outer.f_back
        if back is None:
            raise NotMigratable("this code does not run inside a task", frame=address_of(outer))
        inner, entered, outer = outer, memory, back
    read.reverse()
    if read[0][0].code.co_name == "__del__":
        # run when the frame of the task's own function goes, whose result is on its way already
        raise NotMigratable(
            "the task has ended, and what its variables held is being finalized",
            frame=read[0][0].address,
        )
    for section, innermost in _sections(read, current):
        _assign_handled(section, innermost)
    return [activation for activation, _ in read]


_Read = tuple[Activation, list[BaseException | None]]
"""An activation, and what the slots of its handlers hold."""


def _sections(
    read: Sequence[_Read], current: BaseException | None
) -> Iterator[tuple[Sequence[_Read], BaseException | None]]:
    """The frames that share one chain of handled exceptions, and the last exception of each.

    The thread has such a chain, and each running generator one of its own.
    """
    starts = [i for i, (activation, _) in enumerate(read) if activation.generator is not None]
    if not starts:
        yield read, current
        return
    first = read[starts[0]][0].generator
    assert first is not None
    yield read[: starts[0]], GeneratorMemory(first).handled_outside
    for start, stop in zip(starts, [*starts[1:], len(read)], strict=True):
        generator = read[start][0].generator
        assert generator is not None
        yield read[start:stop], GeneratorMemory(generator).handled


def _assign_handled(section: Sequence[_Read], innermost: BaseException | None) -> None:
    """Give each active handler its exception.

    Each handler's slot holds the exception handled *before* it, so handler i's own is in the slot
    of handler i+1, wherever in the stack that is, and the innermost one's is the current one.
    """
    flat = [previous for _, per_frame in section for previous in per_frame]
    own = iter([*flat[1:], innermost])
    for activation, per_frame in section:
        if per_frame:
            activation.handled = [next(own) for _ in per_frame]


def _read(
    frame: FrameType, memory: FrameMemory, inner: FrameType | None, callee: FrameMemory | None
) -> Iterator[_Read]:
    """The activation of `frame`; before it, that of whatever stands for C code between the two."""
    where = position(frame)
    if where is None:
        raise NotMigratable("the frame is still being put back", frame=address_of(frame))
    if inner is not None:
        where = calling(where)
    _require_movable(frame, where)
    point = where.point
    if point.before is None:
        raise NotMigratable("this instruction should be out of reach", frame=where.address)
    if inner is None or callee is None:
        entered = Entry(Resume.AGAIN, len(point.before))
    else:
        entered = _entry(where, memory, inner, callee)
    if entered.between is not None:
        yield entered.between, []
    if entered.offset is not None:
        point = where.map.at(entered.offset)
        where = where._replace(point=point)
    slots, stack, previous = read_frame(where, memory, entered.kept)
    if where.code.co_argcount and (reason := reason_of_its_object(where.code, slots[0])):
        raise NotMigratable(reason, frame=where.address)
    running = memory.owner == cpython.FRAME_OWNED_BY_GENERATOR
    activation = Activation(
        where.code,
        frame.f_globals,
        point.start,
        entered.resume,
        slots,
        [*stack, *entered.operands],
        namespace=_namespace_of(frame, where, memory),
        generator=owner_of(frame) if running else None,
    )
    yield activation, previous


def _namespace_of(frame: FrameType, where: Position, memory: FrameMemory) -> dict[str, Any] | None:
    """Where module-level code keeps its variables; None for that of a function."""
    if where.code.co_flags & inspect.CO_OPTIMIZED:
        return None
    if memory.namespace != id(frame.f_globals):
        raise NotMigratable("a class body can't move while it runs", frame=where.address)
    return frame.f_globals


def _entry(where: Position, memory: FrameMemory, inner: FrameType, callee: FrameMemory) -> Entry:
    """How the frame at `where` came to call `inner`.  Raises NotMigratable."""
    if callee.owner == cpython.FRAME_OWNED_BY_GENERATOR:
        entered = driven(where, memory, inner)
    else:
        entered = called_directly(where, memory, inner, callee)
        entered = entered or called_through_c(where, memory, callee)
    if entered is None:
        name = name_of_call(where)
        raise NotMigratable(
            f"{name} is a C-level call between {where.code.co_qualname} and "
            f"{inner.f_code.co_qualname}, and its state can't be captured; "
            "it can move as soon as that call has returned",
            frame=where.address,
            variable=name,
            c_call=name,
        )
    return entered


def _require_movable(frame: FrameType, where: Position) -> None:
    if (reason := reason_to_stay(where.code, frame.f_globals)) is not None:
        raise NotMigratable(reason, frame=where.address)
