"""The programs that are timed: ordinary Python, each of another temper.

Every one takes the number of its rounds and returns a number.  `pause` is called once, in the
first round, where the re-entry benchmark stops it; elsewhere it does nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

__all__ = ["PROGRAMS", "nothing"]


def nothing() -> None:
    """Take the place of `pause` where nobody wants to stop the program."""


def tight_loop(rounds: int, pause: Callable[[], object] = nothing) -> int:
    """Integers in local variables, without a single call."""
    total = 0
    for i in range(rounds):
        if i == 0:
            pause()
        j = i
        while j & 7:
            total += j ^ i
            j -= 1
    return total


def _middle(x: int, y: int) -> int:
    return (x + y) // 2


def _mixed(x: int) -> int:
    return _middle(x, 3 * x) ^ _middle(x, 5)


def calls(rounds: int, pause: Callable[[], object] = nothing) -> int:
    """Small functions calling small functions."""
    total = 0
    for i in range(rounds):
        if i == 0:
            pause()
        total += _mixed(i)
    return total


def _odd_squares(count: int) -> Iterator[int]:
    for i in range(count):
        if i & 1:
            yield i * i


def generators(rounds: int, pause: Callable[[], object] = nothing) -> int:
    """A generator expression over a generator, ten values at a time."""
    total = 0
    for i in range(rounds):
        if i == 0:
            pause()
        for square in (value - i for value in _odd_squares(20)):
            total += square
    return total


PROGRAMS: dict[str, tuple[Callable[..., int], int]] = {
    "tight loop": (tight_loop, 200_000),
    "calls": (calls, 300_000),
    "generators": (generators, 60_000),
}
"""Name -> (function, rounds that take about 0.1 s)."""
