"""Modules and their namespaces: by their names, or anew, with what of them is state."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import ModuleType
from typing import TYPE_CHECKING, Any

from hetmig.state import rebuild
from hetmig.state.namespaces import NamespaceOf, Unsent, by_reference, portable_items

if TYPE_CHECKING:
    from hetmig.state.pickler import Pickler

__all__ = ["FAMILIES", "REDUCERS"]

Reduced = tuple[Any, ...]

_RELATIVE_IMPORT = ("__name__", "__package__", "__path__", "__file__")


def _reduce_namespace(pickler: Pickler, standin: NamespaceOf) -> Reduced:
    imported = pickler.imported_as(standin.namespace)
    if imported is not None:
        made: Reduced = (rebuild.module_namespace, (imported,))
        items: dict[str, Any] = {}
    else:
        name = standin.namespace.get("__name__")
        main = sys.modules.get("__main__")
        is_main = main is not None and vars(main) is standin.namespace
        made = (rebuild.new_namespace, (name if isinstance(name, str) else "?", is_main))
        items = {} if standin.empty else _items(pickler, standin.namespace)
    return (*made, None, None, _adopting(pickler, standin, items))


def _items(pickler: Pickler, namespace: dict[str, Any]) -> dict[str, Any]:
    if pickler.namespaces == "whole":
        return portable_items(namespace, list(namespace))
    return {
        **{key: namespace[key] for key in _RELATIVE_IMPORT if key in namespace},
        "__builtins__": sys.modules["builtins"],
    }


def _reduce_unsent(pickler: Pickler, unsent: Unsent) -> Reduced:
    namespace = unsent.namespace
    names = pickler.first_sent(namespace, [name for name in unsent.names if name in namespace])
    return dict, (), None, None, iter(portable_items(namespace, names).items())


def _adopting(
    pickler: Pickler, standin: NamespaceOf, items: dict[str, Any]
) -> Iterator[tuple[str, Any]]:
    # The C pickler asks for the first item when the stand-in has its place in the memo.
    pickler.adopt(standin)
    yield from items.items()


def _reduce_module(pickler: Pickler, module: ModuleType) -> Reduced:
    name = module.__name__
    if by_reference(name) and sys.modules[name] is module:
        if hasattr(module, "__path__"):
            pickler.note_package(name)
        return rebuild.module, (name,)
    made = (rebuild.module_of, (pickler.namespace(vars(module)),))
    if pickler.namespaces == "whole":
        return made
    rest = Unsent(vars(module), tuple(vars(module)))
    return *made, rest, None, None, rebuild.fill_module


REDUCERS: dict[type, Any] = {
    NamespaceOf: _reduce_namespace,
    Unsent: _reduce_unsent,
    ModuleType: _reduce_module,  # one of its family, and in nearly every image
}

FAMILIES: dict[type, Any] = {ModuleType: _reduce_module}
