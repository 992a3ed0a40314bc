"""The places of a code object where a frame may stand, named by what they mean to the program.

A place is named by its kind and the node of the syntax tree it belongs to: "the call there", "the
next item of that loop", "before this statement".  The compiler may write the same node more than
once: a `finally` block for each way to leave its `try`, the exit of a `with` block, a short end of
a function.  Of several places with one name, some are the same to the program (whatever they do
from there on is equal); the others are told apart by what lies on the stack and by what comes next.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from types import CodeType
from typing import NamedTuple

from hetmig.errors import NotMigratable
from hetmig.interpreter import cpython
from hetmig.interpreter.activation import Resume
from hetmig.interpreter.events import Events
from hetmig.interpreter.labels import Label, Labels
from hetmig.interpreter.prospects import IDLE, Prospects, acting
from hetmig.interpreter.roles import Roles, successors
from hetmig.interpreter.stackmap import Point
from hetmig.interpreter.syntax import COMPREHENSIONS, Syntax

__all__ = ["Name", "Place", "Places"]


class Name(NamedTuple):
    """What a place means."""

    resume: str
    """How the frame goes on there, see `Resume`."""
    kind: str
    node: str = ""
    """The path of the node in the syntax tree."""


class Place(NamedTuple):
    """A place in one version's code."""

    name: Name
    offset: int
    """Where a frame that goes on there stands, as `Activation.offset`."""
    labels: Labels
    """What lies on its value stack, as in `Activation.stack`."""


class Places:
    """The places of one code object."""

    def __init__(self, code: CodeType, syntax: Syntax) -> None:
        """Raises NotMigratable for code whose stack can't be told."""
        self.roles = Roles(code, syntax)
        self._map = self.roles.map
        self.events = Events(self.roles)
        self._prospects = Prospects(self.roles, self.events)
        self._points = [self._map.at(start) for start in sorted(self.roles.before)]
        made = (point.start for point in self._points if point.name == "RETURN_GENERATOR")
        self._made = next(made, -1)
        self.annotates = any(point.name == "SETUP_ANNOTATIONS" for point in self._points)
        """Whether it begins with making `__annotations__`."""
        self.by_name: dict[Name, list[Place]] = defaultdict(list)
        for place in self._all():
            self.by_name[place.name].append(place)

    # -- from an offset to a place

    def at(self, offset: int, resume: Resume) -> Place:
        """The place where a frame stands.  Raises NotMigratable if it has no name."""
        point = self._map.at(offset)
        if resume is Resume.CREATED:
            return self._created()
        if resume is Resume.AGAIN:
            point = acting(self._map, offset)
            found = self._again(point) or self._before(point)
        elif resume is Resume.AFTER:
            found = self._after(point)
        else:
            found = self._yielded(point)
        if found is None:
            raise NotMigratable(self._why_not(point))
        return found

    def _why_not(self, point: Point) -> str:
        position = self.roles.position(point)
        if position and self.roles.syntax.is_a(position, *COMPREHENSIONS):
            return "it is in a comprehension, which is a function of its own only in Python 3.11"
        return (
            f"what {self.roles.code.co_qualname} does here ({point.name}) "
            "has no counterpart in other versions of Python"
        )

    def _all(self) -> Iterator[Place]:
        for point in self._points:
            for place in (self._after(point), self._again(point), self._yielded(point)):
                if place is not None:
                    yield place
        yield from self._entries()
        if self._made >= 0:
            yield self._created()

    def _labels(self, point: Point) -> Labels:
        return self.roles.before[point.start]

    def _created(self) -> Place:
        labels = self._labels(self._map.at(self._made))
        return Place(Name(Resume.CREATED.value, "created"), 0, labels)

    def _after(self, point: Point) -> Place | None:
        event = self.events.of(point)
        if event is None or point.name in ("FOR_ITER", "SEND", "YIELD_VALUE", "GET_ANEXT"):
            return None  # those go on otherwise
        labels = self._labels(point)
        kept = labels[: max(point.below_call, 0)]
        if point.name in ("BEFORE_WITH", "BEFORE_ASYNC_WITH"):
            kept = (*labels[:-1], Label("exit", event[1]))
        elif point.loads_method:
            kept = labels[:-1] if cpython.CALLABLE_BELOW_NULL else (*labels[:-1], Label("null"))
        return Place(Name(Resume.AFTER.value, *event), point.start, kept)

    def _again(self, point: Point) -> Place | None:
        labels = self._labels(point)
        event = None
        if point.name == "RESUME":
            return self._resumed(point, labels)
        if point.name == "SEND":
            event, labels = self.events.of(point), (*labels[:-1], Label("nothing"))
        elif point.name in ("FOR_ITER", "GET_ANEXT"):
            event = self.events.of(point)
        elif point.name == ("PRECALL" if cpython.PRECALL else "CALL"):
            call = self._map.at(point.end) if cpython.PRECALL else point
            event = self.events.of(call)
            if event is not None and event[0] != "call":
                event = None
        if event is None:
            return None
        return Place(Name(Resume.AGAIN.value, *event), point.start, labels)

    def _resumed(self, point: Point, labels: Labels) -> Place | None:
        if point.argument & 3 == 0:
            # a generator expression of newer versions has one before the generator is made, too
            begun = point.start >= self._made
            return Place(Name(Resume.AGAIN.value, "start"), point.start, labels) if begun else None
        before = self._map.at(point.start - 2)
        event = self.events.of(before) if before.name == "YIELD_VALUE" else None
        if event is None:
            return None
        return Place(Name(Resume.AGAIN.value, f"resumed {event[0]}", event[1]), point.start, labels)

    def _yielded(self, point: Point) -> Place | None:
        event = self.events.of(point) if point.name == "YIELD_VALUE" else None
        if event is None:
            return None
        return Place(Name(Resume.YIELDED.value, *event), point.start, self._labels(point)[:-1])

    # -- before a statement

    def _before(self, point: Point) -> Place | None:
        name = Name(Resume.AGAIN.value, "before", self.roles.statement(point))
        places = self.by_name.get(name, ())
        return next((place for place in places if place.offset == point.start), None)

    def _entries(self) -> Iterator[Place]:
        """Where statements begin, and the tests of `while` loops."""
        found: set[int] = set()
        for point in self._points:
            for target, _ in successors(point):
                entered = acting(self._map, target)
                unit = self.roles.statement(entered)
                if not unit or entered.start in found or entered.name in IDLE:
                    continue
                if target <= point.start or self.roles.statement(point) != unit:
                    found.add(entered.start)
                    name = Name(Resume.AGAIN.value, "before", unit)
                    yield Place(name, entered.start, self._labels(entered))

    # -- which of several places

    def later(self, place: Place) -> tuple[int, ...]:
        """Numbers that stand for what may come after a place, looking ever further ahead."""
        return self._prospects.later(place.offset)

    def same(self, one: int, two: int) -> bool:
        """Whether whatever the program does from two offsets on is equal."""
        return self._prospects.same(one, two)

    def distinct(self, places: Iterable[Place]) -> list[Place]:
        """One of each set of places that are the same to the program."""
        found: list[Place] = []
        for place in places:
            if not any(self.same(place.offset, other.offset) for other in found):
                found.append(place)
        return found
