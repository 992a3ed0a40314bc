"""What a move costs, learnt from the moves so far: a fixed time and a time for each byte."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["MoveCosts"]

FIXED = 0.02
"""Seconds, until something has been measured."""
BANDWIDTH = 50e6
"""Bytes in a second, until then."""
_PRIOR = 2.0
"""So many moves is that guess worth."""
_SPREAD = 1e6
"""Bytes by which the moves of the guess differ."""
_FORGET = 0.98
"""What a move counts when the next one is known, beside that."""


@dataclass
class _Sums:
    """Of a weighted regression of seconds over bytes."""

    weight: float = 0.0
    x: float = 0.0
    y: float = 0.0
    xx: float = 0.0
    xy: float = 0.0

    def add(self, x: float, y: float, weight: float = 1.0) -> None:
        self.weight += weight
        self.x += weight * x
        self.y += weight * y
        self.xx += weight * x * x
        self.xy += weight * x * y

    def fade(self, factor: float) -> None:
        for name in ("weight", "x", "y", "xx", "xy"):
            setattr(self, name, getattr(self, name) * factor)

    def line(self) -> tuple[float, float]:
        """Seconds for nothing, and for each byte; neither is negative."""
        mean_x, mean_y = self.x / self.weight, self.y / self.weight
        variance = self.xx / self.weight - mean_x * mean_x
        slope = (self.xy / self.weight - mean_x * mean_y) / variance if variance > 0 else 0.0
        slope = min(max(slope, 0.0), mean_y / mean_x if mean_x > 0 else 0.0)
        return mean_y - slope * mean_x, slope


class MoveCosts:
    """By destination; one that is not known yet is thought to be as the others are."""

    def __init__(self, fixed: float = FIXED, bandwidth: float = BANDWIDTH) -> None:
        self._fixed, self._per_byte = fixed, 1 / bandwidth
        self._all = self._guess()
        self._to: dict[str, _Sums] = {}

    def measured(self, to: str, nbytes: int, seconds: float) -> None:
        """A task of so many bytes went there, and stood still for so long."""
        if to not in self._to:
            fixed, per_byte = self._all.line()
            self._to[to] = _guess(fixed, per_byte)
        for sums in (self._all, self._to[to]):
            sums.fade(_FORGET)
            sums.add(nbytes, seconds)

    def seconds(self, nbytes: int, to: str) -> float:
        """For how long a task of so many bytes would stand still."""
        fixed, per_byte = self._to.get(to, self._all).line()
        return fixed + per_byte * nbytes

    def _guess(self) -> _Sums:
        return _guess(self._fixed, self._per_byte)


def _guess(fixed: float, per_byte: float) -> _Sums:
    sums = _Sums()
    for nbytes in (0.0, _SPREAD):
        sums.add(nbytes, fixed + per_byte * nbytes, _PRIOR / 2)
    return sums
