"""What comes when: synthetic traces, and traces from files."""

from __future__ import annotations

import csv
import math
import random
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from hetmig.errors import HetmigError

__all__ = [
    "Arrival", "Exponential", "Lifetimes", "Pareto", "poisson", "read_csv", "write_csv",
]  # fmt: skip

_NOTHING: Mapping[str, Any] = {}
_COLUMNS = ("time", "node", "lifetime", "size", "name", "expected")


class Arrival(NamedTuple):
    """A task begins."""

    time: float
    node: int
    """Where it is submitted."""
    lifetime: float
    """Seconds of work."""
    size: int = 0
    """Bytes, if it moves."""
    name: str = ""
    expected: float | None = None
    """Seconds of work it is thought to take."""
    needs: Mapping[str, Any] = _NOTHING


class Lifetimes(Protocol):
    """A distribution of lifetimes."""

    @property
    def mean(self) -> float:
        """Seconds."""

    def draw(self, random: float) -> float:
        """The lifetime for a number drawn evenly from [0, 1)."""


@dataclass(frozen=True)
class Pareto:
    """Bounded Pareto: P(lifetime > t) falls as t to the power of -`alpha`, from `low` to `high`.

    Of Unix processes Harchol-Balter and Downey measured an exponent of about 1.
    """

    alpha: float = 1.0
    low: float = 0.035
    high: float = 3600.0

    @property
    def mean(self) -> float:
        """See `Lifetimes`."""
        a, low, high = self.alpha, self.low, self.high
        share = 1 - (low / high) ** a
        if a == 1:
            return float(low * math.log(high / low) / share)
        mean = low**a * a / (a - 1) * (low ** (1 - a) - high ** (1 - a)) / share
        return float(mean)

    def draw(self, random: float) -> float:
        """See `Lifetimes`."""
        share = 1 - (self.low / self.high) ** self.alpha
        return float(self.low * (1 - random * share) ** (-1 / self.alpha))


@dataclass(frozen=True)
class Exponential:
    """Without memory: however old a task is, what it has still to do is the same."""

    mean: float = 0.4

    def draw(self, random: float) -> float:
        """See `Lifetimes`."""
        return -self.mean * math.log(1 - random)


def poisson(
    nodes: int,
    load: float,
    tasks: int,
    lifetimes: Lifetimes,
    *,
    seed: int = 0,
    slots: int = 1,
    size: int = 1_000_000,
    skew: float = 0.0,
) -> Iterator[Arrival]:
    """So many tasks which come by chance, at all nodes alike, and keep them busy to that share.

    Sizes are exponential with that mean.  `skew`: the share of tasks that all come to the first
    tenth of the nodes.  The time between two tasks, their lifetimes and sizes each have a stream of
    random numbers of their own.
    """
    if not (nodes > 0 and load > 0 and 0 <= skew <= 1):
        raise HetmigError(f"nodes={nodes}, load={load:g}, skew={skew:g}: there is no such trace")
    when, what, weight, where = (random.Random(f"{seed}/{stream}") for stream in range(4))
    rate = load * nodes * slots / lifetimes.mean
    now, few = 0.0, max(1, nodes // 10)
    for _ in range(tasks):
        now += when.expovariate(rate)
        crowded = skew > 0 and where.random() < skew
        node = int(where.random() * (few if crowded else nodes))
        nbytes = int(weight.expovariate(1 / size)) if size else 0
        yield Arrival(now, node, lifetimes.draw(what.random()), nbytes)


def write_csv(path: Path, trace: Iterable[Arrival]) -> None:
    """Write a trace as `read_csv` reads it; without needs."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(_COLUMNS)
        for arrival in trace:
            expected = "" if arrival.expected is None else arrival.expected
            writer.writerow([*arrival[:5], expected])


def read_csv(path: Path) -> list[Arrival]:
    """A trace with the columns `time` and `lifetime`, and perhaps `node`, `size`, `name`,
    `expected`; the rows are sorted by time.

    Without `node` they go round the first thousand nodes.  Raises HetmigError, naming the row.
    """
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        if not {"time", "lifetime"} <= set(rows.fieldnames or ()):
            raise HetmigError(f"{path}: its first line has to name the columns time and lifetime")
        found = [_arrival(path, number, row) for number, row in enumerate(rows)]
    return sorted(found, key=lambda arrival: arrival.time)


def _arrival(path: Path, number: int, row: Mapping[str, str | None]) -> Arrival:
    try:
        time, lifetime = float(row["time"] or ""), float(row["lifetime"] or "")
        node, size = int(row.get("node") or number % 1000), int(row.get("size") or 0)
        expected = float(text) if (text := row.get("expected")) else None
    except ValueError as error:
        raise HetmigError(f"{path}, row {number + 2}: {error}") from None
    if not (math.isfinite(time) and time >= 0 and math.isfinite(lifetime) and lifetime > 0):
        raise HetmigError(f"{path}, row {number + 2}: {time:g} and {lifetime:g} are no such times")
    if node < 0 or size < 0:
        raise HetmigError(f"{path}, row {number + 2}: neither node nor size is below 0")
    return Arrival(time, node, lifetime, size, row.get("name") or "", expected)
