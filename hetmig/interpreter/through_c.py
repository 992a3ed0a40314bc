"""Python functions that C code has called, where it is known what that code still does.

In most of these cases it does nothing: it hands on what the function returns.  What it did before
is told by the frame of the function: whose method it is, and of which object.

Sources: `type_call` and the `slot_*` functions in CPython's typeobject.c, `partial_call` in
_functoolsmodule.c, the instructions in bytecodes.c (3.11: ceval.c).
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Mapping
from types import CellType, CodeType, FunctionType, MethodType
from typing import Any, NamedTuple

from hetmig.interpreter import bridges, cpython
from hetmig.interpreter.activation import NULL, Resume, slot_names
from hetmig.interpreter.entries import Entry, living, serves_star_calls
from hetmig.interpreter.frame_memory import FrameMemory, object_at
from hetmig.interpreter.frames import Position
from hetmig.interpreter.inherited import referrers
from hetmig.interpreter.stackmap import stack_map

__all__ = ["called_through_c", "is_assigned_inside"]


class _Call(NamedTuple):
    """A frame, and the function of the next one, which C code has called."""

    where: Position
    memory: FrameMemory
    function: FunctionType
    arguments: tuple[Any, ...]
    """As many of its first two arguments as its variables still hold."""

    @property
    def first(self) -> Any:
        """The first of them; a fresh object, which is nobody's, if it is not known."""
        return self.arguments[0] if self.arguments else object()

    def is_method(self, name: str) -> bool:
        """Whether the function is that method of its first argument's class."""
        return _lookup(type(self.first), name) is self.function

    @property
    def callee(self) -> tuple[int, int | None]:
        """Addresses of what is called, and of its first argument if that was bound to it."""
        base = len(slot_names(self.where.code)) + self.where.point.below_call
        first, second = (word or 0 for word in self.memory.references(base, base + 2))
        if cpython.CALLABLE_BELOW_NULL or first:
            return first, second
        return second, 0

    @property
    def attribute(self) -> str:
        """The name in the current instruction."""
        point = self.where.point
        return self.where.code.co_names[point.argument >> cpython.NAME_SHIFT.get(point.name, 0)]

    def result(self) -> Entry:
        """The frame goes on with what the function returns."""
        return Entry(Resume.AFTER, self.where.point.below_call)


def called_through_c(where: Position, memory: FrameMemory, callee: FrameMemory) -> Entry | None:
    """How the caller goes on once the other frame has returned; None if that is not known."""
    rule = _RULES.get(where.point.name)
    if rule is None:
        return None
    function = object_at(callee.function)
    if not isinstance(function, FunctionType):
        return None
    return rule(_Call(where, memory, function, _arguments(function, callee)))


def _arguments(function: FunctionType, callee: FrameMemory) -> tuple[Any, ...]:
    """The first arguments of a running function, up to one which it may have bound anew."""
    found = []
    code = function.__code__
    for index in range(min(code.co_argcount, 2)):
        (reference,) = callee.references(index, index + 1)
        if not reference or _may_rebind(code, index):
            break
        value = object_at(reference)
        if isinstance(value, CellType):
            try:
                value = value.cell_contents
            except ValueError:
                break
        found.append(value)
    return tuple(found)


_ASSIGNMENTS = frozenset({"STORE_FAST", "DELETE_FAST", "STORE_DEREF", "DELETE_DEREF"})


@functools.lru_cache(maxsize=1024)
def _may_rebind(code: CodeType, index: int) -> bool:
    """Whether a function, or one inside it, assigns to this argument."""
    name, map_ = code.co_varnames[index], stack_map(code)
    points = {map_.at(offset) for offset in range(0, len(code.co_code), 2)}
    for point in points:
        pair = "STORE_FAST_" in point.name or point.name.endswith("_STORE_FAST")
        # two variables in one argument, four bits each
        stored = (point.argument >> 4, point.argument & 15) if pair else (point.argument,)
        if index in stored and (pair or point.name in _ASSIGNMENTS):
            return True
    return is_assigned_inside(code, name)


def is_assigned_inside(code: CodeType, name: str) -> bool:
    """Whether a function inside this one assigns to the variable, which they share."""
    inside = (const for const in code.co_consts if isinstance(const, CodeType))
    return any(name in const.co_freevars and _assigns_free(const, name) for const in inside)


def _assigns_free(code: CodeType, name: str) -> bool:
    map_, index = stack_map(code), slot_names(code).index(name)
    for offset in range(0, len(code.co_code), 2):
        point = map_.at(offset)
        if point.name in ("STORE_DEREF", "DELETE_DEREF") and point.argument == index:
            return True
    return is_assigned_inside(code, name)


def _lookup(cls: type, name: str) -> Any:
    """An attribute as it lies in a class or its bases; no getter runs."""
    return next((vars(base)[name] for base in cls.__mro__ if name in vars(base)), None)


# -- calls


def _called(call: _Call) -> Entry | None:
    """`Class(...)`, `instance(...)`, `partial(...)`, `f(*args)`, `next(...)`, `exec(...)`."""
    callee, _ = call.callee
    if call.is_method("__init__"):
        cls = next((cls for cls in type(call.first).__mro__ if id(cls) == callee), None)
        if cls is not None and _is_made_plainly(cls):
            between = bridges.bridge(bridges.constructed, made=call.first)
            return call.result()._replace(between=between)
    # leaving a `with` block calls a bound method, which lends its place to what it is bound to
    if id(call.first) == callee and (call.is_method("__call__") or call.is_method("__exit__")):
        return call.result()
    if _is_new(call, callee):
        return _creating(call)
    if callee == id(next) and call.where.point.argument == 1 and call.is_method("__next__"):
        return call.result()
    if callee in (id(exec), id(eval)) and call.function.__code__.co_name == "<module>":
        return call.result()
    if call.where.point.name == "CALL_FUNCTION_EX" and serves_star_calls(call.function, call.first):
        return None
    if _wraps(living(callee), call) or _is_partial_with(callee, call):
        return call.result()
    return None


def _is_made_plainly(cls: type) -> bool:
    return _lookup(type(cls), "__call__") is vars(type)["__call__"]


def _is_new(call: _Call, callee: int) -> bool:
    cls = call.first
    if not isinstance(cls, type) or id(cls) != callee or not _is_made_plainly(cls):
        return False
    new = _lookup(cls, "__new__")
    return isinstance(new, staticmethod) and new.__func__ is call.function


def _creating(call: _Call) -> Entry | None:
    """The arguments are alive: whoever makes the object will hand them to its `__init__`."""
    where, point = call.where, call.where.point
    names = _keyword_names(call)
    if point.name not in ("CALL", "CALL_KW") or names is None:
        return None
    base = len(slot_names(where.code)) + point.below_call + 2
    references = call.memory.references(base, base + point.argument)
    values = [object_at(reference) for reference in references if reference]
    if len(values) != len(references):
        return None
    positional = len(values) - len(names)
    between = bridges.bridge(
        bridges.created,
        cls=call.first,
        arguments=tuple(values[:positional]),
        keywords=dict(zip(names, values[positional:], strict=True)),
    )
    return call.result()._replace(between=between)


def _keyword_names(call: _Call) -> tuple[str, ...] | None:
    """The names of the last arguments of a call; None if they are not to be found."""
    where, point = call.where, call.where.point
    if point.name == "CALL_KW":  # on top of the arguments
        index = len(slot_names(where.code)) + point.below_call + 2 + point.argument
        (reference,) = call.memory.references(index, index + 1)
        names = object_at(reference) if reference else None
        return names if isinstance(names, tuple) else None
    before = where.map.at(point.start - 2)
    if before.name == "PRECALL":
        before = where.map.at(before.start - 2)
    if before.name != "KW_NAMES":
        return ()
    found: tuple[str, ...] = where.code.co_consts[before.argument]
    return found


def _wraps(callee: object, call: _Call) -> bool:
    """Whether what is called does nothing but to call the function."""
    partial = False
    while isinstance(callee, functools.partial):
        partial, callee = True, callee.func
    if isinstance(callee, MethodType):
        return callee.__func__ is call.function and callee.__self__ is call.first
    return partial and callee is call.function


def _is_partial_with(argument: int, call: _Call) -> bool:
    """Whether a partial with one argument is called, which it lends the place of the callable."""
    return any(
        isinstance(holder, functools.partial)
        and holder.func is call.function
        and [id(value) for value in holder.args] == [argument]
        for holder in referrers(call.function)
    )


# -- with blocks


def _entering(call: _Call) -> Entry | None:
    leave = _lookup(type(call.first), "__exit__")
    if not call.is_method("__enter__") or not isinstance(leave, FunctionType):
        return None
    kept = len(call.where.point.before or ()) - 1
    return Entry(Resume.AFTER, kept, (MethodType(leave, call.first),))


def _leaving(call: _Call) -> Entry | None:
    return call.result() if call.is_method("__exit__") else None


# -- attributes, items, iterators


def _method(*names: str) -> Callable[[_Call], Entry | None]:
    """The function is one of these methods, and its result, if any, is used as it is."""

    def rule(call: _Call) -> Entry | None:
        return call.result() if any(call.is_method(name) for name in names) else None

    return rule


def _getting(call: _Call) -> Entry | None:
    """A property, `__getattr__`, or a descriptor's `__get__`."""
    owner = type(call.first)
    found = _lookup(owner, call.attribute)
    if call.is_method("__getattr__"):
        known = _lookup(owner, "__getattribute__") is object.__getattribute__
        return _got(call) if known else None
    if _is_descriptor(call):
        holder = call.arguments[1]
    elif isinstance(found, property) and found.fget is call.function:
        holder = call.first
    else:
        return None
    entry = _got(call)
    if _lookup(type(holder), "__getattr__") is None:
        return entry
    between = bridges.bridge(bridges.found, owner=holder, name=call.attribute)
    return entry._replace(between=between)


def _got(call: _Call) -> Entry:
    """The attribute is what the function returns."""
    point = call.where.point
    if point.loads_method:
        kept = len(point.before or ()) - 1
        return Entry(Resume.AFTER, kept, () if cpython.CALLABLE_BELOW_NULL else (NULL,))
    return call.result()


def _is_descriptor(call: _Call) -> bool:
    """Whether the function is a method of the descriptor that lies under the attribute's name."""
    methods = ("__get__", "__set__", "__delete__")
    if len(call.arguments) < 2 or not any(call.is_method(name) for name in methods):
        return False
    return _lookup(type(call.arguments[1]), call.attribute) is call.first


def _setting(special: str, accessor: str) -> Callable[[_Call], Entry | None]:
    def rule(call: _Call) -> Entry | None:
        found = _lookup(type(call.first), call.attribute)
        own = isinstance(found, property) and getattr(found, accessor) is call.function
        return call.result() if own or call.is_method(special) or _is_descriptor(call) else None

    return rule


def _iterating(call: _Call) -> Entry | None:
    if not call.is_method("__iter__") or cpython.LOOP_POSITIONS:
        return None
    return call.result()._replace(between=bridges.bridge(bridges.iterated))


def _operating(call: _Call) -> Entry | None:
    """From 3.14 on, a subscript is an operator among others."""
    if call.where.point.argument != cpython.SUBSCRIPT_OPERATOR:
        return None
    return _method("__getitem__")(call)


_RULES: Mapping[str, Callable[[_Call], Entry | None]] = types.MappingProxyType(
    {
        "CALL": _called,
        "CALL_KW": _called,
        "CALL_FUNCTION_EX": _called,
        "BEFORE_WITH": _entering,
        "WITH_EXCEPT_START": _leaving,
        "BINARY_SUBSCR": _method("__getitem__"),
        "BINARY_OP": _operating,
        "STORE_SUBSCR": _method("__setitem__"),
        "DELETE_SUBSCR": _method("__delitem__"),
        "LOAD_ATTR": _getting,
        "LOAD_METHOD": _getting,
        "STORE_ATTR": _setting("__setattr__", "fset"),
        "DELETE_ATTR": _setting("__delattr__", "fdel"),
        "GET_ITER": _iterating,
    }
)
