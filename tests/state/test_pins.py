"""A pinned task stays, and says why and where."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import re

import pytest

import hetmig
from hetmig.errors import NotMigratable
from hetmig.state import image
from hetmig.state.pickling import dumps, loads
from hetmig.testing import torture


def refused(match):
    return pytest.raises(NotMigratable, match=match)


def test_says_why_and_where():
    with hetmig.pinned("talks to the robot"):
        line = inspect.currentframe().f_lineno - 1
        with refused(f"{re.escape(__file__)}:{line}.*: talks to the robot; it can move as soon as"):
            image.freeze([])
    image.freeze([])


def test_nested_and_in_any_order():
    one, other = hetmig.pinned("one"), hetmig.pinned("other")
    with one, other, one:
        with refused("one"):
            image.freeze([])
    with contextlib.ExitStack() as first, contextlib.ExitStack() as second:
        first.enter_context(one)
        second.enter_context(other)
        first.close()
        with refused("other"):
            image.freeze([])
    image.freeze([])


def test_left_by_an_error():
    with pytest.raises(ZeroDivisionError), hetmig.pinned():
        raise ZeroDivisionError
    image.freeze([])


@hetmig.pinned("a whole function")
def pinned_function():
    with refused("a whole function"):
        image.freeze([])


def test_as_a_decorator():
    pinned_function()
    image.freeze([])


def test_suspended_generators():
    def holding():
        with hetmig.pinned("in a generator"):
            yield

    held = holding()
    next(held)
    with refused("in a generator"):
        image.freeze([])
    with refused("in a generator"):  # nor does it travel as data
        dumps(held)
    held.close()
    image.freeze([])


def test_coroutines():
    async def holding(entered):
        with hetmig.pinned("in a task"):
            entered.set_result(None)
            await asyncio.get_running_loop().create_future()

    async def main():
        entered = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(holding(entered))
        await entered
        with refused("in a task"):
            image.freeze([])
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        image.freeze([])

    asyncio.run(main())


def test_data_goes_on_as_ever():
    with hetmig.pinned():
        assert loads(dumps([1])) == [1]
    pin = hetmig.pinned("over")
    with loads(dumps(pin)), refused("over"):
        image.freeze([])


def some_pinned_loops():
    found = []
    for i in range(3):
        found.append(i)
    with hetmig.pinned("in the middle"):
        for i in range(3):
            found.append(i)
    for i in range(3):
        found.append(i)
    return found


def test_before_and_after_the_block_it_moves():
    report = torture(some_pinned_loops)
    assert report.migrated >= 4
    assert any("in the middle" in reason for reason in report.reasons)
