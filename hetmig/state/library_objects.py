"""Instances of the standard library's classes: another version may want attributes they lack.

A class that is the same by name may keep more in its instances over there: `queue.Queue` has
`is_shutdown` since 3.13.  Which attributes a class knows is read from its source at both ends.  One
that only the destination knows, and whose `__init__` begins it as a constant, gets that constant;
one whose beginning can't be told refuses the object by name.
"""

from __future__ import annotations

import ast
import copyreg
import functools
import sys
import weakref
from collections.abc import Callable, Iterator
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
    filling = state, cpython.VERSION, known_attributes(type(obj))
    return constructor, arguments, filling, *items, recompiled.fill_library_object


def complete(obj: Any, version: tuple[int, int], known: tuple[str, ...]) -> None:
    """Give an object of another version what it must have here.  Raises NotMigratable.

    `known`: the attributes that its class knows there.  What it had not then, it need not have.
    """
    if version == cpython.VERSION:
        return
    own, cls = getattr(obj, "__dict__", {}), type(obj)
    bases = [base for base in reversed(cls.__mro__) if _is_librarys(base)]
    beginnings = {k: v for base in bases for k, v in _begins_with(base).items()}
    for name in (*beginnings, *known_attributes(cls)):
        if name in own or name in known or hasattr(cls, name):
            continue
        beginning = beginnings.get(name) or _REVIEWED.get((cls.__module__, name))
        if beginning is None:
            raise NotMigratable(
                f"a {cls.__module__}.{cls.__qualname__} has an attribute {name!r} in this version "
                "of Python, and what arrived has none"
            )
        own[name] = beginning(obj)


_known: weakref.WeakKeyDictionary[type, tuple[str, ...]] = weakref.WeakKeyDictionary()


def known_attributes(cls: type) -> tuple[str, ...]:
    """The attributes that the methods of the library's classes give their instances, somewhere.

    The same tuple each time: it is pickled once for all instances.
    """
    known = _known.get(cls)
    if known is None:
        bases = (base for base in cls.__mro__ if _is_librarys(base))
        names = dict.fromkeys(name for base in bases for name in _assigned_in(base))
        known = _known[cls] = tuple(names)
    return known


@functools.lru_cache(maxsize=1024)
def _assigned_in(cls: type) -> tuple[str, ...]:
    """The same for one class: to read its source takes long."""
    return tuple(name for m in _methods(cls) for name in _Method(m, cls.__name__).assigned())


Beginning: TypeAlias = "Callable[[Any], Any] | None"
"""What an attribute begins as, if that can be told."""

_REVIEWED: dict[tuple[str, str], Callable[[Any], Any]] = {
    ("asyncio.tasks", "_cur_task"): lambda obj: None,  # see library_code.CALL_GRAPH
}
"""By module and name, attributes whose beginning is not written as a constant."""


def _methods(cls: type) -> Iterator[ast.FunctionDef]:
    """The methods of a class of the library, as written."""
    module = sys.modules.get(cls.__module__)
    text = sources.text_of_module(module) if isinstance(module, ModuleType) else None
    if text is None:
        return
    file = getattr(module, "__file__", None) or f"<{cls.__module__}>"
    place = tuple(cls.__qualname__.split("."))
    for scope in sources.source(text, file, 0, sys.flags.optimize).scopes:
        node = scope.node
        if scope.path[:-1] == place and isinstance(node, ast.FunctionDef):
            named = {each.id for each in node.decorator_list if isinstance(each, ast.Name)}
            if not named & {"staticmethod", "classmethod"}:  # their first argument is another
                yield node


@functools.lru_cache(maxsize=1024)
def _begins_with(cls: type) -> dict[str, Beginning]:
    """The attributes that `__init__` sets in any case, and what they begin as."""
    found: dict[str, Beginning] = {}
    for method in _methods(cls):
        if method.name == "__init__":
            found.update(_Constructor(method, cls.__name__).attributes)
    return found


class _Method:
    """A method, as written."""

    def __init__(self, node: ast.FunctionDef, owner: str) -> None:
        self._node = node
        self._owner = owner
        positional = (*node.args.posonlyargs, *node.args.args)
        self._itself = positional[0].arg if positional else ""

    def assigned(self) -> Iterator[str]:
        """The attributes that it assigns somewhere."""
        attributes = (node for node in ast.walk(self._node) if isinstance(node, ast.Attribute))
        for node in attributes:
            if isinstance(node.ctx, ast.Store) and self._is(node.value, self._itself):
                yield self._attribute(node)

    def _attribute(self, node: ast.Attribute) -> str:
        private = node.attr.startswith("__") and not node.attr.endswith("__")
        return f"_{self._owner.lstrip('_')}{node.attr}" if private else node.attr

    @staticmethod
    def _is(node: ast.expr, name: str) -> bool:
        return isinstance(node, ast.Name) and node.id == name


class _Constructor(_Method):
    """What an `__init__` sets at its outermost level, so in any case."""

    def __init__(self, node: ast.FunctionDef, owner: str) -> None:
        super().__init__(node, owner)
        arguments = node.args
        positional = (*arguments.posonlyargs, *arguments.args)
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
                name = self._attribute(target)
                self.attributes[name] = self._beginning(value)
                if isinstance(value, ast.Name):
                    self._kept[value.id] = name

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
