"""Sentinels: objects that mean nothing but themselves, such as `_MISSING = object()`.

A frame of a library often holds one, to compare it by `is`.  A copy would be another object and the
comparison silently false, so a sentinel travels as the name under which its module holds it.
"""

from __future__ import annotations

import sys
from types import ModuleType

__all__ = ["of_type"]


def of_type(cls: type) -> dict[int, tuple[str, str]]:
    """Identity of each sentinel of exactly this type -> (module, name).

    A sentinel has no state, or none but texts, its own name among them (`Shift = Action("Shift")`).
    For objects with other state see `library_globals`.
    """
    if cls is object:
        modules = _all_modules()
    elif _can_be_stateless(cls) and cls.__module__ in sys.modules:
        modules = [sys.modules[cls.__module__]]
        if "<locals>" in cls.__qualname__:  # made by a function, for whoever called it
            modules = _all_modules()
    else:
        modules = []
    return {
        id(value): (module.__name__, name)
        for module in modules
        for name, value in list(vars(module).items())
        if type(value) is cls and _means_itself(value, name)
    }


def _means_itself(value: object, name: str) -> bool:
    """Whether an object that a module calls `name` says nothing but that it is this one."""
    state = getattr(value, "__dict__", None)
    if not state:
        return True
    if type(value).__eq__ is not object.__eq__:  # then nobody compares it by `is`
        return False
    texts = list(state.values())
    return name in texts and all(text is None or type(text) is str for text in texts)


def _all_modules() -> list[ModuleType]:
    return [module for module in list(sys.modules.values()) if type(module) is ModuleType]


def _can_be_stateless(cls: type) -> bool:
    """Whether its instances hold nothing outside a `__dict__`."""
    return cls.__itemsize__ == 0 and all(
        base is object or not (vars(base).get("__slots__") or not base.__flags__ & (1 << 9))
        for base in cls.__mro__
    )
