"""Iterators over lists, tuples, text and whatever else has positions, and over deques.

They tell their position, but pickle's way back asks the object for an iterator, which a subclass
may answer differently, and cuts the position down to the length the object has at that moment: too
little for a list that is still being put together, and for one that shrank and is to grow again.
"""

from __future__ import annotations

import array
import collections
import itertools
from collections.abc import Callable, Iterator
from typing import Any

from hetmig.errors import NotMigratable
from hetmig.interpreter.insides import ABSENT
from hetmig.interpreter.iterators import INSIDES, insides_of
from hetmig.state.iterators.resumed import Reduced

__all__ = ["REDUCERS"]

_Positioned = Callable[[Any], Iterator[Any]]

_MAKERS: dict[str, _Positioned] = {
    "list": list.__iter__,
    "reversed list": list.__reversed__,
    "tuple": tuple.__iter__,
    "str": str.__iter__,
    "bytes": bytes.__iter__,
    "bytearray": bytearray.__iter__,
}

# -- rebuilding; these names stand in parcels


def positioned(kind: str, sequence: Any, index: int) -> Iterator[Any]:
    """An iterator that takes the item at `index` next, whether or not the sequence has one yet."""
    made: Any = _MAKERS[kind](sequence)
    size = len(sequence) if not isinstance(sequence, list) else list.__len__(sequence)
    missing = index + (kind == "reversed list") - size
    if missing > 0 and isinstance(sequence, list):
        list.extend(sequence, [None] * missing)
        made.__setstate__(index)
        list.__delitem__(sequence, slice(size, None))
    elif missing > 0 and isinstance(sequence, bytearray):
        bytearray.extend(sequence, bytes(missing))
        made.__setstate__(index)
        bytearray.__delitem__(sequence, slice(size, None))
    else:
        made.__setstate__(index)
    placed: Iterator[Any] = made
    return placed


def by_index(sequence: Any, index: int, backwards: bool) -> Iterator[Any]:
    """An iterator over an object that has `__getitem__`."""
    cls: type = reversed if backwards else _BY_INDEX
    made: Any = reversed(sequence) if backwards else iter(sequence)
    as_before: bool = type(made) is cls
    if as_before:
        made.__setstate__(index)
        _, (held, *_), *position = made.__reduce__()
        if held is sequence and position == [index]:
            placed: Iterator[Any] = made
            return placed
    raise NotMigratable("an iterator over an object that is not whole yet, or whose class changed")


def deque_iterator(
    items: collections.deque[Any], backwards: bool, taken: int, size: int, disturbed: bool
) -> Iterator[Any]:
    """An iterator that has taken so many of the items, perhaps before the deque was changed."""
    if len(items) != size:
        raise NotMigratable("a deque that holds an iterator over itself cannot be rebuilt")
    made = _over_deque(items, backwards)
    if disturbed:
        _touch(items)
    else:
        collections.deque(itertools.islice(made, taken), maxlen=0)
    return made


def view_iterator(view: memoryview, taken: int) -> Iterator[Any]:
    """An iterator that has taken so many items of a memoryview."""
    made = iter(view)
    collections.deque(itertools.islice(made, taken), maxlen=0)
    return made


def _over_deque(items: collections.deque[Any], backwards: bool) -> Iterator[Any]:
    deque = collections.deque
    return deque.__reversed__(items) if backwards else deque.__iter__(items)


def _touch(items: collections.deque[Any]) -> None:
    """Change a deque, so that its iterators notice, and change it back."""
    deque = collections.deque
    if len(items):
        last = deque.pop(items)
        deque.append(items, last)
    else:
        deque.append(items, None)
        deque.clear(items)


# -- reducing


def _reduce_positioned(kind: str) -> Callable[[Any], Reduced]:
    def reduce(iterator: Any) -> Reduced:
        reduced: Reduced = iterator.__reduce__()
        if len(reduced) == 2:
            return reduced  # at its end: over an empty sequence
        _, (sequence,), index = reduced
        return positioned, (kind, sequence, index)

    return reduce


def _reduce_by_index(iterator: Any) -> Reduced:
    reduced: Reduced = iterator.__reduce__()
    if len(reduced) == 2:
        return reduced
    _, (sequence,), index = reduced
    return by_index, (sequence, index, type(iterator) is reversed)


def _reduce_array_iterator(iterator: Any) -> Reduced:
    reduced: Reduced = iterator.__reduce__()
    if len(reduced) == 3 and reduced[2] > len(reduced[1][0]):
        raise NotMigratable("an iterator over an array that has shrunk behind it cannot travel")
    return reduced


def _reduce_deque_iterator(iterator: Any) -> Reduced:
    held = insides_of(iterator)
    items = held["deque"]
    state = INSIDES[collections.deque].read(items)["state"]
    taken = len(items) - held["counter"]
    disturbed = state != held["state"]
    return deque_iterator, (items, type(iterator) is _BACKWARDS, taken, len(items), disturbed)


def _reduce_view_iterator(iterator: Any) -> Reduced:
    held = insides_of(iterator)
    if held["view"] is ABSENT:
        return iter, ((),)
    return view_iterator, (held["view"], held["index"])


class _ByIndex:
    def __getitem__(self, index: int) -> int:
        raise IndexError


_BY_INDEX = type(iter(_ByIndex()))
_BACKWARDS: type = type(reversed(collections.deque()))

REDUCERS: dict[type, Callable[[Any], Reduced]] = {
    type(iter([])): _reduce_positioned("list"),
    type(reversed([])): _reduce_positioned("reversed list"),
    type(iter(())): _reduce_positioned("tuple"),
    type(iter(b"")): _reduce_positioned("bytes"),
    type(iter(bytearray())): _reduce_positioned("bytearray"),
    type(iter("")): _reduce_positioned("str"),
    type(iter("\u20ac")): _reduce_positioned("str"),
    reversed: _reduce_by_index,
    _BY_INDEX: _reduce_by_index,
    type(iter(array.array("b"))): _reduce_array_iterator,
    type(iter(collections.deque())): _reduce_deque_iterator,
    _BACKWARDS: _reduce_deque_iterator,
    type(iter(memoryview(b""))): _reduce_view_iterator,
}
