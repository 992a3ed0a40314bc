"""Objects with state that a library keeps as a global: each travels as its name and its state.

Such an object is known to its library by its identity, so a copy beside it would be a stranger.
The destination has its own one at the same place; as it serves this program alone there, it takes
on the state of the one here, as the library's own memory would after the move of a whole process.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from hetmig.state.instances import set_slots, state_parts
from hetmig.state.module_globals import Place, here, places_of_type

if TYPE_CHECKING:
    from hetmig.state.pickler import Pickler

__all__ = ["reducer_of"]

_HEAP_TYPE = 1 << 9  # Py_TPFLAGS_HEAPTYPE


def reducer_of(cls: type) -> Callable[[Pickler, Any], Any] | None:
    """The reducer of a class that leaves its state to `object.__reduce_ex__`.

    None if no library holds one.
    """
    places = places_of_type(cls) if _is_plain(cls) else {}

    def reduce(pickler: Pickler, value: Any) -> Any:
        place = places.get(id(value))
        if place is None or here(place, cls) is not value:
            return NotImplemented
        state = object.__reduce_ex__(value, 5)[2]
        return library_global, (cls, *place), state_parts(state), None, None, fill

    return reduce if places else None


def _is_plain(cls: type) -> bool:
    """Whether it is written in Python, with no structure of C's and no way of its own to be set."""
    made_in_python = all(base is object or base.__flags__ & _HEAP_TYPE for base in cls.__mro__)
    return made_in_python and cls.__itemsize__ == 0 and not hasattr(cls, "__setstate__")


def library_global(cls: Any, module: str, name: str) -> Any:
    """What the library here has at that place; one to be filled if it has none of the kind."""
    found = here(Place(module, name), cls)
    return cls.__new__(cls) if found is None else found


def fill(value: Any, state: tuple[dict[str, Any] | None, dict[str, Any]]) -> None:
    """Give it the state, and no other."""
    in_dict, in_slots = state
    if hasattr(value, "__dict__"):
        vars(value).clear()
        vars(value).update(in_dict or {})
    set_slots(value, in_slots)
