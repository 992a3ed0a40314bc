"""What an iterator has still to give, without taking it: what can be handed out of a loop."""

from __future__ import annotations

import array
import copy
from collections import OrderedDict, deque
from collections.abc import Iterator, Sequence
from typing import Any

from hetmig.errors import DivisionRefused

__all__ = ["remainder"]

_SLICED = (range, list, tuple, str, bytes, bytearray, array.array)
_TABLE: dict[int, int] = {}
_CONTAINERS: tuple[Any, ...] = (
    *([], (), "", b"", bytearray(), range(0), range(1 << 80, 1 << 80)),
    *(_TABLE.keys(), _TABLE.values(), _TABLE.items(), set(), deque(), array.array("b")),
    *(OrderedDict[int, int]().keys(), OrderedDict[int, int]().values()),
    OrderedDict[int, int]().items(),
)
_REVERSED: tuple[Any, ...] = ([], (), deque(), _TABLE, _TABLE.items(), _TABLE.values())
_COPIED: tuple[type, ...] = (
    *dict.fromkeys(type(iter(empty)) for empty in (*_CONTAINERS, "ä")),
    *dict.fromkeys(type(reversed(empty)) for empty in _REVERSED),
)
"""Iterators of finite containers, of which a copy is another iterator of the same one."""


def remainder(iterator: Iterator[Any]) -> Sequence[Any]:
    """What the iterator has still to give; it does not move.

    Raises DivisionRefused for an iterator that can't be looked into, or might never end.
    """
    if type(iterator) in _COPIED:
        reduced: Any = iterator.__reduce__()
        _, (source, *_), *state = reduced
        if type(source) in _SLICED and iterator.__reduce__()[0] is iter:
            rest: Sequence[Any] = source[state[0] if state else 0 :]
            return rest
    return list(_copied(iterator))


def _copied(iterator: Any) -> Iterator[Any]:
    kind = type(iterator)
    if kind in _COPIED:
        copied: Iterator[Any] = copy.copy(iterator)
        return copied
    if kind is enumerate:
        inner, number = iterator.__reduce__()[1]
        return enumerate(_copied(inner), number)
    if kind is zip:
        reduced = iterator.__reduce__()
        return zip(*map(_copied, reduced[1]), strict=bool(reduced[2:]))
    if _is_numpys(iterator):
        return iter(list(copy.copy(iterator)))
    raise DivisionRefused(
        f"what a {kind.__name__} has still to give is not known: give the loop a list or a range, "
        "or say divisible(..., materialise=True) if it comes to an end and may be taken at once"
    )


def _is_numpys(iterator: Any) -> bool:
    """Whether it is Python's iterator of sequences, over an array."""
    if type(iterator) is not type(iter(_Old())):
        return False
    reduced: Any = iterator.__reduce__()
    source = reduced[1][0]
    return type(source).__module__ == "numpy" and hasattr(source, "shape")


class _Old:
    def __getitem__(self, index: int) -> int:
        raise IndexError
