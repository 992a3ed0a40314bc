"""product, permutations and combinations: far more may be to come than can be stepped over.

Not far from the start a new iterator is simply advanced: its items come from the pools alone.
Further on, versions that let its place be set have it set.  Python 3.14 does not; there the rest is
put together from smaller iterators of the same kind: those that share the first k-1 choices and
take a later one at place k, for each k from the last place to the first.
"""

from __future__ import annotations

import collections
import functools
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from hetmig.interpreter.insides import numbers_at
from hetmig.interpreter.iterators import insides_of
from hetmig.state.iterators.quiet import quietly
from hetmig.state.iterators.resumed import Reduced, resumed

__all__ = ["NEAR", "REDUCERS"]

NEAR = 20_000
"""So many steps are taken, which costs less than a millisecond."""

Places = tuple[int, ...]
Pool = tuple[Any, ...]

# -- rebuilding; these names stand in parcels


def product(pools: tuple[Pool, ...], places: Places) -> Iterator[Any]:
    """A `product` which has just given the items at these places of its pools."""
    rank = 0
    for pool, place in zip(pools, places, strict=True):
        rank = rank * len(pool) + place
    return _at(itertools.product(*pools), rank, places, lambda: _products(pools, places))


def combinations(pool: Pool, places: Places) -> Iterator[Any]:
    """A `combinations` which has just given the items at these places."""
    size = len(places)
    rank = math.comb(len(pool), size) - 1
    for index, place in enumerate(places):
        rank -= math.comb(len(pool) - place - 1, size - index)
    made = itertools.combinations(pool, size)
    return _at(made, rank, places, lambda: _selections(itertools.combinations, pool, places))


def repeated_combinations(pool: Pool, places: Places) -> Iterator[Any]:
    """A `combinations_with_replacement` which has just given the items at these places."""
    size = len(places)
    rank = math.comb(len(pool) + size - 1, size) - 1
    for index, place in enumerate(places):
        kinds, open_places = len(pool) - place - 1, size - index
        rank -= math.comb(kinds + open_places - 1, open_places) if kinds else 0
    cls = itertools.combinations_with_replacement
    return _at(cls(pool, size), rank, places, lambda: _selections(cls, pool, places))


def permutations(pool: Pool, size: int, places: Places, cycles: Places) -> Iterator[Any]:
    """A `permutations` which has just given the items at the first `size` of these places."""
    rank = 0
    for index in range(size):
        later = len(pool) - index - 1
        smaller = sum(place < places[index] for place in places[index + 1 :])
        rank += smaller * math.perm(later, size - index - 1)
    made = itertools.permutations(pool, size)
    chosen = places[:size]
    return _at(made, rank, (places, cycles), lambda: _rearrangements(pool, chosen))


def exhausted_choices(constructor: Callable[..., Iterator[Any]], *arguments: Any) -> Iterator[Any]:
    """One that has given all."""
    made = constructor(*arguments)
    collections.deque(made, maxlen=0)
    return made


def rearranged(pool: Pool, chosen: Places, size: int, place: int) -> Iterator[Any]:
    """The permutations that begin with what was chosen and the item at `place`."""
    taken = {*chosen, place}
    start = tuple(pool[at] for at in (*chosen, place))
    others = tuple(item for at, item in enumerate(pool) if at not in taken)
    return map(start.__add__, itertools.permutations(others, size - len(start)))


def _at(
    made: Any, rank: int, state: tuple[Any, ...], rest: Callable[[], Iterator[Any]]
) -> Iterator[Any]:
    """Have `made` just behind its item number `rank`, or give the `rest` in its place."""
    if rank <= NEAR:
        collections.deque(itertools.islice(made, rank + 1), maxlen=0)
    elif hasattr(made, "__setstate__"):
        with quietly():
            made.__setstate__(state)
    else:
        return rest()
    placed: Iterator[Any] = made
    return placed


def _products(pools: tuple[Pool, ...], places: Places) -> Iterator[Any]:
    parts: list[Iterator[Any]] = []
    for index in reversed(range(len(pools))):
        if later := pools[index][places[index] + 1 :]:
            start = [(pool[at],) for pool, at in zip(pools[:index], places, strict=False)]
            parts.append(itertools.product(*start, later, *pools[index + 1 :]))
    return resumed(parts)


def _selections(cls: Any, pool: Pool, places: Places) -> Iterator[Any]:
    parts: list[Iterator[Any]] = []
    for index in reversed(range(len(places))):
        rest = cls(pool[places[index] + 1 :], len(places) - index)
        parts.append(_behind(tuple(pool[at] for at in places[:index]), rest))
    return resumed(parts)


def _rearrangements(pool: Pool, chosen: Places) -> Iterator[Any]:
    parts: list[Iterator[Any]] = []
    for index in reversed(range(len(chosen))):
        start = chosen[:index]
        later = [at for at in range(chosen[index] + 1, len(pool)) if at not in set(start)]
        # Made when their turn comes: there may be many, each with a pool of its own.
        make = functools.partial(rearranged, pool, start, len(chosen))
        parts.append(itertools.chain.from_iterable(map(make, later)))
    return resumed(parts)


def _behind(start: Pool, rest: Iterator[Any]) -> Iterator[Any]:
    return map(start.__add__, rest) if start else rest


# -- reducing


def _reduce_product(iterator: Any) -> Reduced:
    held = insides_of(iterator)
    pools = held["pools"]
    if held["stopped"]:
        return exhausted_choices, (itertools.product, ())
    if not _has_begun(held):
        return itertools.product, pools
    return product, (pools, numbers_at(held["indices"], len(pools)))


def _reduce_chosen(place: Callable[..., Iterator[Any]]) -> Callable[[Any], Reduced]:
    def reduce(iterator: Any) -> Reduced:
        held = insides_of(iterator)
        pool, size = held["pool"], held["r"]
        if held["stopped"]:
            return exhausted_choices, (type(iterator), (), 1)
        if not _has_begun(held):
            return type(iterator), (pool, size)
        if place is permutations:
            every = numbers_at(held["indices"], len(pool))
            return place, (pool, size, every, numbers_at(held["cycles"], size))
        return place, (pool, numbers_at(held["indices"], size))

    return reduce


def _has_begun(held: dict[str, Any]) -> bool:
    return isinstance(held["result"], tuple)


_CHOSEN: Sequence[tuple[type, Callable[..., Iterator[Any]]]] = (
    (itertools.combinations, combinations),
    (itertools.combinations_with_replacement, repeated_combinations),
    (itertools.permutations, permutations),
)

REDUCERS: dict[type, Callable[[Any], Reduced]] = {
    itertools.product: _reduce_product,
    **{cls: _reduce_chosen(place) for cls, place in _CHOSEN},
}
