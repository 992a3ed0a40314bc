"""Weak references, and `weakref.finalize`.

What a weak reference refers to is not held by it, so it must not travel because of it; but if it
travels anyway, the reference must arrive at the very same object.  Which objects travel anyway is
known only when all is written.  So a first writing leaves out what weak references lead to; if it
met any, a second one follows those whose object the first one has written.

An object which only a weak reference leads to is alive because of something that stays behind.
The move is refused, by name: the program could not tell why the object has gone.
"""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Collection
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

from hetmig.errors import FrameAddress
from hetmig.state.namespaces import by_reference, is_importable
from hetmig.state.rebuild import at_end

__all__ = [
    "WEAKLY_HELD",
    "WeakTargets",
    "dead_proxy",
    "dead_reference",
    "fill_slots",
    "fill_weak_dict",
    "fill_weak_set",
    "new_finalizer",
    "new_proxy",
    "new_reference",
    "pending_finalizers",
    "reduce_finalizer",
    "reduce_proxy",
    "reduce_reference",
    "reduce_weak_dict",
    "reduce_weak_set",
    "restore_finalizer",
]

Reduced = tuple[Any, ...]

_OWN_WAY = ("__reduce__", "__reduce_ex__")
_NOT_SLOTS = frozenset({"__dict__", "__weakref__"})


WEAKLY_HELD = "the object it leads to is held only by what stays behind"

Dumped = tuple[object, str, FrameAddress | None]
"""A variable: its value, its name, and its frame."""


class WeakTargets:
    """What a pickler knows of the objects that weak references lead to."""

    def __init__(self, strong: Collection[int] | None = None) -> None:
        """`strong`: the identities of the objects that the first writing has met."""
        self._strong = strong
        self._unnamed: list[Any] = []
        self.met: list[tuple[Any, Dumped]] = []
        """The weak references whose objects were left out, and the variable each was met in."""

    def follow(self, reference: object, target: object) -> bool:
        """Whether to write what a weak reference leads to."""
        if _has_name(target) or (self._strong is not None and id(target) in self._strong):
            return True
        self._unnamed.append(reference)
        return False

    def name(self, variable: Dumped) -> None:
        """A variable has been written."""
        if self._unnamed:
            self.met += [(reference, variable) for reference in self._unnamed]
            self._unnamed.clear()

    def forget(self, strong: Collection[int]) -> None:
        """Forget the references whose object is among those, or has gone."""
        self.met = [
            item
            for item in self.met
            if (target := _target(item[0])) is not None and id(target) not in strong
        ]


def _target(reference: Any) -> Any:
    """The object that a weak reference, a proxy or a finalizer leads to; None if it has gone."""
    if issubclass(type(reference), weakref.ref):
        return weakref.ref.__call__(reference)
    if type(reference) is weakref.finalize:
        return (reference.peek() or (None,))[0]
    try:
        # every attribute is its object's, that of a method of all objects too
        method = reference.__sizeof__
        if not hasattr(method, "__self__"):  # of a class: it is the one for its instances
            method = reference.__subclasses__
        return method.__self__
    except ReferenceError:
        return None


def _follow(pickler: Any, reference: object, target: object) -> bool:
    if pickler.weak is None:
        pickler.weak = WeakTargets()
    return bool(pickler.weak.follow(reference, target))


def _has_name(target: Any) -> bool:
    """Whether an import at the destination makes this object, and keeps it."""
    if isinstance(target, ModuleType):
        return by_reference(target.__name__)
    if not isinstance(target, FunctionType | BuiltinFunctionType | type):
        return False
    return is_importable(target)


class _Passing:
    """Lives just long enough for a reference to it to be a dead one."""

    def __init__(self, value: int | None = None) -> None:
        self._value = value

    def __call__(self) -> None: ...

    def __hash__(self) -> int:
        return 0 if self._value is None else self._value


# -- references


def reduce_reference(pickler: Any, reference: Any) -> Any:
    """A `weakref.ref`, and what is derived from it: `WeakMethod`, or the keys of a weak dict."""
    cls = type(reference)
    if any(getattr(cls, name) is not getattr(object, name) for name in _OWN_WAY):
        return NotImplemented
    state = _attributes(reference)
    filling = (state, None, None, fill_slots) if state else ()
    target = weakref.ref.__call__(reference)
    if target is None:
        return dead_reference, (cls, _known_hash(reference)), *filling
    if not _follow(pickler, reference, target):
        return dict, ()  # of a writing that is thrown away
    return new_reference, (cls, target, reference.__callback__), *filling


def _known_hash(reference: Any) -> int | None:
    try:
        return weakref.ref.__hash__(reference)
    except TypeError:  # nobody asked while the object lived
        return None


def _attributes(obj: Any) -> dict[str, Any]:
    """The attributes of an object, those in slots included."""
    found = dict(getattr(obj, "__dict__", {}))
    for base in type(obj).__mro__:
        slots = vars(base).get("__slots__", ())
        for name in {slots} if isinstance(slots, str) else set(slots) - _NOT_SLOTS:
            private = name.startswith("__") and not name.endswith("__")
            name = f"_{base.__name__.lstrip('_')}{name}" if private else name
            if hasattr(obj, name):
                found[name] = getattr(obj, name)
    return found


def new_reference(cls: type, target: object, callback: Callable[[Any], object] | None) -> Any:
    """A weak reference, made without the `__new__` and `__init__` of its class."""
    return weakref.ref.__new__(cls, target, callback)


def dead_reference(cls: type, known_hash: int | None) -> Any:
    """A weak reference whose object has gone, and which may have been asked for its hash before."""
    passing = _Passing(known_hash)
    made: Any = new_reference(cls, passing, None)
    if known_hash is not None:
        weakref.ref.__hash__(made)
    return made


def fill_slots(obj: Any, state: dict[str, Any]) -> None:
    """Give an object its attributes, past its class's own `__setattr__`."""
    for name, value in state.items():
        object.__setattr__(obj, name, value)


def reduce_weak_set(pickler: Any, weak_set: Any) -> Any:
    """A `WeakSet`: as its references are, and not as a list of its elements, which holds them."""
    cls: Any = type(weak_set)
    if cls.__reduce__ is not weakref.WeakSet.__reduce__:
        return NotImplemented
    if pickler.portable and cls is weakref.WeakSet:
        return cls, (), [weakref.ref(item) for item in weak_set], None, None, fill_weak_set
    return object.__new__, (cls,), _attributes(weak_set), None, None, fill_slots


def fill_weak_set(weak_set: Any, references: list[Any]) -> None:
    """Give a weak set its elements, when all is there that their hashes need."""

    def fill() -> None:
        weak_set.update(item for r in references if (item := r()) is not None)

    at_end(fill)


def reduce_weak_dict(pickler: Any, mapping: Any) -> Any:
    """A `WeakKeyDictionary` or `WeakValueDictionary`, for another version of Python.

    What it consists of is the library's affair: there it is filled anew, and its callbacks are its
    own.  For this version its parts travel, so that an iteration over them goes on.
    """
    cls = type(mapping)
    if not pickler.portable or cls not in (weakref.WeakKeyDictionary, weakref.WeakValueDictionary):
        return NotImplemented
    by_key = cls is weakref.WeakKeyDictionary
    pairs = [
        (weakref.ref(key), value) if by_key else (key, weakref.ref(value))
        for key, value in mapping.items()
    ]
    return cls, (), pairs, None, None, fill_weak_dict


def fill_weak_dict(mapping: Any, pairs: list[tuple[Any, Any]]) -> None:
    """Give a weak dictionary its items, when all is there that their hashes need."""

    def fill() -> None:
        for key, value in pairs:
            by_key = type(mapping) is weakref.WeakKeyDictionary
            item = (key(), value) if by_key else (key, value())
            if item[not by_key] is not None:
                mapping[item[0]] = item[1]

    at_end(fill)


# -- proxies


def reduce_proxy(pickler: Any, proxy: Any) -> Reduced:
    """A `weakref.proxy`."""
    target = _target(proxy)
    if target is None:
        return dead_proxy, (type(proxy) is weakref.CallableProxyType,)
    if not _follow(pickler, proxy, target):
        return dict, ()
    return new_proxy, (target, next(iter(gc.get_referents(proxy)), None))


def new_proxy(target: Any, callback: Callable[[Any], object] | None) -> Any:
    """A proxy."""
    return weakref.proxy(target, callback)


def dead_proxy(callable_: bool) -> Any:
    """A proxy whose object has gone."""
    return weakref.proxy(_Passing() if callable_ else _PassingQuietly())


class _PassingQuietly:
    """The same for what can't be called."""


# -- finalizers


def reduce_finalizer(pickler: Any, finalizer: Any) -> Any:
    """A `weakref.finalize`; one that is alive gets its function later, see `restore_finalizer`."""
    target = _target(finalizer)
    if target is not None and not _follow(pickler, finalizer, target):
        return dict, ()
    return new_finalizer, (type(finalizer),)


def new_finalizer(cls: type) -> Any:
    """A finalizer which has done its work."""
    return object.__new__(cls)


def pending_finalizers() -> list[tuple[Any, ...]]:
    """All finalizers that are alive, oldest first, as what `restore_finalizer` takes."""
    registry: dict[Any, Any] = weakref.finalize._registry  # type: ignore[attr-defined]
    found = []
    for finalizer, info in sorted(registry.items(), key=lambda item: int(item[1].index)):
        living = finalizer.peek()
        if living is not None:
            found.append((finalizer, *living, bool(info.atexit)))
    return found


def restore_finalizer(
    finalizer: Any,
    target: object,
    function: Callable[..., object],
    args: tuple[Any, ...],
    kwargs: dict[str, Any] | None,
    atexit: bool,
) -> None:
    """Have a finalizer wait for the end of its object again."""
    weakref.finalize.__init__(finalizer, target, function, *args, **(kwargs or {}))
    finalizer.atexit = atexit
