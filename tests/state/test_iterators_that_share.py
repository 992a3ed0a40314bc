"""groupby and its groups, the copies of a tee, and the choices that are too many to step over."""

from __future__ import annotations

import copy
import gc
import itertools
import sys
import weakref

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hetmig.errors import NotMigratable
from hetmig.state.iterators import choices
from hetmig.state.pickling import dumps, loads
from tests.state.test_iterators import copied

# -- groupby


class Key:
    """A key whose comparisons are counted."""

    asked = 0

    def __init__(self, value):
        self.value = value

    def __eq__(self, other):
        Key.asked += 1
        return self.value == other.value

    def __hash__(self):
        return hash(self.value)


calls = []


def noted(item):
    calls.append(item)
    return item // 10


def half(item):
    return Key(item // 10)


def driven(steps, keyed, moves):
    """What some steps with a groupby and its groups give; moved before each step in `moves`."""
    source = iter([1, 2, 3, 11, 12, 21, 31, 32, 33])
    state = {"groups": itertools.groupby(source, keyed), "held": [], "source": source}
    for index, step in enumerate(steps):
        if index in moves:
            state = copied(state)
        if step == 0:
            pair = next(state["groups"], None)
            if pair is None:
                yield "end"
            else:
                state["held"].append(pair[1])
                yield getattr(pair[0], "value", pair[0])
        else:
            held = state["held"]
            yield next(held[-step], "over") if len(held) >= step else "none"
    yield list(state["source"])


@given(
    st.lists(st.sampled_from([0, 0, 1, 1, 1, 2, 3]), max_size=14),
    st.sampled_from([None, noted, half]),
    st.sets(st.integers(0, 14)),
)
def test_groups_and_their_groupby(steps, keyed, moves):
    assert list(driven(steps, keyed, moves)) == list(driven(steps, keyed, set()))


def test_moving_a_groupby_runs_no_code_of_the_users():
    groups = itertools.groupby([1, 2, 11, 12], half)
    _, first = next(groups)
    next(first)
    del groups
    data = dumps(first)
    Key.asked = 0
    calls.clear()
    got = loads(data)
    assert (Key.asked, calls) == (0, [])
    assert list(got) == [2]
    noting = itertools.groupby([1, 2, 11, 12], noted)
    _, first = next(noting)
    assert list(first) == [1, 2]
    calls.clear()
    got, group = copied([noting, first])
    assert calls == []
    assert list(group) == []
    assert next(got)[0] == 1
    assert calls == []


def test_a_group_that_was_left_gives_nothing():
    groups = itertools.groupby("AAB")
    _, first = next(groups)
    next(groups)
    got, left = copied([groups, first])
    assert list(left) == []
    assert next(got, None) is None


# -- tee


@given(
    st.lists(st.tuples(st.integers(0, 3), st.sampled_from([0, 1, 3, 56, 57, 58, 130])), max_size=9),
    st.sets(st.integers(0, 9)),
    st.booleans(),
)
def test_copies_of_a_tee_read_one_source(steps, moves, backwards):
    def run(moves):
        source = iter(range(400))
        copies = [*itertools.tee(source, 3)]
        copies.append(copy.copy(copies[1]))
        for index, (which, count) in enumerate(steps):
            if index in moves:
                order = copies[::-1] if backwards else copies
                source, *order = copied([source, *order])
                copies = order[::-1] if backwards else order
            yield list(itertools.islice(copies[which], count))
        for one in copies:
            yield list(itertools.islice(one, 60))
        yield next(source, None)

    assert list(run(moves)) == list(run(set()))


def test_a_tee_far_behind_is_no_deep_nest():
    lagging, leading = itertools.tee(iter(range(40_000)))
    assert sum(1 for _ in itertools.islice(leading, 39_000)) == 39_000
    behind, ahead = copied([lagging, leading])
    assert list(ahead) == list(leading)
    assert list(behind) == list(lagging)


def test_a_tee_lets_go_what_all_have_taken():
    one, other = itertools.tee(map(Key, range(100)))
    next(one)
    one, other = copied([one, other])
    first = weakref.ref(next(other))
    for _ in itertools.islice(one, 80):
        pass
    for _ in itertools.islice(other, 80):
        pass
    gc.collect()
    assert first() is None


# -- choices

FAR = {
    "product": lambda: itertools.product("abc", "defg", "hij", repeat=2),
    "permutations": lambda: itertools.permutations("abcdef", 4),
    "permutations of all": lambda: itertools.permutations("abcde"),
    "combinations": lambda: itertools.combinations("abcdefghi", 4),
    "with replacement": lambda: itertools.combinations_with_replacement("abcde", 4),
}


@pytest.mark.parametrize("name", FAR)
@pytest.mark.parametrize("settable", [True, False])
def test_far_from_the_start(name, settable, monkeypatch):
    monkeypatch.setattr(choices, "NEAR", -1)
    if not settable:
        monkeypatch.setattr(choices, "quietly", None)
        monkeypatch.setattr(choices, "hasattr", lambda *_: False, raising=False)
    items = list(FAR[name]())
    for position in [*range(1, 40), *range(40, len(items) + 1, 17), len(items)]:
        iterator = FAR[name]()
        for _ in range(position):
            next(iterator)
        got = copied(copied(iterator))
        assert list(got) == items[position:] == list(iterator)


@pytest.mark.parametrize("settable", [True, False])
@pytest.mark.parametrize("name", FAR)
def test_moved_often_far_from_the_start(name, settable, monkeypatch):
    monkeypatch.setattr(choices, "NEAR", -1)
    if not settable:
        monkeypatch.setattr(choices, "hasattr", lambda *_: False, raising=False)
    moving, seen, largest = FAR[name](), [], 0
    items = list(itertools.islice(FAR[name](), 150))
    for _ in items:
        seen.append(next(moving))
        moving = copied(moving)
        largest = max(largest, len(dumps(moving)))
    assert seen == items
    assert largest < 6_000


@pytest.mark.parametrize("name", FAR)
def test_the_rank_is_right(name, monkeypatch):
    def refused(*_):
        raise AssertionError

    for rest in ("_products", "_selections", "_rearrangements"):
        monkeypatch.setattr(choices, rest, refused)
    iterator = FAR[name]()
    for _ in range(65):
        next(iterator)
    got = copied(iterator)
    assert type(got) is type(iterator)
    assert list(got) == list(iterator)


def test_a_search_that_will_never_end():
    search = itertools.product(range(1000), repeat=30)
    steps = choices.NEAR + 5
    for _ in range(steps):
        next(search)
    assert next(copied(copied(search))) == next(search)
    orders = itertools.permutations(range(300))
    for _ in range(steps):
        next(orders)
    got = copied(orders)
    assert [next(got) for _ in range(9)] == [next(orders) for _ in range(9)]


# -- what is read only in C


def test_running_iterators_are_refused():
    def moving():
        yield 1
        with pytest.raises(NotMigratable):
            dumps(state)
        yield 2

    state = list(itertools.tee(moving()))
    assert list(state[0]) == [1, 2]


def test_reading_leaves_no_references():
    items = [object() for _ in range(60)]
    before = list(map(sys.getrefcount, items))
    one, other = itertools.tee(items)
    for _ in one:
        pass
    dumps([one, other, itertools.zip_longest(items, [1])])
    del one, other, _
    assert list(map(sys.getrefcount, items)) == before
