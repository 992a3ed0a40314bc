"""A `for` loop as a part of its function: its instructions, its variables, and the ways out of it.

The loop is what executes while its iterator lies at its place on the value stack.  That is a fact
of the code, so the loop's instructions are found by following all paths from its body's first,
until the stack is lower than that.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import CodeType
from typing import TypeAlias

from bytecode import ConcreteBytecode
from bytecode.concrete import ExceptionTableEntry

from hetmig.errors import NotMigratable
from hetmig.interpreter import cpython
from hetmig.interpreter.activation import Activation, slot_names
from hetmig.interpreter.prologue import Prologue
from hetmig.interpreter.stackmap import Point, Slot, StackMap, stack_map
from hetmig.interpreter.through_c import is_assigned_inside

__all__ = ["Loop", "cut_off", "loop_around", "loop_at"]

_WIDTH = 2 if cpython.LOOP_POSITIONS else 1
"""How many places of the value stack a loop's iterator takes."""
_LOOKS_AT_VARIABLES = frozenset({"locals", "vars", "eval", "exec", "dir"})
_SUSPENDS = frozenset({"YIELD_VALUE", "SEND", "GET_AWAITABLE", "RETURN_GENERATOR"})
_IN_NAMESPACE = frozenset(
    {"STORE_NAME", "DELETE_NAME", "LOAD_NAME", "STORE_GLOBAL", "DELETE_GLOBAL"}
)
_CELLS = frozenset(
    {"LOAD_DEREF", "LOAD_CLOSURE", "LOAD_CLASSDEREF", "LOAD_FROM_DICT_OR_DEREF", "MAKE_CELL"}
)
_CELL_STORES = frozenset({"STORE_DEREF", "DELETE_DEREF"})


@dataclass(frozen=True, eq=False)
class Loop:
    """One `for` loop of a code object."""

    code: CodeType
    head: Point
    """Its FOR_ITER."""
    base: int
    """How many values lie below its iterator."""
    points: frozenset[int]
    """Where its instructions start."""
    exits: tuple[Point, ...]
    """Those after which the iterator is gone: `break` and `return` take it off the stack."""
    read: frozenset[str] = frozenset()
    """Variables that the loop looks at."""
    stored: frozenset[str] = frozenset()
    """Those it gives a value."""
    carried: frozenset[str] = frozenset()
    """Those of them that one iteration may leave to the next: read before they are stored."""
    cells: frozenset[str] = frozenset()
    """Those of them that inner functions and comprehensions share."""
    refusal: str = ""
    """Why nobody can say what it does with its variables."""

    @property
    def line(self) -> int | None:
        """Where it stands in its file."""
        return next(
            (line for start, end, line in self.code.co_lines() if start <= self.head.offset < end),
            None,
        )


@functools.lru_cache(maxsize=256)
def _of_code(key: _ByIdentity, start: int) -> Loop:
    return _Reader(key.code, start).loop()


@dataclass(frozen=True, eq=False)
class _ByIdentity:
    """Hashing a code object means hashing all it contains."""

    code: CodeType

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _ByIdentity) and other.code is self.code

    def __hash__(self) -> int:
        return id(self.code)


def loop_at(code: CodeType, offset: int) -> Loop:
    """The loop whose FOR_ITER is at `offset`.  Raises NotMigratable if there is none."""
    point = stack_map(code).at(offset)
    if point.name != "FOR_ITER" or point.before is None:
        raise NotMigratable("this is not the head of a loop")
    return _of_code(_ByIdentity(code), point.start)


def loop_around(activation: Activation, depth: int) -> Loop:
    """The loop whose iterator lies at `depth` of the activation's value stack."""
    code, map_ = activation.code, stack_map(activation.code)
    here = map_.at(activation.offset).start
    for offset in range(0, len(code.co_code), 2):
        point = map_.at(offset)
        if point.start != offset or point.name != "FOR_ITER" or point.before is None:
            continue
        if len(point.before) - _WIDTH == depth:
            loop = loop_at(code, offset)
            if here in loop.points:
                return loop
    raise NotMigratable("the loop is not found", frame=activation.address)


def cut_off(loop: Loop, code: CodeType) -> CodeType:
    """Re-entry code of the loop's function, which ends with the loop.

    Whatever leaves the loop returns from the function: `break` and `return` give back a value that
    means nothing, and an exception comes out.  What is behind the loop or around it never runs.
    """
    prologue = code.co_consts[-1]
    assert isinstance(prologue, Prologue)
    changed = bytearray(code.co_code)
    returns = _opcode("RETURN_VALUE")
    for point in loop.exits:
        if point.name in ("POP_TOP", "POP_ITER"):
            assert point.before is not None
            if point.before[-1] is not Slot.VALUE:
                raise NotMigratable("in this Python, a loop with `break` can't be divided")
            at = prologue.length + point.offset
            changed[at : at + 2] = bytes([returns, 0])
        elif not _returns(point):
            raise NotMigratable(f"the loop is left by {point.name}, which nobody can intercept")
    table = ConcreteBytecode.from_code(code).exception_table
    first = prologue.length // 2
    kept = [e for e in table if e.start_offset < first or e.stack_depth > loop.base]
    return code.replace(co_code=bytes(changed), co_exceptiontable=_packed(kept))


def _opcode(name: str) -> int:
    import dis

    return dis.opmap[name]


def _packed(table: list[ExceptionTableEntry]) -> bytes:
    """An exception table as CPython has it (Objects/exception_handling_notes.txt)."""
    packed = bytearray()
    for entry in table:
        length = entry.stop_offset - entry.start_offset + 1
        rest = 2 * entry.stack_depth + bool(entry.push_lasti)
        for index, value in enumerate((entry.start_offset, length, entry.target, rest)):
            packed += _varint(value, 0x80 if index == 0 else 0)
    return bytes(packed)


def _varint(value: int, mark: int) -> bytes:
    groups = [value & 63]
    while value := value >> 6:
        groups.append(value & 63)
    groups.reverse()
    coded = bytearray(group | 64 for group in groups[:-1]) + bytes([groups[-1]])
    coded[0] |= mark
    return bytes(coded)


Tags: TypeAlias = tuple[str | None, ...]
_ITERATOR = "the iterator"


@dataclass
class _Reader:
    """Reads the loop whose FOR_ITER starts at `start`."""

    code: CodeType
    start: int
    tags: dict[int, Tags] = field(default_factory=dict)
    """By instruction, what is known of the places of its stack: the iterator, or the variable that
    was put aside for a comprehension."""

    def loop(self) -> Loop:
        self.map: StackMap = stack_map(self.code)
        self.names = slot_names(self.code)
        self.elsewhere = frozenset(self.code.co_freevars) | {
            name for name in self.code.co_cellvars if is_assigned_inside(self.code, name)
        }
        head = self.map.at(self.start)
        assert head.before is not None
        self.base = len(head.before) - _WIDTH
        self.body = head.end
        exits: list[Point] = []
        points = self._reach(exits)
        refusal = next(filter(None, map(self._refusal, points.values())), "")
        read, stored, carried = self._variables(points)
        every, cells = frozenset([self.start, *points]), stored & frozenset(self.code.co_cellvars)
        kinds = read, stored, carried, cells
        return Loop(self.code, head, self.base, every, tuple(exits), *kinds, refusal)

    def _handlers(self, point: Point) -> Iterator[int]:
        for handler in self.map.handlers:
            if handler.start <= point.offset < handler.stop and handler.depth > self.base:
                yield handler.target

    def _reach(self, exits: list[Point]) -> dict[int, Point]:
        """Every instruction at which the iterator is on the stack; and those that take it away."""
        found: dict[int, Point] = {}
        size = len(self.map.at(self.body).before or ())
        tags = [None] * self.base + [_ITERATOR] + [None] * (size - self.base - 1)
        todo: list[tuple[int, Tags]] = [(self.body, tuple(tags))]
        while todo:
            offset, here = todo.pop()
            if offset in found or offset == self.start:
                continue
            point = found[offset] = self.map.at(offset)
            self.tags[offset] = here
            after = [(target, self._tagged(point, here, target)) for target in _following(point)]
            if any(_ITERATOR not in there for _, there in after) or _returns(point):
                exits.append(point)
            todo += [(target, there) for target, there in after if _ITERATOR in there]
            for target in self._handlers(point):
                depth = len(self.map.at(target).before or ())
                below = here[: min(depth, len(here))]
                if _ITERATOR in below:
                    todo.append((target, below + (None,) * (depth - len(below))))
        return found

    def _tagged(self, point: Point, tags: Tags, after: int) -> Tags:
        moved = list(tags)
        if point.name == "SWAP":
            moved[-1], moved[-point.argument] = moved[-point.argument], moved[-1]
            return tuple(moved)
        size = len(self.map.at(after).before or ())
        if point.name == "LOAD_FAST_AND_CLEAR":
            return (*tags, self.names[point.argument])
        return tuple(moved[:size] + [None] * (size - len(moved)))

    def _refusal(self, point: Point) -> str:
        if point.name in _SUSPENDS:
            return "it has a `yield` or `await` inside"
        if point.name in _IN_NAMESPACE:
            name = self.code.co_names[point.argument]
            return f"it uses {name!r} as a global variable: put the loop into a function of its own"
        if point.name == "LOAD_GLOBAL":
            name = self.code.co_names[point.argument >> cpython.NAME_SHIFT["LOAD_GLOBAL"]]
            if name in _LOOKS_AT_VARIABLES:
                return f"{name}() can see all variables"
        return ""

    # Variables --------------------------------------------------------------------------------

    def _uses(self, point: Point) -> list[tuple[str, str]]:
        """What an instruction does with variables, in order: ("read" or "stored", name)."""
        name, argument = point.name, point.argument
        if name in _CELLS or name in _CELL_STORES:
            known = self.names[argument]
            return [("stored" if name in _CELL_STORES else "read", known)]
        if name == "LOAD_FAST_AND_CLEAR":
            return [("aside", self.names[argument])]
        if "_FAST" not in name:
            return []
        pairs = name.count("_FAST") == 2
        slots = [argument >> 4, argument & 15] if pairs else [argument]
        verbs = [piece for piece in name.split("_") if piece in ("LOAD", "STORE", "DELETE")]
        uses: list[tuple[str, str]] = []
        for verb, slot in zip(verbs, slots, strict=True):
            variable = self.names[slot]
            if verb == "DELETE":
                uses.append(("read", variable))
            uses.append(("read" if verb == "LOAD" else "stored", variable))
        if uses == [("stored", self.names[slots[0]])] and self.tags[point.start][-1:] == (
            self.names[slots[0]],
        ):
            return [("back", self.names[slots[0]])]
        return uses

    def _variables(
        self, points: dict[int, Point]
    ) -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
        uses = {offset: self._uses(point) for offset, point in points.items()}
        flat = [use for each in uses.values() for use in each]
        read = frozenset(name for verb, name in flat if verb == "read")
        stored = frozenset(name for verb, name in flat if verb == "stored")
        shared = {name for name in self.code.co_cellvars if name in self.elsewhere}
        stored |= read & shared  # an inner function may do it
        exposed: set[str] = set()
        written: dict[int, frozenset[str]] = {self.body: frozenset()}
        todo = [self.body]
        while todo:
            offset = todo.pop()
            before = written[offset]
            after = self._after(uses[offset], before, exposed)
            point = points[offset]
            reached = [(target, after) for target in _following(point)]
            reached += [(target, before) for target in self._handlers(point)]
            for target, state in reached:
                if target not in points:
                    continue
                known = written.get(target)
                merged = state if known is None else known & state
                if merged != known:
                    written[target] = merged
                    todo.append(target)
        carried = frozenset(name for name in stored if name in exposed or name in self.elsewhere)
        return read, stored, carried

    @staticmethod
    def _after(
        uses: list[tuple[str, str]], before: frozenset[str], exposed: set[str]
    ) -> frozenset[str]:
        state = set(before)
        for verb, name in uses:
            kept = f"{name} aside"  # no variable has such a name
            if verb == "read" and name not in state:
                exposed.add(name)
            elif verb == "stored":
                state.add(name)
            elif verb == "aside":
                state.discard(kept)
                if name in state:
                    state.add(kept)
                state.add(name)
            elif verb == "back" and kept not in state:
                state.discard(name)
        return frozenset(state)


def _returns(point: Point) -> bool:
    return point.name in ("RETURN_VALUE", "RETURN_CONST")


def _following(point: Point) -> Iterator[int]:
    if point.jump is not None:
        yield point.jump
    ends = _returns(point) or point.name in ("RERAISE", "RAISE_VARARGS")
    if not (ends or (point.jump is not None and point.name.startswith("JUMP_"))):
        yield point.end
