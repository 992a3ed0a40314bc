"""What stands before something else and hides it: caches, methods, views, mapping proxies."""

from __future__ import annotations

import functools
import gc
import types
from collections import OrderedDict
from collections.abc import Callable
from types import MappingProxyType, ModuleType
from typing import TYPE_CHECKING, Any

from hetmig.interpreter.inherited import referrers
from hetmig.state import rebuild
from hetmig.state.namespaces import is_importable

if TYPE_CHECKING:
    from hetmig.state.pickler import Pickler

__all__ = ["REDUCERS"]

Reduced = tuple[Any, ...]
Reducer = Callable[["Pickler", Any], Any]


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


REDUCERS: dict[type, Any] = {
    MappingProxyType: _reduce_mapping_proxy,
    types.MethodType: _reduce_method,
    type(functools.lru_cache(_reduce_view)): _reduce_lru_cache,
    functools.cached_property: _reduce_cached_property,
    type({}.keys()): _reduce_view("keys"),
    type({}.values()): _reduce_view("values"),
    type({}.items()): _reduce_view("items"),
    type(OrderedDict().keys()): _reduce_view("keys"),
    type(OrderedDict().values()): _reduce_view("values"),
    type(OrderedDict().items()): _reduce_view("items"),
}
