"""What users say of their own types: how an object is taken apart, and put together again.

What was registered travels along with the objects, and with the task: a type which a script has
registered can move on from the destination, too.
"""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType, ModuleType
from typing import Any, NamedTuple, TypeVar

from hetmig.errors import NotMigratable
from hetmig.state.namespaces import by_reference

__all__ = ["learn", "of_program", "reducer_of", "register", "registrations", "thawed"]

T = TypeVar("T")

_PLAIN = (
    *(object, type, type(None), bool, int, float, complex, str, bytes, bytearray),
    *(list, tuple, dict, set, frozenset, FunctionType, ModuleType),
)
"""These are written without asking anybody, or are what all else is written with."""


class Registration(NamedTuple):
    """What was said of a type."""

    cls: type
    freeze: Callable[[Any], Any]
    thaw: Callable[[Any], Any]
    subclasses: bool


_known: dict[type, Registration] = {}


def register(
    cls: type[T],
    *,
    freeze: Callable[[T], Any],
    thaw: Callable[[Any], T],
    subclasses: bool = False,
) -> None:
    """Say how objects of a type travel: `freeze(obj)` gives their state, `thaw(state)` the object.

    The state may be anything that travels itself.  An object that several variables share is thawed
    once.  Its state must not lead back to it: leave such a way out, and set it in `thaw`.
    `freeze` is called while the task stands still, maybe more than once, and must leave the object
    as it is.  `thaw` is called at the destination, which imports it or gets it along; what it
    raises refuses the move.  With `subclasses`, objects of derived types are meant, too.

    The latest registration of a type counts, before the type's own `__reduce__`.
    """
    if not isinstance(cls, type):
        raise TypeError(f"register takes a type, not {cls!r}")
    if cls in _PLAIN:
        raise TypeError(f"{cls.__name__} travels as it is: register a class of your own")
    if not callable(freeze) or not callable(thaw):
        raise TypeError("freeze and thaw are functions of one argument")
    learn(Registration(cls, freeze, thaw, subclasses))


def learn(registration: Registration) -> None:
    """The same for what was said elsewhere."""
    from hetmig.state.reducers import USUAL  # that module asks this one

    _known[registration.cls] = registration
    USUAL.pop(registration.cls, None)


def registrations() -> dict[type, Registration]:
    """All of them."""
    return dict(_known)


def of_program() -> list[Registration]:
    """Those that no import makes at the destination: their functions travel by value."""
    return [
        found
        for found in _known.values()
        if not all(by_reference(getattr(part, "__module__", None)) for part in found[:3])
    ]


def reducer_of(cls: type) -> Callable[[Any, Any], Any] | None:
    """How an object of this type is taken apart, if somebody has said so."""
    for base in cls.__mro__ if _known else ():
        found = _known.get(base)
        if found is not None and (base is cls or found.subclasses):
            return _Reducer(found)
    return None


class _Reducer:
    """Reduces the objects of one type, for one pickler."""

    def __init__(self, registration: Registration) -> None:
        self._registration = registration
        self._met: dict[int, object] = {}

    def __call__(self, pickler: Any, obj: Any) -> tuple[Any, ...]:
        registration = self._registration
        name = registration.cls.__qualname__
        if id(obj) in self._met:  # who has been written is in the memo, and never comes here again
            raise NotMigratable(
                f"what was registered for {name} gives a state that leads back to the object: "
                "leave that way out of the state, and set it in thaw"
            )
        self._met[id(obj)] = obj
        try:
            state = registration.freeze(obj)
        except NotMigratable:
            raise
        except Exception as error:
            raise NotMigratable(
                f"the freeze function registered for {name} raised {type(error).__name__}: {error}"
            ) from error
        return thawed, (registration, state)


def thawed(registration: Registration, state: object) -> Any:
    """The object with this state; what was registered for its type holds here, too."""
    if registration.cls not in _known:
        learn(registration)
    try:
        return registration.thaw(state)
    except Exception as error:
        raise NotMigratable(
            f"the thaw function registered for {registration.cls.__qualname__} raised "
            f"{type(error).__name__}: {error}"
        ) from error
