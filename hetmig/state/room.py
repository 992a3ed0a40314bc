"""Room for a pickler that nests, however deep the program stands and whatever limit it has set."""

from __future__ import annotations

import sys
import threading

from hetmig.errors import NotMigratable

__all__ = ["Room", "require_no_room"]

# Nested calls the pickler may take, however deep the program stands: less than 1 MB of C stack.
_ROOM = 4000
_LOW = 1000  # as Python begins with
_one_limit = threading.RLock()  # the limit is one for all threads, so they take turns
_open: list[int] = []
"""For each room that is open, its thread."""


class Room:
    """Lets the pickler nest, however deep the program stands and whatever limit it has set.

    A higher limit of the program's own would let a deeply nested list overflow the C stack.
    """

    def __enter__(self) -> None:
        _one_limit.acquire()
        _open.append(threading.get_ident())
        before = self._before = sys.getrecursionlimit()
        # nobody stands deeper than the limit allows: as long as it is low, that says enough
        sys.setrecursionlimit((before if before <= _LOW else _depth()) + _ROOM)

    def __exit__(self, *exception: object) -> None:
        sys.setrecursionlimit(self._before)
        _open.pop()
        _one_limit.release()


def require_no_room() -> None:
    """Raise NotMigratable if this thread is interrupted while it pickles or unpickles something.

    The limit and its lock belong to the process, and so does what is half put together.
    """
    if threading.get_ident() in _open:
        raise NotMigratable("hetmig is pickling or unpickling something of the task's just now")


def _depth() -> int:
    """How deep this thread stands, or some more.  To walk the frames would make them all."""
    low, high = 0, 256
    while _stands(high):
        low, high = high, 2 * high
    while high - low > 256:
        middle = (low + high) // 2
        low, high = (middle, high) if _stands(middle) else (low, middle)
    return high


def _stands(depth: int) -> bool:
    try:
        sys._getframe(depth)
    except ValueError:
        return False
    return True
