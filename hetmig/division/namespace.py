"""The data in a namespace that travels with the program: what its functions may keep there."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from types import BuiltinFunctionType, CellType, FunctionType, ModuleType
from typing import Any

__all__ = ["data_of", "is_programs_own"]

_NAMES = frozenset({"__builtins__", "__annotations__", "__conditional_annotations__"})


def is_programs_own(namespace: Mapping[str, Any]) -> bool:
    """Whether a namespace is no imported module's: those are looked after elsewhere."""
    name = namespace.get("__name__")
    module = sys.modules.get(name) if isinstance(name, str) else None
    return name == "__main__" or module is None or vars(module) is not namespace


def data_of(namespace: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Its variables by name, and what its functions and classes hold; but no code."""
    for name, value in namespace.items():
        if name in _NAMES or isinstance(value, (ModuleType, BuiltinFunctionType)):
            continue
        if isinstance(value, FunctionType):
            if value.__globals__ is namespace and (held := _held(value)):
                yield name, held
        elif isinstance(value, type):
            if value.__module__ == namespace.get("__name__"):
                yield from _of_class(name, value)
        elif not name.startswith("__"):
            yield name, value


def _held(function: FunctionType) -> list[Any]:
    """What a function keeps from call to call."""
    cells: tuple[CellType, ...] = function.__closure__ or ()
    contents = [held for cell in cells for held in _content(cell)]
    own = {key: held for key, held in vars(function).items() if key != "__hetmig__"}
    parts = function.__defaults__, function.__kwdefaults__, own, contents
    return list(parts) if any(parts) else []


def _content(cell: CellType) -> list[Any]:
    try:
        content = cell.cell_contents
    except ValueError:
        return []
    return [] if isinstance(content, (FunctionType, type)) else [content]


def _of_class(name: str, cls: type) -> Iterator[tuple[str, Any]]:
    for attribute, value in vars(cls).items():
        if isinstance(value, FunctionType):
            if held := _held(value):
                yield f"{name}.{attribute}", held
        elif not attribute.startswith("__") and not hasattr(type(value), "__get__"):
            yield f"{name}.{attribute}", value
