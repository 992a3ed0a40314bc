"""What a program may do from an instruction on: by that, places of one name are told apart."""

from __future__ import annotations

import zlib

from hetmig.interpreter.events import Events
from hetmig.interpreter.labels import is_constant
from hetmig.interpreter.roles import UNCONDITIONAL, Roles, successors
from hetmig.interpreter.stackmap import Point, StackMap

__all__ = ["IDLE", "LEVELS", "Prospects", "acting"]

LEVELS = 8
"""So many events ahead are looked at to tell places apart."""
IDLE = frozenset({"NOP", "NOT_TAKEN", "CACHE", *UNCONDITIONAL})
"""Instructions that do nothing to the program."""


class Prospects:
    """Of one code object."""

    def __init__(self, roles: Roles, events: Events) -> None:
        self._roles = roles
        self._map = roles.map
        self._events = events
        self._later: dict[tuple[int, int], int] = {}
        self._next_events: dict[int, set[tuple[str, int]]] = {}

    def later(self, offset: int) -> tuple[int, ...]:
        """Numbers that stand for what may come after an offset, looking ever further ahead."""
        start = self._map.at(offset).start
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
            return f"{point.name} {self._roles.statement(point) if point.name != 'RERAISE' else ''}"
        if point.name.startswith(("LOAD_", "STORE_", "DELETE_", "BINARY_", "GET_")):
            return ""
        event = self._events.of(point)
        if event is None or self._roles.syntax.in_comprehension(event[1]):
            return ""
        return " ".join(event)

    def _returned(self, point: Point) -> str:
        if point.name == "RETURN_CONST":
            return repr(self._roles.code.co_consts[point.argument])
        label = self._roles.before[point.start][-1]
        if is_constant(label):
            return repr(self._roles.constant(label))
        return "" if label.name else label.node

    def same(self, one: int, two: int) -> bool:
        """Whether whatever the program does from two offsets on is equal."""
        assumed: set[tuple[int, int]] = set()
        todo = [(self._map.at(one).start, self._map.at(two).start)]
        while todo:
            first, second = (acting(self._map, start) for start in todo.pop())
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


def acting(stack_map: StackMap, offset: int) -> Point:
    """The first instruction from here on that does something."""
    point, seen = stack_map.at(offset), set[int]()
    while point.name in IDLE and point.start not in seen:
        seen.add(point.start)
        point = stack_map.at(point.end if point.jump is None else point.jump)
    return point


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
