"""Which way each kind of object that is more than plain data is taken apart.

A reducer gets the pickler and the object and returns what `object.__reduce_ex__` would: a function
of `rebuild` and its arguments.  NotImplemented hands the object on to cloudpickle and pickle.
The modules that have them say in `REDUCERS` for which types, exactly, and in `FAMILIES` for which
with all that are derived from them.
"""

from __future__ import annotations

import contextvars
import functools
import queue
import random
import sys
import threading
import typing
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from hetmig.errors import NotMigratable
from hetmig.state import (
    archives,
    containers,
    context_variables,
    definitions,
    exceptions,
    generators,
    instances,
    iterators,
    library_globals,
    library_objects,
    module_objects,
    native,
    progress_bars,
    registry,
    resources,
    singletons,
    synchronisation,
    threads,
    weak,
    wrappers,
)
from hetmig.state.closed import reduce_closed
from hetmig.state.namespaces import by_reference
from hetmig.state.second_opinion import dill_reducers

if TYPE_CHECKING:
    from hetmig.state.pickler import Pickler

__all__ = ["USUAL", "Reducers"]

Reducer = Callable[["Pickler", Any], Any]

_OWN_WAY = frozenset({"__reduce__", "__reduce_ex__", "__getstate__"})
_LOOPS = "hetmig.state.event_loop"
"""Loaded where asyncio is one that can move."""
_STREAMS = ("stdin", "stdout", "stderr")


class Reducers(dict[type, "Reducer | None"]):
    """The reducer of each type, decided once per pickler by the type's bases."""

    def __init__(self, *, of_program: bool, portable: bool) -> None:
        """As for the pickler: part of a program; for every version of Python."""
        self._of_program = of_program
        self._portable = portable
        super().__init__(_REDUCERS)
        self.decided: list[type] = []
        """The types of the objects that came by, but for the usual ones."""
        for cls in registry.registrations():
            self.pop(cls, None)

    @functools.cached_property
    def _refusals(self) -> dict[type, tuple[str, str]]:
        return resources.refusals()

    def __missing__(self, cls: type) -> Reducer | None:
        self.decided.append(cls)
        known = registry.reducer_of(cls) or progress_bars.reducer_of(cls)
        self[cls] = reducer = known or self._decide(cls)
        return reducer

    def _decide(self, cls: type) -> Reducer | None:
        if _LOOPS in sys.modules and (of_loop := _reducer_of_asyncio(cls)) is not None:
            return of_loop
        if (own := getattr(cls, "__hetmig_reduce__", None)) is not None:
            return lambda pickler, obj: own(obj)
        for root, reducer in _FAMILIES.items():
            if issubclass(cls, root):
                return reducer
        if (contained := containers.reducer_of(cls)) is not None:
            return contained
        if (of_machine := native.reducer_of(cls)) is not None:
            return of_machine
        if (decided := _DECIDED_AT_FIRST.get(cls)) is not None:
            return decided()
        for base in cls.__mro__:
            if base in self._refusals:
                return functools.partial(_refuse, self._refusals[base])
            if named := _BY_NAME.get((base.__module__, base.__qualname__)):
                return named
            if base is not object and not _OWN_WAY.isdisjoint(vars(base)):
                return None
        found = singletons.of_type(cls)
        by_name = functools.partial(_reduce_singleton, found) if found else None
        # a value that is sent somewhere, outside of any program, is a copy as with any pickle
        of_library = library_globals.reducer_of(cls) if self._of_program else None
        # bytecode keeps a program at its version
        may_cross = self._portable or not self._of_program
        between_versions = library_objects.reducer_of(cls) if may_cross else None
        return _first_of(by_name, of_library, instances.reducer_of(cls), between_versions)


def _first_of(*reducers: Reducer | None) -> Reducer | None:
    """What asks one after the other, until one knows the object."""
    known = [reducer for reducer in reducers if reducer is not None]
    if len(known) < 2:
        return known[0] if known else None

    def reduce(pickler: Pickler, obj: Any) -> Any:
        for reducer in known:
            if (reduced := reducer(pickler, obj)) is not NotImplemented:
                return reduced
        return NotImplemented

    return reduce


def _reducer_of_asyncio(cls: type) -> Reducer | None:
    from hetmig.state import asyncio_objects  # imports asyncio

    return asyncio_objects.reducer_of(cls)


def _refuse(reason: tuple[str, str], pickler: Pickler, obj: Any) -> Any:
    for name in _STREAMS:
        if obj is getattr(sys, name) or obj is getattr(sys, f"__{name}__"):
            return getattr, (sys, name)
    if carried := reduce_closed(obj):
        return carried
    raise NotMigratable(reason[0])


def _reduce_random(pickler: Pickler, obj: Any) -> Any:
    """The generator behind `random.random` and the like is the one there, in its state of then."""
    return (getattr, (random, "_inst")) if obj is random._inst else NotImplemented


def _reduce_singleton(known: dict[int, tuple[str, str]], pickler: Pickler, obj: Any) -> Any:
    place = known.get(id(obj))
    if place is None or not by_reference(place[0]):
        return NotImplemented
    return getattr, (sys.modules[place[0]], place[1])


def _reduce_type_variable(pickler: Pickler, variable: Any) -> Any:
    if by_reference(variable.__module__):
        return NotImplemented
    if isinstance(variable, typing.NewType):
        return typing.NewType, (variable.__name__, variable.__supertype__)
    return type(variable), (variable.__name__,)


def _ignoring_pickler(reduce: Callable[[Any], Any]) -> Reducer:
    return lambda pickler, obj: reduce(obj)


_REDUCERS: dict[type, Reducer | None] = {
    **definitions.REDUCERS,
    **module_objects.REDUCERS,
    **exceptions.REDUCERS,
    **wrappers.REDUCERS,
    synchronisation.PYTHON_RLOCK: synchronisation.reduce_python_rlock,
    queue.SimpleQueue: synchronisation.reduce_simple_queue,
    contextvars.Context: context_variables.reduce_context,
    contextvars.Token: context_variables.reduce_token,
    weakref.ProxyType: weak.reduce_proxy,
    weakref.CallableProxyType: weak.reduce_proxy,
    weakref.WeakKeyDictionary: weak.reduce_weak_dict,
    weakref.WeakValueDictionary: weak.reduce_weak_dict,
    typing.NewType: _reduce_type_variable,
    typing.ParamSpec: _reduce_type_variable,
    typing.TypeVarTuple: _reduce_type_variable,
    **native.REDUCERS,
    random.Random: _reduce_random,
    **generators.REDUCERS,
    **{cls: _ignoring_pickler(reduce) for cls, reduce in iterators.REDUCERS.items()},
    **{cls: _ignoring_pickler(reduce) for cls, reduce in dill_reducers().items()},
}

USUAL = {cls: reducer for cls, reducer in _REDUCERS.items() if reducer is not None}
"""Those of exactly these types, which no pickler has to decide."""

_DECIDED_AT_FIRST: dict[type, Callable[[], Reducer]] = {
    synchronisation.LOCK: lambda: synchronisation.reducer_of_locks(synchronisation.LOCK),
    synchronisation.RLOCK: lambda: synchronisation.reducer_of_locks(synchronisation.RLOCK),
    contextvars.ContextVar: context_variables.reducer_of_variables,
}
"""These have to know what the modules of the process hold."""

_BY_NAME: dict[tuple[str, str], Reducer] = {
    **archives.BY_NAME,
    **native.BY_NAME,
    ("builtins", "PyCapsule"): context_variables.reduce_capsule,
    ("decimal", "ContextManager"): context_variables.reduce_local_context,
}
"""The same for types whose module the program may not have loaded."""

_FAMILIES: dict[type, Reducer] = {
    threading.local: synchronisation.reduce_local,
    threading.Thread: threads.reduce_thread,
    weakref.ref: weak.reduce_reference,
    weakref.WeakSet: weak.reduce_weak_set,
    weakref.finalize: weak.reduce_finalizer,
    **definitions.FAMILIES,
    **module_objects.FAMILIES,
    **exceptions.FAMILIES,
}
"""These serve all subclasses.  No abstract base classes: some of C's types crash when asked."""
