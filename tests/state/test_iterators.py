"""Iterators of every kind go on where they stood, whoever holds them, and leave the original be."""

from __future__ import annotations

import copy
import itertools
import re
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hetmig.errors import NotMigratable
from hetmig.state.pickling import dumps, loads
from tests.state.iterator_shapes import BUILT_IN, EVERY, ITERTOOLS, Stepping

POSITIONS = 8  # more than most of the shapes have items
ENDLESS = 9


def copied(value):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return loads(dumps(value))


def shown(item):
    """An item as something to compare: a match and a group are not equal to their copies."""
    if isinstance(item, re.Match):
        return item.regs, item.pos, item.endpos, item.string, item.lastindex
    if type(item) is tuple and item and type(item[-1]) is itertools._grouper:
        return item[0]
    return item


def taken(iterator, count):
    return [shown(item) for item in itertools.islice(iterator, count)]


@pytest.mark.parametrize("name", EVERY)
def test_goes_on_from_every_position(name):
    make = EVERY[name]
    for position in range(POSITIONS):
        undisturbed = taken(make(), position + ENDLESS)
        original = make()
        assert taken(original, position) == undisturbed[:position]
        got = copied(original)
        again = copied(copied(got))
        assert taken(original, ENDLESS) == undisturbed[position:]
        assert taken(got, ENDLESS) == undisturbed[position:]
        assert taken(again, ENDLESS) == undisturbed[position:]


@pytest.mark.parametrize("name", EVERY)
def test_moved_after_each_step(name):
    undisturbed = taken(EVERY[name](), 2 * ENDLESS)
    moving, seen = EVERY[name](), []
    for _ in range(2 * ENDLESS):
        moving = copied(moving)
        seen += taken(moving, 1)
    assert seen == undisturbed


@pytest.mark.parametrize("name", EVERY)
def test_moving_often_does_not_make_it_larger(name):
    moving = EVERY[name]()
    sizes = []
    for step in range(24):
        moving = copied(moving)
        if step % 8 == 1:
            taken(moving, 1)
        sizes.append(len(dumps(moving)))
    # What has been moved and stepped once is as large as it gets, but for what a step adds.
    assert max(sizes) <= max(sizes[:9]) + 60, sizes


@pytest.mark.parametrize("name", EVERY)
def test_keeps_its_type(name):
    original = EVERY[name]()
    taken(original, 1)
    got = copied(original)
    if name in ("set", "frozenset"):
        assert iter(got) is got  # see test_order_of_a_set
    elif next(copy_of := copied(original), None) is not None:
        assert type(got) is type(copy_of) is type(original)


@pytest.mark.parametrize("name", EVERY)
def test_two_owners_share_one_position(name):
    for position in range(0, POSITIONS, 2):
        original = EVERY[name]()
        undisturbed = taken(EVERY[name](), position + 2 + ENDLESS)[position:]
        taken(original, position)
        first, second, inside = copied([original, {"it": original}, enumerate(original)])
        assert first is second["it"]
        seen = [*taken(first, 1), *(shown(item) for _, item in itertools.islice(inside, 1))]
        assert seen + taken(second["it"], ENDLESS) == undisturbed


@pytest.mark.parametrize("name", EVERY)
def test_exhausted_stays_exhausted(name):
    original = EVERY[name]()
    if len(taken(original, 100)) == 100:
        pytest.skip("it is endless")
    got = copied(original)
    assert [list(got), list(got), list(copied(got))] == [[], [], []]


# -- random nestings

LEAVES = [
    name for name in {**BUILT_IN, **ITERTOOLS} if not name.startswith(("groupby", "reversed"))
]


def truth(item):
    return bool(item)


def single(item):
    return (item,)


def pair(first, second=0):
    return (first, second)


WRAPPERS = {
    "enumerate": enumerate,
    "zip": lambda it: zip(it, itertools.count()),
    "zip with itself": lambda it: zip(it, it, strict=False),
    "map": lambda it: map(pair, it),
    "filter": lambda it: filter(truth, it),
    "filterfalse": lambda it: itertools.filterfalse(truth, it),
    "chain": lambda it: itertools.chain(it, "end"),
    "chain of itself": lambda it: itertools.chain.from_iterable(map(pair, it)),
    "islice": lambda it: itertools.islice(it, 1, 20, 2),
    "takewhile": lambda it: itertools.takewhile(truth, it),
    "dropwhile": lambda it: itertools.dropwhile(truth, it),
    "accumulate": lambda it: itertools.accumulate(it, pair),
    "pairwise": itertools.pairwise,
    "compress": lambda it: itertools.compress(it, itertools.cycle([1, 0, 1])),
    "starmap": lambda it: itertools.starmap(pair, map(single, it)),
    "cycle": lambda it: itertools.islice(itertools.cycle(itertools.islice(it, 4)), 9),
    "zip_longest": lambda it: itertools.zip_longest(it, "abc"),
    "tee": lambda it: itertools.tee(it)[1],
    "copied tee": lambda it: copy.copy(itertools.tee(it, 1)[0]),
    "groups": lambda it: map(pair, itertools.chain.from_iterable(itertools.groupby(it, truth))),
    "users": lambda it: map(pair, Stepping(), it),
}


def built(leaf, wrappers):
    iterators = [itertools.islice(EVERY[leaf](), 7)]  # a filter of an endless one may not end
    for name in wrappers:
        iterators.append(iter(WRAPPERS[name](iterators[-1])))
    return iterators


def plainly(item):
    """The items without what only a group is."""
    if type(item) is tuple:
        return tuple(map(plainly, item))
    return "group" if type(item) is itertools._grouper else item


@given(
    st.sampled_from(LEAVES),
    st.lists(st.sampled_from(list(WRAPPERS)), min_size=1, max_size=4),
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3)), max_size=5),
    st.integers(1, 2),
)
def test_any_nesting_of_iterators(leaf, wrappers, steps, hops):
    def stepped(iterators):
        for which, count in steps:
            yield list(map(plainly, itertools.islice(iterators[which % len(iterators)], count)))

    one, other = built(leaf, wrappers), built(leaf, wrappers)
    assert list(stepped(one)) == list(stepped(other))
    moved = one
    for _ in range(hops):
        moved = copied(moved)
        assert list(stepped(moved)) == list(stepped(other))
    rest = [list(map(plainly, itertools.islice(it, 6))) for it in reversed(moved)]
    assert rest == [list(map(plainly, itertools.islice(it, 6))) for it in reversed(other)]


# -- what stays


def test_refused_by_name(tmp_path):
    import os

    with os.scandir(tmp_path) as entries, pytest.raises(NotMigratable, match="ScandirIterator"):
        dumps({"entries": entries})
    path = tmp_path / "file"
    path.write_text("a\nb\n")
    with path.open() as lines, pytest.raises(NotMigratable, match=r"lines.*an open file"):
        dumps({"lines": iter(lines)})
