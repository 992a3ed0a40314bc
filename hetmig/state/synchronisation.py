"""Locks, thread-local data and simple queues of a program whose other threads have ended.

What was locked by the thread that moves is locked by it at the destination.  A lock does not know
who holds it: if there are other threads, one that is held may be theirs, and stays.  Conditions,
events, semaphores, barriers and queues are made of locks and follow from their attributes.
"""

from __future__ import annotations

import _queue
import _thread
import gc
import re
import sys
import threading
from collections.abc import Callable
from typing import Any

from hetmig.errors import NotMigratable
from hetmig.state.module_globals import Place, here, place_of
from hetmig.state.threads import others

__all__ = [
    "LOCK",
    "PYTHON_RLOCK",
    "RLOCK",
    "fill_python_rlock",
    "fill_simple_queue",
    "lock_of_module",
    "new_local",
    "new_lock",
    "new_rlock",
    "reduce_local",
    "reduce_python_rlock",
    "reduce_simple_queue",
    "reducer_of_locks",
    "rlock_of_module",
]

Reduced = tuple[Any, ...]

LOCK: type = type(_thread.allocate_lock())
RLOCK: type = type(threading.RLock())
PYTHON_RLOCK: type = threading._PyRLock  # type: ignore[attr-defined]

_OWN_WAY = ("__reduce__", "__reduce_ex__")


def reducer_of_locks(cls: type) -> Callable[[Any, Any], Reduced]:
    """How a lock of this type is taken apart.  Locks of importable modules travel by name."""
    state_of = _lock_state if cls is LOCK else _rlock_state
    by_name, by_value = (lock_of_module, new_lock) if cls is LOCK else (rlock_of_module, new_rlock)

    def reduce(pickler: Any, lock: Any) -> Reduced:
        state = state_of(lock)
        place = place_of(lock)
        return (by_value, (state,)) if place is None else (by_name, (*place, state))

    return reduce


def _lock_state(lock: Any) -> bool:
    if lock.locked() and (names := others(ignorable=True)):
        raise NotMigratable(f"the lock is held, perhaps by the thread {names[0]!r}")
    return bool(lock.locked())


def _rlock_state(lock: Any) -> int:
    owner, count = (int(part) for part in re.findall(r"(?:owner|count)=(-?\d+)", repr(lock)))
    # the owner is shown as a signed number
    if count and (owner - threading.get_ident()) % (2 * sys.maxsize + 2):
        raise NotMigratable("the lock is held by another thread")
    return count


def new_lock(locked: bool) -> Any:
    """A lock, held by the thread that moved if it was held."""
    made = _thread.allocate_lock()
    if locked:
        made.acquire()
    return made


def new_rlock(count: int) -> Any:
    """A reentrant lock, held `count` times by this thread."""
    made = threading.RLock()
    for _ in range(count):
        made.acquire()
    return made


def lock_of_module(module: str, name: str, locked: bool) -> Any:
    """The lock which this module has here, held if it was held."""
    lock: Any = here(Place(module, name), LOCK)
    if lock is None:  # the program made it, not the import
        return new_lock(locked)
    if locked:
        lock.acquire(blocking=False)  # it may be so already, where the state was taken
    elif lock.locked():
        raise NotMigratable(f"the lock {module}.{name} is held here")
    return lock


def rlock_of_module(module: str, name: str, count: int) -> Any:
    """The reentrant lock which this module has here, held `count` times by this thread."""
    lock: Any = here(Place(module, name), RLOCK)
    if lock is None:
        return new_rlock(count)
    for _ in range(count - _rlock_state(lock)):
        if not lock.acquire(blocking=False):
            raise NotMigratable(f"the lock {module}.{name} is held here by another thread")
    return lock


def reduce_python_rlock(pickler: Any, lock: Any) -> Reduced:
    """The reentrant lock that is written in Python knows its owner by a number of the process."""
    if lock._count and lock._owner != threading.get_ident():
        raise NotMigratable("the lock is held by another thread")
    return PYTHON_RLOCK, (), lock._count, None, None, fill_python_rlock


def fill_python_rlock(lock: Any, count: int) -> None:
    """Hold a lock so many times."""
    for _ in range(count):
        lock.acquire()


# -- thread-local data


def reduce_local(pickler: Any, local: Any) -> Any:
    """The values of the thread that moves, and what each new thread's `__init__` will be given."""
    cls = type(local)
    if any(getattr(cls, name) is not getattr(object, name) for name in _OWN_WAY):
        return NotImplemented
    # its class, the arguments it was made with, and the values of all threads
    _, arguments, *rest = gc.get_referents(local)
    keywords: Any = next(
        (part for part in rest if part and all(type(key) is str for key in part)), {}
    )
    return new_local, (cls, arguments, keywords), local.__dict__, None, None, fill_local


def new_local(cls: type, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
    """Thread-local data which is empty in this thread too: its `__init__` ran long ago."""
    return _thread._local.__new__(cls, *arguments, **keywords)


def fill_local(local: Any, values: dict[str, Any]) -> None:
    """Give thread-local data this thread's values."""
    local.__dict__.update(values)


# -- simple queues


def _shows_items() -> bool:
    queue: _queue.SimpleQueue[object] = _queue.SimpleQueue()
    queue.put(probe := object())
    return any(part is probe for part in gc.get_referents(queue))


_SHOWS_ITEMS = _shows_items()
"""A simple queue refers to its items, else to a list whose last ones they are."""


def reduce_simple_queue(pickler: Any, queue: Any) -> Reduced:
    """A `queue.SimpleQueue`: to look at its items without taking them, ask the collector."""
    size, parts = queue.qsize(), gc.get_referents(queue)[:-1]
    items = parts if _SHOWS_ITEMS else parts[0][len(parts[0]) - size :]
    if len(items) != size:
        raise NotMigratable("another thread is at work on the queue")
    return _queue.SimpleQueue, (), list(items), None, None, fill_simple_queue


def fill_simple_queue(queue: Any, items: list[Any]) -> None:
    """Put the items into a queue that is empty."""
    for item in items:
        queue.put(item)
