"""Timings that a noisy machine spoils least: interleaved pairs, medians, and their spread."""

from __future__ import annotations

import gc
import random
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

__all__ = ["Pair", "Spread", "pair_of", "paired", "spread"]


@dataclass(frozen=True)
class Spread:
    """What a list of measurements looks like, in the unit they were made in."""

    count: int
    least: float
    median: float
    p90: float
    p99: float
    greatest: float

    def scaled(self, factor: float) -> Spread:
        """Return it in another unit."""
        numbers = (self.least, self.median, self.p90, self.p99, self.greatest)
        return Spread(self.count, *(number * factor for number in numbers))


def spread(values: Sequence[float]) -> Spread:
    """Summarise measurements."""
    ordered = sorted(values)

    def at(share: float) -> float:
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]

    median = statistics.median(ordered)
    return Spread(len(ordered), ordered[0], median, at(0.90), at(0.99), ordered[-1])


@dataclass(frozen=True)
class Pair:
    """Two things timed in turn.  The ratio is the second's time by the first's."""

    rounds: int
    first_s: float
    second_s: float
    ratio: float
    low: float
    high: float
    """95 % confidence interval of the median ratio, by bootstrap."""


def paired(
    first: Callable[[], object],
    second: Callable[[], object],
    rounds: int,
    clock: Callable[[], float] = time.process_time,
) -> Pair:
    """Time two callables in turn, `rounds` times, each round in the other order.

    What disturbs the machine for longer than a round disturbs both; the default clock counts the
    processor time of all threads, not what other processes take away.
    """
    times: list[tuple[float, float]] = []
    for callable_ in (first, second):  # once unmeasured: caches, specialised instructions
        callable_()
    for number in range(rounds):
        if number % 2:
            b, a = _time(second, clock), _time(first, clock)
        else:
            a, b = _time(first, clock), _time(second, clock)
        times.append((a, b))
    return pair_of(times)


def pair_of(times: Sequence[tuple[float, float]]) -> Pair:
    """Compare two things that were timed in turn."""
    ratios = [b / a for a, b in times]
    low, high = _confidence(ratios)
    first, second = (statistics.median(column) for column in zip(*times, strict=True))
    return Pair(len(times), first, second, statistics.median(ratios), low, high)


def _time(callable_: Callable[[], object], clock: Callable[[], float]) -> float:
    gc.collect()
    gc.disable()
    try:
        start = clock()
        callable_()
        return clock() - start
    finally:
        gc.enable()


def _confidence(values: Sequence[float], resamples: int = 1000) -> tuple[float, float]:
    chance = random.Random(0)
    medians = sorted(
        statistics.median(chance.choices(values, k=len(values))) for _ in range(resamples)
    )
    return medians[int(0.025 * resamples)], medians[int(0.975 * resamples)]
