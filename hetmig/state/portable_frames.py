"""Frames and suspended generators in words of their source, for every version of Python.

A generator may hold itself, so it is made before what it holds is there, and of its frame only the
outline is known then: which place, which variables, what for each value on the stack is.  That is
plain data, and enough to find the place in the code of this version.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import CellType, CodeType
from typing import TYPE_CHECKING, Any, NamedTuple

from hetmig.errors import NotMigratable
from hetmig.interpreter.activation import NULL, UNBOUND, Activation, Generator, Resume, slot_names
from hetmig.interpreter.portable import (
    PortableActivation,
    ResumePoint,
    from_portable,
    is_empty_cell,
    to_portable,
)
from hetmig.state import library_code, portable_code, rebuild, sources

if TYPE_CHECKING:
    from hetmig.state.pickler import Pickler

__all__ = ["Held", "Outline", "activation_of", "form_of", "taken_apart"]


class Outline(NamedTuple):
    """All of a frame but the objects it holds."""

    alone: bool
    """Whether its place is named within its function alone, as that of a module's function is:
    the rest of the module may be another one at the destination."""
    point: tuple[Any, ...]
    resume: str
    names: tuple[str, ...]
    """The variables that are bound."""
    empty: tuple[str, ...]
    """Those of them which are cells without content."""
    stack: tuple[tuple[tuple[str, str, str], Any], ...]
    """The role of each value, and where an exception was raised, or that there is NULL."""
    handled: int

    @property
    def depth(self) -> int:
        """How many objects lie on the stack."""
        return sum(plain is None for _, plain in self.stack)


class Held(NamedTuple):
    """The objects that a frame holds."""

    variables: list[object]
    stack: list[object]
    handled: list[BaseException | None]


_PLAIN = "raised at"
"""The role of what is no object."""


def taken_apart(pickler: Pickler, activation: Activation) -> tuple[Outline, Held]:
    """A frame in words of its source.  Raises NotMigratable if some version may not know them."""
    code = pickler.home(activation.code, activation.globals)
    name, namespace = pickler.home_of(code)
    located = sources.locate(code, namespace)
    alone = portable_code.stands_alone(name, code, located)
    portable = to_portable(activation, _text(located, alone))
    variables = portable.variables
    outline = Outline(
        alone,
        tuple(portable.point),
        portable.resume.value,
        tuple(variables),
        tuple(name for name, value in variables.items() if is_empty_cell(value)),
        tuple((role, _plain(role, value)) for role, value in portable.stack),
        len(portable.handled),
    )
    stack = [value for role, value in portable.stack if _plain(role, value) is None]
    return outline, Held(list(variables.values()), stack, portable.handled)


def _plain(role: tuple[str, str, str], value: Any) -> Any:
    if role[0] == _PLAIN:
        return value
    return () if value is NULL else None


def _text(located: sources.Located, alone: bool) -> str:
    source = located.source
    return source.scopes.alone(located.number) if alone else source.text


def activation_of(
    code: CodeType,
    namespace: dict[str, Any],
    outline: Outline,
    held: Held,
    *,
    local: dict[str, Any] | None = None,
    generator: Generator | None = None,
) -> Activation:
    """The frame as this version's code has it.  Raises NotMigratable if there is no such place."""
    values = iter(held.stack)
    stack = [
        (role, next(values) if plain is None else plain if role[0] == _PLAIN else NULL)
        for role, plain in outline.stack
    ]
    point = ResumePoint(*outline.point)
    variables = dict(zip(outline.names, held.variables, strict=True))
    located = sources.locate(code, namespace)
    text = _text(located, outline.alone)
    if outline.alone and sources.came(located.source) and point.kind in ("created", "start"):
        library_code.require_names(code, namespace)
    if (theirs := rebuild.texts().get(id(code))) is not None:
        led = library_code.mapping(theirs, text, point.node)
        # what comes next is told by paths in the other text
        point = point._replace(node=led(point.node), later=(-1,) * len(point.later))
        stack = [((role, led(node), name), value) for (role, node, name), value in stack]
        variables = library_code.variables(code, variables, slot_names(code))
    for name in set(point.cells) & variables.keys() - set(outline.empty):
        if name not in (*code.co_cellvars, *code.co_freevars) and is_empty_cell(variables[name]):
            raise NotMigratable(f"the variable {name!r} holds what holds this frame", variable=name)
    portable = PortableActivation(
        code,
        namespace,
        point,
        variables,
        stack,
        held.handled,
        local,
        generator,
        Resume(outline.resume),
    )
    return from_portable(portable, text)


class _Hole:
    """Stands for what a generator is to hold: for an iterator, for the exit of a `with` block."""

    def __call__(self) -> None:
        pass

    def __iter__(self) -> _Hole:
        return self

    def __next__(self) -> object:
        raise StopIteration

    def __aiter__(self) -> _Hole:
        return self

    async def __anext__(self) -> object:
        raise StopAsyncIteration


def form_of(code: CodeType, namespace: dict[str, Any], outline: Outline) -> Activation:
    """The same, but for the objects: which of its places hold one."""
    cells = ResumePoint(*outline.point).cells
    holes: list[object] = []
    for name in outline.names:
        hole: object = _Hole()
        if name in cells:
            hole = CellType() if name in outline.empty else CellType(hole)
        holes.append(hole)
    stack: list[object] = [_Hole() for _, plain in outline.stack if plain is None]
    return activation_of(code, namespace, outline, Held(holes, stack, [None] * outline.handled))


def same_form(one: Activation, two: Activation) -> bool:
    """Whether two frames differ in nothing but the objects they hold."""
    return (
        one.offset == two.offset
        and _marks(one.slots) == _marks(two.slots)
        and _marks(one.stack) == _marks(two.stack)
        and len(one.handled) == len(two.handled)
    )


def _marks(values: Sequence[object]) -> list[bool]:
    return [value is UNBOUND or value is NULL for value in values]
