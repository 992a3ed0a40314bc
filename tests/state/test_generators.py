"""A suspended generator, dumped and loaded at each of its yields, goes on as the original does."""

import copy
import inspect
import pickle
import sys
from contextlib import nullcontext

import pytest

from hetmig.errors import NotMigratable
from hetmig.state.pickling import dumps, loads


def moved(value):
    return loads(dumps(value))


def driven(generator, actions):
    """What a generator gives for values sent and exceptions thrown, until it ends."""
    seen = []
    for action in actions:
        try:
            if isinstance(action, BaseException):
                seen.append(generator.throw(action))
            else:
                seen.append(generator.send(action))
        except StopIteration as stop:
            seen.append(("returned", stop.value))
        except Exception as error:
            seen.append(repr(error))
    return seen


def everything(a, *rest, k=3, **options):
    total = a
    read = lambda: total  # noqa: E731
    for i in range(3):
        try:
            with nullcontext(i) as entered:
                got = max(entered, (yield i, a, k, read()) or 0)
                total += got
        except ValueError:
            try:
                raise KeyError("inner")
            except KeyError:
                yield repr(sys.exception()), repr(sys.exception().__context__)
                try:
                    raise
                except KeyError as again:
                    yield repr(again)
        finally:
            yield "finally", repr(sys.exception())
    return total


ACTIONS = [None, 3, None, ValueError("x"), None, None, None, 7, None, None]


@pytest.mark.parametrize("steps", range(len(ACTIONS) + 1))
def test_it_goes_on_as_the_original(steps):
    expected = driven(everything(1, 2, k=5, z=6), ACTIONS)
    original = everything(1, 2, k=5, z=6)
    before = driven(original, ACTIONS[:steps])
    copied = moved(original)
    again = moved(copied)  # what was loaded is dumped like any other
    for one in (copied, again):
        assert inspect.getgeneratorstate(one) == inspect.getgeneratorstate(original)
        assert (one.__name__, one.__qualname__) == (original.__name__, original.__qualname__)
        if original.gi_frame is not None:
            assert one.gi_frame.f_lineno == original.gi_frame.f_lineno
    for one in (again, original, copied):
        assert before + driven(one, ACTIONS[steps:]) == expected


def inner():
    got = yield 1
    try:
        yield got
    finally:
        yield "cleaning"
    return "inner"


def outer():
    result = yield from inner()
    yield result


@pytest.mark.parametrize("steps", range(6))
@pytest.mark.parametrize("error", [None, KeyError("k")])
def test_a_chain_of_yield_from(steps, error):
    actions = [None, "sent", None, error, None, None]
    expected = driven(outer(), actions)
    original = outer()
    before = driven(original, actions[:steps])
    copied = moved(original)
    assert (copied.gi_yieldfrom is None) == (original.gi_yieldfrom is None)
    for one in (copied, original):
        assert before + driven(one, actions[steps:]) == expected


class Pause:
    def __init__(self, value):
        self.value = value

    def __await__(self):
        got = yield self.value
        return got


async def numbers(n):
    try:
        for i in range(n):
            await Pause(("pause", i))
            yield i
    finally:
        await Pause("end")


async def consumer():
    total = []
    async for number in numbers(2):
        total.append(number)
    total.append([number async for number in numbers(1)])
    return total


@pytest.mark.parametrize("steps", range(7))
def test_coroutines_in_the_middle_of_an_async_generator(steps):
    actions = [None] * 7
    reference = consumer()
    expected = driven(reference, actions)
    original = consumer()
    before = driven(original, actions[:steps])
    copied = moved(original)
    assert inspect.getcoroutinestate(copied) == inspect.getcoroutinestate(original)
    assert before + driven(copied, actions[steps:]) == expected
    driven(original, actions[steps:])


def test_an_async_generator_at_a_value():
    async def letters(text):
        for letter in text:
            got = yield letter
            if got:
                yield got

    async def main(source, sent):
        return [await source.asend(value) for value in sent]

    def result(coroutine):
        with pytest.raises(StopIteration) as stop:
            coroutine.send(None)
        return stop.value.value

    source = letters("abc")
    assert result(main(source, [None, "x"])) == ["a", "x"]
    copied = moved(source)
    assert result(main(copied, [None, "y"])) == ["b", "y"]
    assert result(main(source, [None])) == ["b"]


def test_an_async_generator_that_nobody_awaits_any_more_is_refused():
    source = numbers(1)
    step = source.asend(None)
    step.send(None)
    with pytest.raises(NotMigratable, match="on its way to its next value"):
        dumps(source)
    pair = moved((source, step))
    assert pair[0] is not source
    with pytest.raises(StopIteration):
        pair[1].send(None)
    with pytest.raises(StopIteration):
        step.send(None)
    for one in (source, pair[0]):
        driven(one.aclose(), [None, None])


def test_one_that_holds_itself():
    def selfish():
        me = yield
        while True:
            yield me

    original = selfish()
    next(original)
    original.send(original)
    copied = moved(original)
    assert next(copied) is copied
    assert next(original) is original


def test_one_that_is_an_argument_and_a_free_variable_of_itself():
    box = []

    def argument(owner):
        yield owner

    box.append(argument(box))
    copied = moved(box[0])
    assert next(copied)[0] is copied

    def free():
        yield generator
        yield "second"

    generator = free()
    copied = moved(generator)
    assert next(copied) is copied
    next(generator)
    assert next(moved(generator)) == "second"


def test_two_owners_share_one():
    generator = (n for n in range(3))
    next(generator)
    first, second = moved([generator, {"same": generator}])
    assert first is second["same"]
    assert [next(first), next(second["same"])] == [1, 2]


def test_shared_variables_stay_shared():
    def counting():
        count = 0

        def bump():
            nonlocal count
            count += 1
            return count

        while True:
            yield bump, count

    generator = counting()
    bump, _ = next(generator)
    bump()
    copied, copied_bump = moved((generator, bump))
    copied_bump()
    assert next(copied)[1] == 2
    assert next(generator)[1] == 1


@pytest.mark.parametrize("taken", range(6))
def test_generator_expressions(taken):
    squares = (n * n for n in range(5) if n != 1)
    for _ in range(taken):
        next(squares, None)
    copied = moved(squares)
    assert inspect.getgeneratorstate(copied) == inspect.getgeneratorstate(squares)
    assert list(copied) == list(squares)


def test_a_running_one_is_refused_by_name():
    def looks_at_itself():
        with pytest.raises(NotMigratable, match="generator is running"):
            dumps(box[0])
        yield "done"

    box = [looks_at_itself()]
    assert next(box[0]) == "done"


def test_names_that_were_given():
    generator = everything(1)
    generator.__name__, generator.__qualname__ = "other", "some.other"
    copied = moved(generator)
    assert (copied.__name__, copied.__qualname__) == ("other", "some.other")


def test_plain_pickle_still_refuses():
    with pytest.raises(TypeError, match="cannot pickle 'generator' object"):
        pickle.dumps(everything(1))


@pytest.mark.parametrize("steps", range(4))
def test_copy_goes_on_from_the_same_place(steps):
    shared = [1, 2, 3]

    def walk():
        for item in shared:  # noqa: UP028  # a loop of its own
            yield item

    original = walk()
    for _ in range(steps):
        next(original, None)
    copied = copy.copy(original)
    shared.append(4)
    rest = list(copied)
    assert rest == list(original)
    assert rest == shared[steps:] or steps > 3


def test_copy_copies_the_chain_below():
    original = outer()
    next(original)
    copied = copy.copy(original)
    actions = ["a", None, None, None, None]
    assert driven(copied, actions) == driven(original, actions)
