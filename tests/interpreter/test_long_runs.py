"""Ten thousand moves in one process leave nothing behind."""

import gc
import os
import sys
from pathlib import Path

import pytest

from hetmig.interpreter import cpython
from hetmig.interpreter.capture import capture
from hetmig.interpreter.reentry import resume

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


def usage():
    gc.collect()
    pages = int(STATUS.read_text().split()[1])
    return pages, len(os.listdir("/proc/self/fd")), len(gc.get_objects())


@pytest.mark.skipif(cpython.FUNCTIONS_STAY, reason="this Python never frees a function")
@pytest.mark.skipif(not STATUS.exists(), reason="memory in use is read from /proc")
@pytest.mark.slow
def test_memory_and_descriptors_stay():
    moves(1000)
    pages, descriptors, objects = usage()
    moves(10_000)
    pages_after, descriptors_after, objects_after = usage()
    assert descriptors_after == descriptors
    assert objects_after <= objects + 100
    assert pages_after <= pages * 1.05
