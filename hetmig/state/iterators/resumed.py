"""Iterators of hetmig's own making, in places where the program does not see them.

An iterator that keeps something from the past (the saved items of a `cycle`, the group a `groupby`
stands in) is built over a `Resumed`, fed what it has to remember, and left before the source it
really has.  The next capture looks through it, so that moving often does not pile them up.
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Iterable, Iterator
from typing import Any

from hetmig.interpreter.insides import ABSENT
from hetmig.interpreter.iterators import INSIDES

__all__ = ["Given", "Reduced", "Resumed", "primed", "reduce_resumed", "unwrapped"]

Reduced = tuple[Any, ...]

_TUPLE_ITERATOR = type(iter(()))


class Given:
    """Stands before a constructor that asks for an iterator, and gives it exactly this one.

    So the `__iter__` of a user's class is not called again; it was, when the program ran.
    """

    def __init__(self, iterator: Iterator[Any]) -> None:
        self._iterator = iterator

    def __iter__(self) -> Iterator[Any]:
        return self._iterator


class Resumed(itertools.chain[Any]):
    """A chain of iterators that knows what is left of it."""

    __slots__ = ("parts",)

    parts: Iterator[Any]

    def left(self) -> list[Iterator[Any]]:
        """The iterators it still has, and has not seen the end of."""
        active = INSIDES[itertools.chain].read(self)["active"]
        reduced: Any = self.parts.__reduce__()
        _, (parts,), *position = reduced
        pending = [part._iterator for part in parts[position[0] :]] if position else []
        found: list[Any] = []
        for part in pending if active is ABSENT else [active, *pending]:
            if type(part) is Resumed:
                found += part.left()
            # A tuple cannot grow, so this one is over for ever.
            elif type(part) is not _TUPLE_ITERATOR or operator.length_hint(part):
                found.append(part)
        return found


def resumed(parts: Iterable[Iterator[Any]]) -> Resumed:
    """One iterator after the other."""
    source = iter([Given(part) for part in parts])
    made = Resumed.from_iterable(source)
    assert isinstance(made, Resumed)
    made.parts = source
    return made


def primed(front: tuple[Any, ...], rest: Iterator[Any]) -> Resumed:
    """These items, then those of `rest`, which is not touched before."""
    return resumed([iter(front), rest])


def unwrapped(iterator: Any) -> Any:
    """The program's own iterator, if this is one of ours that has only it left."""
    if type(iterator) is Resumed and len(left := iterator.left()) == 1:
        return left[0]
    return iterator


def reduce_resumed(iterator: Resumed) -> Reduced:
    """Take one apart that is still needed."""
    return resumed, (iterator.left(),)
