"""Generators and coroutines that run: what drives them, and how it drives them once more.

What drives a generator keeps no state of its own: the same instruction executed again, on a
generator that stands where this one stood, goes on exactly there.  So that is what the caller does.
"""

from __future__ import annotations

from types import BuiltinMethodType, CoroutineType, FrameType, GeneratorType

from hetmig.interpreter import bridges, cpython
from hetmig.interpreter.activation import Resume
from hetmig.interpreter.awaitables import AWAITABLES, passes_to
from hetmig.interpreter.entries import Entry, living, operands
from hetmig.interpreter.frame_memory import FrameMemory, object_at, reference_count
from hetmig.interpreter.frames import Position, calling, position
from hetmig.interpreter.generators import address_of_owner
from hetmig.interpreter.stackmap import Point

__all__ = ["driven"]

_STEPS = {
    id(vars(cls)[name]): name
    for cls in (GeneratorType, CoroutineType)
    for name in ("send", "throw", "close", "__next__")
    if name in vars(cls)
}
"""The methods of generators by their addresses.  (Types are never freed.)"""


def driven(where: Position, memory: FrameMemory, inner: FrameType) -> Entry | None:
    """How the caller drives the generator whose frame `inner` is; None if that is not known."""
    generator = address_of_owner(inner)
    if cpython.PRECALL and where.point.name == "CALL":
        # a call is both of them, and to be made again it begins with the first
        where = where._replace(point=where.map.at(where.point.start - 2))
    depth, references = len(where.point.before or ()), operands(where, memory)
    match where.point.name:
        case "FOR_ITER":
            if references[-2 if cpython.LOOP_POSITIONS else -1] == generator:
                return Entry(Resume.AGAIN, depth)
        case "SEND":
            if _delegates(references[depth + cpython.SEND_RECEIVER], generator):
                return Entry(Resume.AGAIN, depth - 1, (None,))
        case "YIELD_VALUE" | "RESUME":
            return _thrown_into(where, references, generator)
        case "CALL" | "PRECALL":
            return _called(where, references, generator, inner)
    return None


def _delegates(receiver: int | None, generator: int) -> bool:
    """Whether what is awaited is the generator, or passes everything on to it."""
    if receiver == generator:
        return True
    # alive: an instruction of its own takes it off the stack, when it has come to its end
    waited = object_at(receiver) if receiver else None
    return type(waited) in AWAITABLES and any(id(part) == generator for part in passes_to(waited))


def _thrown_into(where: Position, references: list[int | None], generator: int) -> Entry | None:
    """`throw` passes an exception down a chain of `yield from` or `await`.

    The frames on the way stand at their yields; to be driven once more they await again.
    """
    point = where.point
    if point.name == "RESUME":
        point = where.map.at(point.start - 2)
    back = where.map.at(where.map.at(point.end).end)
    if point.name != "YIELD_VALUE" or back.jump is None or not back.name.startswith("JUMP_BACK"):
        return None
    send, depth = where.map.at(back.jump), len(point.before or ())
    if send.name != "SEND" or not _delegates(references[depth + cpython.SEND_RECEIVER], generator):
        return None
    return Entry(Resume.AGAIN, depth - 1, (None,), offset=send.start)


def _called(
    where: Position, references: list[int | None], generator: int, inner: FrameType
) -> Entry | None:
    """`next(g)`, `g.send(value)`, `g.throw(error)`, `g.close()`."""
    point = where.point
    below = len(references) - point.argument - 2
    first, second, *arguments = references[below:]
    if cpython.CALLABLE_BELOW_NULL or first:
        function, positional = first, [second, *arguments] if second else arguments
    else:
        function, positional = second, arguments
    if _may_be_finalized(generator, inner):
        return None
    if positional and positional[0] == generator:
        step = "next" if function == id(next) else _STEPS.get(function or 0)
    else:
        step = _bound_step(living(function or 0), generator)
    if step in ("next", "send", "__next__"):
        return Entry(Resume.AGAIN, len(references), offset=point.start)
    if step in ("throw", "close"):
        rest = bridges.thrown if step == "throw" else bridges.closed
        call = calling(where).point
        between = bridges.driver(rest, object_at(generator))
        return Entry(Resume.AFTER, below, offset=call.start, between=between)
    return None


def _bound_step(callee: object, generator: int) -> str | None:
    """Which method of the generator a variable holds that is called."""
    if isinstance(callee, BuiltinMethodType) and id(callee.__self__) == generator:
        return callee.__name__
    return None


def _may_be_finalized(generator: int, inner: FrameType) -> bool:
    """Whether the generator may not be driven, but on its way out.

    At the end of a call that held the last reference, the operands still seem to be there, and the
    generator runs the `finally` blocks that its deletion makes it run.
    """
    where = position(inner)
    return reference_count(generator) <= 1 and (where is None or _may_catch(where))


def _may_catch(where: Position) -> bool:
    return any(not _is_compilers(where.map.at(entry.target)) for entry in where.map.handlers)


def _is_compilers(target: Point) -> bool:
    """Whether a handler is one of those that the compiler gives to every generator."""
    return target.name == "CLEANUP_THROW" or (target.name, target.argument) == cpython.STOP_WRAP
