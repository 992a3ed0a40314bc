"""What each value-stack slot is to the program: iterator of this loop, value of that expression.

The depth of the stack and the order of its slots are CPython's own affair, and differ between
versions.  What a slot is *for* follows from the source.  So each instruction labels what it pushes
with a role and the node of the syntax tree that it stands for; on the way the labels are copied,
swapped and merged just as the values are.  `bytecode` knows how many values an instruction takes
and leaves; what is added here is which ones, and what they are called.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from types import CodeType
from typing import NamedTuple, TypeAlias

from hetmig.errors import NotMigratable
from hetmig.interpreter import cpython
from hetmig.interpreter.activation import slot_names
from hetmig.interpreter.stackmap import Point, StackMap, stack_map
from hetmig.interpreter.syntax import Position, Syntax, enclosing

__all__ = [
    "FILLED",
    "UNCONDITIONAL",
    "Label",
    "Labels",
    "Roles",
    "callee_of",
    "is_constant",
    "is_value",
    "successors",
]


class Label(NamedTuple):
    """What a slot is for."""

    role: str
    node: str = ""
    """The path of the node whose value, iterator, exit... it is; "" where no version tells."""
    name: str = ""
    """The variable it was loaded from, and the like."""


Labels: TypeAlias = "tuple[Label, ...]"

NULL, POSITION = Label("null"), Label("position")
FILLED = frozenset({"null", "position"})
"""Roles of slots that each version leaves empty as it needs them."""

_VALUES = frozenset({"value", "constant", "callable"})


def is_value(label: Label) -> bool:
    """Whether it is the value of an expression."""
    return label.role in _VALUES


def is_constant(label: Label) -> bool:
    """Whether the code itself holds the value."""
    return label.role == "constant"


class Roles:
    """The labels of a code object's value stack before each instruction."""

    def __init__(self, code: CodeType, syntax: Syntax) -> None:
        """Raises NotMigratable for code whose slots can't be told."""
        self.code = code
        self.map: StackMap = stack_map(code)
        self.syntax = syntax
        self.names = slot_names(code)
        self._positions = list(code.co_positions())
        self.before: dict[int, Labels] = {}
        self._interpret()

    def position(self, point: Point) -> Position | None:
        """Where in the source an instruction comes from; None for the compiler's own."""
        unit = point.offset // 2
        known = unit < len(self._positions)  # somebody may have taken the table away
        line, last, column, end = self._positions[unit] if known else (None,) * 4
        if line is None or last is None or column is None or end is None:
            return None
        return line, last, column, end

    def node(self, point: Point, *preferred: type[ast.AST]) -> str:
        """The path of the node an instruction belongs to, "" if it is not an expression's."""
        position = self.position(point)
        return self.syntax.node_at(position, *preferred) if position else ""

    def delegation(self, point: Point) -> str:
        """The path of the `await` or `yield from` an instruction belongs to; "" if it does not."""
        position = self.position(point)
        if position and self.syntax.is_a(position, ast.Await, ast.YieldFrom):
            return self.syntax.node_at(position, ast.Await, ast.YieldFrom)
        return ""

    def loop(self, point: Point) -> str:
        """The path of the loop, or the comprehension, an instruction drives."""
        position = self.position(point)
        return self.syntax.loop_at(position) if position else ""

    def constant(self, label: Label) -> object:
        """The value of a constant, as this version's code has it."""
        point = self.map.at(int(label.name))
        if point.name == "LOAD_CONST":
            return self.code.co_consts[point.argument]
        if point.name == "LOAD_SMALL_INT":
            return point.argument
        return cpython.common_constant(point.name, point.argument)

    def _interpret(self) -> None:
        todo: list[tuple[int, Labels]] = [(0, ())]
        while todo:
            start, labels = todo.pop()
            point = self.map.at(start)
            known = self.before.get(start)
            merged = labels if known is None else _merged(known, labels)
            if merged == known:
                continue
            if point.before is None or len(merged) != len(point.before):
                raise NotMigratable(
                    f"the value stack of {self.code.co_qualname} is of another depth "
                    f"at offset {start} than it should be"
                )
            self.before[start] = merged
            todo.extend(self._successors(point, merged))

    def _successors(self, point: Point, labels: Labels) -> Iterator[tuple[int, Labels]]:
        if point.name not in ("PUSH_EXC_INFO", "POP_EXCEPT", "NOT_TAKEN", "NOP"):
            for handler in self.map.handlers:
                if handler.start <= point.offset < handler.stop and handler.depth <= len(labels):
                    raised = (Label("raised at"),) if handler.push_last_instruction else ()
                    yield handler.target, labels[: handler.depth] + raised + (Label("exception"),)
        for target, jumps in successors(point):
            depth = len(self.map.at(target).before or ())
            yield target, self._execute(point, labels, depth, jumps)

    def _execute(self, point: Point, labels: Labels, depth: int, jumps: bool) -> Labels:
        special = _SPECIAL.get(point.name)
        if special is not None:
            labels = special(self, point, labels)
        elif jumps and point.name in ("FOR_ITER", "SEND"):
            return _ended(self, point, labels, depth)
        elif not _leaves_nothing(point):
            taken = 1 - point.effect
            kept = labels[: len(labels) - taken] if taken else labels
            labels = (*kept, Label("value", self.node(point, *_PREFERRED.get(point.name, ()))))
        # what an instruction takes without leaving anything, and what a jump takes besides
        missing = depth - len(labels)
        return labels[:depth] if missing <= 0 else labels + (Label("value"),) * missing


def successors(point: Point) -> Iterator[tuple[int, bool]]:
    """Where control may go from an instruction, and whether it jumps there; not by exceptions."""
    if point.jump is not None:
        yield point.jump, True
    if point.name.startswith("RETURN_") and point.name != "RETURN_GENERATOR":
        return
    if point.name not in ("RAISE_VARARGS", "RERAISE", *UNCONDITIONAL):
        yield point.end, False


UNCONDITIONAL = ("JUMP_FORWARD", "JUMP_BACKWARD", "JUMP_BACKWARD_NO_INTERRUPT")


def _leaves_nothing(point: Point) -> bool:
    name = point.name
    return name in _NOTHING or name.startswith(_NOTHING_PREFIXES)


_NOTHING = frozenset(
    {
        *("NOP", "RESUME", "PRECALL", "KW_NAMES", "MAKE_CELL", "COPY_FREE_VARS", "NOT_TAKEN"),
        *("SETUP_ANNOTATIONS", "CACHE", "LIST_APPEND", "SET_ADD", "MAP_ADD", "LIST_EXTEND"),
        *("SET_UPDATE", "DICT_UPDATE", "DICT_MERGE", "RERAISE", "RAISE_VARARGS", "END_FOR"),
        *("END_ASYNC_FOR", "IMPORT_STAR", "PRINT_EXPR"),
    }
)
_NOTHING_PREFIXES = ("STORE_", "DELETE_", "POP_", "JUMP_", "RETURN_VALUE", "RETURN_CONST")
_PREFERRED: dict[str, tuple[type[ast.AST], ...]] = {
    "LOAD_ATTR": (ast.Attribute,),
    "BINARY_SUBSCR": (ast.Subscript,),
    "LOAD_SUPER_ATTR": (ast.Attribute,),
    "YIELD_VALUE": (ast.Yield, ast.Await, ast.YieldFrom),
}


def _merged(known: Labels, labels: Labels) -> Labels:
    if known == labels or len(known) != len(labels):
        return known
    return tuple(
        one if one == two else _common(one, two) for one, two in zip(known, labels, strict=True)
    )


def _common(one: Label, two: Label) -> Label:
    """What comes from two branches: the value of the expression around both."""
    node = ""
    if one.node and two.node:
        others = set(enclosing(two.node))
        node = next((path for path in enclosing(one.node) if path in others), "")
    if one.role == two.role and (one.role not in ("constant", "maker") or one.name == two.name):
        return Label(one.role, node, one.name if one.name == two.name else "")
    return Label("value" if is_value(one) and is_value(two) else "mixed", node)


def _ended(roles: Roles, point: Point, labels: Labels, depth: int) -> Labels:
    """Behind a loop, or behind a `yield from` or `await`, whose result is on top then."""
    if point.name == "SEND":
        return (*labels[: depth - 1], Label("value", roles.node(point, ast.Await, ast.YieldFrom)))
    return labels[:depth] if depth <= len(labels) else (*labels, Label("value"))


# -- the instructions that do more than to leave one value of their node

_Rule: TypeAlias = Callable[[Roles, Point, Labels], Labels]


def _named(roles: Roles, point: Point, index: int, *, located: bool = True) -> Label:
    name = roles.names[index]
    if name == ".0":
        return Label("iterator", "", name)  # of a generator expression, whose node says enough
    return Label("value", roles.node(point, ast.Name) if located else "", name)


def _load_fast(roles: Roles, point: Point, labels: Labels) -> Labels:
    return (*labels, _named(roles, point, point.argument))


def _load_two(roles: Roles, point: Point, labels: Labels) -> Labels:
    first = _named(roles, point, point.argument >> 4)
    # one instruction has but one position, that of the first
    return (*labels, first, _named(roles, point, point.argument & 15, located=False))


def _store_load(roles: Roles, point: Point, labels: Labels) -> Labels:
    return (*labels[:-1], _named(roles, point, point.argument & 15, located=False))


def _load_saved(roles: Roles, point: Point, labels: Labels) -> Labels:
    return (*labels, Label("saved", "", roles.names[point.argument]))


def _load_name(roles: Roles, point: Point, labels: Labels) -> Labels:
    name = roles.code.co_names[point.argument >> cpython.NAME_SHIFT.get(point.name, 0)]
    value = Label("value", roles.node(point, ast.Name), name)
    if point.effect == 1:
        return (*labels, value)
    return (*labels, value, NULL) if cpython.CALLABLE_BELOW_NULL else (*labels, NULL, value)


def _constant(roles: Roles, point: Point, labels: Labels) -> Labels:
    # named by its instruction: that is where its value is looked up
    return (*labels, Label("constant", roles.node(point, ast.Constant), str(point.start)))


def _method(roles: Roles, point: Point, labels: Labels) -> Labels:
    node = roles.node(point, ast.Attribute)
    if not point.argument & 1 and point.name != "LOAD_METHOD":
        taken = 1 - point.effect
        return (*labels[: len(labels) - taken], Label("value", node))
    taken = 2 - point.effect
    return (*labels[: len(labels) - taken], Label("callable", node), Label("self", node))


def _special_method(roles: Roles, point: Point, labels: Labels) -> Labels:
    role = "exit" if point.argument & 1 else "enter"
    node = labels[-1].node or roles.node(point)
    return (*labels[:-1], Label(role, node), Label(f"{role} self", node))


def _before_with(roles: Roles, point: Point, labels: Labels) -> Labels:
    node = labels[-1].node or roles.node(point)
    return (*labels[:-1], Label("exit", node), Label("entered", node))


def _leave(roles: Roles, point: Point, labels: Labels) -> Labels:
    return (
        *labels,
        Label("left", next((one.node for one in reversed(labels) if one.role == "exit"), "")),
    )


def _call(roles: Roles, point: Point, labels: Labels) -> Labels:
    below = point.below_call
    callee = callee_of(point, labels)
    result = {"exit": "left", "enter": "entered"}.get(callee.role)
    label = Label(result, callee.node) if result else Label("value", roles.node(point, ast.Call))
    return (*labels[:below], label)


def callee_of(point: Point, labels: Labels) -> Label:
    """What a call-like instruction calls."""
    below = point.below_call
    # (callable, self or NULL), or (method or NULL, callable or self)
    first = labels[below]
    return labels[below + 1] if first == NULL else first


def _iterator(roles: Roles, point: Point, labels: Labels) -> Labels:
    taken = labels[-1]
    delegated = roles.delegation(point)
    if delegated:
        label = Label("iterator", delegated)
    elif taken.role == "iterator":
        label = taken
    else:
        node = roles.node(point) if cpython.LOOPS_AT_ITERABLE else ""
        label = Label("iterator", taken.node or node, "" if is_constant(taken) else taken.name)
    extra = (POSITION,) if point.name == "GET_ITER" and cpython.LOOP_POSITIONS else ()
    return (*labels[:-1], label, *extra)


def _awaitable(roles: Roles, point: Point, labels: Labels) -> Labels:
    taken = labels[-1]
    return (*labels[:-1], Label("awaitable", roles.delegation(point) or taken.node, taken.role[:7]))


def _next_of(roles: Roles, point: Point, labels: Labels) -> Labels:
    return (*labels, Label("anext", roles.loop(point)))


def _piece(roles: Roles, point: Point, labels: Labels) -> Labels:
    # before 3.12, positions in f-strings don't tell one piece from the other; their order does
    return (*labels[: len(labels) + point.effect - 1], Label("piece"))


def _converted(roles: Roles, point: Point, labels: Labels) -> Labels:
    return (*labels[:-1], Label("converted"))


def _yield(roles: Roles, point: Point, labels: Labels) -> Labels:
    return (*labels[:-1], Label("sent"))


def _unpack(roles: Roles, point: Point, labels: Labels) -> Labels:
    count = point.effect + 1
    node = roles.node(point, ast.Tuple, ast.List)
    items = (Label("unpacked", node, str(count - 1 - index)) for index in range(count))
    return (*labels[:-1], *items)


def _copy(roles: Roles, point: Point, labels: Labels) -> Labels:
    return (*labels, labels[-point.argument])


def _swap(roles: Roles, point: Point, labels: Labels) -> Labels:
    swapped = list(labels)
    swapped[-1], swapped[-point.argument] = swapped[-point.argument], swapped[-1]
    return tuple(swapped)


def _handle(roles: Roles, point: Point, labels: Labels) -> Labels:
    return (*labels[:-1], Label("previous"), labels[-1])


def _match_group(roles: Roles, point: Point, labels: Labels) -> Labels:
    return (*labels[:-2], Label("group rest"), Label("group match"))


def _push_null(roles: Roles, point: Point, labels: Labels) -> Labels:
    return (*labels, NULL)


def _build_class(roles: Roles, point: Point, labels: Labels) -> Labels:
    return (*labels, Label("build class"))


def _make_function(roles: Roles, point: Point, labels: Labels) -> Labels:
    kept, code = labels[: len(labels) + point.effect - 1], labels[-1]
    position = roles.position(point)
    if position and is_constant(code) and roles.syntax.is_a(position, *_INNER):
        # named by the instruction that loads its code
        return (*kept, Label("maker", roles.node(point, *_INNER), code.name))
    return (*kept, Label("value", roles.node(point)))


_INNER = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def _set_attribute(roles: Roles, point: Point, labels: Labels) -> Labels:
    return (*labels[:-2], labels[-1])


def _end_send(roles: Roles, point: Point, labels: Labels) -> Labels:
    return (*labels[: len(labels) + point.effect - 1], labels[-1])


_SPECIAL: dict[str, _Rule] = {
    "LOAD_FAST": _load_fast,
    "LOAD_FAST_CHECK": _load_fast,
    "LOAD_FAST_BORROW": _load_fast,
    "LOAD_DEREF": _load_fast,
    "LOAD_FAST_LOAD_FAST": _load_two,
    "LOAD_FAST_BORROW_LOAD_FAST_BORROW": _load_two,
    "STORE_FAST_LOAD_FAST": _store_load,
    "LOAD_FAST_AND_CLEAR": _load_saved,
    "LOAD_GLOBAL": _load_name,
    "LOAD_NAME": _load_name,
    "LOAD_CONST": _constant,
    "LOAD_SMALL_INT": _constant,
    "LOAD_COMMON_CONSTANT": _constant,
    "LOAD_ASSERTION_ERROR": _constant,
    "LOAD_METHOD": _method,
    "LOAD_SUPER_ATTR": _method,
    "LOAD_SPECIAL": _special_method,
    "BEFORE_WITH": _before_with,
    "BEFORE_ASYNC_WITH": _before_with,
    "WITH_EXCEPT_START": _leave,
    "CALL": _call,
    "CALL_KW": _call,
    "CALL_FUNCTION_EX": _call,
    "GET_ITER": _iterator,
    "GET_YIELD_FROM_ITER": _iterator,
    "GET_AITER": _iterator,
    "GET_AWAITABLE": _awaitable,
    "GET_ANEXT": _next_of,
    "FORMAT_VALUE": _piece,
    "FORMAT_SIMPLE": _piece,
    "FORMAT_WITH_SPEC": _piece,
    "CONVERT_VALUE": _converted,
    "YIELD_VALUE": _yield,
    "UNPACK_SEQUENCE": _unpack,
    "UNPACK_EX": _unpack,
    "COPY": _copy,
    "SWAP": _swap,
    "PUSH_EXC_INFO": _handle,
    "CHECK_EG_MATCH": _match_group,
    "PUSH_NULL": _push_null,
    "LOAD_BUILD_CLASS": _build_class,
    "END_SEND": _end_send,
    "MAKE_FUNCTION": _make_function,
    "SET_FUNCTION_ATTRIBUTE": _set_attribute,
    **({"LOAD_ATTR": _method} if cpython.METHODS_BY_LOAD_ATTR else {}),
}
