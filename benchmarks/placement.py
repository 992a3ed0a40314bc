"""What placement gains: policies on simulated nodes with Unix-like lifetimes, then on real ones."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import NamedTuple

from benchmarks import skewed
from benchmarks.report import Report, Table
from hetmig.simulation import (
    Costs,
    Exponential,
    Interval,
    Lifetimes,
    Outcome,
    Pareto,
    compare,
    interval,
    poisson,
    relative,
)

__all__ = ["run"]

NODES, TASKS = 6, 21_600
SEEDS, MANY_SEEDS = 8, 24
"""Few very long tasks decide: the gain that was published needs many."""
SIZE = 1_000_000
OURS = Costs(fixed=0.005, bandwidth=100e6, place=0.005)
"""As hetmig's own on one machine, of tasks of a megabyte."""
OF_1996 = Costs(fixed=0.3, bandwidth=0.5e6, place=0.3)
"""As of workstations then: 0.3 s, and 2 s for each megabyte; 0.3 s to begin elsewhere."""
UNIX = Pareto(alpha=1.0, low=0.035, high=3600.0)
LOADS = (0.1, 0.3, 0.5, 0.7, 0.9)
PLACED = (
    "place:gap=1",
    "place:gap=2",
    "place:gap=3",
    "threshold:moving=false,threshold=1,probes=5",
    "threshold:moving=false,threshold=2,probes=5",
)
"""Placement of new tasks alone; the best of them is what moving running tasks has to beat."""
PUBLISHED = "age"
FULL = ("age:place=true,pull=true,gap=1", "age:place=true,pull=true,gap=2")


class Case(NamedTuple):
    """One line of the table."""

    name: str
    load: float
    costs: Costs
    lifetimes: Lifetimes
    size: int = SIZE
    seeds: int = SEEDS


class Found(NamedTuple):
    """What came of one case."""

    none: list[Outcome]
    placed: list[Outcome]
    which: str
    published: list[Outcome]
    full: list[Outcome]


def run(scale: float = 1.0) -> Report:
    """Simulate all cases, then run the policies on four nodes of this machine."""
    tasks = max(100, int(TASKS * min(scale, 1)))
    memoryless = Exponential(UNIX.mean)
    cases = [
        *(Case("Pareto, cost of today", load, OURS, UNIX, SIZE, MANY_SEEDS) for load in LOADS),
        *(Case("Pareto, cost of 1996", load, OF_1996, UNIX) for load in LOADS[1:4]),
        Case("exponential, cost of today", 0.5, OURS, memoryless),
        Case("exponential, cost of today", 0.7, OURS, memoryless),
        Case("exponential, cost of 1996", 0.5, OF_1996, memoryless),
        Case("Pareto, 64 MB at 100 MB/s", 0.5, OURS, UNIX, 64 * SIZE),
        Case("Pareto, 1 GB at 100 MB/s", 0.5, OURS, UNIX, 1000 * SIZE),
    ]
    found = [_found(case, tasks, range(max(2, round(case.seeds * scale)))) for case in cases]
    real, figures = skewed.run(scale)
    rows = [_row(case, one) for case, one in zip(cases, found, strict=True)]
    notes = [
        f"{NODES} equal nodes, whose tasks share them evenly; {tasks} tasks that come by chance at "
        f"all nodes alike; the same seeds for every policy: {len(found[0].none)} of Pareto at the "
        f"cost of today, {len(found[-1].none)} of the others. Pareto: bounded, exponent 1, from "
        f"{UNIX.low:g} s to {UNIX.high:g} s, mean {UNIX.mean:.2f} s; the exponential lifetimes "
        "have the same mean. Sizes are exponential with mean 1 MB.",
        "Cost of today: 5 ms and 10 ms a megabyte, 5 ms to begin elsewhere. Cost of 1996: 0.3 s "
        "and 2 s a megabyte, 0.3 s to begin elsewhere. What is known of other nodes is true.",
        "Delay: what a task takes beyond its own work, waiting and standing still, mean over tasks "
        "and seeds. `best placed`: the best of "
        f"{len(PLACED)} non-preemptive policies for that line. `age`: as published, at arrivals. "
        "`age + placed`: that, and new tasks are placed, and idle nodes ask; the better of two "
        "gaps.",
        "Gain: by how much `age + placed` has less delay than the best placed, per seed, with a "
        "confidence interval of 95 %; the last column is the same for slowdown - 1, of `age` "
        "alone.",
    ]
    table = Table(
        "Placement, simulated: mean delay in seconds",
        ("lifetimes and cost", "load", "none", "best placed", "which", "age", "age + placed",
         "gain %", "interval", "age: gain in slowdown %"),
        rows,
        notes,
    )  # fmt: skip
    figures["delays_s"] = _curves(cases, found)
    figures["gains_percent"] = {
        f"{case.name}, load {case.load:g}": 100 * relative(one.full, one.placed).mean
        for case, one in zip(cases, found, strict=True)
    }
    return Report([table, real], figures)


def _found(case: Case, tasks: int, seeds: Sequence[int]) -> Found:
    print(f"  {case.name}, load {case.load:g}, {len(seeds)} seeds", file=sys.stderr, flush=True)
    outcomes = compare(
        ["none", *PLACED, PUBLISHED, *FULL],
        lambda seed: poisson(NODES, case.load, tasks, case.lifetimes, seed=seed, size=case.size),
        NODES,
        seeds,
        costs=case.costs,
    )
    which = min(PLACED, key=lambda policy: _delay(outcomes[policy]).mean)
    full = min(FULL, key=lambda policy: _delay(outcomes[policy]).mean)
    return Found(outcomes["none"], outcomes[which], which, outcomes[PUBLISHED], outcomes[full])


def _delay(outcomes: Sequence[Outcome]) -> Interval:
    return interval([outcome.delay for outcome in outcomes])


def _row(case: Case, found: Found) -> list[object]:
    gain = relative(found.full, found.placed)
    slowdowns = zip(found.published, found.placed, strict=True)
    slower = interval([1 - (a.slowdown - 1) / max(b.slowdown - 1, 1e-12) for a, b in slowdowns])
    return [
        case.name,
        f"{case.load:g}",
        _delay(found.none).mean,
        _delay(found.placed).mean,
        f"`{found.which}`",
        _delay(found.published).mean,
        _delay(found.full).mean,
        f"{100 * gain.mean:.0f}",
        f"{100 * gain.low:.0f} … {100 * gain.high:.0f}",
        f"{100 * slower.mean:.0f}",
    ]


def _curves(
    cases: Sequence[Case], found: Sequence[Found]
) -> dict[str, list[tuple[float, float, float, float]]]:
    curves: dict[str, list[tuple[float, float, float, float]]] = {}
    for case, one in zip(cases, found, strict=True):
        if case.costs is not OURS or case.lifetimes is not UNIX or case.size != SIZE:
            continue
        named = {"no policy": one.none, "best placement of new tasks": one.placed,
                 "age, at arrivals": one.published, "age, with placement": one.full}  # fmt: skip
        for name, outcomes in named.items():
            curves.setdefault(name, []).append((case.load, *_delay(outcomes)))
    return curves
