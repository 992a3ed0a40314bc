"""How often a task is offered to a node of another Python version before that is given up.

Not every place in a program has a counterpart in every version.  A destination that finds none
refuses, before anything is committed; the task goes on and is offered again where it has come to.
"""

from __future__ import annotations

import asyncio
import time

from hetmig.errors import MigrationRefused

__all__ = ["Tries"]

_MOST = 5
_SAME = 3
"""A reason given so often in a row is not about the place."""
_FIRST_PAUSE = 0.02


class Tries:
    """The offers of one move."""

    def __init__(self, seconds: float) -> None:
        self._until = time.monotonic() + seconds
        self._reasons: list[str] = []

    async def next(self, refusal: MigrationRefused) -> None:
        """Let the task go on for a moment, then return for the next offer.

        Raises MigrationRefused with all reasons after the last one.
        """
        self._reasons.append(refusal.reason)
        last = self._reasons[-_SAME:]
        pause = _FIRST_PAUSE * 2 ** len(self._reasons)
        if (
            len(self._reasons) >= _MOST
            or (len(last) == _SAME and len(set(last)) == 1)
            or time.monotonic() + pause > self._until
        ):
            raise self._given_up(refusal)
        await asyncio.sleep(pause)

    def _given_up(self, refusal: MigrationRefused) -> MigrationRefused:
        different = list(dict.fromkeys(self._reasons))
        if len(different) == 1:
            return refusal
        listed = "; ".join(f"({i}) {reason}" for i, reason in enumerate(different, 1))
        return MigrationRefused(
            f"refused at {len(self._reasons)} safe points: {listed}",
            frame=refusal.frame,
            variable=refusal.variable,
        )
