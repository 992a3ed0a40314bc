"""The places of a code object where a frame may stand, named by what they mean to the program.

A place is named by its kind and the node of the syntax tree it belongs to: "the call there", "the
next item of that loop", "before this statement".  The compiler may write the same node more than
once: a `finally` block for each way to leave its `try`, the exit of a `with` block, a short end of
a function.  Of several places with one name, some are the same to the program (whatever they do
from there on is equal); the others are told apart by what lies on the stack and by what comes next.
"""

from __future__ import annotations

import ast
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from types import CodeType
from typing import NamedTuple

from hetmig.errors import NotMigratable
from hetmig.interpreter import cpython
from hetmig.interpreter.activation import Resume
from hetmig.interpreter.labels import Label, Labels, callee_of, is_constant
from hetmig.interpreter.roles import UNCONDITIONAL, Roles, successors
from hetmig.interpreter.stackmap import Point
from hetmig.interpreter.syntax import COMPREHENSIONS, Syntax

__all__ = ["LEVELS", "Name", "Place", "Places"]

LEVELS = 8
"""So many events ahead are looked at to tell places apart."""

_IDLE = frozenset({"NOP", "NOT_TAKEN", "CACHE", *UNCONDITIONAL})


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
        self._points = [
            point for start in sorted(self.roles.before) for point in (self._map.at(start),)
        ]
        self._is_expression = code.co_name == "<genexpr>"
        made = (point.start for point in self._points if point.name == "RETURN_GENERATOR")
        self._made = next(made, -1)
        self.annotates = any(point.name == "SETUP_ANNOTATIONS" for point in self._points)
        """Whether it begins with making `__annotations__`."""
        self._later: dict[tuple[int, int], int] = {}
        self._next_events: dict[int, set[tuple[str, int]]] = {}
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
            point = self._next(point)
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
        event = self.event(point)
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
            event, labels = self.event(point), (*labels[:-1], Label("nothing"))
        elif point.name in ("FOR_ITER", "GET_ANEXT"):
            event = self.event(point)
        elif point.name == ("PRECALL" if cpython.PRECALL else "CALL"):
            call = self._map.at(point.end) if cpython.PRECALL else point
            event = self.event(call)
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
        event = self.event(before) if before.name == "YIELD_VALUE" else None
        if event is None:
            return None
        return Place(Name(Resume.AGAIN.value, f"resumed {event[0]}", event[1]), point.start, labels)

    def _yielded(self, point: Point) -> Place | None:
        event = self.event(point) if point.name == "YIELD_VALUE" else None
        if event is None:
            return None
        return Place(Name(Resume.YIELDED.value, *event), point.start, self._labels(point)[:-1])

    # -- before a statement

    def _next(self, point: Point) -> Point:
        """The first instruction from here on that does something."""
        seen: set[int] = set()
        while point.name in _IDLE and point.start not in seen:
            seen.add(point.start)
            point = self._map.at(point.end if point.jump is None else point.jump)
        return point

    def _unit(self, point: Point) -> str:
        position = self.roles.position(point)
        return self.roles.syntax.statement_at(position) if position else ""

    def _before(self, point: Point) -> Place | None:
        places = self.by_name.get(Name(Resume.AGAIN.value, "before", self._unit(point)), ())
        return next((place for place in places if place.offset == point.start), None)

    def _entries(self) -> Iterator[Place]:
        """Where statements begin, and the tests of `while` loops."""
        found: set[int] = set()
        for point in self._points:
            for target, _ in successors(point):
                entered = self._next(self._map.at(target))
                unit = self._unit(entered)
                if not unit or entered.start in found or entered.name in _IDLE:
                    continue
                if target <= point.start or self._unit(point) != unit:
                    found.add(entered.start)
                    name = Name(Resume.AGAIN.value, "before", unit)
                    yield Place(name, entered.start, self._labels(entered))

    # -- what an instruction does, in the words of the source

    def event(self, point: Point) -> tuple[str, str] | None:
        """Kind and node of a call, a step of a loop, a `yield`; None for all else."""
        rule = _EVENTS.get(point.name)
        if rule is None or point.start not in self.roles.before:
            return None
        found = rule(self, point)
        if found is None or found[1] or (self._is_expression and found[0] == "yield"):
            return found
        return None

    def _call(self, point: Point) -> tuple[str, str] | None:
        callee = callee_of(point, self._labels(point))
        if callee.role in ("exit", "enter"):
            return ("leave" if callee.role == "exit" else "enter"), callee.node
        if callee.role in ("build class", "maker") or is_constant(callee):
            return None
        position = self.roles.position(point)
        if position is None:
            return None
        syntax = self.roles.syntax
        node = syntax.node_at(position, ast.Call)
        if not node:
            return None
        if syntax.is_a(position, ast.Call) and callee.node != node:
            return "call", node
        return "decorate", node

    def _with(self, point: Point) -> tuple[str, str]:
        return "enter", self._labels(point)[-1].node or self.roles.node(point)

    def _leave(self, point: Point) -> tuple[str, str]:
        labels = reversed(self._labels(point))
        return "leave by exception", next((one.node for one in labels if one.role == "exit"), "")

    def _attribute(self, point: Point) -> tuple[str, str]:
        what = {"S": "set attribute", "D": "delete attribute"}.get(point.name[0], "attribute")
        return what, self.roles.node(point, ast.Attribute)

    def _item(self, point: Point) -> tuple[str, str] | None:
        if point.name == "BINARY_OP" and point.argument != cpython.SUBSCRIPT_OPERATOR:
            return None
        what = {"S": "set item", "D": "delete item"}.get(point.name[0], "item")
        return what, self.roles.node(point, ast.Subscript)

    def _iterate(self, point: Point) -> tuple[str, str]:
        return "iterate", self._labels(point)[-1].node or self.roles.node(point)

    def _step(self, point: Point) -> tuple[str, str]:
        return ("anext" if point.name == "GET_ANEXT" else "next"), self.roles.loop(point)

    def _send(self, point: Point) -> tuple[str, str]:
        receiver = self._labels(point)[cpython.SEND_RECEIVER]
        return f"send {receiver.role} {receiver.name}".rstrip(), receiver.node

    def _yield(self, point: Point) -> tuple[str, str]:
        back = self._map.at(self._map.at(point.end).end)
        if back.jump is not None and self._map.at(back.jump).name == "SEND":
            send = self._map.at(back.jump)
            if back.jump < point.start and send.end <= point.start:
                return self._send(send)
        # that of a generator expression is placed anywhere
        node = "" if self._is_expression else self.roles.node(point, ast.Yield)
        return "yield", node

    # -- which of several places

    def later(self, place: Place) -> tuple[int, ...]:
        """Numbers that stand for what may come after a place, looking ever further ahead."""
        start = self._map.at(place.offset).start
        return tuple(self._hash(start, level) for level in range(1, LEVELS + 1))

    def _hash(self, start: int, level: int) -> int:
        known = self._later.get((start, level))
        if known is None:
            ahead = sorted(
                (event, self._hash(then, level - 1) if level > 1 and then >= 0 else 0)
                for event, then in self._ahead(start)
            )
            known = self._later[start, level] = zlib.crc32(repr(ahead).encode())
        return known

    def _ahead(self, start: int) -> set[tuple[str, int]]:
        """The next events after an instruction, each with its own start (-1: the end)."""
        if start not in self._next_events:
            self._next_events[start] = self._look_ahead(start)
        return self._next_events[start]

    def _look_ahead(self, start: int) -> set[tuple[str, int]]:
        found: set[tuple[str, int]] = set()
        seen: set[int] = set()
        todo = [target for target, _ in successors(self._map.at(start))]
        while todo:
            here = todo.pop()
            if here in seen:
                continue
            seen.add(here)
            point = self._map.at(here)
            event = self._landmark(point)
            if event:
                found.add((event, -1 if event.startswith("return") else here))
            else:
                todo.extend(target for target, _ in successors(point))
        return found

    def _landmark(self, point: Point) -> str:
        """An event that every version has, as text; "" for all other instructions."""
        if point.name in ("RETURN_VALUE", "RETURN_CONST"):
            return f"return {self._returned(point)}"
        if point.name in ("RAISE_VARARGS", "RERAISE"):
            return f"{point.name} {self._unit(point) if point.name != 'RERAISE' else ''}"
        if point.name.startswith(("LOAD_", "STORE_", "DELETE_", "BINARY_", "GET_")):
            return ""
        event = self.event(point)
        if event is None or self.roles.syntax.in_comprehension(event[1]):
            return ""
        return " ".join(event)

    def _returned(self, point: Point) -> str:
        if point.name == "RETURN_CONST":
            return repr(self.roles.code.co_consts[point.argument])
        label = self._labels(point)[-1]
        if is_constant(label):
            return repr(self.roles.constant(label))
        return "" if label.name else label.node

    def same(self, one: int, two: int) -> bool:
        """Whether whatever the program does from two offsets on is equal."""
        assumed: set[tuple[int, int]] = set()
        todo = [(self._map.at(one).start, self._map.at(two).start)]
        while todo:
            first, second = (self._next(self._map.at(start)) for start in todo.pop())
            if first.start == second.start or (first.start, second.start) in assumed:
                continue
            assumed.add((first.start, second.start))
            if not self._alike(first, second):
                return False
            todo.extend(zip(_outcomes(first), _outcomes(second), strict=True))
            handlers = self._map.handler_of(first), self._map.handler_of(second)
            if handlers[0] is not None and handlers[1] is not None:
                todo.append((handlers[0].target, handlers[1].target))
        return True

    def _alike(self, first: Point, second: Point) -> bool:
        handlers = self._map.handler_of(first), self._map.handler_of(second)
        depths = [-1 if handler is None else handler.depth for handler in handlers]
        return (
            _test(first) == _test(second)
            and first.before == second.before
            and len(_outcomes(first)) == len(_outcomes(second))
            and depths[0] == depths[1]
        )

    def distinct(self, places: Iterable[Place]) -> list[Place]:
        """One of each set of places that are the same to the program."""
        found: list[Place] = []
        for place in places:
            if not any(self.same(place.offset, other.offset) for other in found):
                found.append(place)
        return found


def _test(point: Point) -> tuple[str, int]:
    """What an instruction does; a loop's test may jump if it holds, or if it does not."""
    if point.jump is None:
        # how references are counted is no matter of the program
        return point.name.replace("_BORROW", ""), point.argument
    if point.name.startswith("POP_JUMP_"):
        return ("None" if point.name.endswith("NONE") else "true"), 0
    return point.name, 0


def _outcomes(point: Point) -> list[int]:
    """Where control may go; of a test, first where it goes if that does not hold."""
    found = [target for target, _ in successors(point)]
    if point.name.startswith("POP_JUMP_") and point.name.endswith(("_FALSE", "_NOT_NONE")):
        found.reverse()
    return found


_EVENTS = {
    "CALL": Places._call,
    "CALL_KW": Places._call,
    "CALL_FUNCTION_EX": Places._call,
    "BEFORE_WITH": Places._with,
    "BEFORE_ASYNC_WITH": Places._with,
    "WITH_EXCEPT_START": Places._leave,
    "LOAD_ATTR": Places._attribute,
    "LOAD_METHOD": Places._attribute,
    "STORE_ATTR": Places._attribute,
    "DELETE_ATTR": Places._attribute,
    "BINARY_SUBSCR": Places._item,
    "BINARY_OP": Places._item,
    "BINARY_SLICE": Places._item,
    "STORE_SLICE": Places._item,
    "STORE_SUBSCR": Places._item,
    "DELETE_SUBSCR": Places._item,
    **({} if cpython.LOOP_POSITIONS else {"GET_ITER": Places._iterate}),
    "FOR_ITER": Places._step,
    "GET_ANEXT": Places._step,
    "SEND": Places._send,
    "YIELD_VALUE": Places._yield,
}
