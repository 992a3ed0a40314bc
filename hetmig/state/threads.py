"""Which threads a program has besides the one that moves, and `Thread` objects as data.

Only the main thread of a task moves.  A thread that the program can do without is declared so
(`hetmig.ignorable`): it stays behind, and ends with the process it is in.
"""

from __future__ import annotations

import sys
import threading
from types import FrameType
from typing import Any

from hetmig.errors import NotMigratable

__all__ = ["RESTARTED", "fill_thread", "is_ignorable", "new_thread", "others", "reduce_thread"]

Reduced = tuple[Any, ...]

IGNORABLE = "_hetmig_ignorable"
"""The attribute which `hetmig.ignorable` sets."""

_OF_MESSAGES = "zmq.utils.garbage"
"""pyzmq's own thread, which frees the memory of messages that hetmig has sent."""

RESTARTED = frozenset(
    {
        ("tqdm._monitor", "TMonitor"),
        ("rich.live", "_RefreshThread"),
        ("rich.progress", "_TrackThread"),
    }
)
"""Classes of threads that stay behind and are started anew at the destination: of progress bars."""

_LIVE = "it runs on in this process"
_TASK = ("_target", "_args", "_kwargs")
_NAME = "_name", "_daemonic"
_OWN_WAY = ("__reduce__", "__reduce_ex__")


def is_ignorable(thread: threading.Thread) -> bool:
    """Whether a thread was declared to be one that may stay behind."""
    return IGNORABLE in vars(thread)


def others(*, ignorable: bool) -> list[str]:
    """The names of the live threads besides the current one and hetmig's own.

    `ignorable`: whether those count which were declared so.
    """
    me, frames = threading.get_ident(), sys._current_frames()
    found, known = [], {me}
    for thread in threading.enumerate():
        if thread.ident is not None:
            known.add(thread.ident)
        if thread.ident == me or thread.name.startswith("hetmig-"):
            continue
        cls = type(thread)
        if cls.__module__ == _OF_MESSAGES or (cls.__module__, cls.__qualname__) in RESTARTED:
            continue
        if isinstance(thread, threading._DummyThread):
            frame = None if thread.ident is None else frames.get(thread.ident)
            if frame is None or _is_ours(frame):
                continue  # of C code, whose end nobody notes; or ours, which asked for its name
        if ignorable or not is_ignorable(thread):
            found.append(thread.name)
    # started below the threading module
    raw = (ident for ident in frames.keys() - known if not _is_ours(frames[ident]))
    return [*found, *(f"_thread {ident}" for ident in raw)]


def _is_ours(frame: FrameType) -> bool:
    while frame.f_back is not None:
        frame = frame.f_back
    return str(frame.f_globals.get("__name__")).startswith("hetmig.")


# -- Thread objects


def reduce_thread(pickler: Any, thread: threading.Thread) -> Any:
    """A thread that has ended, or stays behind, arrives as one that has ended."""
    cls = type(thread)
    if any(getattr(cls, name) is not getattr(object, name) for name in _OWN_WAY):
        return NotImplemented
    if thread is threading.main_thread():
        return threading.main_thread, ()
    if thread.is_alive() and not is_ignorable(thread):
        raise NotMigratable(f"the thread {thread.name!r} is alive: {_LIVE}")
    begun = thread.ident is not None
    machinery = vars(threading.Thread()).keys() - (() if begun else _TASK)
    state = {name: value for name, value in vars(thread).items() if name not in machinery}
    made = (new_thread, (cls, begun, thread.name, thread.daemon))
    return *made, state, None, None, fill_thread


def new_thread(cls: type[threading.Thread], begun: bool, name: str, daemon: bool) -> Any:
    """A thread, made without the `__init__` of the user's class; one that has begun has ended."""
    made = cls.__new__(cls)
    threading.Thread.__init__(made, name=name, daemon=daemon)
    if begun:
        vars(made)["run"] = _nothing
        threading.Thread.start(made)
        threading.Thread.join(made)
        del vars(made)["run"]
    return made


def _nothing() -> None: ...


def fill_thread(thread: threading.Thread, state: dict[str, Any]) -> None:
    """Give a thread the attributes of the user's own."""
    vars(thread).update(state)
