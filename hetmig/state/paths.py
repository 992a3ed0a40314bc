"""Finds the way from a variable to the object inside it that could not travel."""

from __future__ import annotations

import collections
import contextvars
import functools
import types
import weakref
from collections.abc import Iterator
from typing import Any

from hetmig.errors import HetmigError
from hetmig.interpreter import generators
from hetmig.state.namespaces import by_reference

__all__ = ["find_path"]

_LIMIT = 100_000


def find_path(root: object, target: object, name: str) -> str | None:
    """The shortest expression, such as `job.conn.sock`, that leads from `root` to `target`.

    `name` is what `root` is called.  None if there is no way among the first 100,000 objects: the
    target may have been made on the fly by somebody's `__reduce__`.  Runs none of the user's code.
    """
    queue = collections.deque([(root, name)])
    seen: dict[int, object] = {}
    while queue and len(seen) < _LIMIT:
        value, path = queue.popleft()
        if value is target:
            return path
        if id(value) in seen:
            continue
        seen[id(value)] = value
        queue.extend((child, path + step) for step, child in _children(value))
    return None


def _children(value: Any) -> Iterator[tuple[str, Any]]:
    if type(value) in weakref.ProxyTypes:  # it would answer for its object, or not at all
        return
    if isinstance(value, str | bytes | int | float | types.ModuleType):
        return
    if isinstance(value, dict):
        yield from ((f"[{_short(key)}]", item) for key, item in dict.items(value))
        yield from ((" key", key) for key in dict.keys(value))
    elif isinstance(value, list | tuple):
        yield from ((f"[{index}]", item) for index, item in enumerate(value))
    elif isinstance(value, set | frozenset | collections.deque):
        yield from ((" element", item) for item in list(value))
    if type(value) in generators.GENERATORS:
        yield from _variables(value)
    yield from _callable_parts(value)
    yield from _attributes(value)


def _variables(generator: Any) -> Iterator[tuple[str, Any]]:
    """The variables of a suspended generator or coroutine, and what it awaits or iterates over."""
    try:
        activation = generators.capture_suspended(generator)
    except HetmigError:  # it runs
        return
    if activation is not None:
        names = zip(activation.slot_names, activation.slots, strict=True)
        yield from ((f".{name}", slot) for name, slot in names)
        yield from (("", value) for value in activation.stack)


def _callable_parts(value: Any) -> Iterator[tuple[str, Any]]:
    match value:
        case types.FunctionType() if not _importable(value):
            cells = zip(value.__code__.co_freevars, value.__closure__ or (), strict=True)
            yield from ((f".{name}", cell) for name, cell in cells)
            yield from ((".__defaults__", part) for part in value.__defaults__ or ())
            names = value.__code__.co_names
            yield from (
                (f".{name}", value.__globals__[name]) for name in names if name in value.__globals__
            )
        case types.CellType():
            try:
                yield "", value.cell_contents
            except ValueError:
                return
        case types.MethodType():
            yield ".__self__", value.__self__
            yield ".__func__", value.__func__
        case types.BuiltinMethodType():
            yield ".__self__", value.__self__
        case functools.partial():
            yield ".func", value.func
            yield ".args", value.args
            yield ".keywords", value.keywords
        case contextvars.Context():
            yield from ((f"[{key.name}]", item) for key, item in value.items())
        case BaseException():
            yield ".args", value.args
            yield ".__cause__", value.__cause__
            yield ".__context__", value.__context__


def _importable(value: Any) -> bool:
    return by_reference(value.__module__) and "<locals>" not in value.__qualname__


def _attributes(value: Any) -> Iterator[tuple[str, Any]]:
    """Attributes that are stored, not computed: `__dict__` and slots."""
    for base in type(value).__mro__:
        getter = vars(base).get("__dict__")
        if isinstance(getter, types.GetSetDescriptorType | types.MemberDescriptorType):
            held = getter.__get__(value)
            yield from ((f".{name}", item) for name, item in list(held.items()))
            break
    for base in type(value).__mro__:
        for name, member in list(vars(base).items()):
            if isinstance(member, types.MemberDescriptorType) and base.__flags__ & (1 << 9):
                try:
                    yield f".{name}", member.__get__(value)
                except AttributeError:
                    continue
    if not _importable(type(value)):
        yield "", type(value)


def _short(key: object) -> str:
    text = repr(key) if isinstance(key, str | bytes | int | float | tuple) else type(key).__name__
    return text if len(text) <= 40 else f"{text[:37]}..."
