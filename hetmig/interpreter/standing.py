"""The usual suspended generator, read in one step.

What `generators.capture_suspended` finds out one after the other follows from the code and the
place, all but the values; so here it is found out once for each place.  Whatever is not as usual is
left to it: an exception that is being handled, an async generator.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import CodeType, CoroutineType, FrameType, GeneratorType
from typing import Any, TypeAlias

from hetmig.interpreter.activation import NULL, UNBOUND, Generator
from hetmig.interpreter.frame_memory import FrameMemory, reader
from hetmig.interpreter.frames import read_frame
from hetmig.interpreter.generators import at_yield, require
from hetmig.interpreter.layout import slots_offset
from hetmig.interpreter.prologue import is_packed
from hetmig.interpreter.stackmap import Slot
from hetmig.interpreter.unmovable import reason_to_stay

__all__ = ["Standing", "standing"]

Standing: TypeAlias = tuple[CodeType, dict[str, Any], int, int, int, tuple[object, ...]]
"""The compiler's own code, the namespace and the offset; which slots hold something and which
places of the stack are NULL, as the bits of `revival.outline`; and what the prologue takes: all at
once, or one after the other.  (A tuple, for the sake of speed.)"""

_Place: TypeAlias = tuple[CodeType, int, int, int, Callable[[int], list[Any] | None] | None, bool]
"""What can be said of a `yield` beforehand: the compiler's code and the offset in it, the number of
slots and of places in use on the stack; what reads them, if nothing but values can be there; and
whether at least nothing is there that has to do with exceptions."""

_MOST_KNOWN = 4096
_places: dict[tuple[int, int], _Place] = {}
"""By the identity of the compiler's code, and the position in it."""


def standing(generator: Generator) -> Standing | None:
    """What a generator holds that stands at a `yield`; None if that is not for here to say.

    Raises NotMigratable, as `generators.capture_suspended` does.
    """
    frame: FrameType | None = None
    if type(generator) is GeneratorType and generator.gi_suspended:
        frame = generator.gi_frame
    elif type(generator) is CoroutineType and generator.cr_suspended:
        frame = generator.cr_frame
    if frame is None:
        return None
    place = _places.get((id(frame.f_code), frame.f_lasti)) or _learn(frame)
    code, offset, slots, depth, read, usual = place
    namespace = frame.f_globals
    if not usual or reason_to_stay(code, namespace) is not None:
        return None
    held = read(id(generator) + _slots_offset()) if read is not None else None
    if held is None:  # some variable has no value, or a loop keeps its position
        return _place_by_place(frame, offset, depth)
    held[slots:] = held[slots:][::-1]
    return code, namespace, offset, (1 << slots) - 1, 1 << depth, tuple(held)


def _place_by_place(frame: FrameType, offset: int, depth: int) -> Standing:
    where = at_yield(frame)
    slots, stack, _ = read_frame(where, FrameMemory(frame), depth)
    bound = sum(1 << i for i, slot in enumerate(slots) if slot is not UNBOUND)
    nulls = sum(1 << i for i, value in enumerate(stack) if value is NULL)
    held = tuple([slot for slot in slots if slot is not UNBOUND])
    if not nulls and is_packed(where.point.before or (), (False,) * depth):
        held = (*held, *reversed(stack))
    else:
        values = [value for value in stack if value is not NULL]
        held = (held, *values) if held else tuple(values)
    return where.code, frame.f_globals, offset, bound, nulls | 1 << depth, held


def _learn(frame: FrameType) -> _Place:
    where = at_yield(frame)
    own = where.live is where.code
    # what is behind a prologue is there once: it is not to be kept, but stands at the same place
    key = id(where.code), frame.f_lasti if own else where.point.start
    if (known := _places.get(key)) is not None:
        return known
    kinds = (where.point.before or ())[:-1]
    slots, depth = where.map.slots, len(kinds)
    read = reader(slots + depth) if is_packed(kinds, (False,) * depth) else None
    usual = {Slot.VALUE, Slot.LOOP_POSITION}.issuperset(kinds)
    while len(_places) >= _MOST_KNOWN:
        _places.pop(next(iter(_places)), None)
    place = where.code, where.point.start, slots, depth, read, usual
    _places[key] = place
    return place


@functools.cache
def _slots_offset() -> int:
    """Bytes from a generator to its first slot."""
    return require() + slots_offset()
