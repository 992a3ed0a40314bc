"""Code in every place where a module can keep it, for the tests of references."""

from __future__ import annotations

import contextlib
import functools


def plain(n):
    return n + 1


def outer(n):
    def inner(m):
        return [(lambda k: k + n)(m) for _ in range(2)]

    return inner


def bare(function):
    """A decorator that leaves no `__wrapped__`."""

    def call(*args):
        return function(*args)

    return call


def twice(function):
    @functools.wraps(function)
    def call(*args):
        return function(*args) + function(*args)

    return call


@bare
def hidden(n):
    return n


@bare
@twice
@bare
def deeply_hidden(n):
    yield from (n for _ in range(n))


@twice
def wrapped(n):
    return n


@functools.lru_cache
def cached(n):
    return n


@contextlib.contextmanager
def managed(n):
    yield n


@functools.singledispatch
def general(value):
    return value


@general.register
def _special(value: int):
    return -value


@functools.partial
def applied(n):
    return n


renamed = lambda n: n * 2  # noqa: E731
first = lambda n: n, lambda n: -n
alias = plain


class Base:
    def plain(self):
        return 1

    def __private(self):
        return self

    private = __private

    def __secret(self):
        return (self for _ in "x")

    @staticmethod
    def static(n):
        return n

    @classmethod
    def of_class(cls):
        return lambda: cls

    @property
    def value(self):
        return self._value

    @value.setter
    def value(self, value):
        self._value = value

    @value.deleter
    def value(self):
        del self._value

    @functools.cached_property
    def once(self):
        return 1

    @functools.partialmethod
    def part(self, n):
        return n

    class Inner:
        def plain(self):
            async def deeper():
                yield self

            return deeper


class _Under(Base):
    def __private(self):
        return super().plain()
