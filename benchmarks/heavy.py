"""The task that is checkpointed: it holds some MiB, and looks at its clock all the time."""

from __future__ import annotations

import os
import random
import time

__all__ = ["heavy_task", "state_of"]

_SHORTEST = 0.0002


def state_of(mebibytes: int) -> list[bytearray]:
    """So much state, in blocks of 1 MiB."""
    return [bytearray(random.Random(number).randbytes(1 << 20)) for number in range(mebibytes)]


def heavy_task(mebibytes: int, gate: str) -> list[float]:
    """Loop until the file `gate` is there; for how long it stood still, each time (s)."""
    state = state_of(mebibytes)
    gaps: list[float] = []
    print("ready", flush=True)
    last = time.perf_counter()
    while not os.path.exists(gate):
        state[0][0] ^= 1
        now = time.perf_counter()
        if now - last > _SHORTEST:
            gaps.append(now - last)
        last = now
    return gaps
