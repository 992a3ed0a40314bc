"""Bound methods of C: an overriding subclass does not get its own in their place."""

from __future__ import annotations

from typing import Any

import pytest

import hetmig


class Frozen:
    def __init__(self) -> None:
        object.__setattr__(self, "held", 1)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("can't set attribute")


class Loud(list[Any]):
    def append(self, item: object) -> None:
        raise AssertionError("not this one")

    @property
    def pop(self) -> Any:  # type: ignore[override]
        raise AssertionError("nor this one")

    def quiet(self) -> Any:
        return super().append


class Keys(dict[Any, Any]):
    @classmethod
    def fromkeys(cls, *_: object) -> Any:  # type: ignore[override]
        raise AssertionError("not this one")


@pytest.fixture(params=[False, True], ids=["native", "portable"])
def copy(request: pytest.FixtureRequest) -> Any:
    return lambda value: hetmig.loads(hetmig.dumps(value, portable=request.param))


def test_a_slot_of_a_base(copy: Any) -> None:
    frozen = Frozen()
    set_it, again = copy([object.__setattr__.__get__(frozen), frozen])
    set_it("held", 2)
    assert (again.held, set_it.__self__ is again, frozen.held) == (2, True, 1)
    assert copy((3).__add__)(4) == 7


def test_a_method_of_a_base(copy: Any) -> None:
    loud = Loud([1])
    append, pop, again = copy([loud.quiet(), list.pop.__get__(loud), loud])
    append(2)
    assert (pop(0), list(again), list(loud)) == (1, [2], [1])


def test_a_class_method_of_a_base(copy: Any) -> None:
    made = copy(super(Keys, Keys).fromkeys)("ab", 1)
    assert (type(made), dict(made)) == (Keys, {"a": 1, "b": 1})


def test_those_that_nobody_overrides(copy: Any) -> None:
    items = [3, 1]
    append, again = copy([items.append, items])
    append(2)
    assert again == [3, 1, 2]
    assert copy(len) is len
    assert copy(dict.fromkeys)("a") == {"a": None}
    assert copy(str.maketrans)({"a": "b"}) == {97: "b"}
    assert copy(object.__new__)(Frozen).__class__ is Frozen
    assert copy(int.__new__)(int, "3") == 3
    assert copy("x".join)("ab") == "axb"
