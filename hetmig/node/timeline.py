"""How long the steps of a handoff took.  Each side times its own: no two clocks are compared.

The source knows when it heard from the destination, and is told for how long that worked; the rest
of the time was spent on the way, in both directions together.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any

from hetmig.node.events import happened

__all__ = ["Timeline", "checked", "merged"]

_AT_DESTINATION = (
    "verify", "answer", "runner", "rebuild", "keep", "record", "commit", "start", "began",
)  # fmt: skip
_LONGEST = 24
Durations = list[tuple[str, float]]


class Timeline:
    """The steps of one attempt on one node, each from the end of the one before."""

    def __init__(self, task: str) -> None:
        self._task = task
        self.epoch = -1
        self._last = 0.0
        self._steps: Durations = []

    def begin(self, epoch: int, at: float | None = None) -> None:
        """An attempt begins: now, or at that monotonic time.  One that has begun does not again."""
        if epoch != self.epoch:
            self.epoch, self._steps = epoch, []
            self._last = time.monotonic() if at is None else at

    def mark(self, step: str, at: float | None = None) -> None:
        """This step has ended: now, or at that monotonic time."""
        if self.epoch < 0 or len(self._steps) >= _LONGEST:
            return
        now = time.monotonic() if at is None else at
        self._steps.append((step, now - self._last))
        self._last = now
        happened("step", self._task, self.epoch, step=step, seconds=self._steps[-1][1])

    def end(self) -> None:
        """Nothing that comes now belongs to it."""
        self.epoch = -1

    def steps(self, epoch: int) -> Durations:
        """What there is of that attempt."""
        return self._steps if epoch == self.epoch else []


def checked(steps: object) -> Durations:
    """What a destination says of its steps, as far as it makes sense."""
    found: Durations = []
    for step in steps[:_LONGEST] if isinstance(steps, list) else []:
        match step:
            case [str(name), float(seconds)] if name in _AT_DESTINATION and seconds >= 0:
                if math.isfinite(seconds):
                    found.append((name, seconds))
    return found


def merged(source: Sequence[tuple[str, float]], there: Sequence[tuple[str, float]]) -> list[Any]:
    """Both sides as [side, step, seconds], in order; their sum is the whole.

    The source waits twice, "offer" and "commit"; the destination's wait for "commit" is what the
    source does meanwhile.  After an early "answer" both are at work, and what the source does then
    is left out.  So it is from the beginning if the source does not wait for an answer.
    """
    names = [name for name, _ in there]
    is_presumed = all(name != "offer" for name, _ in source)
    is_early = is_presumed or "answer" in names
    last = "answer" if is_early else "commit"
    cut = names.index(last) + 1 if last in names else len(there)
    cut = 0 if is_presumed else cut
    before, after = ([step for step in part if step[0] != "commit"]
                     for part in (there[:cut], there[cut:]))  # fmt: skip
    found: list[Any] = []
    beside, is_beside = 0.0, is_presumed
    for name, seconds in source:
        if name == "offer":
            found += _waited(name, seconds, before)
            is_beside = is_early
        elif name == "commit":
            found += _waited(name, beside + seconds, after)
        elif is_beside and name == "record":
            beside = seconds
        else:
            found.append(["source", name, seconds])
    return found


def _waited(name: str, seconds: float, there: Durations) -> list[Any]:
    """A wait of the source's: what the destination did in that time, and the rest."""
    link = max(seconds - sum(spent for _, spent in there), 0.0)
    return [["link", name, link], *(["destination", step, spent] for step, spent in there)]
