"""A loop's frame, seen as what parts of the loop need of it and what they give back."""

from __future__ import annotations
import __future__

import contextlib
import hashlib
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import CellType, FrameType
from typing import Any

from hetmig.division.merging import Merging
from hetmig.division.namespace import data_of, is_programs_own
from hetmig.errors import DivisionRefused, NotMigratable
from hetmig.interpreter.activation import NULL, UNBOUND, Activation
from hetmig.interpreter.capture import capture
from hetmig.interpreter.loops import Loop, loop_at
from hetmig.interpreter.stackmap import Slot
from hetmig.state.image import Image, freeze_value
from hetmig.state.manifest import this_python

__all__ = ["PYTHON", "UNTOUCHED", "Done", "Standing", "Untouched"]


_Feature = type(__future__.annotations)
_ATOMS = (int, float, complex, str, bytes, tuple, frozenset, type(None))
"""Nobody changes them in place."""


class Untouched:
    """Stands for a variable that no iteration of a part has given a value."""

    def __reduce__(self) -> str:
        return "UNTOUCHED"


UNTOUCHED = Untouched()
PYTHON = "the Python version"
"""Among the digests: those of two versions tell nothing of one another, as a comprehension's
variables are the function's own in some, and objects of the standard library look different."""


@dataclass
class Done:
    """What a part gives back when it has done all its iterations."""

    found: dict[str, tuple[Any, bool]]
    """Accumulators, and whether each is still the object with which the part began."""
    last: dict[str, Any]
    """Other variables that the loop gives values, as the part's last iterations left them."""
    output: list[tuple[str, str]] = field(default_factory=list)
    """What the part wrote: "stdout" or "stderr", and the text."""


class Standing:
    """A loop between two iterations.  Make it in the loop's iterator.

    Raises DivisionRefused or NotMigratable if the loop can't be divided.
    """

    def __init__(self, frame: FrameType, iterator: FrameType, merge: Mapping[str, Merging]) -> None:
        if frame.f_back is None:
            raise DivisionRefused("the loop is not in a function: put it into one")
        stack = capture(frame, root=frame.f_back, callee=iterator)
        if len(stack) != 1:
            raise DivisionRefused("the loop is not driven by a `for` alone")
        (self.activation,) = stack
        self.merge = merge
        self.names = self.activation.slot_names
        self.loop = self._loop()
        self._check()

    def _loop(self) -> Loop:
        flags = self.activation.code.co_flags
        if self.activation.namespace is not None:
            raise self._refused("it is not in a function: put it into one")
        if flags & (inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR):
            raise self._refused("it is in a generator or coroutine: put it into a function")
        try:
            return loop_at(self.activation.code, self.activation.offset)
        except NotMigratable:
            raise self._refused(
                "divisible(...) must be what the `for` iterates: divisible(enumerate(x)), and not "
                "enumerate(divisible(x))"
            ) from None

    def _refused(self, reason: str) -> DivisionRefused:
        where = self.activation.address
        return DivisionRefused(f"the loop in {where} can't be divided: {reason}")

    def _check(self) -> None:
        if self.loop.refusal:
            raise self._refused(self.loop.refusal)
        for name in self.merge:
            if name not in self.names:
                raise self._refused(f"merge names {name!r}, which is no variable there")
        for name in sorted(self.loop.carried - set(self.merge)):
            raise self._refused(
                f"it carries {name!r} from one iteration to the next: declare how to merge it, "
                f"merge={{{name!r}: (function, identity)}}"
            )
        self._require_own_accumulators()
        for index, name in enumerate(self.names):
            if name not in self.loop.cells or name in self.merge:
                continue
            if not _is_private(self.activation.slots, index):
                raise self._refused(f"a function that still lives shares the variable {name!r}")
        for name, value in self._slots():
            content = _content(value) if self._is_cell(name) else value
            if name in self.merge and content is UNBOUND:
                raise self._refused(f"{name!r} has no value yet")

    def _require_own_accumulators(self) -> None:
        """Two names of one object would be two objects in a part."""
        known: dict[int, str] = {}
        for name in self.merge:
            value = self.value(name)
            other = known.setdefault(id(value), name)
            if other != name and not isinstance(value, _ATOMS):
                raise self._refused(f"{other!r} and {name!r} are the same object")

    def _slots(self) -> Iterator[tuple[str, Any]]:
        return zip(self.names, self.activation.slots, strict=True)

    def _is_cell(self, name: str) -> bool:
        code = self.activation.code
        return name in code.co_cellvars or name in code.co_freevars

    def value(self, name: str) -> Any:
        """What a variable holds, or UNBOUND."""
        value = self.activation.slots[self.names.index(name)]
        return _content(value) if self._is_cell(name) else value

    def begin(self) -> dict[str, Any]:
        """With what a part begins its accumulators."""
        return {name: how.begin(name, self.value(name)) for name, how in self.merge.items()}

    @contextlib.contextmanager
    def part(self, begun: Mapping[str, Any], iterator: object) -> Iterator[Activation]:
        """The activation of a part, to be frozen inside the `with` block.

        Accumulators that functions share are for so long what the part begins with.
        """
        slots = [self._slot_of_part(name, value, begun) for name, value in self._slots()]
        base = self.loop.base
        stack = [*self._below(), iterator, *self.activation.stack[base + 1 :]]
        changed = {
            id(value): (value, begun[name], _content(value))
            for name, value in self._slots()
            if name in begun and self._is_cell(name)
        }
        try:
            for cell, content, _ in changed.values():
                cell.cell_contents = content
            yield replace(self.activation, slots=slots, stack=stack)
        finally:
            for cell, _, content in changed.values():
                cell.cell_contents = content

    def _below(self) -> Iterator[Any]:
        """What lies under the loop's iterator: no part looks at it, so plain values need not be."""
        kinds = self.loop.head.before or ()
        for depth in range(self.loop.base):
            value = self.activation.stack[depth]
            plain = kinds[depth] is kinds[depth + 1] is Slot.VALUE and value is not NULL
            yield None if plain else value

    def _slot_of_part(self, name: str, value: Any, begun: Mapping[str, Any]) -> Any:
        cell = self._is_cell(name)
        if name in begun:
            return value if cell else begun[name]
        if name in self.loop.stored:
            return CellType(UNTOUCHED) if cell else UNTOUCHED
        free = self.activation.code.co_freevars
        looks = "__class__" in free and (name == "__class__" or name == self.names[0])
        if name in self.loop.read or looks:  # super() looks at both by itself
            return value
        return CellType() if cell else UNBOUND

    def digests(self, items: Sequence[Any], surroundings: Mapping[str, Any]) -> dict[str, str]:
        """Of all that an iteration may look at, but for accumulators, by name.

        As long as they stay the same, iterations have had no other effect on one another.
        """
        found = {PYTHON: this_python()["version"].rpartition(".")[0]}
        with self.part(dict.fromkeys(self.merge), None) as part:
            for name, value in zip(self.names, part.slots, strict=True):
                if name in self.loop.read and name not in self.merge:
                    found[name] = _digest(name, value)
        if is_programs_own(self.activation.globals):
            for name, value in data_of(self.activation.globals):
                found[f"the global {name}"] = _digest(name, value)
        found["what is iterated"] = _digest("items", items)
        for kind, state in surroundings.items():
            for name, value in _pieces(kind, state):
                found[name] = _digest(name, value)
        return found

    def done(self, begun: Mapping[str, Any]) -> Done:
        """What a part gives back, which has come to its end here."""
        found = {name: (self.value(name), self.value(name) is begun[name]) for name in self.merge}
        last = {}
        for name in self.loop.stored - set(self.merge):
            value = self.value(name)
            if value is not UNTOUCHED:
                last[name] = value
        return Done(found, last)

    def merged(self, done: Done) -> dict[str, Any]:
        """The variables that the loop's function has after a part, as it would have them itself.

        Raises DivisionRefused if that can't be, and what the functions raise that merge.
        """
        found_now = {name: found for name, (found, _) in done.found.items()}
        # in another version a comprehension's variables may be the function's own
        last = {name: value for name, value in done.last.items() if name in self.names}
        for name, value in {**last, **found_now}.items():
            if value is UNBOUND and self.value(name) is not UNBOUND:
                raise self._refused(f"a part has deleted {name!r}")
        values = {name: value for name, value in last.items() if value is not UNBOUND}
        for name, how in self.merge.items():  # from here on, objects are changed in place
            found, in_place = done.found[name]
            values[name] = how.merge(name, self.value(name), found, in_place)
        return values


def _digest(name: str, value: object) -> str:
    return _digest_of(lambda portable: freeze_value(value, name=name, portable=portable))


def _digest_of(frozen: Callable[[bool], Image]) -> str:
    found = hashlib.sha256()
    try:
        try:
            frames = frozen(True).frames  # code as text: as bytecode it is not the same each time
        except NotMigratable:
            frames = frozen(False).frames
    except NotMigratable as error:
        raise DivisionRefused(f"the loop can't be divided: {error}") from error
    for frame in frames:
        found.update(frame)
        found.update(b"%d" % memoryview(frame).nbytes)
    return found.hexdigest()


def _pieces(kind: str, state: Any) -> Iterator[tuple[str, Any]]:
    if not isinstance(state, Mapping):
        yield kind, state
        return
    for name, value in state.items():
        inner = isinstance(value, Mapping) and kind == "modules"
        if inner:
            for variable, what in value.items():
                if not isinstance(what, _Feature):  # of `from __future__`: a move makes it a copy
                    yield f"{name}.{variable}", what
        else:
            yield name, value


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return UNBOUND


def _is_private(slots: list[Any], index: int) -> bool:
    """Whether nobody holds a cell but its frame, and these slots, which are copied from there."""
    alone = [CellType()]
    return sys.getrefcount(slots[index]) <= sys.getrefcount(alone[0]) + 1
