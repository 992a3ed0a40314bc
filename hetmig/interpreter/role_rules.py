"""What instructions do to the labels of the value stack, where that is not to leave one value."""

from __future__ import annotations

import ast
import types
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeAlias

from hetmig.interpreter import cpython
from hetmig.interpreter.labels import NULL, POSITION, Label, Labels, callee_of, is_constant
from hetmig.interpreter.stackmap import Point

if TYPE_CHECKING:
    from hetmig.interpreter.roles import Roles

__all__ = ["PREFERRED", "RULES", "leaves_nothing"]


def leaves_nothing(point: Point) -> bool:
    """Whether an instruction pushes nothing, and what it takes is gone."""
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
PREFERRED: Mapping[str, tuple[type[ast.AST], ...]] = types.MappingProxyType(
    {
        "LOAD_ATTR": (ast.Attribute,),
        "BINARY_SUBSCR": (ast.Subscript,),
        "LOAD_SUPER_ATTR": (ast.Attribute,),
        "YIELD_VALUE": (ast.Yield, ast.Await, ast.YieldFrom),
    }
)
"""Which nodes the value belongs to that these leave, if several are at one position."""


_Rule: TypeAlias = "Callable[[Roles, Point, Labels], Labels]"


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


RULES: Mapping[str, _Rule] = types.MappingProxyType(
    {
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
)
