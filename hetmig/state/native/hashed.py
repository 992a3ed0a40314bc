"""Objects with a hash of their own, which may lie in a set or dict that they refer to themselves.

Such a set is rebuilt, and asks for the hash, before its element has got all its attributes.  So
what a hash is usually made of, plain values, is given to the object first of all.
"""

from __future__ import annotations

import copyreg
from collections.abc import Callable
from enum import Enum
from types import FunctionType
from typing import Any

__all__ = ["new_hashed", "reducer_of_hashed"]

_OWN_WAY = ("__reduce__", "__reduce_ex__", "__getstate__", "__setstate__")
_ATOMS = (type(None), bool, int, float, complex, str, bytes)


def reducer_of_hashed(cls: type) -> Callable[[Any, Any], Any] | None:
    """How an instance of this class is taken apart, if it is one that has to be."""
    if not isinstance(cls.__hash__, FunctionType):
        return None
    if any(getattr(cls, name, None) is not getattr(object, name, None) for name in _OWN_WAY):
        return None
    return _reduce


def _reduce(pickler: Any, obj: Any) -> Any:
    constructor, arguments, state, *rest = (*obj.__reduce_ex__(5), None)[:5]
    attributes, slots = state if isinstance(state, tuple) else (state, None)
    first = {name: value for name, value in (attributes or {}).items() if _is_plain(value)}
    if slots is not None or not first or len(first) == len(attributes):
        return NotImplemented
    if constructor is not copyreg.__newobj__:  # type: ignore[attr-defined]
        return NotImplemented
    rest_of_them = {name: value for name, value in attributes.items() if name not in first}
    return new_hashed, (first, *arguments), rest_of_them, *rest


def _is_plain(value: Any) -> bool:
    if type(value) is tuple:
        return all(map(_is_plain, value))
    return type(value) in _ATOMS or isinstance(value, Enum)


def new_hashed(attributes: dict[str, Any], cls: Any, *args: Any) -> Any:
    """An instance which has its plain attributes; the others follow as state."""
    made = cls.__new__(cls, *args)
    vars(made).update(attributes)
    return made
