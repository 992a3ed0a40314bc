"""Several policies on the same traces, over several seeds, with confidence intervals."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from hetmig.simulation.engine import Costs, Outcome, simulate
from hetmig.simulation.traces import Arrival

__all__ = ["Interval", "compare", "interval", "relative"]

_STUDENT = {
    1: 12.71, 2: 4.30, 3: 3.18, 4: 2.78, 5: 2.57, 6: 2.45, 7: 2.36, 8: 2.31, 9: 2.26, 11: 2.20,
    14: 2.14, 19: 2.09, 29: 2.05, 59: 2.00,
}  # fmt: skip
"""97.5 % quantiles of Student's distribution, by degrees of freedom."""


class Interval(NamedTuple):
    """A mean, and its confidence interval of 95 %."""

    mean: float
    low: float
    high: float


def interval(values: Sequence[float]) -> Interval:
    """The mean of independent values; with one alone, nothing is known of how sure it is."""
    mean = statistics.fmean(values)
    if len(values) < 2:
        return Interval(mean, -math.inf, math.inf)
    freedom = max(known for known in _STUDENT if known <= len(values) - 1)
    half = _STUDENT[freedom] * statistics.stdev(values) / math.sqrt(len(values))
    return Interval(mean, mean - half, mean + half)


def compare(
    policies: Iterable[str],
    trace: Callable[[int], Iterable[Arrival]],
    nodes: int,
    seeds: Sequence[int],
    *,
    costs: Costs | None = None,
    restrained: bool = False,
    slots: int = 1,
) -> dict[str, list[Outcome]]:
    """For each policy its outcome with each seed; `trace(seed)` is the same for all policies."""
    traces = {seed: list(trace(seed)) for seed in seeds}
    return {
        policy: [
            simulate(
                traces[seed],
                nodes,
                policy,
                costs=costs,
                seed=seed,
                restrained=restrained,
                slots=slots,
            )
            for seed in seeds
        ]
        for policy in policies
    }


def relative(ours: Sequence[Outcome], theirs: Sequence[Outcome], figure: str = "delay") -> Interval:
    """By how much ours is better, as a share of theirs, pair by pair: traces are the same."""
    return interval(
        [
            1 - getattr(one, figure) / getattr(other, figure)
            for one, other in zip(ours, theirs, strict=True)
        ]
    )
