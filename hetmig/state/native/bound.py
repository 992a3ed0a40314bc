"""Bound methods written in C: those of the class that defines them, not of what overrides them.

Pickle takes them by their name from their object, which gives `super().append` the subclass's own.
"""

from __future__ import annotations

from types import (
    BuiltinFunctionType,
    ClassMethodDescriptorType,
    MethodDescriptorType,
    MethodWrapperType,
    ModuleType,
    NoneType,
)
from typing import Any

from hetmig.errors import NotMigratable
from hetmig.state import rebuild

__all__ = ["reduce_bound", "reduce_slot"]

_OF_C = (MethodDescriptorType, ClassMethodDescriptorType)


def reduce_slot(pickler: Any, wrapper: MethodWrapperType) -> Any:
    """The same for `object.__setattr__.__get__(obj)` and the like."""
    owner = wrapper.__objclass__
    return rebuild.bound, (owner, wrapper.__name__, wrapper.__self__)


def reduce_bound(pickler: Any, function: BuiltinFunctionType) -> Any:
    """A bound method as its class, its name and its object, where the name alone is another's."""
    owner = function.__self__
    if owner is None or isinstance(owner, ModuleType):
        return NotImplemented
    name = function.__name__
    cls = owner if isinstance(owner, type) else type(owner)
    found = [base for base in cls.__mro__ if name in vars(base)]
    first = vars(found[0])[name] if found else None
    if isinstance(first, (*_OF_C, NoneType)) or getattr(first, "__func__", first) == function:
        return NotImplemented
    for base in found:
        descriptor = vars(base)[name]
        if isinstance(descriptor, _OF_C) and rebuild.bound(base, name, owner) == function:
            return rebuild.bound, (base, name, owner)
    raise NotMigratable(f"{cls.__qualname__}.{name} is another one than this bound method")
