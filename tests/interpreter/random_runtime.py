"""What random programs use besides the language: it travels by reference, as a library does."""

import functools
import inspect
from contextlib import contextmanager

from hetmig.testing import point

__all__ = [
    "Base",
    "Box",
    "Managed",
    "Oops",
    "Worse",
    "chain",
    "contextmanager",
    "finish",
    "fresh",
    "point",
    "state",
    "traced",
]


class Oops(Exception):
    """A program's own exception, with an attribute besides its arguments."""

    def __init__(self, *args):
        super().__init__(*args)
        self.count = len(args)


class Worse(Oops): ...


def fresh(namespace):
    """Forget what an earlier run of a module left behind: its names end in digits."""
    for name in [name for name in namespace if name[-1].isdigit()]:
        del namespace[name]


def chain(error, depth=4):
    """An exception with all that it hangs together with, as plain data."""
    if error is None or depth == 0:
        return None
    inner = [chain(e, depth - 1) for e in getattr(error, "exceptions", ())]
    return (
        type(error).__name__,
        str(error),
        inner,
        chain(error.__cause__, depth - 1),
        chain(error.__context__, depth - 1),
        error.__suppress_context__,
    )


def state(generator):
    """What can be seen of a generator from outside."""
    frame = generator.gi_frame
    inner = generator.gi_yieldfrom
    return (
        inspect.getgeneratorstate(generator),
        frame and frame.f_lineno,
        generator.__qualname__,
        type(inner).__name__,
    )


def finish(generator):
    """Close a generator that the program has left where it was, or that is still running."""
    try:
        return state(generator), generator.close()
    except Exception as error:
        return chain(error)


class Managed:
    """A context manager which logs, and swallows the exceptions it is told to."""

    def __init__(self, log, name, swallow=()):
        self.log, self.name, self.swallow = log, name, swallow

    def __enter__(self):
        self.log.append(f"enter {self.name}")
        return self

    def __exit__(self, kind, error, traceback):
        self.log.append((f"exit {self.name}", chain(error)))
        for _ in range(1):
            pass
        return kind is not None and issubclass(kind, self.swallow)


class Box:
    """An object with an attribute, items, a property and a method, all written in Python."""

    def __init__(self, n):
        self.n = n

    def __repr__(self):
        return f"Box({self.n})"

    def bump(self, by=1, *more, scale=1):
        for extra in (by, *more):
            self.n = (self.n + extra * scale) % 97
        return self.n

    @property
    def twice(self):
        total = 0
        for _ in range(2):
            total += self.n
        return total

    def __getitem__(self, key):
        if not isinstance(key, int):
            raise Oops(key)
        return point(self.n + key) % 97

    def __setitem__(self, key, value):
        self.n = (key + value) % 97

    def __add__(self, other):
        for _ in range(1):
            pass
        return (self.n + other) % 97

    __radd__ = __add__

    def __iadd__(self, other):
        self.n = (self.n + other) % 97
        return self

    def __lt__(self, other):
        for _ in range(1):
            pass
        return self.n < other

    def __call__(self, other):
        return point(self.n * other) % 97

    def __contains__(self, other):
        for _ in range(1):
            pass
        return self.n == other

    def __len__(self):
        for _ in range(1):
            pass
        return self.n % 5

    def __neg__(self):
        return point(-self.n)

    def __iter__(self):
        for i in range(2):
            yield self.n + i


class Base:
    """To be derived from, for the sake of `super()`."""

    def work(self, n):
        for _ in range(1):
            n += 1
        return point(n)


def traced(log):
    """A decorator that logs calls."""

    def decorate(function):
        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            log.append(function.__name__)
            result = function(*args, **kwargs)
            log.append(result)
            return result

        return wrapper

    return decorate
