"""Proxies of objects that live at one node: `hetmig.shared`."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from hetmig import remote
from hetmig.remote import Actor, ObjectRef
from hetmig.sharing.keepers import ObjectKeeper
from hetmig.sharing.locks import SharedLock, called
from hetmig.state.shipping import by_value

if TYPE_CHECKING:
    from hetmig.client import Nodes

__all__ = ["Shared", "made", "shared", "snapshot", "unshare"]

_known: weakref.WeakValueDictionary[str, Any] = weakref.WeakValueDictionary()
"""The proxies of this process by the ids of what they stand for: there is one of each."""
_turn = threading.RLock()


def shared(
    obj: Any,
    *,
    immutable: bool = False,
    at: str | None = None,
    bound: bool = False,
    nodes: Nodes | None = None,
) -> Any:
    """Let an object live at a node, `at` or the one the task is on; a proxy to be used anywhere.

    Its methods are executed there, one after the other, and their results come as copies.  Of one
    that is declared `immutable` each process that reads it keeps a copy, and asks no more.
    It lives until `hetmig.sharing.unshare(proxy)`; with `bound`, no longer than this task.
    Outside a task, `nodes` is the connection to use.  Raises NotMigratable for what can't travel.
    """
    if immutable:
        ref = nodes.put(obj, at=at) if nodes is not None else remote.put(obj, at=at)
        return made(Shared, ref, ())
    actor = made_actor(nodes, ObjectKeeper, obj, at=at, bound=bound)
    return made(Shared, actor, tuple(called(actor, "methods")))


def made_actor(nodes: Nodes | None, keeper: type, *args: Any, at: str | None, bound: bool) -> Actor:
    """A keeper at a node."""
    if nodes is not None:
        if bound:
            raise ValueError("what is bound to a task is shared inside that task")
        with by_value(nodes._shipped_module(type(args[0]))):
            return nodes.spawn(keeper, *args, at=at)
    return remote.spawn(keeper, *args, at=at) if not bound else remote.spawn_bound(keeper, args, at)


def made(cls: Any, reference: Any, more: Any, state: Any = None) -> Any:
    """The proxy of this process for what is shared."""
    with _turn:
        proxy = _known.get(reference.id)
        if proxy is None:
            proxy = _known[reference.id] = cls._of(reference, more)
        if state is not None:
            proxy._lock.arrive(state)
        return proxy


class Shared:
    """A proxy: methods, attributes, items and `len` are those of the shared object.

    `lock` is its lock; an object's own attribute of that name is reached by its methods only.
    """

    __slots__ = ("__weakref__", "_lock", "_methods", "_reference", "_value")

    def __init__(self) -> None:
        raise TypeError("share an object with hetmig.shared(object)")

    @classmethod
    def _of(cls, reference: Actor | ObjectRef, methods: tuple[str, ...]) -> Shared:
        proxy = object.__new__(cls)
        for name, value in (
            ("_reference", reference),
            ("_methods", frozenset(methods)),
            ("_lock", SharedLock(reference, proxy)),
            ("_value", []),
        ):
            object.__setattr__(proxy, name, value)
        return proxy

    def __reduce__(self) -> tuple[Any, ...]:
        methods = tuple(sorted(self._methods))
        return made, (Shared, self._reference, methods, self._lock.state())

    def __repr__(self) -> str:
        return f"<hetmig.Shared {self._reference.id} {self._reference.name}>"

    def __copy__(self) -> Shared:
        return self

    def __deepcopy__(self, _memo: Any) -> Shared:
        return self

    @property
    def lock(self) -> SharedLock:
        """The object's lock: `with shared.lock:`."""
        if self._is_immutable:
            raise TypeError("what is immutable needs no lock")
        lock: SharedLock = self._lock
        return lock

    @property
    def _is_immutable(self) -> bool:
        return isinstance(self._reference, ObjectRef)

    def _local(self) -> Any:
        """Of an immutable object: this process's copy."""
        if not self._value:
            self._value.append(self._reference.get())
        return self._value[0]

    def _call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        if self._is_immutable:
            return getattr(self._local(), name)(*args, **kwargs)
        return called(self._reference, "apply", self._lock.token, name, args, kwargs)

    def _require_mutable(self) -> None:
        if self._is_immutable:
            raise TypeError("the shared object was declared immutable")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(f"{name!r} of a shared object is not for others")
        if self._is_immutable:
            return getattr(self._local(), name)
        if name in self._methods:
            return _Method(self, name)
        return called(self._reference, "read", self._lock.token, name)

    def __setattr__(self, name: str, value: Any) -> None:
        self._require_mutable()
        if name.startswith("_") or name == "lock":
            raise AttributeError(f"{name!r} of a shared object can't be set from elsewhere")
        called(self._reference, "write", self._lock.token, name, value)

    def __iter__(self) -> Iterator[Any]:
        """Over its items as they are now."""
        if self._is_immutable:
            return iter(self._local())
        return iter(called(self._reference, "items", self._lock.token))

    def __getitem__(self, key: Any) -> Any:
        return self._call("__getitem__", key)

    def __setitem__(self, key: Any, value: Any) -> None:
        self._require_mutable()
        self._call("__setitem__", key, value)

    def __delitem__(self, key: Any) -> None:
        self._require_mutable()
        self._call("__delitem__", key)

    def __len__(self) -> int:
        return int(self._call("__len__"))

    def __bool__(self) -> bool:
        return len(self) > 0 if self._is_sized else True

    @property
    def _is_sized(self) -> bool:
        return (
            hasattr(self._local(), "__len__")
            if self._is_immutable
            else "__len__" in (self._methods)
        )

    def __contains__(self, item: Any) -> bool:
        return bool(self._call("__contains__", item))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._call("__call__", *args, **kwargs)


class _Method:
    """A method of a shared object: to be called."""

    def __init__(self, proxy: Shared, name: str) -> None:
        self._proxy, self._name = proxy, name

    def __repr__(self) -> str:
        return f"<{self._name} of {self._proxy!r}>"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._proxy._call(self._name, *args, **kwargs)


def snapshot(proxy: Shared) -> Any:
    """A copy of the shared object as it is now."""
    if proxy._is_immutable:
        return proxy._reference.get()
    return called(proxy._reference, "whole", proxy._lock.token)


def unshare(proxy: Any) -> None:
    """End what is shared: no proxy can reach it any more.  Raises NoSuchObject or ActorLost."""
    proxy._reference.delete()
