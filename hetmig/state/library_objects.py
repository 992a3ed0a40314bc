"""Instances of the standard library's classes: another version may want attributes they lack.

A class that is the same by name may keep more in its instances over there: `queue.Queue` has
`is_shutdown` since 3.13.  Which ones is read from the `__init__` there.  An attribute that begins
as a constant gets that constant; one whose beginning can't be told refuses the object by name.
"""

from __future__ import annotations

import ast
import copyreg
import functools
import sys
from collections.abc import Callable
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any, TypeAlias

from hetmig.errors import NotMigratable
from hetmig.interpreter import cpython
from hetmig.state import recompiled, sources

if TYPE_CHECKING:
    from hetmig.state.pickler import Pickler

__all__ = ["complete", "reducer_of"]


def reducer_of(cls: type) -> Callable[[Pickler, Any], Any] | None:
    """How instances are reduced whose class the library has written in Python; else None."""
    return _reduce if any(map(_is_librarys, cls.__mro__)) else None


def _is_librarys(cls: type) -> bool:
    top = str(cls.__module__).partition(".")[0]
    return isinstance(vars(cls).get("__init__"), FunctionType) and top in sys.stdlib_module_names


def _reduce(pickler: Pickler, obj: Any) -> Any:
    if type(obj) in pickler.dispatch_table:
        return NotImplemented
    reduced = obj.__reduce_ex__(5)
    if isinstance(reduced, str) or reduced[0] is not copyreg.__newobj__ or len(reduced) > 5:  # type: ignore[attr-defined]
        return reduced
    constructor, arguments, state, *items = (*reduced, None, None)[:5]
    filling = state, cpython.VERSION
    return constructor, arguments, filling, *items, recompiled.fill_library_object


def complete(obj: Any, version: tuple[int, int]) -> None:
    """Give an object of another version what it must have here.  Raises NotMigratable."""
    if version == cpython.VERSION:
        return
    own = getattr(obj, "__dict__", {})
    for cls in type(obj).__mro__:
        if not _is_librarys(cls):
            continue
        for name, beginning in _begins_with(cls).items():
            if name in own or hasattr(type(obj), name):
                continue
            if beginning is None:
                raise NotMigratable(
                    f"a {cls.__module__}.{cls.__qualname__} has an attribute {name!r} in this "
                    "version of Python, and what arrived has none"
                )
            own[name] = beginning(obj)


Beginning: TypeAlias = "Callable[[Any], Any] | None"
"""What an attribute begins as, if that can be told."""


@functools.lru_cache(maxsize=1024)
def _begins_with(cls: type) -> dict[str, Beginning]:
    """The attributes that `__init__` sets in any case, and what they begin as."""
    module = sys.modules.get(cls.__module__)
    text = sources.text_of_module(module) if isinstance(module, ModuleType) else None
    if text is None or module is None:
        return {}
    file = getattr(module, "__file__", None) or f"<{cls.__module__}>"
    path = (*cls.__qualname__.split("."), "__init__")
    scopes = sources.source(text, file, 0, sys.flags.optimize).scopes
    found: dict[str, Beginning] = {}
    for scope in scopes:
        if scope.path == path and isinstance(scope.node, ast.FunctionDef):
            found.update(_Constructor(scope.node, cls.__name__).attributes)
    return found


class _Constructor:
    """What an `__init__` sets at its outermost level, so in any case."""

    def __init__(self, node: ast.FunctionDef, owner: str) -> None:
        self._owner = owner
        arguments = node.args
        positional = (*arguments.posonlyargs, *arguments.args)
        self._itself = positional[0].arg
        given = arguments.defaults
        self._defaults: dict[str, ast.expr | None] = {
            **{argument.arg: None for argument in positional},
            **{
                a.arg: d
                for a, d in zip(positional[len(positional) - len(given) :], given, strict=True)
            },
            **{a.arg: d for a, d in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)},
        }
        self._kept: dict[str, str] = {}  # by argument, the attribute that is that argument
        self.attributes: dict[str, Beginning] = {}
        for statement in node.body:
            self._add(statement)

    def _add(self, statement: ast.stmt) -> None:
        if not isinstance(statement, ast.Assign | ast.AnnAssign):
            return
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        value = statement.value
        for target in targets:
            if isinstance(target, ast.Attribute) and self._is(target.value, self._itself):
                private = target.attr.startswith("__") and not target.attr.endswith("__")
                name = f"_{self._owner.lstrip('_')}{target.attr}" if private else target.attr
                self.attributes[name] = self._beginning(value)
                if isinstance(value, ast.Name):
                    self._kept[value.id] = name

    @staticmethod
    def _is(node: ast.expr, name: str) -> bool:
        return isinstance(node, ast.Name) and node.id == name

    def _beginning(self, value: ast.expr | None) -> Beginning:
        if isinstance(value, ast.Name):
            value = self._defaults.get(value.id)
        if isinstance(value, ast.Constant):
            constant = value.value
            return lambda obj: constant
        if isinstance(value, ast.List) and not value.elts:
            return lambda obj: []
        if isinstance(value, ast.Dict) and not value.keys:
            return lambda obj: {}
        if isinstance(value, ast.Attribute) and isinstance(value.value, ast.Name):
            kept, name = self._kept.get(value.value.id), value.attr
            if kept is not None:  # such as `self.locked = lock.locked`, with `self._lock = lock`
                return lambda obj: getattr(getattr(obj, kept), name)
        return None
