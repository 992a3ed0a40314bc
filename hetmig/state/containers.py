"""Subclasses of dict and list whose own methods must not run while they are put back.

Pickle fills them with `obj[key] = value` and `obj.append(value)`.  A `__setitem__` that counts,
checks or throws out old items would do it again at the destination, and before the attributes it
needs are there; what it left at the source is what has to arrive.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Callable
from types import FunctionType
from typing import Any

from hetmig.state import rebuild

__all__ = ["reducer_of"]

_FILLING: dict[type, tuple[str, ...]] = {dict: ("__setitem__",), list: ("append", "extend")}
_OWN_WAY = ("__reduce__", "__reduce_ex__")


def reducer_of(cls: type) -> Callable[[Any, Any], tuple[Any, ...]] | None:
    """How an instance of this class is taken apart, if pickle's own way could go wrong."""
    for base, names in _FILLING.items():
        if issubclass(cls, base):
            if any(isinstance(getattr(cls, name), FunctionType) for name in _OWN_WAY):
                return None
            native = rebuild.native_base(cls)
            if native is cls:
                return None
            own = any(isinstance(getattr(cls, name), FunctionType) for name in names)
            # Those two call the class and so its `__init__`; defaultdict forgets the attributes.
            return _reduce if own or native in (OrderedDict, defaultdict) else None
    return None


def _reduce(pickler: Any, obj: Any) -> tuple[Any, ...]:
    cls = type(obj)
    native: Any = rebuild.native_base(cls)
    constructor, arguments, state, *_ = obj.__reduce_ex__(5)
    if native in (OrderedDict, defaultdict):
        constructor, arguments = rebuild.new_container, (cls, *arguments)
        state = obj.__getstate__()
    items = list.__getitem__(obj, slice(None)) if native is list else list(native.items(obj))
    return constructor, arguments, (state, items), None, None, rebuild.fill_container
