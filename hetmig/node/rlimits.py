"""The memory and the processor time that this runner's task may use, where the system limits them.

Memory that is not given is a MemoryError in the task.  Processor time that is used up is a
QuotaExceeded in the task; one that goes on all the same is killed.
"""

from __future__ import annotations

import contextlib
import importlib
import math
import os
import signal
import time
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any

import hetmig
from hetmig.errors import QuotaExceeded

__all__ = ["explain", "limit_memory", "limit_time", "of_memory"]

_GRACE_SECONDS = 2
_resource: Any = None
"""The module `resource`; None on a system that is not POSIX."""
with contextlib.suppress(ImportError):
    _resource = importlib.import_module("resource")  # now, and not while a task stands still
_HOME = os.path.dirname(os.path.abspath(hetmig.__file__)) + os.sep
_OURS = (_HOME,)
_LIBRARY = (os.path.dirname(os.__file__) + os.sep, "<frozen")
_LOOPS = (os.path.join(os.path.dirname(os.__file__), "asyncio") + os.sep,)
_BELOW = tuple(
    _HOME + os.path.join(*place)
    for place in (("node", "asynchronous.py"), ("node", "servant.py"), ("state", "event_loop.py"))
)
"""What stands below the task's own code and can be left by an exception."""


def limit_memory(nbytes: int) -> bool:
    """Let this process have so much more than it has now.  Whether the system can do that."""
    return _limit("RLIMIT_AS", _size() + nbytes, _size() + nbytes) if nbytes else False


def limit_time(seconds: int, root: Callable[[], FrameType | None]) -> bool:
    """Let this process compute for so much longer.  Whether the system can do that.

    `root` tells the frame that has called the task: only above it an error is the task's.
    """
    if not seconds or not hasattr(signal, "SIGXCPU"):
        return False

    def used_up(signum: int, frame: FrameType | None) -> None:
        if _is_in_task(frame, root()):  # else the next one will find it there, a second later
            raise _used_up(seconds)

    signal.signal(signal.SIGXCPU, used_up)
    end = math.ceil(time.process_time()) + seconds  # the limit is in whole seconds
    return _limit("RLIMIT_CPU", end, end + _GRACE_SECONDS)


def explain(how: str, code: int, caps: Mapping[str, int]) -> str:
    """Why a runner has ended so, as far as its caps can be the reason; `code` is its exit code."""
    seconds = caps.get("cpu", 0)
    if os.name == "posix" and seconds and -code in (signal.SIGXCPU, signal.SIGKILL):
        return f"{how}: a task has {seconds} s of processor time here (--cpu-per-task)"
    return how


def _used_up(seconds: int) -> QuotaExceeded:
    used = time.process_time()
    return QuotaExceeded(
        f"the task has used {used:.0f} s of processor time; the node's --cpu-per-task allows "
        f"{seconds} s: raise it there, or move the task on before",
        cap=seconds,
        value=int(used),
        setting="--cpu-per-task",
    )


def _is_in_task(frame: FrameType | None, root: FrameType | None) -> bool:
    """Whether the task's own code is at work, where an error goes the way of its errors.

    Not in code of ours; and not in an event loop's, where it would be some other task's loss.
    """
    while frame is not None and frame is not root and _is_of(frame, _LIBRARY):
        if _is_of(frame, (*_LOOPS, *_OURS)):  # we may be installed below the library
            return False
        frame = frame.f_back
    if frame is None or (frame is not root and _is_of(frame, _OURS)):
        return False
    while frame is not None and frame is not root:
        if _is_of(frame, _OURS) and frame.f_code.co_filename not in _BELOW:
            return False
        frame = frame.f_back
    return frame is not None


def _is_of(frame: FrameType, place: tuple[str, ...]) -> bool:
    return frame.f_code.co_filename.startswith(place)


def _limit(name: str, soft: int, hard: int) -> bool:
    if _resource is None:
        return False
    try:
        number = getattr(_resource, name)
        most = _resource.getrlimit(number)[1]
        if most != _resource.RLIM_INFINITY:
            soft, hard = min(soft, most), min(hard, most)
        _resource.setrlimit(number, (soft, hard))
    except (AttributeError, ValueError, OSError, OverflowError):
        return False
    return True


def _size() -> int:
    """Bytes of address space that this process has; 0 if the system does not say."""
    with contextlib.suppress(OSError, ValueError, IndexError, AttributeError):
        with open("/proc/self/statm", "rb") as sizes:
            pages = int(sizes.read().split()[0])
        return pages * os.sysconf("SC_PAGE_SIZE")
    return 0


def of_memory(error: BaseException, caps: Mapping[str, int]) -> str:
    """What to add to an error if it comes from a want of memory: the cap that the task has met."""
    seen: BaseException | None = error
    while seen is not None and not isinstance(seen, MemoryError):
        seen = seen.__cause__ or seen.__context__
    nbytes = caps.get("memory", 0)
    if seen is None or not nbytes:
        return ""
    return f"a task has {nbytes} bytes of memory on this node (--memory-per-task)"
