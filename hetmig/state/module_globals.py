"""Objects which an import makes once: both ends have their own, and know it by the same name.

A lock or a context variable of an importable module is also held by what that import has made
besides (default arguments, closures, class variables), and those stay.  So it travels as its name.
"""

from __future__ import annotations

import contextlib
import sys
import weakref
from collections import defaultdict
from types import BuiltinFunctionType, FunctionType, ModuleType, NoneType
from typing import Any, NamedTuple, TypeVar

import cloudpickle

from hetmig.state.namespaces import by_reference, named

__all__ = ["Place", "here", "place_of", "places_of_type", "search"]

T = TypeVar("T")


class Place(NamedTuple):
    """Where an object is found: a module and, with dots for classes, a name."""

    module: str
    name: str


_Extent = tuple[tuple[str, ...], tuple[int, ...], int, frozenset[str]]
_extent: _Extent | None = None
"""Which modules there were at the last search, and how much they held."""
_searched: dict[str, tuple[weakref.ref[Any], int]] = {}
"""Each module that was searched, and how many names it had."""
_found: defaultdict[type, dict[int, Place]] = defaultdict(dict)
_NOT_SOUGHT = frozenset(
    {FunctionType, BuiltinFunctionType, ModuleType, type, NoneType, bool, int, float, complex}
    | {str, bytes, tuple, frozenset, list, dict, set}
)
"""Types of most of what modules hold: it has names of its own, or is known by its value."""


def place_of(value: object) -> Place | None:
    """The place of this very object, in a module that travels by name; None if it has none."""
    cls = type(value)
    found = places_of_type(cls).get(id(value))
    return found if found is not None and here(found, cls) is value else None


def search() -> None:
    """Do now, before there is a task, what takes longest."""
    places_of_type(object)


def places_of_type(cls: type) -> dict[int, Place]:
    """Identity -> place of each object of exactly this type, when modules last became more."""
    modules = list(sys.modules.values())
    size = sum(len(getattr(module, "__dict__", ())) for module in modules)
    by_value = frozenset(cloudpickle.list_registry_pickle_by_value())
    # their names, too: a new module may lie where one lay that has gone
    extent = tuple(sys.modules), tuple(map(id, modules)), size, by_value
    if extent != _extent:
        _search(extent)
    return _found.get(cls, {})


def _search(extent: _Extent) -> None:
    """Search the modules that have become more since the last time.

    To search all takes many milliseconds in a process that was just forked, as it copies the page
    of each object that is touched, and is done while a task stands still.
    """
    global _extent
    if _extent is None or _extent[-1] != extent[-1] or _has_lost():
        _searched.clear()
        _found.clear()
    _extent = extent
    for name, module in list(sys.modules.items()):
        namespace = getattr(module, "__dict__", None)
        if type(namespace) is not dict or not by_reference(name):
            continue
        size = len(namespace)
        if name not in _searched or _searched[name][1] != size:
            with contextlib.suppress(TypeError):  # what some put there: searched each time
                _searched[name] = weakref.ref(module), size
            _search_module(name, namespace)


def _has_lost() -> bool:
    """Whether there is less than what was searched: what was found there may lie elsewhere."""
    for name, (searched, size) in _searched.items():
        module = sys.modules.get(name)
        if module is None or module is not searched() or len(vars(module)) < size:
            return True
    return False


def _search_module(module: str, namespace: dict[str, Any]) -> None:
    for name, value in list(namespace.items()):
        if type(value) not in _NOT_SOUGHT:
            _note(value, Place(module, name))
        elif type(value) is type and value.__module__ == module:
            for inner, held in list(vars(value).items()):
                if type(held) not in _NOT_SOUGHT:
                    _note(held, Place(module, f"{name}.{inner}"))


def _note(value: object, place: Place) -> None:
    known = _found[type(value)].get(id(value))
    if known is None or _held_at(known) is not value:  # else another had its identity before
        _found[type(value)][id(value)] = place


def _held_at(place: Place) -> object:
    """What lies there, without asking any descriptor for it."""
    name, _, inner = place.name.partition(".")
    found = vars(sys.modules[place.module]).get(name)
    return vars(found).get(inner) if inner and type(found) is type else found


def here(place: Place, cls: type[T]) -> T | None:
    """What this process has at that place; None if it is not of that type."""
    __import__(place.module)
    found = named(place.module, place.name)
    return found if type(found) is cls else None
