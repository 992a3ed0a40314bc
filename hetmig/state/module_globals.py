"""Objects which an import makes once: both ends have their own, and know it by the same name.

A lock or a context variable of an importable module is also held by what that import has made
besides (default arguments, closures, class variables), and those stay.  So it travels as its name.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from types import BuiltinFunctionType, FunctionType, ModuleType, NoneType
from typing import NamedTuple, TypeVar

import cloudpickle

from hetmig.state.namespaces import by_reference, named

__all__ = ["Place", "here", "place_of", "places_of_type"]

T = TypeVar("T")


class Place(NamedTuple):
    """Where an object is found: a module and, with dots for classes, a name."""

    module: str
    name: str


_Extent = tuple[int, int, frozenset[str]]
_Found = dict[type, dict[int, Place]]
_search_of: dict[_Extent, _Found] = {}
"""The last search: by what the modules held then, what was found."""
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


def places_of_type(cls: type) -> dict[int, Place]:
    """Identity -> place of each object of exactly this type, when modules last became more."""
    namespaces = [getattr(module, "__dict__", ()) for module in list(sys.modules.values())]
    by_value = frozenset(cloudpickle.list_registry_pickle_by_value())
    extent = len(namespaces), sum(map(len, namespaces)), by_value
    if extent not in _search_of:
        _search_of.clear()
        _search_of[extent] = _search()
    return _search_of[extent].get(cls, {})


def _search() -> _Found:
    found: _Found = defaultdict(dict)
    for module_name, module in list(sys.modules.items()):
        namespace = getattr(module, "__dict__", None)
        if type(namespace) is not dict or not by_reference(module_name):
            continue
        for name, value in list(namespace.items()):
            if type(value) not in _NOT_SOUGHT:
                found[type(value)].setdefault(id(value), Place(module_name, name))
            elif type(value) is type and value.__module__ == module_name:
                for inner, held in list(vars(value).items()):
                    if type(held) not in _NOT_SOUGHT:
                        place = Place(module_name, f"{name}.{inner}")
                        found[type(held)].setdefault(id(held), place)
    return found


def here(place: Place, cls: type[T]) -> T | None:
    """What this process has at that place; None if it is not of that type."""
    __import__(place.module)
    found = named(place.module, place.name)
    return found if type(found) is cls else None
