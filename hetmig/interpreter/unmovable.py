"""Code that can't move while it runs, whatever it holds: it works with what a process has alone."""

from __future__ import annotations

import builtins
import dis
import sys
from collections.abc import Mapping
from types import CellType, CodeType, FunctionType
from typing import Any

__all__ = ["reason_of_its_object", "reason_to_stay"]

_WITH_ADDRESSES = frozenset({("pickle", "_Pickler.dump")})
"""Functions (module, qualified name) that have other functions look objects up by `id()`."""

_IMPORTING = frozenset({"importlib._bootstrap", "importlib._bootstrap_external"})
"""An import holds locks of the interpreter's, and is in tables of its own."""

_uses_addresses: dict[int, tuple[CodeType, bool]] = {}
_MOST_KNOWN = 4096


def reason_to_stay(code: CodeType, namespace: Mapping[str, Any]) -> str | None:
    """Why a frame of this code, with these globals, can't move; None if it can."""
    module = str(namespace.get("__name__"))
    if module in _IMPORTING:
        return "an import is going on; it can move as soon as that has ended"
    is_owned = getattr(namespace.get("_lock"), "_is_owned", None)
    if is_owned is not None and is_owned():  # as `logging` does, without holding it by name
        return f"{module} holds its lock; it can move as soon as that is free"
    if (module, code.co_qualname) in _WITH_ADDRESSES or _looks_at_addresses(code, namespace):
        return (
            f"{module}.{code.co_qualname} knows objects by their addresses, which change; "
            "it can move as soon as that call has returned"
        )
    return None


_lookup = type.__getattribute__  # runs no metaclass of the program's
_REDUCE_EX, _REDUCE = object.__reduce_ex__, object.__reduce__


def reason_of_its_object(code: CodeType, first: object) -> str | None:
    """Why a method can't move while it runs on `first`; None if it can.

    An object that tells by itself how it is to be rebuilt tells it of whole objects: what the
    method has in hand of its parts would not be part of the rebuilt one.
    """
    if isinstance(first, CellType):
        try:
            first = first.cell_contents
        except ValueError:
            return None
    cls = type(first)
    if _lookup(cls, "__reduce_ex__") is _REDUCE_EX and _lookup(cls, "__reduce__") is _REDUCE:
        return None
    for base in cls.__mro__:
        for name in ("__reduce_ex__", "__reduce__"):
            if name in vars(base):
                return _reason_of(code, cls, vars(base)[name])
    return None


def _reason_of(code: CodeType, cls: type, reduce: object) -> str | None:
    library = str(getattr(reduce, "__module__", "")).partition(".")[0] in sys.stdlib_module_names
    if library or not isinstance(reduce, FunctionType) or reduce.__code__ is code:
        return None
    if all(code.co_qualname != f"{base.__qualname__}.{code.co_name}" for base in cls.__mro__):
        return None
    return (
        f"a method of {cls.__qualname__} is at work, and its {reduce.__name__} knows whole objects "
        "only; it can move as soon as that call has returned"
    )


def _looks_at_addresses(code: CodeType, namespace: Mapping[str, Any]) -> bool:
    """Whether the code calls the built-in `id`: what it keeps by that is lost after a move."""
    if "id" not in code.co_names or namespace.get("id", builtins.id) is not builtins.id:
        return False
    # by identity: hashing a code object means hashing all it contains
    known = _uses_addresses.get(id(code))
    if known is None:
        while len(_uses_addresses) >= _MOST_KNOWN:
            _uses_addresses.pop(next(iter(_uses_addresses)))
        found = any(
            instruction.argval == "id"
            and instruction.opname.startswith(("LOAD_GLOBAL", "LOAD_NAME"))
            for instruction in dis.get_instructions(code)
        )
        known = _uses_addresses[id(code)] = code, found
    return known[1]
