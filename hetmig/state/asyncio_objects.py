"""An event loop, and the futures and tasks that belong to it, as data.

What differs between versions of asyncio is told by what is there.
"""

from __future__ import annotations

import asyncio
import functools
import selectors
import signal
import sys
import threading
import time
import weakref
from asyncio import events, tasks, trsock
from collections.abc import Callable, Iterator
from typing import Any

from hetmig.errors import NotMigratable
from hetmig.state import library_code, rebuild
from hetmig.state.event_loop import UNUSED, Loop, arrived, is_portable
from hetmig.state.weak import reduce_weak_set

__all__ = ["fill_loop", "new_future", "new_loop", "reducer_of"]

Reduced = tuple[Any, ...]


_STAYS = frozenset(
    {
        *("_selector", "_ssock", "_csock", "_internal_fds", "_self_reading_future"),
        *("_thread_id", "_clock_resolution", "_ahead", "_next_offer", "_since", UNUSED),
        *("_transports", "_signal_handlers", "_default_executor", "_unix_server_sockets"),
        *("_old_agen_hooks", "_coroutine_origin_tracking_saved_depth", "_watcher"),
    }
)
"""Attributes which belong to this process; they are made anew, or empty."""


_REGISTERS = ("_all_tasks", "_scheduled_tasks")


def reducer_of(cls: type) -> Callable[[Any, Any], Any] | None:
    """How a type of asyncio's is taken apart, if it is one of those that need it."""
    if issubclass(cls, Loop):
        return _reduce_loop
    if issubclass(cls, asyncio.Future):
        return _reduce_future
    if issubclass(cls, asyncio.BaseTransport):
        return _reduce_transport
    if issubclass(cls, trsock.TransportSocket):
        return lambda pickler, view: (cls, (view._sock,))
    return _reduce_weak_set if cls is weakref.WeakSet else None


def _reduce_transport(pickler: Any, transport: Any) -> Any:
    if getattr(transport, "_sock", None) or getattr(transport, "_pipe", None):
        raise NotMigratable(_open(transport)[1])
    return NotImplemented


def _reduce_weak_set(pickler: Any, weak_set: Any) -> Any:
    for name in _REGISTERS:
        if weak_set is getattr(tasks, name, None):  # of all tasks, which each loop brings along
            return getattr, (tasks, name)
    return reduce_weak_set(pickler, weak_set)


def _reduce_loop(pickler: Any, loop: Loop) -> Reduced:
    if not pickler.of_program:
        raise NotMigratable("an event loop moves with the program that runs in it, not by itself")
    _require_movable(pickler, loop)
    state = {
        "attributes": {k: v for k, v in vars(loop).items() if k not in _STAYS},
        "time": loop.time(),
        "tasks": list(asyncio.all_tasks(loop)) if not loop._closed else [],
        "thread": loop._thread_id == threading.get_ident(),
        "runs": events._get_running_loop() is loop,
        "hooked": sys.get_asyncgen_hooks().firstiter == loop._asyncgen_firstiter_hook,
        "current": _current_loop() is loop,
    }
    return new_loop, (type(loop),), state, None, None, fill_loop


def _require_movable(pickler: Any, loop: Loop) -> None:
    """Refuse what ties a loop to this machine, by name."""
    if "_since" not in vars(loop):
        raise NotMigratable("the event loop is being made")
    if any((part is None) is not loop._closed for part in (loop._selector, loop._csock)):
        raise NotMigratable("the event loop is being closed")
    for culprit, reason in _ties(loop):
        pickler.last = culprit  # its path is told, not the loop's
        raise NotMigratable(reason)


def _ties(loop: Loop) -> Iterator[tuple[object, str]]:
    if (executor := loop._default_executor) is not None:
        yield executor, "run_in_executor() or to_thread() is at work: await what it gives"
    for number, handle in getattr(loop, "_signal_handlers", {}).items():
        name = signal.Signals(number).name
        yield handle, f"the loop handles {name}: remove_signal_handler() before a move"
    for key in loop._selector.get_map().values() if loop._selector else ():
        if key.fd != loop._ssock.fileno():
            yield _who_waits(loop, key)
    for transport in list(loop._transports.values()):
        if not transport.is_closing() or transport.get_write_buffer_size():
            yield _open(transport)


def _open(transport: Any) -> tuple[object, str]:
    return transport, f"the transport {transport!r} is open: close it before a move"


def _who_waits(loop: Loop, key: selectors.SelectorKey) -> tuple[object, str]:
    if (transport := loop._transports.get(key.fd)) is not None:
        return _open(transport)
    handles = [handle for handle in key.data if handle is not None]
    for handle in handles:
        owner = getattr(handle._callback, "__self__", None)
        if isinstance(owner, asyncio.BaseTransport):
            return _open(owner)
        if getattr(handle._callback, "__name__", "") == "_accept_connection":
            return handle, f"a server listens on file descriptor {key.fd}: close it before a move"
    return handles[0], (
        f"the loop watches file descriptor {key.fd} (add_reader, add_writer or sock_...): "
        "end that before a move"
    )


def new_loop(cls: type[Loop]) -> Loop:
    """A loop that holds nothing yet, made without the `__init__` of the user's class."""
    _require_portable()
    made = cls.__new__(cls)
    Loop.__init__(made)
    vars(made)[UNUSED] = True
    arrived(made)
    return made


def fill_loop(loop: Loop, state: dict[str, Any]) -> None:
    """Give a loop what it holds; when all is thawed, its thread and its tasks."""
    vars(loop).update(state["attributes"])
    loop._ahead = state["time"] - time.monotonic()
    if loop._closed:
        loop._closed = False
        loop.close()
    rebuild.at_end(functools.partial(_revive, loop, state))


def _revive(loop: Loop, state: dict[str, Any]) -> None:
    for task in state["tasks"]:
        tasks._register_task(task)
    if state["current"]:
        events.set_event_loop(loop)
    if state["hooked"]:
        loop._set_hooks()
    if loop._coroutine_origin_tracking_enabled:
        loop._coroutine_origin_tracking_enabled = False
        loop._set_coroutine_origin_tracking(True)
    if state["thread"]:
        loop._thread_id = threading.get_ident()
    if state["runs"]:
        asyncio._set_running_loop(loop)


# -- futures and tasks as data


def _reduce_future(pickler: Any, future: Any) -> Reduced:
    if not pickler.of_program:
        raise NotMigratable("an asyncio future belongs to its event loop; await it before")
    if not is_portable() or not isinstance(future, asyncio.Future):
        raise NotMigratable("the futures of asyncio which are written in C don't show their state")
    state: Any = future.__reduce_ex__(5)[2]
    if isinstance(state, dict) and state.get("_exception_tb") is not None:
        state = {**state, "_exception_tb": pickler.passed(state["_exception_tb"])}
    if isinstance(state, dict) and pickler.portable:
        callbacks = library_code.without_call_graph(state.get("_callbacks") or [])
        state = {**state, "_callbacks": callbacks, "_Future__asyncio_awaited_by": None}
    return new_future, (type(future),), state


def new_future(cls: type[asyncio.Future[Any]]) -> asyncio.Future[Any]:
    """A future or task that holds nothing yet."""
    _require_portable()
    made: asyncio.Future[Any] = cls.__new__(cls)
    return made


def _require_portable() -> None:
    if not is_portable():
        raise NotMigratable("asyncio runs in C here, and its tasks can't be put back")


def _current_loop() -> object:
    """The loop that `set_event_loop` has set; asking must not make one."""
    policy = getattr(events, "_event_loop_policy", None)
    return getattr(getattr(policy, "_local", None), "_loop", None)
