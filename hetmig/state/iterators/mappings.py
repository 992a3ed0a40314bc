"""Iterators over dicts and sets, which pickle would flatten into lists.

They go on over the very dict or set, and notice as before when its size changes.
"""

from __future__ import annotations

import collections
import ctypes
import itertools
import operator
from collections.abc import Callable, Iterator
from typing import Any

from hetmig.errors import NotMigratable
from hetmig.interpreter.insides import ABSENT, object_at
from hetmig.interpreter.iterators import insides_of
from hetmig.state.iterators.resumed import Reduced
from hetmig.state.namespaces import is_module_namespace

__all__ = ["REDUCERS"]

_Makers = dict[str, Callable[[Any], Any]]

_ORDERED = collections.OrderedDict


def _makers(cls: Any) -> _Makers:
    """By the methods of the C type: a subclass may have others."""
    return {
        "keys": cls.__iter__,
        "values": lambda mapping: iter(cls.values(mapping)),
        "items": lambda mapping: iter(cls.items(mapping)),
        "reversed keys": cls.__reversed__,
        "reversed values": lambda mapping: reversed(cls.values(mapping)),
        "reversed items": lambda mapping: reversed(cls.items(mapping)),
    }


_DICT, _ORDERED_DICT = _makers(dict), _makers(_ORDERED)
_KINDS = {2: "keys", 4: "values", 6: "items", 3: "reversed keys", 5: "reversed values"}
_KINDS[7] = "reversed items"  # odictobject.c: 1 reversed, 2 keys, 4 values

# -- rebuilding; these names stand in parcels


def dict_iterator(
    mapping: dict[Any, Any], kind: str, size: int, used: int, taken: int
) -> Iterator[Any]:
    """An iterator over `mapping`, which has `size` items or will have, that has taken `taken`.

    The mapping had `used` items when the iteration began; -1 stands for an iterator that has
    noticed a change of size, and raises RuntimeError for ever.
    """
    if len(mapping) == size == used:
        made: Iterator[Any] = _DICT[kind](mapping)
        return _advanced(made, taken)
    if isinstance(mapping, _ORDERED) or is_module_namespace(mapping):
        _refuse_itself(type(mapping).__name__, True)
    if used < 0:
        return _disturbed(_DICT[kind](mapping), mapping)
    # Now over as many others; a cleared dict counts its places from the start.
    content = dict.copy(mapping)
    dict.clear(mapping)
    dict.update(mapping, {object(): None for _ in range(used)})
    made = _advanced(_DICT[kind](mapping), taken)
    dict.clear(mapping)
    dict.update(mapping, content)
    return made


def _disturbed(iterator: Iterator[Any], mapping: dict[Any, Any]) -> Iterator[Any]:
    """Let `iterator` notice once that its dict changed size: CPython makes it remember that."""
    stranger = object()
    dict.__setitem__(mapping, stranger, None)
    next(_Swallowing(iterator), None)
    dict.__delitem__(mapping, stranger)
    return iterator


def ordered_dict_iterator(mapping: Any, kind: str, size: int, taken: int) -> Iterator[Any]:
    """An iterator over an OrderedDict."""
    _refuse_itself("OrderedDict", len(mapping) != size)
    return _advanced(_ORDERED_DICT[kind](mapping), taken)


def exhausted_dict_iterator(kind: str) -> Iterator[Any]:
    """An iterator that has let its dict go."""
    made: Iterator[Any] = _DICT[kind]({})
    next(made, None)
    return made


def set_iterator(elements: Any, size: int, remaining: list[Any]) -> Iterator[Any]:
    """An iterator over a set that still has to give `remaining`, in this order.

    Another process may keep the set in another order.  Then no iterator of its own can do it.
    """
    _refuse_itself("set", len(elements) != size)
    frozen = isinstance(elements, frozenset)
    made = frozenset.__iter__(elements) if frozen else set.__iter__(elements)
    left = _remaining(_advanced(made, size - len(remaining))) or []
    return made if _same(left, remaining) else SetIterator(elements, size, remaining)


def exhausted_set_iterator() -> Iterator[Any]:
    """An iterator that has let its set go."""
    made = iter(set[Any]())
    next(made, None)
    return made


def disturbed_set_iterator() -> Iterator[Any]:
    """An iterator that has noticed that its set changed size: it raises RuntimeError for ever."""
    elements = {0}
    iterator = iter(elements)
    elements.add(1)
    next(_Swallowing(iterator), None)
    return iterator


class SetIterator:
    """Over a set, in an order that is not this process's; or over one that had another size.

    It gives what is left and still there, if the set has the size that it had at the beginning.
    """

    def __init__(self, elements: Any, used: int, remaining: list[Any]) -> None:
        self.elements, self.used = elements, used
        self.backlog = remaining[::-1]

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        if self.elements is None:
            raise StopIteration
        if len(self.elements) != self.used:
            self.used = -1
            raise RuntimeError("Set changed size during iteration")
        while self.backlog:
            element = self.backlog.pop()
            if element in self.elements:
                return element
        self.elements = None
        raise StopIteration


class _Swallowing:
    """Steps an iterator once although it raises."""

    def __init__(self, iterator: Iterator[Any]) -> None:
        self._iterator = iterator

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        try:
            return next(self._iterator)
        except RuntimeError:
            raise StopIteration from None


def _advanced(iterator: Iterator[Any], count: int) -> Iterator[Any]:
    collections.deque(itertools.islice(iterator, count), maxlen=0)
    return iterator


def _refuse_itself(kind: str, when: bool) -> None:
    if when:
        raise NotMigratable(f"a {kind} that holds an iterator over itself cannot be rebuilt")


# -- reducing


def _remaining(iterator: Any) -> list[Any] | None:
    """What an iterator over a dict or set still has, without taking it; None if it would raise."""
    try:
        remaining: list[Any] = iterator.__reduce__()[1][0]
    except RuntimeError:
        return None
    return remaining


def _reduce_dict_iterator(kind: str) -> Callable[[Any], Reduced]:
    def reduce(iterator: Any) -> Reduced:
        held = insides_of(iterator)
        mapping, used = held["mapping"], held["used"]
        if mapping is ABSENT:
            return exhausted_dict_iterator, (kind,)
        size, taken = len(mapping), used - held["len"]
        if used < 0:
            return dict_iterator, (mapping, kind, size, -1, 0)
        left = _left_of(iterator, held)
        expected = held["len"] if kind.startswith("reversed") else size - taken
        if left != expected:
            raise NotMigratable(
                "a dict whose keys were exchanged while it is iterated: "
                "no other process would go on with the same keys"
            )
        return dict_iterator, (mapping, kind, size, used, taken)

    return reduce


def _left_of(iterator: Any, held: dict[str, Any]) -> int:
    """How many items of its dict lie before a dict iterator, whatever the dict's size is by now."""
    mapping = held["mapping"]
    if held["used"] == len(mapping):
        remaining = _remaining(iterator)
        return -1 if remaining is None else len(remaining)
    if type(iterator) in _BACKWARDS:
        return len(mapping) - _count_from(mapping, held["pos"] + 1)
    return _count_from(mapping, held["pos"])


def _count_from(mapping: dict[Any, Any], place: int) -> int:
    """How many items of a dict are stored at `place` or behind."""
    at = ctypes.c_ssize_t(place)
    count = 0
    while ctypes.pythonapi.PyDict_Next(ctypes.py_object(mapping), ctypes.byref(at), None, None):
        count += 1
    return count


def _reduce_ordered_dict_iterator(iterator: Any) -> Reduced:
    held = insides_of(iterator)
    mapping, kind = held["mapping"], _KINDS[held["kind"]]
    remaining = _remaining(iterator)
    if mapping is ABSENT or remaining == []:
        return exhausted_dict_iterator, (kind,)
    if remaining is None:
        raise NotMigratable(
            "an iterator over an OrderedDict that was changed meanwhile cannot travel"
        )
    return ordered_dict_iterator, (mapping, kind, len(mapping), len(mapping) - len(remaining))


def _same(left: list[Any], right: list[Any]) -> bool:
    return len(left) == len(right) and all(map(operator.is_, left, right))


def _reduce_set_iterator(iterator: Any) -> Reduced:
    held = insides_of(iterator)
    elements, used = held["set"], held["used"]
    if elements is ABSENT:
        return exhausted_set_iterator, ()
    if used < 0:
        return disturbed_set_iterator, ()
    remaining = _remaining(iterator) if used == len(elements) else None
    if remaining is None:
        return SetIterator, (elements, used, _elements_from(elements, held["pos"]))
    return set_iterator, (elements, used, remaining)


def _elements_from(elements: Any, place: int) -> list[Any]:
    """The elements of a set that are stored at `place` or behind."""
    at, key, hash_ = ctypes.c_ssize_t(place), ctypes.c_void_p(), ctypes.c_ssize_t()
    following = ctypes.pythonapi._PySet_NextEntry
    arguments = (ctypes.py_object(elements), *map(ctypes.byref, (at, key, hash_)))
    found = []
    while following(*arguments):
        found.append(object_at(key.value or 0))
    return found


_EMPTY: dict[Any, Any] = {}
_BACKWARDS = {type(make(_EMPTY)) for kind, make in _DICT.items() if kind.startswith("reversed")}

REDUCERS: dict[type, Callable[[Any], Reduced]] = {
    **{type(make(_EMPTY)): _reduce_dict_iterator(kind) for kind, make in _DICT.items()},
    type(iter(_ORDERED())): _reduce_ordered_dict_iterator,
    type(iter(set())): _reduce_set_iterator,
}
