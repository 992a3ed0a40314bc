"""Instances which pickle would not fill rightly: by what they have in their `__dict__`.

Pickle fills the dictionary of the new instance from a copy.  If that copy is also the value of a
variable (`names = vars(x)`), what one of them is given later is missing in the other.  And it asks
the new instance for a `__setstate__`: one whose `__getattr__` has an answer to everything gives it
one, or fails for want of what it is to be filled with.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import GetSetDescriptorType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hetmig.state.pickler import Pickler

__all__ = ["reducer_of", "set_slots", "state_parts"]


class _Plain:
    pass


def _references_if_alone() -> int:
    held = vars(_Plain())
    return sys.getrefcount(held)


_ALONE = _references_if_alone() + 1
"""The references to such a dictionary in `reduce`, if only its object has one besides."""


def reducer_of(cls: type) -> Callable[[Pickler, Any], Any] | None:
    """The reducer of a class that leaves its state to `object.__reduce_ex__`.

    None if its instances have no dictionary.
    """
    descriptor = _dictionary(cls)
    if descriptor is None or hasattr(cls, "__setstate__"):
        return None
    answers = any("__getattr__" in vars(base) for base in cls.__mro__)

    def reduce(pickler: Pickler, value: Any) -> Any:
        # by the descriptor: `vars(value)` might run a `__getattribute__` of the program's
        held = descriptor.__get__(value)
        if sys.getrefcount(held) <= _ALONE and not answers:
            return NotImplemented
        constructor, arguments, state, items, pairs = value.__reduce_ex__(5)
        if state_parts(state)[0] is not held:
            return NotImplemented
        return constructor, arguments, state, items, pairs, fill

    return reduce


def _dictionary(cls: type) -> GetSetDescriptorType | None:
    """The descriptor of its instances' `__dict__`, if they have one of the usual kind."""
    for base in cls.__mro__:
        if "__dict__" in vars(base):
            found = vars(base)["__dict__"]
            return found if isinstance(found, GetSetDescriptorType) else None
    return None


def fill(value: Any, state: Any) -> None:
    """Make this very dictionary that of the instance."""
    held, in_slots = state_parts(state)
    descriptor = _dictionary(type(value))
    assert descriptor is not None
    descriptor.__set__(value, held)
    set_slots(value, in_slots)


def state_parts(state: Any) -> tuple[dict[str, Any] | None, dict[str, Any]]:
    """What `object.__reduce_ex__` gives as state: the `__dict__`, and what lies in slots."""
    in_dict, in_slots = state if isinstance(state, tuple) else (state, None)
    return in_dict, in_slots or {}


def set_slots(value: Any, in_slots: dict[str, Any]) -> None:
    """Fill the slots of an instance; no `__setattr__` of the program's runs."""
    for name, held in in_slots.items():
        object.__setattr__(value, name, held)
