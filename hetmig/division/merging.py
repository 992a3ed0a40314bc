"""How two values of an accumulator become one."""

from __future__ import annotations

import array
import copy
import operator
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hetmig.errors import DivisionRefused

__all__ = ["Merging", "merging"]

_EMPTY = (int, float, complex, str, bytes, list, tuple)
_UNIONS = (set, frozenset, dict)
_ADDS = (operator.add, operator.iadd, operator.concat, operator.iconcat)
_JOINS = (operator.or_, operator.ior)
_UNKNOWN = object()


@dataclass(frozen=True)
class Merging:
    """What a task declares of one accumulator."""

    function: Callable[[Any, Any], Any]
    """Of what came before, and of what a part found."""
    identity: tuple[Any, ...] = ()
    """With which a part begins; empty: the empty value of the accumulator's type."""

    def begin(self, name: str, now: Any) -> Any:
        """A value of its own with which a part begins.  Raises DivisionRefused."""
        if self.identity:
            return copy.deepcopy(self.identity[0])
        added = self.function in _ADDS and type(now) in _EMPTY
        if added or (self.function in _JOINS and type(now) in _UNIONS):
            return type(now)()
        raise DivisionRefused(
            f"with what do parts begin {name!r}, a {type(now).__name__}? say "
            f"merge={{{name!r}: (function, identity)}}"
        )

    def merge(self, name: str, now: Any, found: Any, in_place: bool) -> Any:
        """Both together; `in_place`: the loop changes the object, and has no other.

        Then it stays that object.  If not, the object that was there is left as it was, as others
        may hold it.
        """
        if not in_place:
            merged = self.function(copy.copy(now), found)
            if merged is None and now is not None:
                raise TypeError(f"merging {name!r} gave None")
            return merged
        merged = self.function(now, found)
        if merged is None or merged is now:  # list.extend, dict.update and the like
            return now
        return _put_into(now, merged)


def _put_into(now: Any, merged: Any) -> Any:
    """What was merged, as the contents of the object there was."""
    if isinstance(now, (list, bytearray, array.array)):
        now[:] = merged
    elif isinstance(now, (dict, set)):
        now.clear()
        now.update(merged)
    elif isinstance(now, deque):
        now.clear()
        now.extend(merged)
    elif type(now).__module__ == "numpy" and hasattr(now, "shape") and now.shape:
        now[...] = merged
    else:
        return merged
    return now


def merging(declared: Mapping[str, Any]) -> dict[str, Merging]:
    """What `divisible(merge=...)` was given.  Raises TypeError."""
    found = {}
    for name, how in declared.items():
        function, *identity = how if isinstance(how, tuple) and how else (how,)
        if not callable(function) or len(identity) > 1 or not isinstance(name, str):
            raise TypeError(f"merge[{name!r}] is not a function, or (function, identity): {how!r}")
        found[name] = Merging(function, tuple(identity))
    return found
