"""A module of its own: to the tests, what any user's module is."""

from __future__ import annotations

import functools
import mmap

MISSING = object()


class Sentinel:
    def __repr__(self):
        return "SENTINEL"


SENTINEL = Sentinel()
stateful = Sentinel()
stateful.state = 1


class Action:
    def __init__(self, name):
        self.name = name


SHIFT = Action("SHIFT")
action = Action("other")


def made_by_a_function(name):
    class Unset:
        def __init__(self):
            self.name = name

    return Unset()


UNSET = made_by_a_function("UNSET")


def plain(x):
    return x + 1


@functools.lru_cache(maxsize=7)
def cached(x):
    return x


class Point:
    def __init__(self, x):
        self.x = x

    def method(self):
        return self.x


class Slotted:
    __slots__ = ("left", "right")


class Picky(Exception):
    """Takes two arguments, and hands on one: what pickle cannot rebuild."""

    def __init__(self, code, text):
        super().__init__(f"{code}: {text}")
        self.code = code


def closure(n):
    def inner(m):
        return n + m + plain(0)

    return inner


def counter():
    n = 0

    def add():
        nonlocal n
        n += 1
        return n

    def show():
        return n

    return add, show


def recursive():
    def even(n):
        return n == 0 or odd(n - 1)

    def odd(n):
        return n != 0 and even(n - 1)

    return even, odd


def never_bound():
    def user():
        return late

    if user is None:
        late = 1
    return user


def annotated(a: int = 1, *, b: str = "x") -> float:
    """Has everything."""
    return a


def with_annotations():
    def inner(a: int = 1, *, b: str = "x") -> float:
        """Has everything."""
        return a

    inner.extra = [inner]
    return inner


def immovable():
    """What will never travel, and warns of nothing when it goes."""
    return mmap.mmap(-1, 1)
