"""Iterators over containers: what changes behind them is seen, or noticed, as documented."""

from __future__ import annotations

import array
import collections
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hetmig.errors import NotMigratable
from hetmig.state.iterators.mappings import SetIterator
from tests.state.iterator_shapes import Sequence
from tests.state.test_iterators import copied

# -- lists and their kin


def test_list_iterator_sees_what_is_appended():
    items = [1, 2]
    iterator = iter(items)
    next(iterator), next(iterator)
    got, new = copied([items, iterator])
    got.append(3)
    assert list(new) == [3]
    assert items == [1, 2]


@pytest.mark.parametrize("cls", [list, bytearray])
def test_position_behind_the_end_of_what_shrank(cls):
    items = cls(range(6))
    iterator = iter(items)
    for _ in range(5):
        next(iterator)
    del items[2:]
    got, new, other = copied([items, iterator, iterator])
    assert got == items
    assert other is new
    got.extend(range(10, 20))
    items.extend(range(10, 20))
    assert list(new) == list(iterator) == list(range(13, 20))


def test_reversed_list_that_shrank_has_ended():
    items = list(range(6))
    iterator = reversed(items)
    next(iterator)
    del items[2:]
    got, new = copied([items, iterator])
    assert list(new) == list(iterator) == []
    assert got == items


def test_reversed_list_sees_what_is_changed():
    items = [1, 2, 3]
    iterator = reversed(items)
    next(iterator)
    got, new = copied([items, iterator])
    got[0], got[1] = "a", "b"
    assert list(new) == ["b", "a"]


def test_reversed_sequence_that_shrank_is_refused():
    items = Sequence()
    iterator = reversed(items)
    items.count = 2
    # the original ends at once; a new one would give the two
    with pytest.raises(Exception, match="cannot be rebuilt"):
        copied([items, iterator])
    assert list(iterator) == []


def test_array_that_shrank_is_refused():
    items = array.array("i", range(6))
    iterator = iter(items)
    for _ in range(5):
        next(iterator)
    del items[2:]
    with pytest.raises(NotMigratable, match="shrunk"):
        copied(iterator)


def test_list_that_holds_an_iterator_over_itself():
    items = [1, 2]
    iterator = iter(items)
    items += [iterator, 3, 4]
    next(iterator), next(iterator)
    (got,) = copied([items])
    assert next(got[2]) is got[2]
    assert list(got[2]) == [3, 4]
    (new,) = copied([iterator])
    assert next(new) is new
    assert list(new) == [3, 4]


class Loud(list):
    """Nobody may ask it for an iterator: the one that travels is of the list itself."""

    def __iter__(self):
        raise AssertionError

    __reversed__ = __len__ = __iter__

    def __reduce__(self):
        return Loud, (tuple(list.__getitem__(self, slice(None))),)


@pytest.mark.parametrize("make", [list.__iter__, list.__reversed__])
def test_methods_of_a_subclass_are_not_asked(make):
    items = Loud([1, 2, 3])
    iterator = make(items)
    next(iterator)
    got = copied(iterator)
    assert type(got) is type(iterator)
    assert next(got) == 2


class LoudText(str):
    __iter__ = Loud.__iter__


def test_methods_of_a_text_are_not_asked():
    assert list(copied(str.__iter__(LoudText("abc")))) == ["a", "b", "c"]


# -- dicts


@given(st.integers(0, 8), st.sampled_from(["keys", "values", "items"]), st.booleans())
def test_dict_iterator_stays_with_its_dict(position, kind, backwards):
    mapping = {i: [i] for i in range(8)}
    del mapping[3]  # a hole, which the rebuilt dict has not
    view = getattr(mapping, kind)()
    iterator = reversed(view) if backwards else iter(view)
    list(itertools.islice(iterator, position))
    got, new = copied([mapping, iterator])
    assert type(new) is type(iterator)
    assert new.__length_hint__() == iterator.__length_hint__()
    rest = list(new)
    assert rest == list(iterator)
    if kind == "values":
        assert all(any(value is mine for mine in got.values()) for value in rest)


VIEWS = {
    "keys": iter,
    "values": lambda mapping: iter(mapping.values()),
    "items": lambda mapping: iter(mapping.items()),
    "reversed": reversed,
    "reversed values": lambda mapping: reversed(mapping.values()),
    "reversed items": lambda mapping: reversed(mapping.items()),
}


@pytest.mark.parametrize("make", VIEWS.values(), ids=VIEWS)
def test_change_of_size_is_still_noticed(make):
    mapping = {1: 2, 3: 4}
    iterator = make(mapping)
    next(iterator)
    got, new = copied([mapping, iterator])
    got[5] = 6
    for _ in range(2):
        with pytest.raises(RuntimeError, match="changed size"):
            next(new)
    assert len(list(iterator)) == 1


@pytest.mark.parametrize("make", VIEWS.values(), ids=VIEWS)
def test_change_of_size_before_the_move(make):
    mapping = {1: 2, 3: 4, 5: 6}
    iterator = make(mapping)
    next(iterator)
    mapping[7] = 8
    got, new = copied([mapping, iterator])
    assert list(got.items()) == list(mapping.items())
    with pytest.raises(RuntimeError, match="changed size"):
        next(new)
    got, new = copied([mapping, iterator])
    del mapping[7], got[7]
    # the size is the old one again, and nobody has noticed
    assert list(new) == list(iterator)


@pytest.mark.parametrize("make", VIEWS.values(), ids=VIEWS)
def test_change_of_size_that_was_noticed_stays_so(make):
    mapping = {1: 2, 3: 4}
    iterator = make(mapping)
    mapping[5] = 6
    with pytest.raises(RuntimeError, match="changed size"):
        next(iterator)
    got, new = copied([mapping, iterator])
    assert got == mapping
    del got[5]
    with pytest.raises(RuntimeError, match="changed size"):
        next(new)


def test_exchanged_keys_are_refused():
    mapping = {1: 2, 3: 4}
    iterator = iter(mapping)
    mapping[9] = mapping.pop(next(iterator))
    with pytest.raises(NotMigratable, match="exchanged"):
        copied([mapping, iterator])


def test_replaced_values_are_seen():
    mapping = {1: "a", 2: "b", 3: "c"}
    iterator = iter(mapping.values())
    next(iterator)
    got, new = copied([mapping, iterator])
    got[3] = "z"
    assert list(new) == ["b", "z"]


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("taken", range(5))
def test_dict_that_holds_an_iterator_over_itself(taken, backwards):
    mapping = dict.fromkeys("abcd")
    iterator = reversed(mapping) if backwards else iter(mapping)
    list(itertools.islice(iterator, taken))
    mapping["b"] = iterator
    (got,) = copied([mapping])
    (new,) = copied([iterator])
    assert list(got) == list(mapping)
    assert list(got["b"]) == list(new) == list(iterator)
    for key in "abcd":
        got.pop(key)
    got["only"] = 1
    assert list(got) == ["only"]


class LoudDict(dict):
    def __iter__(self):
        raise AssertionError

    keys = values = items = __reversed__ = __iter__

    def __reduce__(self):
        return LoudDict, (tuple(dict.items(self)),)


def test_methods_of_a_dict_subclass_are_not_asked():
    mapping = LoudDict((("a", 1), ("b", 2)))
    for made in (dict.__iter__(mapping), iter(dict.items(mapping)), reversed(dict.values(mapping))):
        next(made)
        assert type(copied(made)) is type(made)
        assert len(list(copied(made))) == 1


def test_changed_ordered_dict_is_refused():
    mapping = collections.OrderedDict(a=1, b=2, c=3)
    iterator = iter(mapping)
    next(iterator)
    mapping["d"] = 4
    with pytest.raises(NotMigratable, match="OrderedDict"):
        copied([mapping, iterator])


def test_which_view_of_an_ordered_dict_it_was():
    mapping = collections.OrderedDict({1: 1, 2: 2})
    for make, expected in ((iter, [1, 2]), (lambda m: iter(m.values()), [1, "new"])):
        got, new = copied([mapping, make(mapping)])
        got[2] = "new"
        assert list(new) == expected


# -- sets


def test_order_of_a_set():
    elements = {f"element {i}" for i in range(50)}
    iterator = iter(elements)
    first = [next(iterator) for _ in range(20)]
    got, new = copied([elements, iterator])
    assert got == elements
    assert first + list(new) == first + list(iterator)


@pytest.mark.parametrize("strange", [False, True])
def test_changed_set_is_still_noticed(strange):
    elements = {1, 2, 3, 4}
    iterator = SetIterator(elements, 4, [4, 3, 2, 1]) if strange else iter(elements)
    first = next(iterator)
    got, new = copied([elements, iterator])
    assert sorted([first, *copied(new)]) == [1, 2, 3, 4]
    assert len(list(copied(copied(new)))) == 3
    got.add(5)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="changed size"):
            next(new)
    assert len(list(iterator)) == 3


def test_set_in_a_strange_order_ends_like_any_other():
    elements = {1, 2}
    got, new = copied([elements, SetIterator(elements, 2, [2, 1])])
    assert list(new) == [2, 1]
    got.add(3)
    assert [list(new), list(copied(new))] == [[], []]


def test_set_in_a_strange_order_does_not_give_what_was_removed():
    elements = {1, 2, 3}
    iterator = SetIterator(elements, 3, [3, 2, 1])
    assert next(iterator) == 3
    elements.discard(2)
    elements.add(3.5)
    assert list(iterator) == [1]


def test_set_changed_before_the_move():
    elements = {1, 2, 3}
    iterator = iter(elements)
    next(iterator)
    elements.add(4)
    got, new = copied([elements, iterator])
    with pytest.raises(RuntimeError, match="changed size"):
        next(new)
    got, new = copied([elements, iterator])
    got, new = copied([got, new])
    elements.discard(4)
    got.discard(4)
    assert list(new) == list(iterator) == [2, 3]
    got.add(7)
    assert list(new) == []


def test_set_whose_change_was_noticed():
    elements = {1, 2}
    iterator = iter(elements)
    elements.add(3)
    with pytest.raises(RuntimeError, match="changed size"):
        next(iterator)
    got, new = copied([elements, iterator])
    got.discard(3)
    with pytest.raises(RuntimeError, match="changed size"):
        next(new)


# -- deques


@pytest.mark.parametrize("limit", [None, 3, 9])
@pytest.mark.parametrize("make", [iter, reversed])
def test_mutation_of_a_deque_is_noticed(make, limit):
    items = collections.deque([1, 2, 3], limit)
    iterator = make(items)
    next(iterator)
    got, new = copied([items, iterator])
    assert list(copied(new)) == list(copied(iterator))
    got.append(4)
    with pytest.raises(RuntimeError, match="mutated"):
        next(new)
    items.append(4)
    got, new = copied([items, iterator])
    assert got == items
    assert got.maxlen == limit
    with pytest.raises(RuntimeError, match="mutated"):
        next(new)


@pytest.mark.parametrize("limit", [None, 0])
def test_mutation_of_an_empty_deque(limit):
    items = collections.deque(maxlen=limit)
    iterator = iter(items)
    items.append(1)
    items.clear()
    got, new = copied([items, iterator])
    assert not got
    with pytest.raises(RuntimeError, match="mutated"):
        next(new)


@pytest.mark.parametrize("make", [collections.deque, set, collections.OrderedDict])
def test_iterator_over_what_holds_it_is_refused(make):
    class Holder:
        pass

    holder = Holder()
    holder.items = make([(holder, 1), (2, 3)])
    holder.iterator = iter(holder.items)
    with pytest.raises(Exception, match="iterator over itself"):
        copied(holder.items)
