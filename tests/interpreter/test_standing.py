"""What is read in one step is what the general way finds, and all that is unusual is left to it."""

import pytest

from hetmig.interpreter import cpython, revival
from hetmig.interpreter.generators import capture_suspended
from hetmig.interpreter.prologue import takes_all_at_once
from hetmig.interpreter.standing import standing


def plain(a, b):
    for item in [a, b]:
        for other in (item, item):
            got = yield other
            del got


def without_locals():
    yield
    yield


def in_an_expression(a):
    later = [a, (yield a)]
    early = len(later)
    yield max(early, (yield later), key=str)


def with_cells(a):
    total = 0

    def add(value):
        nonlocal total
        total += value + a

    for value in range(3):
        add(value)
        yield total


def delegating(a):
    yield from iter([a, a])  # not a generator: the copy's end would be its end, too


def unbound_in_the_middle(a):
    first = a
    del a
    yield first
    second = yield
    del first
    yield second


async def coroutine(a):
    await Waiting(a)
    await Waiting(a)


class Waiting:
    def __init__(self, value):
        self.value = value

    def __await__(self):
        yield self.value


USUAL = [
    pytest.param(lambda: plain(object(), object()), id="plain"),
    pytest.param(lambda: without_locals(), id="without locals"),
    pytest.param(lambda: in_an_expression(object()), id="in an expression"),
    pytest.param(lambda: with_cells(5), id="with cells"),
    pytest.param(lambda: delegating(object()), id="delegating"),
    pytest.param(lambda: unbound_in_the_middle(object()), id="unbound in the middle"),
    pytest.param(lambda: coroutine(object()), id="coroutine"),
    pytest.param(lambda: (x for x in [object(), object()]), id="generator expression"),
]


def the_general_way(generator):
    activation = capture_suspended(generator)
    offset, _, bound, nulls, *_ = outline = revival.outline(activation)
    made = revival.new_generator(activation.code, activation.globals, *outline)
    state = tuple(reversed(revival.fill(made, activation)))
    taken = state[0] if state and takes_all_at_once(live_code(made)) else state
    revival.prime(made)
    return (activation.code, activation.globals, offset, bound, nulls), taken


def live_code(generator):
    return generator.gi_code if hasattr(generator, "gi_code") else generator.cr_code


def put_back(code, namespace, offset, bound, nulls, held):
    made = revival.new_generator(code, namespace, offset, "yielded", bound, nulls, False, ())
    revival.stand(made, held)
    return made


def flat(held):
    for value in held:
        yield from value if type(value) is tuple else [value]


def assert_same(held, expected):
    held, expected = list(flat(held)), list(flat(expected))
    assert len(held) == len(expected)
    for one, other in zip(held, expected, strict=True):
        if one is not other:  # the iterator that stands for a loop without one is made each time
            assert cpython.LOOP_POSITIONS
            assert type(one) is type(other)
            assert one.__reduce__() == other.__reduce__()


@pytest.mark.parametrize("make", USUAL)
def test_it_is_what_the_general_way_finds(make):
    generator, looked = make(), 0
    while True:
        try:
            generator.send(None)
        except StopIteration:
            break
        *found, held = standing(generator)
        expected, taken = the_general_way(generator)
        assert tuple(found) == expected
        assert_same(held, taken)
        *again, still_held = standing(put_back(*found, held))
        assert again == found
        assert_same(still_held, held)
        looked += 1
    assert looked > 1
    assert standing(generator) is None


def handling():
    try:
        raise ValueError
    except ValueError:
        yield


async def asynchronous():
    yield


def test_all_else_is_left_to_the_general_way():
    begun, fresh = handling(), plain(1, 2)
    next(begun)
    assert capture_suspended(begun).handled
    assert standing(begun) is None
    assert standing(fresh) is None
    assert standing(asynchronous()) is None


def test_a_running_one_does_not_stand():
    found = []

    def running():
        found.append(standing(generator))
        yield

    generator = running()
    next(generator)
    assert found == [None]
    assert standing(generator) is not None


def test_one_that_must_stay_is_left_to_be_refused():
    def by_addresses():
        yield id(None)

    generator = by_addresses()
    next(generator)
    assert standing(generator) is None
