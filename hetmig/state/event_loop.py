"""The event loop of an asyncio program that can move: all of it is Python, and so it is data.

Between two of its callbacks a loop stands in `run_forever`, and below that are only Python frames:
they are captured like any others.  The loop itself is an object among their variables.  It arrives
with its clock, its ready callbacks, timers and tasks, and with a selector of its own there.

asyncio's tasks and futures written in C can't be put back; a runner has asyncio use its Python ones
(see `hetmig.node.asynchronous`).  Only tells apart what differs between versions by what is there.
"""

from __future__ import annotations

import asyncio
import collections
import functools
import selectors
import signal
import sys
import threading
import time
from asyncio import events, tasks
from collections.abc import Callable
from typing import Any

from hetmig.errors import HetmigError, NotMigratable
from hetmig.interpreter.safepoint import SIGNAL, raise_again
from hetmig.state import rebuild

__all__ = [
    "Loop",
    "become_default",
    "finalize",
    "install",
    "is_portable",
    "latest",
    "new_future",
    "new_loop",
    "reducer_of",
    "running",
    "wake",
]

Reduced = tuple[Any, ...]

_OFFER_SECONDS = 0.02
"""While the task is wanted and could not be moved, it is tried again after so long."""
_LOOK_SECONDS = 0.05
"""A loop that is wanted and has nothing to do looks so often."""

_wanted: Callable[[], bool] = bool
"""Whether somebody wants the task to move."""
_move: Callable[[str], None] | None = None
"""Moves the task, or raises NotMigratable."""

_latest: Loop | None = None
"""The loop that has begun to run last, or has arrived last."""


def install(wanted: Callable[[], bool], move: Callable[[str], None]) -> None:
    """`wanted()` says whether somebody wants the task to move; `move(to)` moves it."""
    global _wanted, _move
    _wanted, _move = wanted, move


def is_portable() -> bool:
    """Whether asyncio uses its futures and tasks that are written in Python."""
    return asyncio.Future.__module__ == "asyncio.futures"


def running() -> Loop | None:
    """The loop that this thread runs, if it is one that can move."""
    loop = events._get_running_loop()
    return loop if isinstance(loop, Loop) else None


def latest() -> Loop | None:
    """The loop that runs in this process, if any."""
    return _latest


def wake() -> None:
    """Let the loop look whether it is wanted.  Any thread may call, a signal handler too."""
    if _latest is not None:
        _latest.look()


class _Selector(selectors.DefaultSelector):
    def select(self, timeout: float | None = None) -> Any:
        if _wanted():
            timeout = _LOOK_SECONDS if timeout is None else min(timeout, _LOOK_SECONDS)
        return super().select(timeout)


class Loop(asyncio.SelectorEventLoop):
    """An event loop that can move."""

    def __init__(self, selector: selectors.BaseSelector | None = None) -> None:
        super().__init__(selector or self._new_selector())
        self._ahead = 0.0  # of this machine's clock
        self._next_offer = 0.0
        self._wishes: collections.deque[tuple[str, asyncio.Future[None]]] = collections.deque()
        self._since = time.monotonic()

    def _new_selector(self) -> selectors.BaseSelector:
        return _Selector()

    def time(self) -> float:
        """Seconds on the clock of the loop, which stands still while the program moves."""
        return time.monotonic() + self._ahead

    def run_forever(self) -> None:
        """Run until stop() is called."""
        self._check_closed()
        self._check_running()
        self._set_coroutine_origin_tracking(self._debug)
        outside = tuple(sys.get_asyncgen_hooks())
        try:
            self._begin()
            while True:
                self._run_once()
                if self._stopping:
                    break
                self._since = time.monotonic()
                if self._wishes:
                    self._travel()
                if _wanted() and self._may_offer():
                    raise_again[SIGNAL]
                # the jump back is a safe point: whoever wants the task takes it here
        finally:
            self._end()
            self._stopping = False
            self._thread_id = None
            asyncio._set_running_loop(None)
            self._set_coroutine_origin_tracking(False)
            sys.set_asyncgen_hooks(*outside)

    def _begin(self) -> None:
        global _latest
        _latest = self
        self._since = time.monotonic()
        self._thread_id = threading.get_ident()
        self._set_hooks()
        asyncio._set_running_loop(self)

    def _end(self) -> None:
        global _latest
        _latest = None

    def _set_hooks(self) -> None:
        sys.set_asyncgen_hooks(self._asyncgen_firstiter_hook, self._asyncgen_finalizer_hook)

    def ask_to_move(self, to: str) -> asyncio.Future[None]:
        """Move as soon as the callback that runs has ended; done there, or failed here."""
        wish = self.create_future()
        self._wishes.append((to, wish))
        return wish

    def _travel(self) -> None:
        while self._wishes:
            to, wish = self._wishes.popleft()
            if wish.done():  # cancelled
                continue
            try:
                self._give_back_threads()
                _require_runner()(to)
            except HetmigError as error:
                if not wish.done():
                    wish.set_exception(error)
            else:
                if not wish.done():
                    wish.set_result(None)

    def look(self) -> None:
        """Wake up, and be at the disposal of whoever wants the task."""
        self._next_offer = 0.0
        self._write_to_self()

    def _may_offer(self) -> bool:
        now = time.monotonic()
        if now < self._next_offer:
            return False
        self._next_offer = now + _OFFER_SECONDS
        self._give_back_threads()
        return True

    def _give_back_threads(self) -> None:
        """End the threads of the default executor, if they have nothing to do; it makes others."""
        executor = self._default_executor
        threads = getattr(executor, "_threads", ())
        idle = getattr(executor, "_idle_semaphore", None)
        queue = getattr(executor, "_work_queue", None)
        if not threads or idle is None or queue is None:
            return
        if not self._ready and queue.empty() and idle._value == len(threads):
            self._default_executor = None
            executor.shutdown()

    def busy(self) -> tuple[float, str]:
        """For how long the callback that runs has run, and whose it is.  Any thread may ask."""
        task = tasks._current_tasks.get(self)  # type: ignore[attr-defined]
        who = f"the asyncio task {task.get_name()!r}" if task is not None else "an asyncio callback"
        return time.monotonic() - self._since, who

    def __del__(self) -> None:
        if _never_ran in vars(self):  # arrived, and was thrown away
            del vars(self)[_never_ran]
            self._thread_id = None
            self.close()
        super().__del__()


_never_ran = "_hetmig_never_ran"


def _require_runner() -> Callable[[str], None]:
    if _move is None:
        raise NotMigratable("this event loop does not run in a task")
    return _move


# -- loops as data


_STAYS = frozenset(
    {
        *("_selector", "_ssock", "_csock", "_internal_fds", "_self_reading_future"),
        *("_thread_id", "_clock_resolution", "_ahead", "_next_offer", "_since", _never_ran),
        *("_transports", "_signal_handlers", "_default_executor", "_unix_server_sockets"),
        *("_old_agen_hooks", "_coroutine_origin_tracking_saved_depth"),
    }
)
"""Attributes which belong to this process; they are made anew, or empty."""


def reducer_of(cls: type) -> Callable[[Any, Any], Any] | None:
    """How a type of asyncio's is taken apart, if it is one of those that need it."""
    if issubclass(cls, Loop):
        return _reduce_loop
    if issubclass(cls, asyncio.Future):
        return _reduce_future
    return None


def _reduce_loop(pickler: Any, loop: Loop) -> Reduced:
    if pickler.namespaces != "whole":
        raise NotMigratable("an event loop moves with the program that runs in it, not by itself")
    _require_movable(loop)
    state = {
        "attributes": {k: v for k, v in vars(loop).items() if k not in _STAYS},
        "time": loop.time(),
        "tasks": list(asyncio.all_tasks(loop)) if not loop._closed else [],
        "names": tasks._task_name_counter.__self__,  # type: ignore[attr-defined]
        "thread": loop._thread_id == threading.get_ident(),
        "runs": events._get_running_loop() is loop,
        "hooked": sys.get_asyncgen_hooks().firstiter == loop._asyncgen_firstiter_hook,
        "current": _current_loop() is loop,
    }
    return new_loop, (type(loop),), state, None, None, fill_loop


def _require_movable(loop: Loop) -> None:
    """Refuse what ties a loop to this machine, by name."""
    if "_since" not in vars(loop):
        raise NotMigratable("the event loop is being made")
    if loop._default_executor is not None:
        raise NotMigratable("run_in_executor() or to_thread() is at work: await what it gives")
    if handlers := getattr(loop, "_signal_handlers", None):
        name = signal.Signals(next(iter(handlers))).name
        raise NotMigratable(f"the loop handles {name}: remove_signal_handler() before a move")
    if loop._selector is None:
        return
    for key in loop._selector.get_map().values():
        if key.fd != loop._ssock.fileno():
            raise NotMigratable(f"{_who_waits(loop, key)}: close it before a move")
    for transport in list(loop._transports.values()):
        if not transport.is_closing() or transport.get_write_buffer_size():
            raise NotMigratable(f"the transport {transport!r} is open: close it before a move")


def _who_waits(loop: Loop, key: selectors.SelectorKey) -> str:
    transport = loop._transports.get(key.fd)
    if transport is not None:
        return f"the transport {transport!r} is open"
    for handle in key.data:
        callback = getattr(handle, "_callback", None)
        owner = getattr(callback, "__self__", None)
        if isinstance(owner, asyncio.BaseTransport):
            return f"the transport {owner!r} is open"
        if getattr(callback, "__name__", "") == "_accept_connection":
            return f"a server listens on file descriptor {key.fd}"
    return f"the loop watches file descriptor {key.fd} (add_reader, add_writer or sock_...())"


def new_loop(cls: type[Loop]) -> Loop:
    """A loop that holds nothing yet, made without the `__init__` of the user's class."""
    global _latest
    _require_portable()
    made = cls.__new__(cls)
    Loop.__init__(made)
    vars(made)[_never_ran] = True
    _latest = made
    return made


def fill_loop(loop: Loop, state: dict[str, Any]) -> None:
    """Give a loop what it holds; when all is thawed, its thread and its tasks."""
    vars(loop).update(state["attributes"])
    loop._ahead = state["time"] - time.monotonic()
    if loop._closed:
        loop._closed = False
        loop.close()
    tasks._task_name_counter = state["names"].__next__  # type: ignore[attr-defined]
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


def finalize(generator: Any) -> None:
    """What becomes of an async generator that is dropped before its end: its loop closes it."""
    loop = running() or _latest
    if loop is not None:
        loop._asyncgen_finalizer_hook(generator)


# -- futures and tasks as data


def _reduce_future(pickler: Any, future: Any) -> Reduced:
    if pickler.namespaces != "whole":
        raise NotMigratable("an asyncio future belongs to its event loop; await it before")
    if not is_portable() or not isinstance(future, asyncio.Future):
        raise NotMigratable("the futures of asyncio which are written in C don't show their state")
    reduced: Reduced = future.__reduce_ex__(5)
    state = reduced[2]
    if isinstance(state, dict) and state.get("_exception_tb") is not None:
        state = {**state, "_exception_tb": pickler.passed(state["_exception_tb"])}
    return new_future, (type(future),), state


def new_future(cls: type[asyncio.Future[Any]]) -> asyncio.Future[Any]:
    """A future or task that holds nothing yet."""
    _require_portable()
    made: asyncio.Future[Any] = cls.__new__(cls)
    return made


def _require_portable() -> None:
    if not is_portable():
        raise NotMigratable("asyncio runs in C here, and its tasks can't be put back")


# -- how this Python's asyncio is told


def _current_loop() -> object:
    """The loop that `set_event_loop` has set; asking must not make one."""
    policy = getattr(events, "_event_loop_policy", None)
    return getattr(getattr(policy, "_local", None), "_loop", None)


def become_default() -> None:
    """Have `asyncio.run`, `asyncio.Runner` and `asyncio.new_event_loop` use `Loop`."""
    for name in ("DefaultEventLoopPolicy", "_DefaultEventLoopPolicy"):
        if policy := vars(asyncio).get(name) or vars(events).get(name):
            policy._loop_factory = Loop
    for name in ("SelectorEventLoop", "EventLoop"):
        if name in vars(asyncio):
            setattr(asyncio, name, Loop)
