"""What iterators have still to give."""

from __future__ import annotations

import array
import itertools
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from hetmig.division.sources import remainder
from hetmig.errors import DivisionRefused

ITERATORS: list[Callable[[], Iterator[Any]]] = [
    lambda: iter([1, 2, 3, 4]),
    lambda: iter((1, 2, 3)),
    lambda: iter(range(3, 30, 4)),
    lambda: iter(range(1 << 70, (1 << 70) + 3)),
    lambda: iter("abcä"),
    lambda: iter("abc"),
    lambda: iter(b"abc"),
    lambda: iter(bytearray(b"abc")),
    lambda: iter({"a": 1, "b": 2, "c": 3}),
    lambda: iter({"a": 1, "b": 2}.values()),
    lambda: iter({"a": 1, "b": 2}.items()),
    lambda: iter(OrderedDict(a=1, b=2).items()),
    lambda: iter({1, 2, 3}),
    lambda: iter(frozenset({1, 2, 3})),
    lambda: iter(deque([1, 2, 3])),
    lambda: iter(array.array("i", [1, 2, 3])),
    lambda: reversed([1, 2, 3]),
    lambda: reversed({"a": 1, "b": 2}),
    lambda: enumerate("abc", 5),
    lambda: zip([1, 2, 3], "abc", strict=True),
    lambda: zip(enumerate(range(10)), {"a": 1, "b": 2}.items(), strict=False),
]


@pytest.mark.parametrize("make", ITERATORS)
def test_nothing_is_taken(make: Callable[[], Iterator[Any]]) -> None:
    for taken in range(len(list(make())) + 2):
        iterator = make()
        expected = list(itertools.islice(make(), taken, None))
        for _ in itertools.islice(iterator, taken):
            pass
        assert list(remainder(iterator)) == expected
        assert list(remainder(iterator)) == expected
        assert list(iterator) == expected


def test_a_long_range_stays_one() -> None:
    iterator = iter(range(10**15))
    next(iterator)
    assert remainder(iterator) == range(1, 10**15)


@pytest.mark.parametrize(
    "iterator",
    [
        (n for n in [1]),
        map(str, [1]),
        filter(None, [1]),
        itertools.count(),
        enumerate(itertools.count()),
        zip([1], map(str, [1]), strict=False),
        iter(int, 1),
    ],
)
def test_refused_by_name(iterator: Iterator[Any]) -> None:
    with pytest.raises(DivisionRefused, match="materialise=True"):
        remainder(iterator)
