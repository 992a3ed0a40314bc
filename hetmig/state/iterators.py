"""Iterators travel with their exact position, and still over the very object they iterate.

Most of CPython's built-in iterators say by themselves how to be rebuilt, and say it right.  This
module is about the others: those over dicts and sets, which would be flattened into lists, and
those of itertools, which stopped saying it in Python 3.14.  Nothing here advances an original.
"""

from __future__ import annotations

import collections
import contextlib
import gc
import itertools
import operator
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from hetmig.errors import NotMigratable

__all__ = ["REDUCERS"]

Reduced = tuple[Any, ...]
_HEAP_TYPE = 1 << 9  # Py_TPFLAGS_HEAPTYPE


# -- rebuilding; these names stand in parcels


def dict_iterator(mapping: dict[Any, Any], kind: str, position: int, size: int) -> Iterator[Any]:
    """An iterator over `mapping` (which has `size` items by now) that has taken `position` of them.

    A negative position stands for an iterator whose dict changed size under it: its next step
    raises RuntimeError, here as there.
    """
    if len(mapping) != size:
        raise NotMigratable("a dict that holds an iterator over itself cannot be rebuilt")
    iterator = _DICT_ITERATORS[kind](mapping)
    if position < 0:
        return _disturbed(iterator, mapping)
    collections.deque(itertools.islice(iterator, position), maxlen=0)
    return iterator


def exhausted_dict_iterator(kind: str) -> Iterator[Any]:
    """An iterator that has let its dict go."""
    iterator = _DICT_ITERATORS[kind]({})
    next(iterator, None)
    return iterator


def set_iterator(remaining: list[Any]) -> Iterator[Any]:
    """The rest of a set in the order of the source; another process would order it otherwise."""
    return iter(remaining)


def disturbed_set_iterator() -> Iterator[Any]:
    """An iterator whose set changed size under it: its next step raises RuntimeError."""
    elements = {0}
    iterator = iter(elements)
    elements.add(1)
    next(_Swallowing(iterator), None)
    return iterator


def resumed_chain(active: Iterator[Any], source: Iterator[Any]) -> Iterator[Any]:
    """An `itertools.chain` in the middle of one of its parts."""
    return itertools.chain.from_iterable(itertools.chain((active,), source))


def quiet_iterator(
    constructor: Callable[..., Any], arguments: tuple[Any, ...], state: Any = None
) -> Iterator[Any]:
    """An iterator of itertools as it described itself."""
    iterator: Any = constructor(*arguments)
    if state is not None:
        with _quiet():
            iterator.__setstate__(state)
    made: Iterator[Any] = iterator
    return made


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Python 3.12 and 3.13 warn that 3.14 takes pickling away from itertools."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


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


def _disturbed(iterator: Iterator[Any], mapping: dict[Any, Any]) -> Iterator[Any]:
    """Let `iterator` notice once that its dict changed size: CPython makes it remember that."""
    stranger = object()
    mapping[stranger] = None
    next(_Swallowing(iterator), None)
    del mapping[stranger]
    return iterator


_DICT_ITERATORS: dict[str, Callable[[Any], Iterator[Any]]] = {
    "keys": iter,
    "values": lambda mapping: iter(mapping.values()),
    "items": lambda mapping: iter(mapping.items()),
    "reversed keys": reversed,
    "reversed values": lambda mapping: reversed(mapping.values()),
    "reversed items": lambda mapping: reversed(mapping.items()),
}

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
        mapping = next((o for o in gc.get_referents(iterator) if isinstance(o, dict)), None)
        if mapping is None:
            return exhausted_dict_iterator, (kind,)
        remaining = _remaining(iterator)
        position = -1 if remaining is None else len(mapping) - len(remaining)
        return dict_iterator, (mapping, kind, position, len(mapping))

    return reduce


def _reduce_ordered_dict_iterator(iterator: Any) -> Reduced:
    """One type serves all views of an OrderedDict: which one it is shows in what is left."""
    mapping = next((o for o in gc.get_referents(iterator) if isinstance(o, dict)), None)
    remaining = _remaining(iterator)
    if mapping is None or remaining == []:
        return exhausted_dict_iterator, ("keys",)
    if remaining is not None:
        for kind, make in _DICT_ITERATORS.items():
            position = len(mapping) - len(remaining)
            if _same(list(make(mapping))[position:], remaining):
                return dict_iterator, (mapping, kind, position, len(mapping))
    raise NotMigratable("an iterator over an OrderedDict that was changed meanwhile cannot travel")


def _same(left: list[Any], right: list[Any]) -> bool:
    def alike(one: Any, other: Any) -> bool:
        pairs = type(one) is type(other) is tuple and len(one) == len(other) == 2
        return one is other or (pairs and all(map(operator.is_, one, other)))

    return len(left) == len(right) and all(map(alike, left, right))


def _reduce_set_iterator(iterator: Any) -> Reduced:
    remaining = _remaining(iterator)
    if remaining is None:
        return disturbed_set_iterator, ()
    return set_iterator, (remaining,)


def _reduce_quietly(iterator: Any) -> Reduced:
    """What an itertools object says of itself."""
    with _quiet():
        reduced: Reduced = iterator.__reduce__()
    return quiet_iterator, reduced


def _parts(iterator: Any) -> list[Any]:
    """The objects an iterator holds, in the order of its C structure."""
    parts = gc.get_referents(iterator)
    # From 3.12 on the types of itertools are heap types, which their instances own.
    return parts[1:] if type(iterator).__flags__ & _HEAP_TYPE else parts


def _reduce_count(iterator: Any) -> Reduced:
    parts = _parts(iterator)
    if len(parts) == 2:
        return itertools.count, tuple(parts)
    # Small integers counted by one lie in the C object; only the text shows them, but the largest.
    text = repr(iterator)[len("count(") : -1]
    return itertools.count, (sys.maxsize if text == "<NULL>" else int(text), *parts)


def _reduce_repeat(iterator: Any) -> Reduced:
    (element,) = _parts(iterator)
    try:
        return itertools.repeat, (element, iterator.__length_hint__())
    except TypeError:  # an endless one has no length
        return itertools.repeat, (element,)


def _reduce_chain(iterator: Any) -> Reduced:
    match _parts(iterator):
        case []:
            return itertools.chain, ()
        case [source]:
            return itertools.chain.from_iterable, (source,)
        case [source, active]:
            return resumed_chain, (active, source)
        case _:
            return _refuse(iterator)


def _reduce_filtering(iterator: Any) -> Reduced:
    """For those which hold the iterator and the function they were made from, and no more."""
    source, function = _parts(iterator)
    return type(iterator), (function, source)


def _reduce_compress(iterator: Any) -> Reduced:
    return itertools.compress, tuple(_parts(iterator))


def _refuse(iterator: Any) -> Reduced:
    raise NotMigratable(
        f"this Python does not show where an itertools.{type(iterator).__name__} stands: "
        "use a loop or a list in its place, or finish it before a move"
    )


def _itertools_reducers() -> dict[type, Callable[[Any], Reduced]]:
    """Python 3.14 took `__reduce__` away from all of itertools, and some never had it."""
    known: dict[type, Callable[[Any], Reduced]] = {
        itertools.chain: _reduce_chain,
        itertools.starmap: _reduce_filtering,
        itertools.filterfalse: _reduce_filtering,
        itertools.compress: _reduce_compress,
    }
    found: dict[type, Callable[[Any], Reduced]] = {
        cls: _reduce_quietly if "__reduce__" in vars(cls) else known.get(cls, _refuse)
        for name, cls in vars(itertools).items()
        if isinstance(cls, type) and not name.startswith("__")
    }
    # These two are exact on every version; a count at sys.maxsize fails in CPython's own way.
    return found | {itertools.count: _reduce_count, itertools.repeat: _reduce_repeat}


_EMPTY: dict[Any, Any] = {}

REDUCERS: dict[type, Callable[[Any], Reduced]] = {
    **{type(make(_EMPTY)): _reduce_dict_iterator(kind) for kind, make in _DICT_ITERATORS.items()},
    type(iter(collections.OrderedDict())): _reduce_ordered_dict_iterator,
    type(iter(set())): _reduce_set_iterator,
    **_itertools_reducers(),
}
"""How each type of iterator that needs help is reduced."""
