"""A live stack -> activations, by reading alone.

From the innermost frame outwards: each is asked what it is doing, whether the interpreter itself
went from it to the next (a C function between two frames has state that nobody can read, and its
result is not the inner frame's), and which values it holds.  Nothing is touched: after a capture,
and after a refused one, the program goes on as if nothing had been.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from types import CellType, CodeType, FrameType
from typing import Any, NamedTuple

from hetmig.errors import FrameAddress, NotMigratable
from hetmig.interpreter import cpython, layout
from hetmig.interpreter.activation import NULL, UNBOUND, Activation, Resume, slot_names
from hetmig.interpreter.layout import FrameMemory, object_at
from hetmig.interpreter.prologue import original_position
from hetmig.interpreter.stackmap import Point, Slot, StackMap, stack_map

__all__ = ["capture", "position"]

_RESULT_IS_CALLEES = frozenset(
    {"CALL", "CALL_KW", "CALL_FUNCTION_EX", "BINARY_SUBSCR", "BINARY_OP", "LOAD_ATTR"}
)
"""Instructions that, where the interpreter enters a Python function for them without C between,
leave exactly its return value.  (The last three: `__getitem__` and properties.)"""

_CALLED_BY_STAR_CALL = frozenset(
    {"__iter__", "__next__", "__len__", "__length_hint__", "__getitem__", "keys", "__del__"}
)


_REMEMBER_ADDRESSES = frozenset(
    {
        ("copy", "deepcopy"),
        ("pickle", "_Pickler.dump"),
        ("pprint", "PrettyPrinter._format"),
        ("pprint", "PrettyPrinter._safe_repr"),
    }
)
"""Functions (module, qualified name) of the standard library that look objects up by `id()`."""


class Position(NamedTuple):
    """Where a frame stands, in the compiler's own code."""

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
    code, offset = original_position(frame.f_code, frame.f_lasti)
    if offset is None or offset < 0:
        return None
    map_ = stack_map(code)
    return Position(code, map_, map_.at(offset))


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
    layout.require()
    if frame is root:
        raise NotMigratable("the task is only about to go on", frame=address_of(frame))
    current = sys.exception()
    activations: list[Activation] = []
    chain: list[list[BaseException | None]] = []
    inner, outer = callee, frame
    while outer is not root:
        activation, previous = _read(outer, inner)
        activations.append(activation)
        chain.append(previous)
        if outer.f_back is None:
            raise NotMigratable("this code does not run inside a task", frame=address_of(outer))
        inner, outer = outer, outer.f_back
    activations.reverse()
    chain.reverse()
    _assign_handled(activations, chain, current)
    return activations


def _assign_handled(
    activations: list[Activation],
    chain: list[list[BaseException | None]],
    current: BaseException | None,
) -> None:
    """Give each active handler its exception.

    Each handler's slot holds the exception handled *before* it, so handler i's own is in the slot
    of handler i+1, wherever in the stack that is, and the innermost one's is the current one.
    """
    flat = [previous for per_frame in chain for previous in per_frame]
    own = iter([*flat[1:], current])
    for activation, per_frame in zip(activations, chain, strict=True):
        activation.handled = [next(own) for _ in per_frame]


def _read(
    frame: FrameType, inner: FrameType | None
) -> tuple[Activation, list[BaseException | None]]:
    where = position(frame)
    if where is None:
        raise NotMigratable("the frame is still being put back", frame=address_of(frame))
    memory = FrameMemory(frame)
    if memory.owner == cpython.FRAME_OWNED_BY_GENERATOR:
        raise NotMigratable(
            "a running generator or coroutine can't move yet; move the loop that drives it",
            frame=where.address,
        )
    function = frame.f_globals.get("__name__"), where.code.co_qualname
    if function in _REMEMBER_ADDRESSES:
        raise NotMigratable(
            f"{'.'.join(function)} knows objects by their addresses, which change; "
            "it can move as soon as that call has returned",
            frame=where.address,
        )
    point = where.point
    if point.before is None:
        raise NotMigratable("this instruction should be out of reach", frame=where.address)
    if inner is None:
        resume, depth = Resume.AGAIN, len(point.before)
    else:
        _require_direct_entry(where, memory, inner)
        resume, depth = Resume.AFTER, point.below_call
    slots = _slots(where, memory)
    stack, previous = _stack(where, memory, len(slots), depth)
    namespace = None
    if not where.code.co_flags & inspect.CO_OPTIMIZED:
        namespace = frame.f_globals
        if memory.namespace != id(namespace):
            raise NotMigratable("a class body can't move while it runs", frame=where.address)
    activation = Activation(
        where.code, frame.f_globals, point.start, resume, slots, stack, namespace=namespace
    )
    return activation, previous


def _slots(where: Position, memory: FrameMemory) -> list[object]:
    references = memory.references(0, len(slot_names(where.code)))
    return [object_at(reference) if reference else UNBOUND for reference in references]


def _stack(
    where: Position, memory: FrameMemory, base: int, depth: int
) -> tuple[list[object], list[BaseException | None]]:
    """The value stack's lowest `depth` places, and what its handlers' slots hold."""
    kinds = where.point.before
    assert kinds is not None
    values: list[object] = []
    previous: list[BaseException | None] = []
    for kind, reference in zip(kinds, memory.references(base, base + depth), strict=False):
        if kind is Slot.LOOP_POSITION and reference is None:
            values[-1] = _loop_over(values[-1], memory.number(base + len(values)), where)
            reference = 0
        if kind is Slot.LAST_INSTRUCTION or reference is None:
            raise NotMigratable(
                "the exit of a `with` block or `finally` is being decided", frame=where.address
            )
        value = object_at(reference) if reference else NULL
        if kind is Slot.PREVIOUS_EXCEPTION:
            previous.append(value if isinstance(value, BaseException) else None)
            value = None  # rebuilt at the destination, never carried
        values.append(value)
    return values, previous


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


def _require_direct_entry(where: Position, memory: FrameMemory, inner: FrameType) -> None:
    """Refuse unless `inner`'s return value is exactly what the current instruction leaves."""
    callee = FrameMemory(inner)
    point = where.point
    if point.name not in _RESULT_IS_CALLEES or (point.name == "LOAD_ATTR" and point.argument & 1):
        known = False
    elif callee.entered_from(memory):
        known = True
    else:
        known = _is_star_call_of(where, memory, inner, callee)
    if not known:
        name = _name_of_call(where)
        raise NotMigratable(
            f"{name} is a C-level call between {where.code.co_qualname} and "
            f"{inner.f_code.co_qualname}, and its state can't be captured; "
            "it can move as soon as that call has returned",
            frame=where.address,
            variable=name,
            c_call=name,
        )


def _is_star_call_of(
    where: Position, memory: FrameMemory, inner: FrameType, callee: FrameMemory
) -> bool:
    """Whether `inner` is the very Python function that `f(*args)` calls.

    Some versions enter it through C, without any state of C's own.  Addresses are compared, never
    followed: if the callable is gone already (a `__del__` runs at the call's end), its slot is
    stale.  A function that could also run while the arguments are unpacked or dropped is refused.
    """
    if not cpython.STAR_CALL_ENTERS_THROUGH_C or where.point.name != "CALL_FUNCTION_EX":
        return False
    base = len(slot_names(where.code))
    slot = base + where.point.below_call + 1  # (NULL, callable, args, kwargs)
    if memory.references(slot, slot + 1) != [callee.function]:
        return False
    if memory.address != callee.previous:
        return False
    function = object_at(callee.function)
    reference = callee.references(0, 1)[0] if inner.f_code.co_argcount else None
    first = object_at(reference) if reference else None
    if isinstance(first, CellType):
        return False
    return not any(
        vars(cls).get(name) is function
        for cls in type(first).__mro__
        for name in _CALLED_BY_STAR_CALL
    )


_OPERATIONS = {
    "BEFORE_WITH": "entering a `with` block",
    "WITH_EXCEPT_START": "leaving a `with` block",
    "BINARY_OP": "an operator",
    "BINARY_SUBSCR": "a subscript",
    "COMPARE_OP": "a comparison",
    "CONTAINS_OP": "a membership test",
    "FOR_ITER": "a loop's iterator",
    "GET_ITER": "the start of a loop",
    "IMPORT_NAME": "an import",
    "LOAD_ATTR": "an attribute's getter",
    "LOAD_METHOD": "an attribute's getter",
    "STORE_ATTR": "an attribute's setter",
    "STORE_SUBSCR": "an item's setter",
}
_NAMES = frozenset({"LOAD_GLOBAL", "LOAD_NAME", "LOAD_ATTR", "LOAD_METHOD"})


def _name_of_call(where: Position) -> str:
    """What the program calls at this point, as it is written there.

    Read from the code, not from the stack: at the end of a call the stack holds stale pointers.
    """
    point, code = where.point, where.code
    if "CALL" not in point.name:
        return _OPERATIONS.get(point.name, f"the operation {point.name}")
    ready = point.below_call + 2  # the callable, and self or NULL
    for offset in range(point.start - 2, -2, -2):
        load = where.map.at(offset)
        if load.before is None or len(load.before) + load.effect > ready:
            continue  # computes an argument
        if load.name in _NAMES:
            return f"{code.co_names[load.argument >> cpython.NAME_SHIFT.get(load.name, 0)]}(...)"
        if load.name.startswith(("LOAD_FAST", "LOAD_DEREF")):
            names = slot_names(code)
            return f"{names[load.argument]}(...)" if load.argument < len(names) else "the call"
        if load.name not in ("PUSH_NULL", "SWAP", "PRECALL"):
            break
    return "the call"
