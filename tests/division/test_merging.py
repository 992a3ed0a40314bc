"""How accumulators are declared and merged."""

from __future__ import annotations

import operator
from collections import deque
from typing import Any

import pytest

from hetmig.division.merging import merging
from hetmig.errors import DivisionRefused


def merge(how: Any, now: Any, found: Any, in_place: bool) -> Any:
    return merging({"a": how})["a"].merge("a", now, found, in_place)


@pytest.mark.parametrize(
    ("how", "now", "found", "expected"),
    [
        (operator.add, [1], [2], [1, 2]),
        (list.extend, [1], [2], [1, 2]),
        (operator.or_, {1}, {2}, {1, 2}),
        (lambda a, b: {**a, **b}, {"a": 1}, {"b": 2}, {"a": 1, "b": 2}),
        (operator.add, bytearray(b"a"), bytearray(b"b"), bytearray(b"ab")),
        (operator.add, deque([1]), deque([2]), deque([1, 2])),
    ],
)
def test_in_place(how: Any, now: Any, found: Any, expected: Any) -> None:
    merged = merge(how, now, found, in_place=True)
    assert merged is now
    assert merged == expected


def test_rebound() -> None:
    now = [1]
    merged = merge(operator.iadd, now, [2], in_place=False)
    assert (merged, now) == ([1, 2], [1])
    with pytest.raises(TypeError, match="gave None"):
        merge(list.extend, now, [2], in_place=False)


def test_an_array() -> None:
    numpy = pytest.importorskip("numpy")
    now = numpy.ones(3)
    merged = merge(operator.add, now, numpy.arange(3.0), in_place=True)
    assert merged is now
    assert now.tolist() == [1.0, 2.0, 3.0]


def test_identities() -> None:
    for now in (3, 1.5, "a", b"a", [1], (1,)):
        assert merging({"a": operator.add})["a"].begin("a", now) == type(now)()
    assert merging({"a": operator.or_})["a"].begin("a", {1}) == set()
    identity: list[int] = []
    begun = merging({"a": (operator.add, identity)})["a"].begin("a", [1])
    assert begun == []
    assert begun is not identity
    with pytest.raises(DivisionRefused, match="with what do parts begin 'a'"):
        merging({"a": max})["a"].begin("a", 3)


@pytest.mark.parametrize("wrong", [3, (3, 4), (max, 1, 2), ()])
def test_wrong_declarations(wrong: Any) -> None:
    with pytest.raises(TypeError):
        merging({"a": wrong})
