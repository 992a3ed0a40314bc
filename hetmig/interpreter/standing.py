"""The usual suspended generator, read in one step: only plain values lie on its stack.

What `generators.capture_suspended` finds out one after the other follows from the code and the
place, all but the values; so here it is found out once for each place.  Whatever is not as usual is
left to it: an exception that is being handled, an empty place on the stack, an async generator.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import CodeType, CoroutineType, FrameType, GeneratorType
from typing import Any, TypeAlias

from hetmig.interpreter.activation import NULL, UNBOUND, Generator
from hetmig.interpreter.generators import at_yield, require
from hetmig.interpreter.layout import FrameMemory, reader, slots_offset
from hetmig.interpreter.prologue import is_packed
from hetmig.interpreter.unmovable import reason_to_stay

__all__ = ["Standing", "standing"]

Standing: TypeAlias = tuple[CodeType, dict[str, Any], int, int, int, tuple[object, ...]]
"""The compiler's own code, the namespace and the offset; which slots hold something, as bits; how
many places of the stack are in use; and what the prologue takes: what the slots hold, and the stack
from its top to its bottom.  (A tuple, for the sake of speed.)"""

_Place: TypeAlias = tuple[CodeType, int, int, int, bool, Callable[[int], list[Any] | None]]
"""What can be said of a `yield` beforehand: the compiler's code and the offset in it, the number of
slots and of values on the stack, whether all is as usual, and what reads them."""

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
    code, offset, slots, depth, usual, read = place
    namespace = frame.f_globals
    if not usual or reason_to_stay(code, namespace) is not None:
        return None
    held = read(id(generator) + _slots_offset())
    if held is None:  # some variable has no value
        return _with_gaps(place, frame)
    held[slots:] = held[slots:][::-1]
    return code, namespace, offset, (1 << slots) - 1, depth, tuple(held)


def _with_gaps(place: _Place, frame: FrameType) -> Standing | None:
    code, offset, count, depth, *_ = place
    memory = FrameMemory(frame)
    slots = memory.objects(0, count, UNBOUND)
    stack = memory.objects(count, count + depth, NULL)
    if any(value is NULL for value in stack):
        return None
    held = (*(slot for slot in slots if slot is not UNBOUND), *reversed(stack))
    bound = sum(1 << i for i, slot in enumerate(slots) if slot is not UNBOUND)
    return code, frame.f_globals, offset, bound, depth, held


def _learn(frame: FrameType) -> _Place:
    where = at_yield(frame)
    own = where.live is where.code
    # what is behind a prologue is there once: it is not to be kept, but stands at the same place
    key = id(where.code), frame.f_lasti if own else where.point.start
    if (known := _places.get(key)) is not None:
        return known
    kinds = (where.point.before or ())[:-1]
    slots, depth = where.map.slots, len(kinds)
    usual = is_packed(kinds, (False,) * depth)
    while len(_places) >= _MOST_KNOWN:
        _places.pop(next(iter(_places)), None)
    read = reader(slots + depth)
    place = where.code, where.point.start, slots, depth, usual, read
    _places[key] = place
    return place


@functools.cache
def _slots_offset() -> int:
    """Bytes from a generator to its first slot."""
    return require() + slots_offset()
