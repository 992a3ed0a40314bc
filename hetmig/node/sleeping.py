"""`time.sleep` of a task's main thread: it can be woken to move, and sleeps on where it arrives.

The one of the C library can't move: nobody can tell how much of it is left.  A runner puts this one
in its place before any code of the user's is imported.  It waits for a lock, which whoever wants
the task to move releases; then it is at the end of its loop, a safe point, and its variables say
how long it still has to sleep.  It is a method of the module `time`, which pickles by its name.
"""

from __future__ import annotations

import _thread
import operator
import os
import threading
import time
from collections.abc import Callable
from types import MethodType

__all__ = ["install", "rest", "rest_aside", "sleep", "wake"]

_builtin_sleep = time.sleep
_monotonic = time.monotonic
_alarm = _thread.allocate_lock()
_alarm.acquire()
_process = b""
"""Says whether a time on this process's clock means anything."""
_wanted: Callable[[], bool] = bool
"""Whether somebody wants the task to move."""

_SLICE = 0.02
"""Seconds between looks while somebody does."""


def install(wanted: Callable[[], bool]) -> None:
    """Put this `sleep` into `time`; `wanted()` says whether somebody wants the task to move."""
    global _process, _wanted
    _process = os.urandom(16)
    _wanted = wanted
    time.sleep = MethodType(sleep, time)


def wake() -> None:
    """Let the sleeper look whether it is wanted.  Any thread may call, a signal handler too."""
    if _alarm.locked():
        try:
            _alarm.release()
        except RuntimeError:  # somebody else was faster
            return


def sleep(_time: object, seconds: float, /) -> None:
    """Delay execution for a given number of seconds.  It may be a floating-point number."""
    remaining = _plain(seconds)
    if remaining is None or threading.get_ident() != threading.main_thread().ident:
        return _builtin_sleep(seconds)
    process, until = _process, _monotonic() + remaining
    while True:
        if process != _process:  # it has moved
            process, until = _process, _monotonic() + remaining
        _alarm.acquire(True, min(remaining, _SLICE) if _wanted() else remaining)
        remaining = until - _monotonic()
        if remaining <= 0:
            return None


def rest(seconds: float) -> None:
    """Wait until somebody calls `wake`, or for so long.  For the main thread."""
    _alarm.acquire(True, min(seconds, _SLICE) if _wanted() else seconds)


def rest_aside(seconds: float) -> None:
    """Wait for so long.  For other threads."""
    _builtin_sleep(seconds)


def _plain(seconds: object) -> float | None:
    """The time as a number that a lock can wait for; None for what is `time.sleep`'s to judge."""
    try:
        value = seconds if isinstance(seconds, float) else operator.index(seconds)  # type: ignore[arg-type]
    except TypeError:
        return None
    return float(value) if 0 < value <= threading.TIMEOUT_MAX else None
