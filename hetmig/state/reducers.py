"""How each kind of object that is more than plain data is taken apart.

A reducer gets the pickler and the object and returns what `object.__reduce_ex__` would: a function
of `rebuild` and its arguments.  NotImplemented hands the object on to cloudpickle and pickle.
"""

from __future__ import annotations

import contextvars
import functools
import gc
import io
import queue
import random
import sys
import threading
import traceback
import types
import typing
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterator
from types import (
    CellType,
    CodeType,
    FunctionType,
    MappingProxyType,
    ModuleType,
    TracebackType,
)
from typing import TYPE_CHECKING, Any

from hetmig.errors import NotMigratable
from hetmig.interpreter.inherited import referrers
from hetmig.state import (
    archives,
    containers,
    context_variables,
    generators,
    instances,
    iterators,
    library_globals,
    library_objects,
    native,
    portable_code,
    progress_bars,
    rebuild,
    registry,
    resources,
    singletons,
    synchronisation,
    threads,
    weak,
)
from hetmig.state.classes import with_slots
from hetmig.state.closed import reduce_closed
from hetmig.state.code import freeze_code, global_names
from hetmig.state.namespaces import (
    NamespaceOf,
    Unsent,
    by_reference,
    is_importable,
    portable_items,
)
from hetmig.state.native import c_types
from hetmig.state.native.named import reduce_by_public_name
from hetmig.state.second_opinion import dill_reducers
from hetmig.state.sources import Source
from hetmig.state.tracebacks import Passed, passed

if TYPE_CHECKING:
    from hetmig.state.pickler import Pickler

__all__ = ["USUAL", "Reducers"]

Reduced = tuple[Any, ...]
Reducer = Callable[["Pickler", Any], Any]

_OWN_WAY = frozenset({"__reduce__", "__reduce_ex__", "__getstate__"})
_LOOPS = "hetmig.state.event_loop"
"""Loaded where asyncio is one that can move."""
_STREAMS = ("stdin", "stdout", "stderr")
_RELATIVE_IMPORT = ("__name__", "__package__", "__path__", "__file__")


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


# -- modules and namespaces


def _reduce_namespace(pickler: Pickler, standin: NamespaceOf) -> Reduced:
    imported = pickler.imported_as(standin.namespace)
    if imported is not None:
        made: Reduced = (rebuild.module_namespace, (imported,))
        items: dict[str, Any] = {}
    else:
        name = standin.namespace.get("__name__")
        main = sys.modules.get("__main__")
        is_main = main is not None and vars(main) is standin.namespace
        made = (rebuild.new_namespace, (name if isinstance(name, str) else "?", is_main))
        items = {} if standin.empty else _items(pickler, standin.namespace)
    return (*made, None, None, _adopting(pickler, standin, items))


def _items(pickler: Pickler, namespace: dict[str, Any]) -> dict[str, Any]:
    if pickler.namespaces == "whole":
        return portable_items(namespace, list(namespace))
    return {
        **{key: namespace[key] for key in _RELATIVE_IMPORT if key in namespace},
        "__builtins__": sys.modules["builtins"],
    }


def _reduce_unsent(pickler: Pickler, unsent: Unsent) -> Reduced:
    namespace = unsent.namespace
    names = pickler.first_sent(namespace, [name for name in unsent.names if name in namespace])
    return dict, (), None, None, iter(portable_items(namespace, names).items())


def _adopting(
    pickler: Pickler, standin: NamespaceOf, items: dict[str, Any]
) -> Iterator[tuple[str, Any]]:
    # The C pickler asks for the first item when the stand-in has its place in the memo.
    pickler.adopt(standin)
    yield from items.items()


def _reduce_module(pickler: Pickler, module: ModuleType) -> Reduced:
    name = module.__name__
    if by_reference(name) and sys.modules[name] is module:
        if hasattr(module, "__path__"):
            pickler.note_package(name)
        return rebuild.module, (name,)
    made = (rebuild.module_of, (pickler.namespace(vars(module)),))
    if pickler.namespaces == "whole":
        return made
    rest = Unsent(vars(module), tuple(vars(module)))
    return *made, rest, None, None, rebuild.fill_module


# -- code, functions, cells, classes

_SHELL = "IPython.core.interactiveshell"
"""It gives the cells of notebooks an `open` of its own, which spares the standard streams."""


def _reduce_code(pickler: Pickler, code: CodeType) -> Reduced:
    pickler.note_code(code)
    if pickler.portable:
        return portable_code.reduce_code(pickler, code)
    pickler.pinned = True
    place = pickler.place(code)
    if place is not None:
        return rebuild.referenced_code, place
    return rebuild.code, (freeze_code(code),)


def _reduce_cell(pickler: Pickler, cell: CellType) -> Reduced:
    try:
        content = (cell.cell_contents,)
    except ValueError:
        return rebuild.new_cell, ()
    return rebuild.new_cell, (), content, None, None, rebuild.fill_cell


def _reduce_function(pickler: Pickler, function: FunctionType) -> Any:
    if is_importable(function):
        return reduce_by_public_name(function) or NotImplemented
    if function.__globals__.get("__name__") == _SHELL and function.__name__ == "open":
        return getattr, (io, "open")  # all but the same, and a node need not have IPython
    if pickler.portable:
        return portable_code.reduce_function(pickler, function)
    namespace = pickler.namespace(function.__globals__)
    code = pickler.home(function.__code__, function.__globals__)
    arguments = (code, namespace, function.__closure__)
    state = _function_state(function)
    if pickler.namespaces == "referenced" and pickler.imported_as(function.__globals__) is None:
        state["globals"] = Unsent(function.__globals__, global_names(function.__code__))
    return rebuild.new_function, arguments, state, None, None, rebuild.fill_function


def _function_state(function: FunctionType) -> dict[str, Any]:
    code = function.__code__
    state: dict[str, Any] = {"__module__": function.__module__}
    if function.__name__ != code.co_name:
        state["__name__"] = function.__name__
    if function.__qualname__ != code.co_qualname:
        state["__qualname__"] = function.__qualname__
    usual_doc = code.co_consts[0] if code.co_consts else None
    if function.__doc__ is not usual_doc:
        state["__doc__"] = function.__doc__
    for name in ("__defaults__", "__kwdefaults__", "__dict__", "__type_params__"):
        if value := getattr(function, name, None):
            state[name] = value
    state.update(_annotations(function))
    return state


def _annotations(function: FunctionType) -> dict[str, Any]:
    # From 3.14 on annotations are evaluated when asked for, which may run anything.
    annotate = getattr(function, "__annotate__", None)
    if annotate is not None:
        return {"__annotate__": annotate}
    return {"__annotations__": function.__annotations__} if function.__annotations__ else {}


def _reduce_class(pickler: Pickler, cls: type) -> Any:
    if (cls.__module__, cls.__qualname__) == ("decimal", "ContextManager"):
        return context_variables.local_context_type, ()  # its module does not name it
    if (named := c_types.reduce_type(cls) or reduce_by_public_name(cls)) is not None:
        return named
    reduced = pickler.reduce_class(cls)
    if reduced is NotImplemented or len(reduced) < 6:
        return reduced
    reduced = c_types.with_fields(cls, with_slots(cls, reduced))
    if pickler.portable:
        rebuild.known_classes.add(cls)
        return portable_code.reduce_class(pickler, cls, reduced)
    pickler.pinned = True
    constructor, arguments, state, _, _, setter = reduced
    if annotate := vars(cls).get("__annotate_func__"):
        state[0]["__annotate_func__"] = annotate  # cloudpickle loses it
    if cls.__qualname__ != cls.__name__:
        state[0]["__qualname__"] = cls.__qualname__  # and that
    rebuild.known_classes.add(cls)
    made = (rebuild.new_class, (constructor, *arguments))
    return (*made, (setter, state), None, None, rebuild.fill_class)


# -- wrappers and views


def _reduce_lru_cache(pickler: Pickler, wrapper: Any) -> Any:
    if is_importable(wrapper):
        return NotImplemented
    options = wrapper.cache_parameters()
    arguments = (wrapper.__wrapped__, options["maxsize"], options["typed"])
    state = {name: value for name, value in vars(wrapper).items() if name != "cache_parameters"}
    return rebuild.lru_cache, arguments, state


def _reduce_cached_property(pickler: Pickler, wrapper: Any) -> Reduced:
    # Before 3.12 it holds a lock.
    state = {name: value for name, value in vars(wrapper).items() if name != "lock"}
    return rebuild.cached_property, (wrapper.func,), state


def _reduce_method(pickler: Pickler, method: types.MethodType) -> Any:
    # a runner's `time.sleep` is one of these, to be what the original is at the destination
    if isinstance(method.__self__, ModuleType):
        return getattr, (method.__self__, method.__name__)
    name = method.__name__
    if name.startswith("__") and not name.endswith("__"):  # it has another one in its class
        for cls in type(method.__self__).__mro__:
            private = f"_{cls.__name__.lstrip('_')}{name}"
            if vars(cls).get(private) is method.__func__:
                return getattr, (method.__self__, private)
    return NotImplemented


def _reduce_view(kind: str) -> Reducer:
    def reduce(pickler: Pickler, view: Any) -> Reduced:
        (mapping,) = (o for o in gc.get_referents(view) if isinstance(o, dict))
        return rebuild.view, (mapping, kind)

    return reduce


def _reduce_mapping_proxy(pickler: Pickler, proxy: MappingProxyType[Any, Any]) -> Reduced:
    (mapping,) = gc.get_referents(proxy)
    owner = _class_of(mapping)
    return (MappingProxyType, (mapping,)) if owner is None else (getattr, (owner, "__dict__"))


def _class_of(mapping: Any) -> type | None:
    """The class whose variables `mapping` holds."""
    if "__doc__" not in mapping:  # every class has one; to ask who holds the mapping takes long
        return None
    # static classes are unknown to the collector; others may share a descriptor with all classes
    descriptors = (o for o in mapping.values() if isinstance(o, types.GetSetDescriptorType))
    for owner in (*(d.__objclass__ for d in descriptors), *referrers(mapping)):
        if isinstance(owner, type):
            namespace = type.__getattribute__(owner, "__dict__")
            if any(held is mapping for held in gc.get_referents(namespace)):
                return owner
    return None


# -- exceptions, typing


def _reduce_exception(pickler: Pickler, error: BaseException) -> Any:
    reduced = error.__reduce_ex__(5)
    if isinstance(reduced, str) or len(reduced) > 3:
        return reduced
    constructor, arguments, state = (*reduced, None)[:3]
    if not isinstance(type(error).__reduce__, FunctionType):
        constructor, arguments = rebuild.new_exception, (type(error), *arguments)
    # A result or a script's end is told with the text of its traceback.
    way = pickler.passed(error.__traceback__) if pickler.namespaces == "whole" else None
    filling = (state, error.__cause__, error.__context__, error.__suppress_context__, way)
    return constructor, arguments, filling, None, None, rebuild.fill_exception


def _reduce_traceback(pickler: Pickler, traceback: TracebackType) -> Reduced:
    # the stand-in is what the exception's own traceback becomes: one and the same
    return rebuild.same, (pickler.passed(traceback),)


def _reduce_passed(pickler: Pickler, way: Passed) -> Reduced:
    return rebuild.traceback, (passed(way.traceback),)


def _reduce_type_variable(pickler: Pickler, variable: Any) -> Any:
    if by_reference(variable.__module__):
        return NotImplemented
    if isinstance(variable, typing.NewType):
        return typing.NewType, (variable.__name__, variable.__supertype__)
    return type(variable), (variable.__name__,)


def _ignoring_pickler(reduce: Callable[[Any], Any]) -> Reducer:
    return lambda pickler, obj: reduce(obj)


_REDUCERS: dict[type, Reducer | None] = {
    FunctionType: _reduce_function,
    CodeType: _reduce_code,
    CellType: _reduce_cell,
    NamespaceOf: _reduce_namespace,
    Unsent: _reduce_unsent,
    Passed: _reduce_passed,
    Source: portable_code.reduce_source,
    TracebackType: _reduce_traceback,
    MappingProxyType: _reduce_mapping_proxy,
    types.MethodType: _reduce_method,
    type(functools.lru_cache(_reduce_view)): _reduce_lru_cache,
    functools.cached_property: _reduce_cached_property,
    functools.partialmethod: portable_code.reduce_partial_method,
    functools.singledispatchmethod: portable_code.reduce_dispatching_method,
    type({}.keys()): _reduce_view("keys"),
    type({}.values()): _reduce_view("values"),
    type({}.items()): _reduce_view("items"),
    type(OrderedDict().keys()): _reduce_view("keys"),
    type(OrderedDict().values()): _reduce_view("values"),
    type(OrderedDict().items()): _reduce_view("items"),
    synchronisation.PYTHON_RLOCK: synchronisation.reduce_python_rlock,
    queue.SimpleQueue: synchronisation.reduce_simple_queue,
    contextvars.Context: context_variables.reduce_context,
    contextvars.Token: context_variables.reduce_token,
    weakref.ProxyType: weak.reduce_proxy,
    weakref.CallableProxyType: weak.reduce_proxy,
    weakref.WeakKeyDictionary: weak.reduce_weak_dict,
    weakref.WeakValueDictionary: weak.reduce_weak_dict,
    typing.NewType: _reduce_type_variable,
    traceback.FrameSummary: portable_code.reduce_frame_summary,
    typing.ForwardRef: portable_code.reduce_forward_reference,
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
    type: _reduce_class,
    ModuleType: _reduce_module,
    BaseException: _reduce_exception,
}
"""These serve all subclasses.  No abstract base classes: some of C's types crash when asked."""
