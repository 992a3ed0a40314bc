"""Subclasses of dict and list arrive as they were, whatever their own methods would make of it."""

from __future__ import annotations

import collections

import pytest

from hetmig.state.pickling import dumps, loads


def copied(value):
    return loads(dumps(value))


class Recording(dict):
    """Notes what is set."""

    def __init__(self):
        super().__init__()
        self.log = []

    def __setitem__(self, key, value):
        self.log.append(key)
        super().__setitem__(key, ("set", value))


class Tagging(list):
    def append(self, item):
        super().append(("appended", item))

    def extend(self, items):
        super().extend(("extended", item) for item in items)


class Recent(collections.OrderedDict):
    """The recipe of the least recently used."""

    def __init__(self, most):
        super().__init__()
        self.most = most

    def __setitem__(self, key, value):
        super().__setitem__(key, value)
        self.move_to_end(key)
        if len(self) > self.most:
            del self[next(iter(self))]


class Missing(collections.defaultdict):
    pass


class Slotted(dict):
    __slots__ = ("total",)

    def __setitem__(self, key, value):
        self.total += value
        super().__setitem__(key, value)


def test_a_dict_that_notes_what_is_set():
    one = Recording()
    one["a"] = 1
    one["self"] = one
    two = copied(one)
    assert dict.__getitem__(two, "a") == ("set", 1)
    assert dict.__getitem__(two, "self")[1] is two
    assert two.log == ["a", "self"]


def test_a_list_that_changes_what_is_appended():
    one = Tagging([1])
    one.append(2)
    one.mark = one
    two = copied(one)
    assert list(two) == [1, ("appended", 2)]
    assert two.mark is two
    assert type(two) is Tagging


def test_an_ordered_dict_that_throws_out():
    one = Recent(2)
    for index in range(4):
        one[index] = index
    two = copied(one)
    assert list(two.items()) == [(2, 2), (3, 3)]
    two[9] = 9
    assert list(two) == [3, 9]


def test_a_default_dict_keeps_its_attributes():
    one = Missing(list)
    one["a"].append(1)
    one.name = "n"
    two = copied(one)
    assert (dict(two), two.name, two.default_factory) == ({"a": [1]}, "n", list)


def test_slots_are_there():
    one = Slotted()
    one.total = 0
    one["a"] = 3
    two = copied(one)
    assert (dict(two), two.total) == ({"a": 3}, 3)


def test_own_ways_are_left_alone():
    class Own(dict):
        def __reduce__(self):
            return Own, ({"made": 1},)

        def __setitem__(self, key, value):
            raise AssertionError

    assert copied(Own()) == {"made": 1}
    assert copied(collections.Counter("aab")) == {"a": 2, "b": 1}


def test_its_own_state():
    class Stateful(dict):
        def __getstate__(self):
            return {"x": 1}

        def __setstate__(self, state):
            self.got = state

        def __setitem__(self, key, value):
            raise AssertionError

    one = Stateful(a=1)
    two = copied(one)
    assert (dict(two), two.got) == ({"a": 1}, {"x": 1})


@pytest.mark.parametrize("factory", [dict, list, collections.OrderedDict])
def test_plain_subclasses(factory):
    class Plain(factory):
        pass

    one = Plain()
    one.me = one
    two = copied(one)
    assert two.me is two
    assert two == one or type(two).__name__ == "Plain"
