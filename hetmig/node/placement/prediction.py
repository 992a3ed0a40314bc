"""How many tasks a node is going to have, from how many it had when it was asked."""

from __future__ import annotations

from collections import deque
from typing import Protocol

from hetmig.errors import HetmigError

__all__ = ["PREDICTORS", "LastValue", "Predictor", "RunningMean", "Smoothed"]


class Predictor(Protocol):
    """Of one node.  An own one is any class with these two, made without arguments."""

    def observe(self, tasks: float, now: float) -> None:
        """At this time the node had so many tasks."""

    def predict(self) -> float:
        """How many to reckon with."""


class LastValue:
    """It stays as it is."""

    def __init__(self) -> None:
        self._value = 0.0

    def observe(self, tasks: float, now: float) -> None:
        """See `Predictor`."""
        self._value = tasks

    def predict(self) -> float:
        """See `Predictor`."""
        return self._value


class Smoothed:
    """Exponential smoothing: what was seen last has the weight `alpha`, all before it the rest."""

    def __init__(self, alpha: float = 0.5) -> None:
        if not 0 < alpha <= 1:
            raise HetmigError(f"alpha={alpha!r}: it is above 0, and 1 at most")
        self._alpha = alpha
        self._value: float | None = None

    def observe(self, tasks: float, now: float) -> None:
        """See `Predictor`."""
        before = tasks if self._value is None else self._value
        self._value = before + self._alpha * (tasks - before)

    def predict(self) -> float:
        """See `Predictor`."""
        return self._value or 0.0


class RunningMean:
    """The mean of the last observations."""

    def __init__(self, last: int = 5) -> None:
        if last < 1:
            raise HetmigError(f"last={last!r}: it takes one observation at least")
        self._values: deque[float] = deque(maxlen=last)

    def observe(self, tasks: float, now: float) -> None:
        """See `Predictor`."""
        self._values.append(tasks)

    def predict(self) -> float:
        """See `Predictor`."""
        return sum(self._values) / len(self._values) if self._values else 0.0


PREDICTORS: dict[str, type[Predictor]] = {
    "last": LastValue,
    "smoothed": Smoothed,
    "mean": RunningMean,
}
"""By the names that `--policy ...:predict=NAME` has for them."""
