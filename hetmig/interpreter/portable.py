"""Activations in a form that means the same in every version of Python, and back.

A resume point is named by what the program does there, a slot of the value stack by what it is for,
a variable by its name (see `points` and `roles`).  The destination compiles the same source, looks
for the place of that name in its own code, and fills the value stack as its own code wants it.
Whatever does not fit exactly is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from types import CellType, CodeType, FunctionType
from typing import Any, NamedTuple

from hetmig.errors import FrameAddress, NotMigratable
from hetmig.interpreter.activation import (
    UNBOUND,
    Activation,
    Generator,
    Resume,
    slot_names,
)
from hetmig.interpreter.filling import Entry, Role, entries_of, fill, fits
from hetmig.interpreter.points import Name, Place, Places
from hetmig.interpreter.prospects import LEVELS
from hetmig.interpreter.syntax import Syntax, syntax_of

__all__ = [
    "PortableActivation",
    "ResumePoint",
    "Role",
    "from_portable",
    "is_empty_cell",
    "places_of",
    "resume_point",
    "to_portable",
]


class ResumePoint(NamedTuple):
    """Where a frame goes on, in words of the source.  Nothing in it depends on the version."""

    resume: str
    kind: str
    node: str
    later: tuple[int, ...]
    """What may come after it, as numbers, looking ever further ahead; see `Places.later`."""
    level: int
    """So far one must look ahead to tell it from others of its name, at the source."""
    cells: tuple[str, ...] = ()
    """Which variables are given as cells."""

    @property
    def name(self) -> Name:
        """What it is called."""
        return Name(self.resume, self.kind, self.node)


@dataclass(eq=False)
class PortableActivation:
    """One frame of a frozen stack, without offsets and numbers of slots."""

    code: CodeType
    globals: dict[str, Any]
    point: ResumePoint
    variables: dict[str, object]
    """Name -> value, or the cell of a variable shared with other functions.  Unbound ones are
    absent."""
    stack: list[tuple[Role, object]]
    handled: list[BaseException | None]
    namespace: dict[str, Any] | None
    generator: Generator | None
    resume: Resume


def to_portable(activation: Activation, source: str) -> PortableActivation:
    """An activation, in words of the source its code was compiled from.

    Raises NotMigratable for what only this version of Python knows.
    """
    try:
        made = _to_portable(activation, places_of(activation.code, source))
        _check(activation, from_portable(made, source), source)
    except NotMigratable as error:
        raise _at(error, activation.address) from None
    return made


def from_portable(portable: PortableActivation, source: str) -> Activation:
    """The activation of the same place in this version's code, which `source` was compiled to.

    Raises NotMigratable if there is no such place, or if it needs what is not there.
    """
    code = portable.code
    try:
        places = places_of(code, source)
        entries = [Entry(*entry) for entry in portable.stack]
        variables, entries = _first_iterator(portable, places, entries)
        place = choose(places, portable.point, entries)
        slots = _slots(code, portable, variables)
        _set_up_annotations(places, portable)
        stack = fill(places.roles, place.labels, entries, _maker(code, slots, portable.globals))
        if sum(label.role == "previous" for label in place.labels) != len(portable.handled):
            raise NotMigratable("other exceptions are being handled there")
    except NotMigratable as error:
        raise _at(error, FrameAddress(code.co_qualname, code.co_filename, _line(code))) from None
    return Activation(
        code,
        portable.globals,
        place.offset,
        portable.resume,
        slots,
        stack,
        list(portable.handled),
        portable.namespace,
        portable.generator,
    )


def _line(code: CodeType) -> int:
    return code.co_firstlineno


def _at(error: NotMigratable, frame: FrameAddress) -> NotMigratable:
    if error.frame is not None:
        return error
    return NotMigratable(error.reason, frame=frame, variable=error.variable)


# -- the places of a code object

_CACHE_SIZE = 1024
_cache: dict[int, tuple[CodeType, Syntax, Places]] = {}


def places_of(code: CodeType, source: str) -> Places:
    """The (cached) places of a code object.  Raises NotMigratable."""
    syntax = syntax_of(source)
    # by identity: hashing a code object means hashing all it contains
    known = _cache.get(id(code))
    if known is None or known[1] is not syntax:
        while len(_cache) >= _CACHE_SIZE:
            _cache.pop(next(iter(_cache)))
        known = _cache[id(code)] = code, syntax, Places(code, syntax)
    return known[2]


def resume_point(places: Places, place: Place, cells: Iterable[str] = ()) -> ResumePoint:
    """The name of a place, with what tells it from others.  Raises NotMigratable."""
    later = places.later(place)
    others = [
        places.later(other)
        for other in places.by_name[place.name]
        if other.labels == place.labels and not places.same(other.offset, place.offset)
    ]
    for level in range(LEVELS + 1):
        if all(level and other[level - 1] != later[level - 1] for other in others):
            return ResumePoint(*place.name, later, level, tuple(cells))
    raise NotMigratable(
        "the compiler has made several copies of this place that nothing tells apart"
    )


def choose(places: Places, point: ResumePoint, entries: list[Entry]) -> Place:
    """The place of that name which takes what lies on the stack.  Raises NotMigratable."""
    named = places.by_name.get(point.name, [])
    if not named and places.roles.syntax.in_comprehension(point.node):
        raise NotMigratable(
            "it is in a comprehension, which is a function of its own only in Python 3.11"
        )
    if not named:
        raise NotMigratable(f"this Python has no place here that is called {_words(point)}")
    fitting = [place for place in named if not fits(place.labels, entries)]
    if not fitting:
        raise NotMigratable(f"at {_words(point)}, {fits(named[0].labels, entries)}")
    for level in range(point.level, LEVELS + 1):
        if level:
            fitting = [
                place
                for place in fitting
                if places.later(place)[level - 1] == point.later[level - 1]
            ]
        distinct = places.distinct(fitting)
        if len(distinct) == 1:
            return distinct[0]
        if not distinct:
            break
    raise NotMigratable(f"this Python has several places that are called {_words(point)}")


def _words(point: ResumePoint) -> str:
    return f'"{point.resume} {point.kind}" (at {point.node or "the whole"})'


# -- to and fro


def _to_portable(activation: Activation, places: Places) -> PortableActivation:
    place = places.at(activation.offset, activation.resume)
    variables = {
        name: value
        for name, value in zip(activation.slot_names, activation.slots, strict=True)
        if value is not UNBOUND
    }
    shared = {*activation.code.co_cellvars, *activation.code.co_freevars}
    cells = [n for n, value in variables.items() if n in shared and isinstance(value, CellType)]
    if any(name in shared and name not in cells for name in variables):
        raise NotMigratable("a comprehension has a variable of the name of one that is shared")
    stack = [tuple(entry) for entry in entries_of(places.roles, place.labels, activation.stack)]
    return PortableActivation(
        activation.code,
        activation.globals,
        resume_point(places, place, cells),
        variables,
        stack,  # type: ignore[arg-type]
        list(activation.handled),
        activation.namespace,
        activation.generator,
        activation.resume,
    )


def _check(before: Activation, after: Activation, source: str) -> None:
    """That nothing was lost on the way to words and back."""
    places = places_of(before.code, source)
    same = (
        before.resume is after.resume
        and len(before.slots) == len(after.slots)
        and len(before.stack) == len(after.stack)
        and all(one is two for one, two in zip(before.slots, after.slots, strict=True))
        and all(
            one is two or label.role in ("raised at", "maker")
            for label, one, two in zip(
                places.at(after.offset, after.resume).labels, before.stack, after.stack, strict=True
            )
        )
        and places.same(before.offset, after.offset)
    )
    if not same:
        raise NotMigratable("what this frame holds can't be told without this version of Python")


def _first_iterator(
    portable: PortableActivation, places: Places, entries: list[Entry]
) -> tuple[dict[str, object], list[Entry]]:
    """Where a generator expression that has not begun, or only just, keeps its iterator.

    In its only argument; newer versions get it from there, and have it on the stack already.
    """
    variables = portable.variables
    if portable.point.kind not in ("created", "start") or ".0" not in variables:
        return variables, entries
    iterator = entries[0].value if entries else variables[".0"]
    if not hasattr(type(iterator), "__next__") and not hasattr(type(iterator), "__anext__"):
        raise NotMigratable("a generator expression has not taken its iterator yet")
    if any(place.labels for place in places.by_name.get(portable.point.name, ())):
        return variables, [Entry(("iterator", "", ".0"), iterator)]
    return {**variables, ".0": iterator}, []


def _slots(
    code: CodeType, portable: PortableActivation, variables: dict[str, object]
) -> list[object]:
    """The variables in this version's order.  Raises NotMigratable for one that has no place."""
    names = slot_names(code)
    for name, value in variables.items():
        empty = name in portable.point.cells and is_empty_cell(value)
        dispensable = name == _ANNOTATIONS or empty
        if name not in names and not dispensable:
            raise NotMigratable(f"this Python has no variable {name!r} here", variable=name)
    return list(_slot_values(code, names, portable.point.cells, variables))


_ANNOTATIONS = "__conditional_annotations__"
"""The cell in which newer versions note which annotations of a module were reached."""


def _set_up_annotations(places: Places, portable: PortableActivation) -> None:
    """What older versions do first of all in a module with annotations, and newer ones never."""
    if portable.namespace is not None and portable.point.kind != "start" and places.annotates:
        portable.namespace.setdefault("__annotations__", {})


def _slot_values(
    code: CodeType, names: Iterable[str], cells: Iterable[str], variables: dict[str, object]
) -> Iterator[object]:
    shared, free = {*code.co_cellvars, *code.co_freevars}, set(code.co_freevars)
    for name in names:
        value = variables.get(name, UNBOUND)
        if name in shared and (name not in cells or value is UNBOUND):
            if name in free:
                raise NotMigratable(f"this Python shares the variable {name!r}", variable=name)
            if name == _ANNOTATIONS:
                value = set()
            # a comprehension of its own, there, shares it no more once it has ended
            yield CellType() if value is UNBOUND else CellType(value)
        elif name in cells and name not in shared:
            yield _content(value)
        else:
            yield value


def _maker(
    code: CodeType, slots: list[object], namespace: dict[str, Any]
) -> Callable[[CodeType], FunctionType]:
    """What makes the functions inside a frame."""
    variables = dict(zip(slot_names(code), slots, strict=True))

    def make(inner: CodeType) -> FunctionType:
        cells = [variables.get(name) for name in inner.co_freevars]
        closure = tuple(cell for cell in cells if isinstance(cell, CellType))
        if len(closure) != len(cells):
            raise NotMigratable(f"{inner.co_qualname} needs a variable that is not there")
        return FunctionType(inner, namespace, inner.co_name, None, closure)

    return make


def is_empty_cell(value: object) -> bool:
    """Whether it is a cell that holds nothing."""
    # not isinstance(): that would ask a weak proxy for its object
    return type(value) is CellType and _content(value) is UNBOUND


def _content(cell: object) -> object:
    assert isinstance(cell, CellType)
    try:
        content: object = cell.cell_contents
    except ValueError:
        return UNBOUND
    return content
