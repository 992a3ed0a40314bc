"""Objects which an import makes once: both ends have their own, and know it by the same name.

A lock or a context variable of an importable module is also held by what that import has made
besides (default arguments, closures, class variables), and those stay.  So it travels as its name.
"""

from __future__ import annotations

import sys
from typing import Any, NamedTuple, TypeVar

import cloudpickle

from hetmig.state.namespaces import by_reference

__all__ = ["Place", "here", "place_of", "places_of_type"]

T = TypeVar("T")


class Place(NamedTuple):
    """Where an object is found: a module and, with dots for classes, a name."""

    module: str
    name: str


_Extent = tuple[int, int, frozenset[str]]
_searches: dict[type, tuple[_Extent, dict[int, Place]]] = {}


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
    known = _searches.get(cls)
    if known is None or known[0] != extent:
        known = _searches[cls] = extent, _search(cls)
    return known[1]


def _search(cls: type) -> dict[int, Place]:
    found: dict[int, Place] = {}
    for module_name, module in list(sys.modules.items()):
        namespace = getattr(module, "__dict__", None)
        if type(namespace) is not dict or not by_reference(module_name):
            continue
        for name, value in list(namespace.items()):
            if type(value) is cls:
                found.setdefault(id(value), Place(module_name, name))
            elif type(value) is type and value.__module__ == module_name:
                for inner, held in list(vars(value).items()):
                    if type(held) is cls:
                        found.setdefault(id(held), Place(module_name, f"{name}.{inner}"))
    return found


def here(place: Place, cls: type[T]) -> T | None:
    """What this process has at that place; None if it is not of that type."""
    __import__(place.module)
    found: Any = sys.modules[place.module]
    for name in place.name.split("."):
        found = getattr(found, name, None)
    return found if type(found) is cls else None
