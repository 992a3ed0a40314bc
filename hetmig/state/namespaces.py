"""Which modules the destination imports for itself, and which are state of the task."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any, TypeGuard

import cloudpickle

__all__ = [
    "NamespaceOf",
    "Unsent",
    "by_reference",
    "imported_as",
    "is_importable",
    "is_module_namespace",
    "named",
    "portable_items",
]

_IMPORTER = ("__loader__", "__spec__")
_MAIN = ("__main__", "__mp_main__")


def by_reference(module_name: object) -> TypeGuard[str]:
    """Whether a module is one that the destination imports for itself."""
    if not isinstance(module_name, str) or module_name in _MAIN or module_name not in sys.modules:
        return False
    by_value = cloudpickle.list_registry_pickle_by_value()
    return not by_value or not any(
        module_name == name or module_name.startswith(f"{name}.") for name in by_value
    )


def named(module_name: str, path: str) -> Any:
    """What a loaded module holds under a name, with dots for what lies in classes; else None."""
    found: Any = sys.modules.get(module_name)
    for name in path.split("."):
        found = getattr(found, name, None)
    return found


def is_importable(obj: Any) -> bool:
    """Whether the attribute its names lead to is this very object, in a module to import."""
    return by_reference(obj.__module__) and named(obj.__module__, obj.__qualname__) is obj


def is_module_namespace(namespace: dict[str, Any]) -> bool:
    """Whether this is the very namespace of a module that travels by reference."""
    return imported_as(namespace) is not None


def imported_as(namespace: dict[str, Any]) -> str | None:
    """The name by which the destination imports the module with this very namespace, if it can."""
    name = namespace.get("__name__")
    if _is_namespace_of(namespace, name):
        return name
    # `_collections_abc` says that it were `collections.abc`: its importer knows better.
    name = getattr(namespace.get("__spec__"), "name", None)
    return name if _is_namespace_of(namespace, name) else None


def _is_namespace_of(namespace: dict[str, Any], name: object) -> TypeGuard[str]:
    # A program may put anything into `sys.modules`, None above all.
    return by_reference(name) and getattr(sys.modules[name], "__dict__", None) is namespace


def portable_items(namespace: dict[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """These items of a namespace, without how this machine's importer found the module."""
    return {name: None if name in _IMPORTER else namespace[name] for name in names}


class NamespaceOf:
    """Stands in the pickle for a module's namespace, until the pickler knows that dict itself."""

    def __init__(self, namespace: dict[str, Any], *, empty: bool = False) -> None:
        self.namespace = namespace
        self.empty = empty
        """Whether its items are left to whoever dumps it."""


class Unsent:
    """Stands in the pickle for those items of a namespace that no part of it has brought so far.

    Which these are is decided when they are written.  A reducer would decide too early: the C
    pickler drops what it returns if the object turns out to be reached from its own arguments.
    """

    def __init__(self, namespace: dict[str, Any], names: tuple[str, ...]) -> None:
        self.namespace = namespace
        self.names = names
