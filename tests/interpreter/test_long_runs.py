"""A hundred thousand moves in one process: each of them right, and nothing is left behind."""

from __future__ import annotations

import contextlib
import gc
import os
import sys
from pathlib import Path

import pytest

from hetmig.interpreter.capture import capture
from hetmig.interpreter.reentry import resume
from hetmig.state.pickling import dumps, loads

STATUS = Path("/proc/self/statm")


def stop(value, root, taken):
    taken.append(capture(sys._getframe(1), root=root, callee=sys._getframe()))
    return value


def inner(n, root, taken):
    total = 0
    for i in range(n):
        try:
            raise ValueError(i)
        except ValueError as error:
            total += stop(len(error.args), root, taken)
    return total


def program(n, root, taken):
    cell = n
    values = [(lambda: cell)() for _ in range(2)]
    return values[0] + inner(n, root, taken)


def moves(count):
    """Capture and put back `count` times."""
    root = sys._getframe()
    for _ in range(count):
        taken = []
        assert program(1, root, taken) == 2
        assert resume(taken[0], 10) == 11


# -- suspended generators: each yields 0, 1, 2, and is moved behind the first


def counting(n):
    for i in range(n):  # noqa: UP028  # suspended in it
        yield i


def delegating(n):
    yield from counting(n)


def handling(n):
    for i in range(n):
        try:
            raise KeyError(i)
        except KeyError as error:
            yield error.args[0]
            if sys.exception() is not error:
                raise AssertionError("another exception is handled here") from error


@contextlib.contextmanager
def held(left):
    yield
    left.append(True)


def managing(n):
    left = []
    with held(left):
        yield 0
    assert left
    yield from range(1, n)


def evaluating(n):
    items = [0, (yield 0) or 1, 2]
    yield from items[1:n]


def enclosing(n):
    seen = []

    def note(i):
        seen.append(i)
        return len(seen) - 1

    for i in range(n):
        yield note(i)
    assert len(seen) == n


SHAPES = (counting, delegating, handling, managing, evaluating, enclosing)


def generator_moves(count):
    """Move a generator `count` times, by turns of each shape; the original goes on as well."""
    for number in range(count):
        generator = SHAPES[number % len(SHAPES)](3)
        assert next(generator) == 0
        moved = loads(dumps(generator))
        assert list(moved) == [1, 2]
        assert list(generator) == [1, 2]


def usage():
    gc.collect()
    pages = int(STATUS.read_text().split()[1])
    return pages, len(os.listdir("/proc/self/fd")), len(gc.get_objects())


@pytest.mark.skipif(not STATUS.exists(), reason="memory in use is read from /proc")
@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("run", [moves, generator_moves], ids=["frames", "generators"])
@pytest.mark.parametrize(
    "count", [5_000, pytest.param(50_000, marks=pytest.mark.nightly)], ids=["some", "all"]
)
def test_memory_and_descriptors_stay(run, count):
    run(1000)
    pages, descriptors, objects = usage()
    run(count)
    pages_after, descriptors_after, objects_after = usage()
    assert descriptors_after == descriptors
    assert objects_after <= objects + 100
    assert pages_after <= pages * 1.05
