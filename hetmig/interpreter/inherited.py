"""What a forked process has inherited: the collector leaves it alone, and so does not find it.

A full collection of everything that is imported takes many milliseconds, in which a task may stand
still, and copies the pages that a fork shares with its parent.  But who holds a function, or what
lies at an address, is a question to the collector: the answers among what is hidden from it are
kept here.
"""

from __future__ import annotations

import functools
import gc
from collections.abc import Iterator
from types import MethodType

__all__ = ["hidden", "leave_alone", "referrers"]

_ASKED_FOR = (functools.partial, MethodType, type)
"""Types of the objects that are looked for among all objects, or among those that hold another."""
_hidden: tuple[object, ...] = ()


def leave_alone() -> None:
    """Let no collection look at what there is now.  For a process that is about to fork."""
    global _hidden
    gc.collect()  # else each child would do it, and copy every page in doing so
    # not isinstance: it would ask a proxy for its object
    _hidden = tuple(o for o in gc.get_objects() if issubclass(type(o), _ASKED_FOR))
    gc.freeze()


def hidden() -> tuple[object, ...]:
    """Those that may be looked for, of what the collector does not list."""
    return _hidden


def referrers(held: object) -> Iterator[object]:
    """Whatever holds this object, and perhaps others."""
    yield from gc.get_referrers(held)
    yield from _hidden
