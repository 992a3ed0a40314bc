"""Iterators go on where they stood, over the object they stood on."""

from __future__ import annotations

import collections
import itertools
import sys
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hetmig.errors import NotMigratable
from hetmig.state.pickling import dumps, loads
from tests.state import values


def copied(value):
    return loads(dumps(value))


def taken(iterator, count):
    return list(itertools.islice(iterator, count))


class Sequence:
    def __getitem__(self, index):
        if index > 4:
            raise IndexError
        return index


BUILT_IN = {
    "list": lambda: iter([1, 2, 3, 4]),
    "reversed list": lambda: reversed([1, 2, 3, 4]),
    "tuple": lambda: iter((1, 2, 3, 4)),
    "range": lambda: iter(range(1, 9, 2)),
    "long range": lambda: iter(range(10**30, 10**30 + 4)),
    "reversed range": lambda: reversed(range(4)),
    "str": lambda: iter("a\u20ac\U0001f600z"),
    "ascii": lambda: iter("abcd"),
    "bytes": lambda: iter(b"abcd"),
    "bytearray": lambda: iter(bytearray(b"abcd")),
    "dict": lambda: iter({1: 2, 3: 4, 5: 6, 7: 8}),
    "dict values": lambda: iter({1: 2, 3: 4, 5: 6, 7: 8}.values()),
    "dict items": lambda: iter({1: 2, 3: 4, 5: 6, 7: 8}.items()),
    "reversed dict": lambda: reversed({1: 2, 3: 4, 5: 6, 7: 8}),
    "reversed dict values": lambda: reversed({1: 2, 3: 4, 5: 6, 7: 8}.values()),
    "reversed dict items": lambda: reversed({1: 2, 3: 4, 5: 6, 7: 8}.items()),
    "OrderedDict": lambda: iter(collections.OrderedDict.fromkeys("abcd", 1)),
    "OrderedDict values": lambda: iter(collections.OrderedDict(a=1, b=2, c=3, d=4).values()),
    "OrderedDict items": lambda: iter(collections.OrderedDict(a=1, b=2, c=3, d=4).items()),
    "reversed OrderedDict": lambda: reversed(collections.OrderedDict(a=1, b=2, c=3, d=4)),
    "set": lambda: iter({"a", "b", "c", "d"}),
    "frozenset": lambda: iter(frozenset("abcd")),
    "deque": lambda: iter(collections.deque([1, 2, 3, 4])),
    "enumerate": lambda: enumerate("abcd", 7),
    "zip": lambda: zip("abcd", [1, 2, 3, 4], strict=True),
    "uneven zip": lambda: zip("abc", [1, 2], strict=False),
    "map": lambda: map(values.plain, [1, 2, 3, 4]),
    "filter": lambda: filter(values.plain, [1, -1, 2, 3]),
    "sequence": lambda: iter(Sequence()),
    "reversed sequence": lambda: reversed("abcd"),
}

ALWAYS = {
    "count": lambda: itertools.count(5),
    "count by": lambda: itertools.count(5, 3),
    "count of floats": lambda: itertools.count(0.5, 0.25),
    "big count": lambda: itertools.count(sys.maxsize - 2),
    "negative count": lambda: itertools.count(-2),
    "repeat": lambda: itertools.repeat("x"),
    "repeat some": lambda: itertools.repeat("x", 3),
    "repeat a class": lambda: itertools.repeat(itertools.repeat, 3),
    "chain": lambda: itertools.chain("ab", [1, 2], (), "c"),
    "chain of iterables": lambda: itertools.chain.from_iterable(iter(["ab", "cd"])),
    "starmap": lambda: itertools.starmap(pow, [(2, 3), (3, 2), (4, 1)]),
    "compress": lambda: itertools.compress("abcdef", [1, 0, 1, 0, 1, 1]),
    "filterfalse": lambda: itertools.filterfalse(None, [0, 1, 0, 2, 0]),
}

BEFORE_314 = {
    "cycle": lambda: itertools.cycle("abc"),
    "islice": lambda: itertools.islice("abcdefgh", 1, 7, 2),
    "takewhile": lambda: itertools.takewhile(bool, [1, 2, 0, 3]),
    "dropwhile": lambda: itertools.dropwhile(bool, [1, 2, 0, 3, 4]),
    "zip_longest": lambda: itertools.zip_longest("abc", "d", fillvalue="-"),
    "product": lambda: itertools.product("ab", [1, 2]),
    "permutations": lambda: itertools.permutations("abc", 2),
    "combinations": lambda: itertools.combinations("abcd", 2),
    "accumulate": lambda: itertools.accumulate([1, 2, 3, 4], initial=5),
}


def check_everywhere(make):
    for position in range(7):
        original = make()
        taken(original, position)
        got = copied(original)
        again = copied(got)
        expected = taken(original, 9)
        assert taken(got, 9) == expected
        assert taken(again, 9) == expected


@pytest.mark.parametrize("name", BUILT_IN)
def test_built_in(name):
    check_everywhere(BUILT_IN[name])


@pytest.mark.parametrize("name", ALWAYS)
def test_itertools(name):
    check_everywhere(ALWAYS[name])


@pytest.mark.parametrize("name", BEFORE_314)
def test_itertools_which_lost_pickling(name):
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        if sys.version_info < (3, 14):
            check_everywhere(BEFORE_314[name])
        else:
            with pytest.raises(NotMigratable, match=rf"itertools\.{name}"):
                dumps(BEFORE_314[name]())
    assert not seen


def test_itertools_without_reducers_are_refused():
    with pytest.raises(NotMigratable, match=r"itertools\.pairwise"):
        dumps([itertools.pairwise("abc")])


@given(st.integers(0, 8), st.sampled_from(["keys", "values", "items"]), st.booleans())
def test_dict_iterator_stays_with_its_dict(position, kind, backwards):
    mapping = {i: [i] for i in range(8)}
    del mapping[3]  # a hole, which the rebuilt dict has not
    view = getattr(mapping, kind)()
    iterator = reversed(view) if backwards else iter(view)
    taken(iterator, position)
    got, new = copied([mapping, iterator])
    assert type(new) is type(iterator)
    assert new.__length_hint__() == iterator.__length_hint__()
    rest = list(new)
    assert rest == list(iterator)
    if kind == "values":
        assert all(any(value is mine for mine in got.values()) for value in rest)


@pytest.mark.parametrize("kind", ["keys", "values", "items"])
def test_change_of_size_is_still_noticed(kind):
    mapping = {1: 2, 3: 4}
    iterator = iter(getattr(mapping, kind)())
    next(iterator)
    got, new = copied([mapping, iterator])
    got[5] = 6
    with pytest.raises(RuntimeError, match="changed size"):
        next(new)


@pytest.mark.parametrize("make", [iter, lambda d: iter(d.items()), reversed])
def test_change_of_size_before_the_move(make):
    mapping = {1: 2, 3: 4}
    iterator = make(mapping)
    next(iterator)
    mapping[5] = 6
    got, new = copied([mapping, iterator])
    assert got == mapping
    for _ in range(2):
        with pytest.raises(RuntimeError, match="changed size"):
            next(new)
    del mapping[5]
    assert len(taken(iterator, 9)) == 1  # the original has not noticed anything


def test_changed_set():
    elements = {1, 2}
    iterator = iter(elements)
    elements.add(3)
    with pytest.raises(RuntimeError, match="changed size"):
        next(copied(iterator))


def test_order_of_a_set():
    elements = {f"element {i}" for i in range(50)}
    iterator = iter(elements)
    first = taken(iterator, 20)
    assert first + list(copied(iterator)) == first + list(iterator)


def test_changed_ordered_dict_is_refused():
    mapping = collections.OrderedDict(a=1, b=2, c=3)
    iterator = iter(mapping)
    next(iterator)
    mapping["d"] = 4
    with pytest.raises(NotMigratable, match="OrderedDict"):
        dumps([mapping, iterator])


def test_dict_with_its_own_iterator_is_refused():
    mapping = {}
    mapping["me"] = iter(mapping.values())
    mapping["me"] = iter(mapping.values())
    mapping["rest"] = 1
    with pytest.raises(NotMigratable, match="iterator over itself"):
        copied(mapping)


def test_shared_iterators():
    source = iter([1, 2, 3, 4])
    pairs = zip(source, source, strict=False)
    got, new = copied([source, pairs])
    assert next(new) == (1, 2)
    assert next(got) == 3
    assert next(source) == 1


def test_list_iterator_sees_what_is_appended():
    items = [1, 2]
    iterator = iter(items)
    taken(iterator, 2)
    got, new = copied([items, iterator])
    got.append(3)
    assert list(new) == [3]


def test_exhausted_iterators_stay_exhausted():
    for make in {**BUILT_IN, "chain": ALWAYS["chain"]}.values():
        original = make()
        list(original)
        got = copied(original)
        assert list(got) == []
