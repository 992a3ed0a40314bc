"""The task of the `divide` benchmark: a loop that is divided when it has done some of its work."""

from __future__ import annotations

import operator
import time
from collections.abc import Callable

import hetmig

__all__ = ["loop"]


def spin(count: int) -> int:
    """Work that needs a processor."""
    total = 0
    for n in range(count):
        total += n * n % 7
    return total


def wait(count: int) -> int:
    """Work that needs none: a request to somewhere else, say."""
    time.sleep(count / 1e6)
    return count


def loop(
    kind: str, items: int, effort: int, after: int, parts: int
) -> tuple[float, int, list[str]]:
    """Seconds of the loop, its result, and where its iterations were executed."""
    work: Callable[[int], int] = spin if kind == "spin" else wait
    total = 0
    places: set[str] = set()
    began = time.time()
    merge = {"total": operator.add, "places": operator.or_}
    for item in hetmig.divisible(range(items), merge=merge):
        if item == after and parts > 1:
            hetmig.divide(parts)
        total += work(effort)
        places.add(hetmig.here() or "")
    return time.time() - began, total, sorted(places)
