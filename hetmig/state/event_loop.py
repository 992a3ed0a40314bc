"""The event loop of an asyncio program that can move: all of it is Python, and so it is data.

Between two of its callbacks a loop stands in `run_forever`, and below that are only Python frames:
they are captured like any others.  The loop itself is an object among their variables.  It arrives
with its clock, its ready callbacks, timers and tasks, and with a selector of its own there.

asyncio's tasks and futures written in C can't be put back; a runner has asyncio use its Python ones
(see `hetmig.node.asynchronous`).
"""

from __future__ import annotations

import asyncio
import collections
import selectors
import sys
import threading
import time
from asyncio import events, tasks
from collections.abc import Callable
from typing import Any

from hetmig.errors import HetmigError, NotMigratable
from hetmig.interpreter.safepoint import SIGNAL, raise_again

__all__ = [
    "UNUSED",
    "Loop",
    "arrived",
    "become_default",
    "finalize",
    "install",
    "is_portable",
    "latest",
    "running",
    "wake",
]

_OFFER_SECONDS = 0.02
"""While the task is wanted and could not be moved, it is tried again after so long."""
_LOOK_SECONDS = 0.05
"""A loop that is wanted and has nothing to do looks so often."""

_wanted: Callable[[], bool] = bool
"""Whether somebody wants the task to move."""
_move: Callable[[str], None] | None = None
"""Moves the task, or raises NotMigratable."""

UNUSED = "_hetmig_unused"
"""The attribute of a loop that has arrived; if it is thrown away, it closes without a word."""

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


def arrived(loop: Loop) -> None:
    """This loop is about to go on in this process."""
    global _latest
    _latest = loop


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


class _Work:
    """A call in a thread of the default executor, as long as it may take time."""

    def __init__(self, at_work: set[_Work], function: Callable[..., object]) -> None:
        self._at_work = at_work
        self._function = function
        self._begun = False

    def __call__(self, *args: Any) -> object:
        self._begun = True
        try:
            return self._function(*args)
        finally:
            self._at_work.discard(self)

    def given_up(self, future: asyncio.Future[Any]) -> None:
        """Nobody waits for the result any more."""
        if not self._begun:
            self._at_work.discard(self)


class Loop(asyncio.SelectorEventLoop):
    """An event loop that can move."""

    # asyncio's own, of which its type stubs don't know
    _asyncgen_finalizer_hook: Any
    _asyncgen_firstiter_hook: Any
    _check_closed: Any
    _check_running: Any
    _closed: bool
    _coroutine_origin_tracking_enabled: bool
    _csock: Any
    _debug: bool
    _default_executor: Any
    _ready: Any
    _run_once: Any
    _selector: Any
    _set_coroutine_origin_tracking: Any
    _ssock: Any
    _stopping: bool
    _thread_id: int | None
    _transports: Any
    _write_to_self: Any

    def __init__(self, selector: selectors.BaseSelector | None = None) -> None:
        super().__init__(selector or self._new_selector())
        self._ahead = 0.0  # of this machine's clock
        self._next_offer = 0.0
        self._wishes: collections.deque[tuple[str, asyncio.Future[None]]] = collections.deque()
        self._at_work: set[_Work] = set()
        self._own_executor = True
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
                if self._wishes and not self._gives_back_threads():
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
        if now < self._next_offer or self._gives_back_threads():
            return False
        self._next_offer = now + _OFFER_SECONDS
        return True

    def _gives_back_threads(self) -> bool:
        """End the threads of the default executor, if they have nothing to do; whether it had any.

        The loop makes others when it needs them.  What they have left to be done is done in the
        next round.
        """
        executor = self._default_executor
        if executor is None or self._at_work or not self._own_executor:
            return False
        self._default_executor = None
        executor.shutdown()
        self._write_to_self()
        return True

    def set_default_executor(self, executor: Any) -> None:
        """Set the executor that run_in_executor() uses by default.  It stays with this process."""
        self._own_executor = False
        super().set_default_executor(executor)

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:  # type: ignore[override]
        """Have func(*args) called in a thread; a future of its result."""
        if executor is not None:
            return super().run_in_executor(executor, func, *args)
        work = _Work(self._at_work, func)
        self._at_work.add(work)
        future = super().run_in_executor(None, work, *args)
        future.add_done_callback(work.given_up)
        return future

    def busy(self) -> tuple[float, str]:
        """For how long the callback that runs has run, and whose it is.  Any thread may ask."""
        task = tasks._current_tasks.get(self)  # type: ignore[attr-defined]
        who = f"the asyncio task {task.get_name()!r}" if task is not None else "an asyncio callback"
        return time.monotonic() - self._since, who

    def __del__(self) -> None:
        if vars(self).pop(UNUSED, False):
            self._thread_id = None
            self.close()
        super().__del__()


def _require_runner() -> Callable[[str], None]:
    if _move is None:
        raise NotMigratable("this event loop does not run in a task")
    return _move


def finalize(generator: Any) -> None:
    """What becomes of an async generator that is dropped before its end: its loop closes it."""
    loop = running() or _latest
    if loop is not None:
        loop._asyncgen_finalizer_hook(generator)


_WHERE_DEFAULTS_ARE = ("asyncio", "asyncio.unix_events", "asyncio.windows_events")


def become_default() -> None:
    """Have `asyncio.run`, `asyncio.Runner` and `asyncio.new_event_loop` use `Loop`."""
    for module in filter(None, map(sys.modules.get, _WHERE_DEFAULTS_ARE)):
        names = vars(module)
        for name in {"DefaultEventLoopPolicy", "_DefaultEventLoopPolicy"} & names.keys():
            names[name]._loop_factory = Loop
        for name in {"SelectorEventLoop", "EventLoop"} & names.keys():
            names[name] = Loop
