"""Programs for the tests of the harness itself."""

import decimal
import os
import random
import signal
import sys

from hetmig.testing import point

HOME = os.getpid()
COUNTED = 0
SEEN = []


def counts(n=4):
    total = 0
    for i in range(n):
        total += point(i)
    return total


def writes(n=3):
    for i in range(n):
        print("line", i)
    sys.stdout.write("end")
    return sys.stdout is None


def fills(items, *, extra):
    """Changes its arguments, and only those."""
    for i in range(3):
        items.append(i)
        extra[i] = items


def fails():
    for i in range(3):
        try:
            {}[i]
        except KeyError as error:
            if i == 2:
                error.add_note("the last")
                raise ValueError(i) from error


def leaves():
    for i in range(3):
        if i == 2:
            raise SystemExit(i)


def uses_its_module():
    global COUNTED
    for i in range(3):
        COUNTED += 1
        SEEN.append(i)
    return COUNTED, list(SEEN)


def uses_the_process():
    decimal.getcontext().prec = 6
    random.seed(3)
    return [(random.random(), decimal.Decimal(1) / 3) for _ in range(3)]


def yields(n=3):
    for i in range(n):
        yield i * n
    return "done"


async def awaits(n=3):
    total = 0
    for i in range(n):
        total += i
    return total


def sorts():
    return sorted([3, 1, 2], key=lambda n: point(-n))


def never_the_same():
    for _ in range(2):
        pass
    return os.urandom(8)


def without_a_stop():
    return len([])


# Programs which are other programs once they have been moved to another process.


def elsewhere_is_wrong(n=4):
    total = 0
    for i in range(n):
        total += i
        if os.getpid() != HOME and i == n - 1:
            total += 1  # wrong
    return total


def elsewhere_crashes():
    for _ in range(2):
        pass
    if os.getpid() != HOME:
        os.kill(os.getpid(), signal.SIGSEGV)


def elsewhere_hangs():
    for _ in range(2):
        pass
    while os.getpid() != HOME:
        pass
